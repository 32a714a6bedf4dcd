//! Parts of the program that `serve` and commands build in the same way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::start_error::StartError;
use crate::config::Config;
use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;
use crate::http_client::address_rules::AddressRules;
use crate::http_client::guarded_fetch::GuardedClient;
use crate::keys::Keys;
use crate::reporting::costs::{Costs, RatesFile};
use crate::reporting::export::Exporter;
use crate::sending::accept::Acceptor;
use crate::sending::media_check::MediaChecker;
use crate::sending::transport::TransportError;
use crate::sending::upload_storage::UploadStorage;
use crate::store::Store;

/// Folder for uploaded files, in the data folder.
const UPLOADS_FOLDER: &str = "uploads";

/// For `serve`, and for commands that accept messages while another process may serve.
pub fn open_acceptor(
    config: &Config,
    store: &Store,
    keys: Arc<Keys>,
) -> Result<Acceptor, StartError> {
    let uploads = open_uploads(config, store)?;
    let media = media_checker(config, config.data_dir.join(UPLOADS_FOLDER))?;
    Ok(Acceptor::new(
        store.clone(),
        accounts_by_id(config),
        keys,
        uploads,
        media,
    ))
}

/// Fails if the rates file has errors.
pub fn open_costs(config: &Config, store: &Store) -> Result<Costs, StartError> {
    Ok(Costs {
        store: store.clone(),
        rates_file: Arc::new(RatesFile::open(config.rates_file.clone())?),
        accounts: accounts_by_id(config),
        zone: config.report_time_zone,
    })
}

pub fn open_exporter(config: &Config, costs: &Costs) -> Exporter {
    Exporter {
        costs: costs.clone(),
        folder: config.data_dir.clone(),
    }
}

pub(super) fn open_uploads(config: &Config, store: &Store) -> Result<UploadStorage, StartError> {
    let folder = config.data_dir.join(UPLOADS_FOLDER);
    UploadStorage::open(folder.clone(), store.clone(), &config.public_url)
        .map_err(|source| StartError::Uploads { folder, source })
}

pub(super) fn accounts_by_id(config: &Config) -> Arc<BTreeMap<AccountId, Account>> {
    let accounts = config.accounts.iter();
    Arc::new(
        accounts
            .map(|account| (account.id.clone(), account.clone()))
            .collect(),
    )
}

/// Builds the only component that fetches media URLs from callers. `folder` holds the files while
/// they are checked.
pub fn media_checker(config: &Config, folder: PathBuf) -> Result<MediaChecker, TransportError> {
    Ok(MediaChecker::new(guarded_client(config)?, folder))
}

/// A client that connects only to public addresses and to networks that the configuration allows.
pub(super) fn guarded_client(config: &Config) -> Result<GuardedClient, TransportError> {
    let rules = AddressRules::new(config.media_networks.clone());
    GuardedClient::new(rules).map_err(TransportError)
}
