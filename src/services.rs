//! Everything that the use cases of one process are made of. Built by `app`, handed to handlers and loops.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::ids::AccountId;
use crate::domain::provider_account::Account;
use crate::journal::Journal;
use crate::keys::Keys;
use crate::operating::retention::Retention;
use crate::receiving::ingest::Ingest;
use crate::receiving::known_accounts::KnownAccounts;
use crate::receiving::reconcile::Reconciler;
use crate::sending::accept::Acceptor;
use crate::sending::dispatch::Dispatcher;
use crate::sending::upload_storage::UploadStorage;
use crate::store::Store;
use crate::store::lease::Lease;

/// What handlers and loops work with; shared by all of them, built the same in tests.
#[derive(Clone)]
pub struct Services {
    /// The checked configuration.
    pub config: Arc<Config>,
    /// Configured accounts by id.
    pub accounts: Arc<BTreeMap<AccountId, Account>>,
    /// What "now" is.
    pub clock: Arc<dyn Clock>,
    /// Keys of each purpose.
    pub keys: Arc<Keys>,
    /// Messages, facts, access.
    pub store: Store,
    /// Raw callbacks.
    pub journal: Journal,
    /// Takes callbacks in.
    pub ingest: Arc<Ingest>,
    /// Accounts whose callback addresses work.
    pub known_accounts: Arc<KnownAccounts>,
    /// Takes messages in.
    pub acceptor: Acceptor,
    /// Uploaded files on their way.
    pub uploads: UploadStorage,
    /// Hands messages over.
    pub dispatcher: Dispatcher,
    /// Applies callbacks.
    pub reconciler: Reconciler,
    /// Removes what is past its retention.
    pub retention: Retention,
    /// Held by the one process that looks after the database: expired, abandoned and adoptable messages, what may be forgotten.
    pub upkeep: Lease,
    /// Wakes the dispatcher when a message was accepted.
    pub accepted: Arc<Notify>,
    /// Cancelled when the process stops; ends what would otherwise never end.
    pub stopping: CancellationToken,
}

impl Services {
    /// Where a provider calls back for an account.
    pub fn callback_url(&self, account: &AccountId, generation: u32) -> String {
        let token = self.keys.callback_token(account, generation);
        format!("{}/callbacks/{account}/{token}", self.config.public_url)
    }
}
