//! The composition root: opens the databases, derives the keys, and builds what the server and the commands use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::data_dir::{self, DataDirError, DatabaseAge};
use crate::db;
use crate::db::connection::Pools;
use crate::db::serve_lock::{self, Claim, ServeLock};
use crate::domain::clock::Clock;
use crate::domain::ids::MessageId;
use crate::domain::secret::Secret;
use crate::jobs::Jobs;
use crate::journal::spool::SpoolSettings;
use crate::journal::{self, Journal};
use crate::keys::Keys;
use crate::operating::retention::Retention;
use crate::receiving::ingest::Ingest;
use crate::receiving::known_accounts::KnownAccounts;
use crate::receiving::limits::TrafficLimits;
use crate::receiving::reconcile::Reconciler;
use crate::sending::accept::Acceptor;
use crate::sending::dispatch::{AttemptCounter, Dispatcher};
use crate::sending::transport::{Transport, TransportError};
use crate::sending::upload_storage::UploadStorage;
use crate::services::Services;
use crate::store::Store;
use crate::store::lease::Lease;
use crate::web::connections::Connections;
use crate::web::listener::{Listener, Owner};
use crate::web::server;

/// How long hand-overs in flight may take after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(15);

/// How long the process before may take to answer what is under way and to close its databases.
const SUCCESSION: Duration = Duration::from_secs(30);
/// How soon its end is noticed.
const SUCCESSION_INTERVAL: Duration = Duration::from_millis(50);

/// A process that dies in the middle of looking after the database is followed by another so soon.
const UPKEEP_LEASE: TimeDelta = TimeDelta::seconds(20);

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
        source: db::Error,
    },
    /// Nothing was ever kept there.
    #[error("there is no database yet; `serve` makes it")]
    NoDatabase,
    /// One of the two files is gone. A new one is not made: it would hide that, and what is left beside it would spoil the file that is restored.
    #[error("journal.db is missing beside bluetick.db; restore both from one backup")]
    NoJournal,
    /// The other one is gone, and what the journal tells of with it. Nor is a new one made of that.
    #[error(
        "bluetick.db is missing beside journal.db; restore both from one backup, or move journal.db away to begin anew"
    )]
    NoMain,
    /// A SQLite database has one `serve`.
    #[error("another bluetick serve runs on {}", .0.display())]
    Served(PathBuf),
    /// The folder of uploaded files.
    #[error("uploads cannot be kept in {}: {source}", .folder.display())]
    Uploads {
        /// The folder.
        folder: PathBuf,
        /// The operating system's words.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP client.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// The databases and keys alone, for commands that serve nothing.
pub struct Databases {
    /// Messages, facts, access.
    pub store: Store,
    /// The journal's connections.
    pub journal: Pools,
    /// Keys of each purpose.
    pub keys: Keys,
}

/// Opens both databases, applies missing migrations, and makes sure that key, journal and database belong together.
pub async fn open_databases(config: &Config) -> Result<Databases, StartError> {
    let age = find_age(&config.database_url).await?;
    data_dir::prepare(&config.data_dir)?;
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

/// Whether there is a database yet. Makes nothing, and refuses half of one: what would be made would hide that.
async fn find_age(url: &Secret) -> Result<DatabaseAge, StartError> {
    match (Store::exists(url), journal::exists(url)) {
        (true, true) => Ok(DatabaseAge::Existing),
        // The first start makes the journal before the database.
        (true, false) => Err(StartError::NoJournal),
        (false, false) => Ok(DatabaseAge::New),
        (false, true) => {
            let used = journal::was_used(url).await;
            let used = used.map_err(|source| StartError::Store {
                what: "the journal",
                source,
            })?;
            if used {
                return Err(StartError::NoMain);
            }
            // A first start that was cut short.
            Ok(DatabaseAge::New)
        }
    }
}

/// Opens the main database to look at it beside a `serve` of any version: applies and writes nothing, and refuses a schema that is not this program's.
pub async fn open_to_look(config: &Config) -> Result<Store, StartError> {
    let url = &config.database_url;
    if !Store::exists(url) {
        return Err(StartError::NoDatabase);
    }
    let main = |source| StartError::Store {
        what: "the database",
        source,
    };
    let store = Store::open(url).await.map_err(main)?;
    store.check_migrated().await.map_err(main)?;
    Ok(store)
}

/// Opens the journal of that database likewise.
pub async fn open_journal_to_look(config: &Config, store: &Store) -> Result<Journal, StartError> {
    let url = &config.database_url;
    if !journal::exists(url) {
        return Err(StartError::NoDatabase);
    }
    let in_journal = |source| StartError::Store {
        what: "the journal",
        source,
    };
    let pools = journal::connect(url).await.map_err(in_journal)?;
    journal::check_migrated(&pools).await.map_err(in_journal)?;
    // Without a spool: that is the business of who writes.
    let journal = Journal::open(pools).await.map_err(in_journal)?;
    let read = store.position().await.map_err(in_journal)?;
    let found = journal.state().await.map_err(in_journal)?;
    store
        .check_journal(read, &found)
        .await
        .map_err(in_journal)?;
    Ok(journal)
}

/// Becomes the one who serves the configured database; SQLite has one at a time.
///
/// Whoever serves on an address of its own is refused at once. On an inherited socket another may still be answering what it took from there: it is waited for.
pub async fn claim_serving(config: &Config, owner: Owner) -> Result<ServeLock, StartError> {
    data_dir::prepare(&config.data_dir)?;
    let patience = match owner {
        Owner::Parent => SUCCESSION,
        Owner::Process => Duration::ZERO,
    };
    let began = Instant::now();
    let mut told = false;
    loop {
        let claim =
            serve_lock::claim(&config.database_url).map_err(|source| StartError::Store {
                what: "the database",
                source,
            })?;
        let folder = match claim {
            Claim::Ours(serving) => return Ok(serving),
            Claim::Anothers(folder) => folder,
        };
        if began.elapsed() >= patience {
            return Err(StartError::Served(folder));
        }
        if !told {
            tracing::info!(folder = %folder.display(), "another bluetick serve runs here; waiting until it has stopped, at most {} s", patience.as_secs());
            told = true;
        }
        tokio::time::sleep(SUCCESSION_INTERVAL).await;
    }
}

/// Opens everything; listens nowhere and starts no loop yet.
pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Services, StartError> {
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
    let spool = SpoolSettings::in_folder(&config.data_dir);
    let journal = Journal::open_with_spool(databases.journal, spool)
        .await
        .map_err(in_journal)?;
    prepare_days(&journal, &*clock).await?;
    let holder = MessageId::new(clock.now()).uuid();
    let read = store.position().await.map_err(main)?;
    let found = journal.state().await.map_err(in_journal)?;
    store
        .claim_journal(read, &found, holder)
        .await
        .map_err(main)?;
    journal.leave_mark(holder).await.map_err(in_journal)?;
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
    let known_accounts = Arc::new(KnownAccounts::new(&config.accounts, &remembered));
    let kept_in = journal.file().and_then(Path::parent);
    let traffic = TrafficLimits::new(&known_accounts, kept_in.unwrap_or(&config.data_dir));
    let stopping = CancellationToken::new();
    let folder = config.data_dir.join("uploads");
    let uploads = UploadStorage::open(folder.clone(), store.clone())
        .map_err(|source| StartError::Uploads { folder, source })?;
    Ok(Services {
        known_accounts: Arc::clone(&known_accounts),
        ingest: Arc::new(Ingest::new(journal.clone(), &known_accounts, traffic)),
        acceptor: Acceptor::new(store.clone(), Arc::clone(&accounts), uploads.clone()),
        uploads: uploads.clone(),
        dispatcher: Dispatcher {
            store: store.clone(),
            transport: Transport::new()?,
            accounts: Arc::clone(&accounts),
            keys: Arc::clone(&keys),
            public_url: config.public_url.clone(),
            clock: Arc::clone(&clock),
            holder,
            uploads,
            in_flight: Arc::default(),
            attempt_counter: AttemptCounter::new(accounts.keys()),
        },
        upkeep: Lease::new(store.clone(), "upkeep", holder, UPKEEP_LEASE),
        reconciler: Reconciler::new(
            store.clone(),
            journal.clone(),
            Arc::clone(&accounts),
            Arc::clone(&known_accounts),
            Arc::clone(&clock),
            holder,
        ),
        retention: Retention::new(
            store.clone(),
            journal.clone(),
            Arc::clone(&clock),
            holder,
            config.retention,
            stopping.clone(),
        ),
        config: Arc::new(config),
        accounts,
        clock,
        keys,
        store,
        journal,
        accepted: Arc::default(),
        stopping,
    })
}

/// A lock held elsewhere stops no start: until the next attempt callbacks go to the partition that takes everything.
async fn prepare_days(journal: &Journal, clock: &dyn Clock) -> Result<(), StartError> {
    match journal.prepare_days(clock.now()).await {
        Err(error) if !error.is_busy() => Err(StartError::Store {
            what: "the journal",
            source: error,
        }),
        _ => Ok(()),
    }
}

/// A process that serves and works.
pub struct Running {
    server: actix_web::dev::Server,
    connections: Connections,
    socket: Owner,
    services: Services,
    jobs: Jobs,
    terminate: Signal,
    interrupt: Signal,
}

/// Starts the server and every loop. From now on SIGTERM and SIGINT wait for [`Running::until_stopped`].
pub fn start(listener: Listener, services: Services) -> std::io::Result<Running> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let connections = Connections::default();
    let server = server::start(listener.socket, services.clone(), &connections)?;
    let jobs = Jobs::new(&services);
    jobs.start();
    Ok(Running {
        server,
        connections,
        socket: listener.owner,
        services,
        jobs,
        terminate,
        interrupt,
    })
}

impl Running {
    /// Runs until SIGTERM or SIGINT, then stops: nothing new, what is in flight to its end, journal, databases.
    pub async fn until_stopped(mut self) -> std::io::Result<()> {
        let handle = self.server.handle();
        let mut server = actix_web::rt::spawn(self.server);
        let ended = tokio::select! {
            ended = &mut server => ended.map_err(std::io::Error::other).and_then(|ended| ended),
            _ = self.terminate.recv() => Ok(()),
            _ = self.interrupt.recv() => Ok(()),
        };
        tracing::info!("stopping");
        self.services.stopping.cancel();
        self.jobs.stop_claiming();
        tokio::join!(
            self.connections.drain(&handle, self.socket),
            self.jobs.finish(DRAIN)
        );
        close(self.services).await;
        ended
    }
}

/// Writes what waits for the journal and closes every connection.
pub async fn close(services: Services) {
    if let Err(error) = services.journal.close().await {
        tracing::warn!(%error, "the journal could not be closed cleanly");
    }
    if let Err(error) = services.store.close().await {
        tracing::warn!(%error, "the database could not be closed cleanly");
    }
}
