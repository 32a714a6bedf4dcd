//! The composition root: opens the databases, derives the keys, and builds what the server and the commands use.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::config::Config;
use crate::data_dir::{self, DataDirError, DatabaseAge};
use crate::delivery::accept::Acceptor;
use crate::delivery::dispatch::Dispatcher;
use crate::delivery::ingest::Ingest;
use crate::delivery::known_accounts::KnownAccounts;
use crate::delivery::reconcile::Reconciler;
use crate::delivery::transport::{Transport, TransportError};
use crate::domain::clock::Clock;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::provider::Account;
use crate::jobs::Jobs;
use crate::keys::Keys;
use crate::store::journal::{self, Journal};
use crate::store::{self, Store};

/// Why the program cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data folder or the secret key.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A database.
    #[error("{}: {source}", .what)]
    Store {
        /// Which database.
        what: &'static str,
        /// What went wrong.
        #[source]
        source: store::Error,
    },
    /// The HTTP client.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// Everything that a running Bluetick is made of; tests build the same.
#[derive(Clone)]
pub struct App {
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
    /// Hands messages over.
    pub dispatcher: Dispatcher,
    /// Applies callbacks.
    pub reconciler: Reconciler,
    /// Wakes the dispatcher when a message was accepted.
    pub accepted: Arc<Notify>,
}

/// The databases and keys alone, for commands that serve nothing.
pub struct Databases {
    /// Messages, facts, access.
    pub store: Store,
    /// The journal's connections.
    pub journal: store::connection::Pools,
    /// Keys of each purpose.
    pub keys: Keys,
}

/// Opens both databases, applies missing migrations, and makes sure that key, journal and database belong together.
pub async fn open_databases(config: &Config) -> Result<Databases, StartError> {
    data_dir::prepare(&config.data_dir)?;
    let age = if Store::exists(&config.database_url) {
        DatabaseAge::Existing
    } else {
        DatabaseAge::New
    };
    let secret = match &config.secret_key {
        Some(secret) => secret.clone(),
        None => data_dir::load_or_make_secret_key(&config.data_dir, age)?,
    };
    let keys = Keys::derive(&secret, &config.secret_key_previous);
    let main = |source| StartError::Store {
        what: "the database",
        source,
    };
    let in_journal = |source| StartError::Store {
        what: "the journal",
        source,
    };
    let journal = journal::connect(&config.database_url)
        .await
        .map_err(in_journal)?;
    journal::migrate(&journal).await.map_err(in_journal)?;
    let store = Store::open(&config.database_url).await.map_err(main)?;
    store.migrate().await.map_err(main)?;
    store
        .claim_fingerprint(&keys.fingerprint(), &keys.previous_fingerprints())
        .await
        .map_err(main)?;
    Ok(Databases {
        store,
        journal,
        keys,
    })
}

impl App {
    /// Opens everything; listens nowhere and starts no loop yet.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let databases = open_databases(&config).await?;
        let (store, keys) = (databases.store, Arc::new(databases.keys));
        let main = |source| StartError::Store {
            what: "the database",
            source,
        };
        let in_journal = |source| StartError::Store {
            what: "the journal",
            source,
        };
        let journal = Journal::open(databases.journal).await.map_err(in_journal)?;
        let end = journal.end().await.map_err(in_journal)?;
        store
            .claim_journal(journal.identity(), end)
            .await
            .map_err(main)?;
        store
            .remember_accounts(&config.accounts, clock.now())
            .await
            .map_err(main)?;
        let remembered = store.list_accounts().await.map_err(main)?;
        let accounts: BTreeMap<_, _> = config
            .accounts
            .iter()
            .map(|account| (account.id.clone(), account.clone()))
            .collect();
        let accounts = Arc::new(accounts);
        let holder = MessageId::new(clock.now()).uuid();
        let uploads = config.data_dir.join("uploads");
        Ok(Self {
            known_accounts: Arc::new(KnownAccounts::new(&config.accounts, &remembered)),
            ingest: Arc::new(Ingest::new(journal.clone())),
            acceptor: Acceptor::new(store.clone(), Arc::clone(&accounts), uploads),
            dispatcher: dispatcher(&config, &store, &accounts, &keys, &clock, holder)?,
            reconciler: Reconciler::new(
                store.clone(),
                journal.clone(),
                Arc::clone(&accounts),
                Arc::clone(&clock),
                holder,
            ),
            config: Arc::new(config),
            accounts,
            clock,
            keys,
            store,
            journal,
            accepted: Arc::default(),
        })
    }

    /// The loops of this process.
    pub fn jobs(&self) -> Jobs {
        Jobs::new(
            self.dispatcher.clone(),
            self.reconciler.clone(),
            self.journal.clone(),
            Arc::clone(&self.accepted),
        )
    }

    /// Where a provider calls back for an account.
    pub fn callback_url(&self, account: &AccountId, generation: u32) -> String {
        let token = self.keys.callback_token(account, generation);
        format!("{}/callbacks/{account}/{token}", self.config.public_url)
    }

    /// Writes what waits for the journal and closes every connection.
    pub async fn close(self) {
        self.journal.stop().await;
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "the database could not be closed cleanly");
        }
    }
}

fn dispatcher(
    config: &Config,
    store: &Store,
    accounts: &Arc<BTreeMap<AccountId, Account>>,
    keys: &Arc<Keys>,
    clock: &Arc<dyn Clock>,
    holder: Uuid,
) -> Result<Dispatcher, StartError> {
    Ok(Dispatcher::new(
        store.clone(),
        Transport::new()?,
        Arc::clone(accounts),
        Arc::clone(keys),
        config.public_url.clone(),
        Arc::clone(clock),
        holder,
    ))
}
