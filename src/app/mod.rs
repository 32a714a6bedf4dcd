//! The composition root: builds the services that the server, the jobs and the commands use.

mod databases;
mod running;
mod serve_claim;
mod start_error;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use databases::{Databases, open_databases, open_journal_read_only, open_read_only};
pub use running::{Running, close, start};
pub use serve_claim::claim_serving;
pub use start_error::StartError;

use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::provider_account::Account;
use crate::domain::steady_clock::SteadyClock;
use crate::http_client::address_rules::AddressRules;
use crate::http_client::guarded_fetch::GuardedClient;
use crate::journal::Journal;
use crate::journal::spool::SpoolSettings;
use crate::keys::Keys;
use crate::operating::retention::Retention;
use crate::receiving::ingest::Ingest;
use crate::receiving::known_accounts::KnownAccounts;
use crate::receiving::reconcile::Reconciler;
use crate::receiving::traffic_limits::TrafficLimits;
use crate::reporting::costs::{Costs, RatesFile};
use crate::reporting::export::Exporter;
use crate::sending::accept::Acceptor;
use crate::sending::campaign::CampaignSender;
use crate::sending::dispatch::{AttemptCounter, Dispatcher, FolderUse, StartedCalls};
use crate::sending::media_check::MediaChecker;
use crate::sending::transport::{Transport, TransportError};
use crate::sending::upload_storage::UploadStorage;
use crate::services::Services;
use crate::store::Store;
use crate::store::lease::Lease;

/// Folder for uploaded files, in the data folder.
const UPLOADS: &str = "uploads";
/// Stored name of the maintenance lease.
const MAINTENANCE_LEASE_NAME: &str = "upkeep";
/// After a process dies during maintenance, another one takes over within this time.
const MAINTENANCE_LEASE: TimeDelta = TimeDelta::seconds(20);

/// For commands that accept messages beside a running process.
pub fn open_acceptor(
    config: &Config,
    store: &Store,
    keys: Arc<Keys>,
) -> Result<Acceptor, StartError> {
    let uploads = open_uploads(config, store)?;
    let media = media_checker(config, config.data_dir.join(UPLOADS))?;
    Ok(Acceptor::new(
        store.clone(),
        accounts_by_id(config),
        keys,
        uploads,
        media,
    ))
}

/// Rejects a journal that does not belong to the main database.
async fn pair_databases(store: &Store, journal: &Journal, holder: Uuid) -> Result<(), StartError> {
    let position = store.position().await.map_err(StartError::main_database)?;
    let journal_state = journal.state().await.map_err(StartError::journal)?;
    store
        .claim_journal(position, &journal_state, holder)
        .await
        .map_err(StartError::main_database)?;
    journal
        .store_mark(holder)
        .await
        .map_err(StartError::journal)
}

/// Rejects a file of rates with mistakes.
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

fn open_uploads(config: &Config, store: &Store) -> Result<UploadStorage, StartError> {
    let folder = config.data_dir.join(UPLOADS);
    UploadStorage::open(folder.clone(), store.clone(), &config.public_url)
        .map_err(|source| StartError::Uploads { folder, source })
}

fn accounts_by_id(config: &Config) -> Arc<BTreeMap<AccountId, Account>> {
    let accounts = config.accounts.iter();
    Arc::new(
        accounts
            .map(|account| (account.id.clone(), account.clone()))
            .collect(),
    )
}

/// Opens everything. Does not listen and starts no job.
pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Services, StartError> {
    let databases = open_databases(&config).await?;
    let (store, keys) = (databases.store, Arc::new(databases.keys));
    let spool = SpoolSettings::in_folder(&config.data_dir);
    let journal = Journal::open_with_spool(databases.journal, spool)
        .await
        .map_err(StartError::journal)?;
    prepare_days(&journal, &*clock).await?;
    let holder = MessageId::new(clock.now()).uuid();
    let steady_clock = start_steady_clock(&store, &clock).await?;
    pair_databases(&store, &journal, holder).await?;
    store
        .record_accounts(&config.accounts, clock.now())
        .await
        .map_err(StartError::main_database)?;
    let stored_accounts = store
        .list_accounts()
        .await
        .map_err(StartError::main_database)?;
    let accounts = accounts_by_id(&config);
    let known_accounts = Arc::new(KnownAccounts::new(&config.accounts, &stored_accounts));
    let limits = Arc::new(limit_traffic(&journal, &config, &known_accounts));
    let stopping = CancellationToken::new();
    let uploads = open_uploads(&config, &store)?;
    let acceptor = open_acceptor(&config, &store, Arc::clone(&keys))?;
    let costs = open_costs(&config, &store)?;
    Ok(Services {
        known_accounts: Arc::clone(&known_accounts),
        ingest: Arc::new(Ingest::new(
            journal.clone(),
            &known_accounts,
            Arc::clone(&limits),
        )),
        campaign_sender: CampaignSender::new(store.clone(), acceptor.clone()),
        campaign_changed: Arc::default(),
        exporter: Arc::new(open_exporter(&config, &costs)),
        costs: Arc::new(costs),
        budgets: Arc::default(),
        acceptor,
        uploads: uploads.clone(),
        dispatcher: Dispatcher {
            store: store.clone(),
            transport: Transport::new()?,
            accounts: Arc::clone(&accounts),
            keys: Arc::clone(&keys),
            public_url: config.public_url.clone(),
            clock: Arc::clone(&clock),
            steady_clock: Arc::clone(&steady_clock),
            holder,
            uploads,
            in_flight: Arc::default(),
            outcomes: Arc::default(),
            started_calls: StartedCalls::new(&config.data_dir, holder, folder_use(&store)),
            known_flows: Arc::default(),
            attempt_counter: AttemptCounter::new(accounts.keys()),
        },
        alert_client: guarded_client(&config)?,
        maintenance_lease: Lease::new(
            store.clone(),
            MAINTENANCE_LEASE_NAME,
            holder,
            MAINTENANCE_LEASE,
        ),
        reconciler: Reconciler::new(
            store.clone(),
            journal.clone(),
            Arc::clone(&accounts),
            Arc::clone(&known_accounts),
            limits,
            Arc::clone(&clock),
            Arc::clone(&steady_clock),
            holder,
            &config.data_dir,
        ),
        retention: Retention::new(
            store.clone(),
            journal.clone(),
            Arc::clone(&clock),
            Arc::clone(&steady_clock),
            holder,
            config.retention,
            stopping.clone(),
        ),
        config: Arc::new(config),
        accounts,
        clock,
        steady_clock,
        keys,
        store,
        journal,
        accepted: Arc::default(),
        access_refusals: Arc::default(),
        stopping,
    })
}

/// Nothing else fetches URLs that callers name. `folder` has the files while they are checked.
pub fn media_checker(config: &Config, folder: PathBuf) -> Result<MediaChecker, TransportError> {
    Ok(MediaChecker::new(guarded_client(config)?, folder))
}

/// Reaches public addresses, and the networks that the configuration allows.
fn guarded_client(config: &Config) -> Result<GuardedClient, TransportError> {
    let rules = AddressRules::new(config.media_networks.clone());
    GuardedClient::new(rules).map_err(TransportError)
}

/// Only one process serves an SQLite database.
fn folder_use(store: &Store) -> FolderUse {
    if store.is_shared() {
        FolderUse::Shared
    } else {
        FolderUse::Exclusive
    }
}

async fn start_steady_clock(
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<SteadyClock>, StartError> {
    let steady_clock = SteadyClock::new(Arc::clone(clock));
    let following = store.set_lease_clock(&steady_clock).await;
    following.map_err(StartError::main_database)?;
    Ok(Arc::new(steady_clock))
}

/// By the disk that stores the callbacks.
fn limit_traffic(journal: &Journal, config: &Config, accounts: &KnownAccounts) -> TrafficLimits {
    let folder = journal.file().and_then(Path::parent);
    TrafficLimits::new(accounts, folder.unwrap_or(&config.data_dir))
}

/// A lock held elsewhere does not prevent the start: until the next attempt callbacks go to the
/// default partition.
async fn prepare_days(journal: &Journal, clock: &dyn Clock) -> Result<(), StartError> {
    match journal.prepare_days(clock.now()).await {
        Err(error) if !error.is_busy() => Err(StartError::journal(error)),
        _ => Ok(()),
    }
}
