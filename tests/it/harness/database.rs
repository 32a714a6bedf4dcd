//! A fresh database for each test: SQLite files in a temporary folder, or a schema of its own on `TEST_DATABASE_URL`.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bluetick::db::connect_options::MAIN_WRITER;
use bluetick::db::database_location::DatabaseLocation;
use bluetick::db::pools::Pools;
use bluetick::domain::secret::Secret;
use bluetick::journal;
use bluetick::store::Store;
use migration::{MainMigrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use tempfile::TempDir;
use uuid::Uuid;

/// As configured by default.
const CONNECTIONS: u32 = 12;
/// The main database's writer lock on PostgreSQL.
const MAIN_LOCK: i64 = 0x626c_7565_7469_636b;
const LOCK_TABLES: &str = "LOCK TABLE settings, messages, receipts, callback_outcomes, accounts, leases, tokens \
     IN ACCESS EXCLUSIVE MODE";

/// Databases that are deleted when this value is dropped.
pub(crate) struct TestDatabase {
    folder: TempDir,
    schema: Option<Schema>,
}

struct Schema {
    /// As given in `TEST_DATABASE_URL`.
    server: String,
    name: String,
}

/// A lock that another connection holds.
pub(crate) struct HeldLock {
    lock: DatabaseTransaction,
    _other: Pools,
}

impl HeldLock {
    /// Releases the lock.
    pub(crate) async fn release(self) {
        self.lock.rollback().await.unwrap();
    }
}

async fn exclusive(pools: &Pools) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Exclusive),
        ..TransactionOptions::default()
    };
    pools.writer().begin_with_options(options).await
}

impl TestDatabase {
    /// Creates the folder, and on PostgreSQL the schema, without tables.
    pub(crate) async fn new() -> Self {
        let schema = match std::env::var("TEST_DATABASE_URL") {
            Ok(server) => Some(Schema::create(server).await),
            Err(_) => None,
        };
        Self {
            folder: tempfile::Builder::new()
                .permissions(std::fs::Permissions::from_mode(0o700))
                .tempdir()
                .unwrap(),
            schema,
        }
    }

    /// The folder of the database files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The main database's URL with another address of the server, which `relay` returns for the original one. `None` on SQLite.
    pub(crate) fn url_through(&self, relay: impl FnOnce(String) -> SocketAddr) -> Option<Secret> {
        let url = self.url();
        let text = url.expose();
        self.schema.as_ref()?;
        let begin = text.rfind('@')? + 1;
        let end = begin + text[begin..].find('/')?;
        let other = relay(text[begin..end].to_owned());
        Some(Secret::new(format!(
            "{}{other}{}",
            &text[..begin],
            &text[end..]
        )))
    }

    /// Whether this is PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        self.schema.is_some()
    }

    /// The main database's URL, as in the configuration.
    pub(crate) fn url(&self) -> Secret {
        match &self.schema {
            Some(schema) => schema.url(),
            None => Secret::new(format!("sqlite://{}", self.file("bluetick.db").display())),
        }
    }

    /// Like [`Self::url`], for programs inside the test: a start makes eight connections, and an unoptimised TLS handshake takes
    /// 100 ms.
    pub(crate) fn url_without_tls(&self) -> Secret {
        match &self.schema {
            Some(schema) => schema.url_on(&without_tls(&schema.server)),
            None => self.url(),
        }
    }

    /// Like [`Self::url`], if the data folder of the program is this subfolder.
    pub(crate) fn url_in(&self, folder: &str) -> Secret {
        match &self.schema {
            Some(schema) => schema.url(),
            None => Secret::new(format!(
                "sqlite://{}",
                self.file(folder).join("bluetick.db").display()
            )),
        }
    }

    /// The journal, not migrated.
    pub(crate) async fn unmigrated_journal(&self) -> Pools {
        loop {
            match journal::connect(&self.url_without_tls(), CONNECTIONS).await {
                Ok(pools) => return pools,
                // A writer is active, on a disk that is slow for a moment.
                Err(error) if error.is_transient() => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The journal with its tables.
    pub(crate) async fn journal(&self) -> Pools {
        let pools = self.unmigrated_journal().await;
        journal::migrate(&pools).await.unwrap();
        pools
    }

    /// Locks the journal as another process would. Nothing else can write to it until the lock is released.
    pub(crate) async fn hold_journal(&self) -> HeldLock {
        self.try_hold_journal().await.unwrap()
    }

    /// Like [`Self::hold_journal`], while the journal is in use; `None` if the lock does not become free in time.
    pub(crate) async fn try_hold_journal(&self) -> Option<HeldLock> {
        let other = journal::connect(&self.url_without_tls(), CONNECTIONS)
            .await
            .ok()?;
        let lock = if self.is_postgres() {
            other.begin().await.ok()?
        } else {
            exclusive(&other).await.ok()?
        };
        Some(HeldLock {
            lock,
            _other: other,
        })
    }

    /// Locks the main database. On PostgreSQL its most used tables cannot be read either.
    pub(crate) async fn hold_main(&self) -> HeldLock {
        let location = DatabaseLocation::parse(&self.url_without_tls());
        let other = Pools::open(&location, MAIN_LOCK, MAIN_WRITER)
            .await
            .unwrap();
        if self.is_postgres() {
            // Writers take the lock of the table first, so that there is no deadlock.
            let lock = other.begin().await.unwrap();
            lock.execute_unprepared(LOCK_TABLES).await.unwrap();
            return HeldLock {
                lock,
                _other: other,
            };
        }
        HeldLock {
            lock: exclusive(&other).await.unwrap(),
            _other: other,
        }
    }

    /// Takes the lock of the main database's writer as another process would. Reading works, also on PostgreSQL.
    pub(crate) async fn hold_main_writer(&self) -> HeldLock {
        let location = DatabaseLocation::parse(&self.url_without_tls());
        let other = Pools::open(&location, MAIN_LOCK, MAIN_WRITER)
            .await
            .unwrap();
        HeldLock {
            lock: other.begin().await.unwrap(),
            _other: other,
        }
    }

    /// Undoes the last migrations of the main database, as if an older program had left it.
    pub(crate) async fn undo_migrations(&self, number: u32) {
        let connection = self.connect("").await;
        MainMigrator::down(&connection, Some(number)).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Applies what [`Self::undo_migrations`] has undone.
    pub(crate) async fn redo_migrations(&self) {
        let connection = self.connect("").await;
        MainMigrator::up(&connection, None).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The main database with its tables.
    pub(crate) async fn main(&self) -> Store {
        let store = Store::open(&self.url_without_tls(), CONNECTIONS)
            .await
            .unwrap();
        store.migrate().await.unwrap();
        store
    }

    /// Runs SQL directly on the main database and returns the column `line`.
    pub(crate) async fn query(&self, sql: &str) -> Vec<String> {
        self.query_in("", sql).await
    }

    /// Like [`Self::query`], if the data folder of the program is this subfolder.
    pub(crate) async fn query_in(&self, folder: &str, sql: &str) -> Vec<String> {
        let connection = self.connect(folder).await;
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let rows = connection.query_all_raw(statement).await.unwrap();
        connection.close().await.unwrap();
        rows.iter()
            .map(|row| row.try_get("", "line").unwrap())
            .collect()
    }

    /// Runs SQL directly on the main database, to create states that the program itself does not.
    pub(crate) async fn execute(&self, sql: &str) {
        let connection = self.connect("").await;
        if self.is_postgres() {
            // The test server has it off. For the whole of `sql` the value at its beginning counts.
            let standard = "SET standard_conforming_strings = on";
            connection.execute_unprepared(standard).await.unwrap();
        }
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Like [`Self::execute`], if the data folder of the program is this subfolder.
    pub(crate) async fn execute_in(&self, folder: &str, sql: &str) {
        let connection = self.connect(folder).await;
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Runs SQL directly on the journal.
    pub(crate) async fn execute_in_journal(&self, sql: &str) {
        if self.is_postgres() {
            return self.execute(sql).await;
        }
        let url = format!("sqlite://{}", self.folder().join("journal.db").display());
        let connection = Database::connect(url).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn connect(&self, folder: &str) -> DatabaseConnection {
        let url = match &self.schema {
            Some(schema) => without_tls(&schema.server),
            None => self.url_in(folder).expose().to_owned(),
        };
        let mut options = ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        if let Some(schema) = &self.schema {
            options.set_schema_search_path(schema.name.clone());
        }
        Database::connect(options).await.unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Schema {
    async fn create(server: String) -> Self {
        let name = format!("test_{}", Uuid::from_bytes(rand::random()).simple());
        let statement = format!("CREATE SCHEMA {name}");
        run(&without_tls(&server), &statement).await;
        Self { server, name }
    }

    fn url(&self) -> Secret {
        self.url_on(&self.server)
    }

    fn url_on(&self, server: &str) -> Secret {
        let separator = if server.contains('?') { '&' } else { '?' };
        Secret::new(format!("{server}{separator}schema={}", self.name))
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let server = without_tls(&self.server);
        let statement = format!("DROP SCHEMA {} CASCADE", self.name);
        // The runtime of the test is blocked by this `drop`.
        let dropped = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(run(&server, &statement));
        })
        .join();
        if dropped.is_err() {
            eprintln!("schema {} could not be dropped", self.name);
        }
    }
}

/// For the tests' own connections: a handshake takes 100 ms, and each query has a connection of its own.
fn without_tls(server: &str) -> String {
    if server.contains("sslmode=") {
        return server.to_owned();
    }
    let separator = if server.contains('?') { '&' } else { '?' };
    format!("{server}{separator}sslmode=disable")
}

async fn run(server: &str, statement: &str) {
    let connection = Database::connect(server).await.unwrap();
    connection.execute_unprepared(statement).await.unwrap();
    connection.close().await.unwrap();
}
