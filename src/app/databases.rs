//! Opens the main database, the journal and the keys, and checks that they belong together.

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
use crate::store::Store;

/// What commands need that neither serve nor send.
pub struct Databases {
    pub store: Store,
    /// Connections only; the journal's writer is not started.
    pub journal: Pools,
    pub keys: Keys,
}

/// Applies missing migrations. Rejects a secret key that the database was not created with.
pub async fn open_databases(config: &Config) -> Result<Databases, StartError> {
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
    prepare_migrations(config, &store, &journal, age).await?;
    journal::migrate(&journal)
        .await
        .map_err(StartError::journal)?;
    store.migrate().await.map_err(StartError::main_database)?;
    store
        .claim_fingerprint(&keys.fingerprint(), &keys.previous_fingerprints())
        .await
        .map_err(StartError::main_database)?;
    Ok(Databases {
        store,
        journal,
        keys,
    })
}

/// Rejects databases of a newer program. Makes a backup of older ones; on a server the operator does.
async fn prepare_migrations(
    config: &Config,
    store: &Store,
    journal: &Pools,
    age: DatabaseAge,
) -> Result<(), StartError> {
    let main = store
        .check_schema()
        .await
        .map_err(StartError::main_database)?;
    let journal_schema = journal::check_schema(journal)
        .await
        .map_err(StartError::journal)?;
    let is_behind = [main, journal_schema]
        .iter()
        .any(|schema| matches!(schema, SchemaState::Behind(_)));
    if age == DatabaseAge::New || config.uses_postgres() || !is_behind {
        return Ok(());
    }
    let source = UnmigratedSource {
        store,
        journal,
        data_dir: &config.data_dir,
    };
    let folder = config.migration_backups();
    let backup = back_up_before_migrations(&source, &folder, SystemClock.now()).await?;
    tracing::info!(folder = %backup.display(), "made a backup before the migrations");
    Ok(())
}

/// Creates nothing. Rejects one database without the other.
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
