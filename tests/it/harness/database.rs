//! A fresh database for each test: SQLite files in a temporary folder, or a schema of its own on `TEST_DATABASE_URL`.

use std::path::{Path, PathBuf};

use bluetick::domain::secret::Secret;
use bluetick::store::connection::{JOURNAL_BUSY_TIMEOUT, MAIN_BUSY_TIMEOUT, Pools};
use bluetick::store::journal::JOURNAL_LOCK;
use migration::{JournalMigrator, MainMigrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use uuid::Uuid;

/// The advisory lock of the main database's writer in tests; any number but the journal's.
const MAIN_LOCK: i64 = 1;

/// Databases that vanish with this value.
pub(crate) struct TestDatabase {
    folder: TempDir,
    schema: Option<Schema>,
}

struct Schema {
    server: String,
    name: String,
}

impl TestDatabase {
    /// Makes the place; no tables yet.
    pub(crate) async fn new() -> Self {
        let schema = match std::env::var("TEST_DATABASE_URL") {
            Ok(server) => Some(Schema::create(server).await),
            Err(_) => None,
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            schema,
        }
    }

    /// Where the files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether this is PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        self.schema.is_some()
    }

    /// The journal, not migrated.
    pub(crate) async fn empty_journal(&self) -> Pools {
        match &self.schema {
            Some(schema) => Pools::open_postgres(&schema.url(), JOURNAL_LOCK).await,
            None => {
                Pools::open_sqlite(&self.file("journal.db"), JOURNAL_LOCK, JOURNAL_BUSY_TIMEOUT)
                    .await
            }
        }
        .unwrap()
    }

    /// The journal with its tables.
    pub(crate) async fn journal(&self) -> Pools {
        let pools = self.empty_journal().await;
        JournalMigrator::up(pools.writer(), None).await.unwrap();
        pools
    }

    /// The main database, not migrated.
    pub(crate) async fn empty_main(&self) -> Pools {
        match &self.schema {
            Some(schema) => Pools::open_postgres(&schema.url(), MAIN_LOCK).await,
            None => {
                Pools::open_sqlite(&self.file("bluetick.db"), MAIN_LOCK, MAIN_BUSY_TIMEOUT).await
            }
        }
        .unwrap()
    }

    /// The main database with its tables.
    pub(crate) async fn main(&self) -> Pools {
        let pools = self.empty_main().await;
        MainMigrator::up(pools.writer(), None).await.unwrap();
        pools
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Schema {
    async fn create(server: String) -> Self {
        let name = format!("test_{}", Uuid::from_bytes(rand::random()).simple());
        run(&server, &format!("CREATE SCHEMA {name}")).await;
        Self { server, name }
    }

    fn url(&self) -> Secret {
        let separator = if self.server.contains('?') { '&' } else { '?' };
        Secret::new(format!("{}{separator}schema={}", self.server, self.name))
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let server = self.server.clone();
        let statement = format!("DROP SCHEMA {} CASCADE", self.name);
        // The test's own runtime is busy with this very drop.
        let dropped = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(run(&server, &statement));
        })
        .join();
        if dropped.is_err() {
            eprintln!("schema {} is left behind", self.name);
        }
    }
}

async fn run(server: &str, statement: &str) {
    let connection = Database::connect(server).await.unwrap();
    connection.execute_unprepared(statement).await.unwrap();
    connection.close().await.unwrap();
}
