//! Opens the main database, the journal and the keys, and checks that they belong together.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::start_error::StartError;
use crate::config::Config;
use crate::data_dir::{self, DatabaseAge};
use crate::db;
use crate::db::pools::Pools;
use crate::db::schema_check::SchemaState;
use crate::domain::clock::{Clock, SystemClock};
use crate::journal::{self, Journal};
use crate::keys::Keys;
use crate::operating::backup::{UnmigratedSource, back_up_before_migrations};
use crate::operating::upgrade::{self, LockWait, UpgradeProgress, UpgradeStep};
use crate::store::Store;
use crate::store::account_records::CallbackUrlRecord;

/// The databases and keys, for commands that neither serve nor send.
pub struct Databases {
    pub store: Store,
    /// Connections only; the journal's writer is not started.
    pub journal: Pools,
    pub keys: Arc<Keys>,
}

impl Databases {
    /// Closes every connection. All work is already committed, so an error is only logged.
    pub async fn close(self) {
        for closed in [self.store.close().await, self.journal.close().await] {
            if let Err(error) = closed {
                tracing::warn!(%error, "a database could not be closed cleanly");
            }
        }
    }
}

/// Applies missing migrations. Rejects a secret key that the database was not created with.
pub async fn open_databases(config: &Config) -> Result<Databases, StartError> {
    let connected = connect(config).await?;
    let progress = UpgradeProgress::default();
    connected.upgrade(LockWait::Brief, &progress).await?;
    Ok(Databases {
        store: connected.store,
        journal: connected.journal,
        keys: connected.keys,
    })
}

/// Both databases, checked. The journal is migrated; the main database may lack migrations.
pub(super) struct ConnectedDatabases {
    pub(super) store: Store,
    pub(super) journal: Pools,
    pub(super) keys: Arc<Keys>,
    main_schema: SchemaState,
    pub(super) needs_upgrade: bool,
    /// The backup to make before the migrations, until it is made.
    pending_backup: Option<PendingBackup>,
}

struct PendingBackup {
    data_dir: PathBuf,
    folder: PathBuf,
}

/// Rejects databases of a newer program, and a secret key that the database was not created with.
pub(super) async fn connect(config: &Config) -> Result<ConnectedDatabases, StartError> {
    let (url, connections) = (&config.database_url, config.database_connections);
    let age = find_age(config).await?;
    data_dir::prepare(&config.data_dir)?;
    let secret = match &config.secret_key {
        Some(secret) => secret.clone(),
        None => data_dir::load_or_create_secret_key(&config.data_dir, age)?,
    };
    let keys = Keys::derive(&secret, &config.secret_key_previous);
    if config.uses_postgres() {
        db::check_server(url, connections)
            .await
            .map_err(StartError::main_database)?;
    }
    let journal = journal::connect(url, connections)
        .await
        .map_err(StartError::journal)?;
    let store = Store::open(url, connections)
        .await
        .map_err(StartError::main_database)?;
    let schema = check_main(&store, &keys).await;
    let (main_schema, needs_upgrade) = schema.map_err(StartError::main_database)?;
    let journal_schema = journal::check_schema(&journal)
        .await
        .map_err(StartError::journal)?;
    let is_behind = |schema| matches!(schema, SchemaState::Behind(_));
    // On PostgreSQL the operator makes the backup.
    let has_files = age == DatabaseAge::Existing && !config.uses_postgres();
    let needs_backup = has_files && (is_behind(main_schema) || is_behind(journal_schema));
    let mut connected = ConnectedDatabases {
        store,
        journal,
        keys: Arc::new(keys),
        main_schema,
        needs_upgrade,
        pending_backup: needs_backup.then(|| PendingBackup {
            data_dir: config.data_dir.clone(),
            folder: config.migration_backups(),
        }),
    };
    if is_behind(journal_schema) {
        // The backup holds both databases as the older program left them, so it comes before any
        // migration.
        connected.back_up().await?;
        connected.pending_backup = None;
    }
    journal::migrate(&connected.journal)
        .await
        .map_err(StartError::journal)?;
    Ok(connected)
}

/// The schema, and whether a migration or recount is pending; either takes long with many messages.
async fn check_main(store: &Store, keys: &Keys) -> Result<(SchemaState, bool), db::Error> {
    let schema = store.check_schema().await?;
    if schema != SchemaState::New {
        let previous = keys.previous_fingerprints();
        store
            .check_fingerprint(&keys.fingerprint(), &previous)
            .await?;
    }
    let needs_upgrade = match schema {
        SchemaState::New => false,
        SchemaState::Behind(_) => true,
        SchemaState::Current => store.is_recount_pending().await?,
    };
    Ok((schema, needs_upgrade))
}

impl ConnectedDatabases {
    /// The callback URL records of all accounts that were ever configured.
    pub(super) async fn list_callback_url_records(
        &self,
    ) -> Result<Vec<CallbackUrlRecord>, StartError> {
        if self.main_schema == SchemaState::New {
            return Ok(Vec::new());
        }
        let records = self.store.list_callback_url_records().await;
        records.map_err(StartError::main_database)
    }

    /// Makes a backup if migrations are pending, migrates the main database, and records the
    /// fingerprint of the secret key in it.
    pub(super) async fn upgrade(
        &self,
        wait: LockWait,
        progress: &UpgradeProgress,
    ) -> Result<(), StartError> {
        progress.set(UpgradeStep::BackingUp);
        self.back_up().await?;
        progress.set(UpgradeStep::Preparing);
        upgrade::migrate(&self.store, wait, progress)
            .await
            .map_err(StartError::main_database)?;
        progress.set(UpgradeStep::Finishing);
        let previous = self.keys.previous_fingerprints();
        self.store
            .claim_fingerprint(&self.keys.fingerprint(), &previous)
            .await
            .map_err(StartError::main_database)
    }

    async fn back_up(&self) -> Result<(), StartError> {
        let Some(pending) = &self.pending_backup else {
            return Ok(());
        };
        let source = UnmigratedSource {
            store: &self.store,
            journal: &self.journal,
            data_dir: &pending.data_dir,
        };
        let backup = back_up_before_migrations(&source, &pending.folder, SystemClock.now()).await?;
        tracing::info!(folder = %backup.display(), "made a backup before the migrations");
        Ok(())
    }
}

/// Whether the databases exist. Creates nothing; fails if only one of them exists.
async fn find_age(config: &Config) -> Result<DatabaseAge, StartError> {
    let url = &config.database_url;
    match (Store::exists(url), journal::exists(url)) {
        (true, true) => Ok(DatabaseAge::Existing),
        // The first start creates the journal before the main database.
        (true, false) => Err(StartError::NoJournal),
        (false, false) => Ok(DatabaseAge::New),
        (false, true) => {
            let used = journal::was_used(url, config.database_connections).await;
            if used.map_err(StartError::journal)? {
                return Err(StartError::NoMainDatabase);
            }
            // An interrupted first start.
            Ok(DatabaseAge::New)
        }
    }
}

/// For commands that run beside a `serve` of any version. Writes nothing, applies no migrations,
/// and rejects a schema of another version.
pub async fn open_read_only(config: &Config) -> Result<Store, StartError> {
    let url = &config.database_url;
    if !Store::exists(url) {
        return Err(StartError::NoDatabase);
    }
    let store = Store::open(url, config.database_connections)
        .await
        .map_err(StartError::main_database)?;
    store
        .check_migrated()
        .await
        .map_err(StartError::main_database)?;
    Ok(store)
}

/// Like [`open_read_only`], for the journal of `store`.
pub async fn open_journal_read_only(config: &Config, store: &Store) -> Result<Journal, StartError> {
    let url = &config.database_url;
    if !journal::exists(url) {
        return Err(StartError::NoJournal);
    }
    open_checked_journal(config, store)
        .await
        .map_err(StartError::journal)
}

async fn open_checked_journal(config: &Config, store: &Store) -> Result<Journal, db::Error> {
    let pools = journal::connect(&config.database_url, config.database_connections).await?;
    journal::check_migrated(&pools).await?;
    // Without a spool, which only writers need.
    let journal = Journal::open(pools).await?;
    let position = store.position().await?;
    store
        .check_journal(position, &journal.state().await?)
        .await?;
    Ok(journal)
}
