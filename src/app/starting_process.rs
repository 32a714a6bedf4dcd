//! Starts a process in two steps: first the services that receive callbacks, then everything else,
//! which needs a migrated main database.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::components::{
    accounts_by_id, guarded_client, open_acceptor, open_costs, open_exporter, open_uploads,
};
use crate::app::databases::{ConnectedDatabases, connect};
use crate::app::start_error::StartError;
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::ids::MessageId;
use crate::domain::steady_clock::SteadyClock;
use crate::journal::Journal;
use crate::journal::spool::SpoolSettings;
use crate::operating::retention::Retention;
use crate::operating::upgrade::{LockWait, UpgradeProgress};
use crate::receiving::ingest::Ingest;
use crate::receiving::known_accounts::KnownAccounts;
use crate::receiving::reconcile::Reconciler;
use crate::receiving::traffic_limits::TrafficLimits;
use crate::sending::campaign::CampaignSender;
use crate::sending::dispatch::{AttemptCounter, Dispatcher, FolderUse, StartedCalls};
use crate::sending::transport::Transport;
use crate::services::{ReceivingServices, Services};
use crate::store::Store;
use crate::store::lease::Lease;

/// Stored name of the maintenance lease.
const MAINTENANCE_LEASE_NAME: &str = "upkeep";
/// After a process crashes during maintenance, another one takes over within this time.
const MAINTENANCE_LEASE_LENGTH: TimeDelta = TimeDelta::seconds(20);

/// A process that can receive callbacks and nothing else yet.
pub struct StartingProcess {
    pub receiving: ReceivingServices,
    /// The progress of [`StartingProcess::finish`].
    pub progress: UpgradeProgress,
    databases: ConnectedDatabases,
    limits: Arc<TrafficLimits>,
}

/// Opens everything, but does not listen and starts no job.
pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Services, StartError> {
    let starting = StartingProcess::open(config, clock).await?;
    starting.finish(LockWait::Brief).await
}

impl StartingProcess {
    /// Opens the journal, and checks that the main database belongs to it and was not written by a newer
    /// version. The result can already receive callbacks.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let databases = connect(&config).await?;
        let stored = databases.list_callback_url_records().await?;
        let known_accounts = Arc::new(KnownAccounts::new(&config.accounts, &stored));
        let spool = SpoolSettings::in_folder(&config.data_dir);
        let journal = Journal::open_with_spool(databases.journal.clone(), spool)
            .await
            .map_err(StartError::journal)?;
        create_day_partitions(&journal, &*clock).await?;
        if databases.needs_upgrade {
            check_pairing(&databases.store, &journal).await?;
        }
        let limits = Arc::new(build_traffic_limits(&journal, &config, &known_accounts));
        let ingest = Ingest::new(journal.clone(), &known_accounts, Arc::clone(&limits));
        let receiving = ReceivingServices {
            config: Arc::new(config),
            clock,
            keys: Arc::clone(&databases.keys),
            journal,
            ingest: Arc::new(ingest),
            known_accounts,
            stopping: CancellationToken::new(),
        };
        Ok(Self {
            receiving,
            progress: UpgradeProgress::default(),
            databases,
            limits,
        })
    }

    /// Whether the main database must be migrated, which takes minutes with many messages.
    pub fn needs_upgrade(&self) -> bool {
        self.databases.needs_upgrade
    }

    /// Migrates the main database and opens everything else.
    pub async fn finish(self, wait: LockWait) -> Result<Services, StartError> {
        self.databases.upgrade(wait, &self.progress).await?;
        let (store, limits) = (self.databases.store, self.limits);
        let ReceivingServices {
            config,
            clock,
            keys,
            journal,
            ingest,
            known_accounts,
            stopping,
        } = self.receiving;
        let process = new_process_id(clock.now());
        let steady_clock = start_steady_clock(&store, &clock).await?;
        pair_databases(&store, &journal, process).await?;
        store
            .record_accounts(&config.accounts, clock.now())
            .await
            .map_err(StartError::main_database)?;
        let accounts = accounts_by_id(&config);
        let uploads = open_uploads(&config, &store)?;
        let acceptor = open_acceptor(&config, &store, Arc::clone(&keys))?;
        let costs = open_costs(&config, &store)?;
        Ok(Services {
            known_accounts: Arc::clone(&known_accounts),
            ingest,
            campaign_sender: CampaignSender::new(store.clone(), acceptor.clone()),
            campaign_changed: Arc::default(),
            exporter: Arc::new(open_exporter(&config, &costs)),
            costs: Arc::new(costs),
            month_costs: Arc::default(),
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
                holder: process,
                uploads,
                in_flight: Arc::default(),
                outcomes: Arc::default(),
                started_calls: StartedCalls::new(&config.data_dir, process, folder_use(&store)),
                known_flows: Arc::default(),
                attempt_counter: AttemptCounter::new(accounts.keys()),
                unreachable_log: Arc::default(),
            },
            alert_client: guarded_client(&config)?,
            maintenance_lease: Lease::new(
                store.clone(),
                MAINTENANCE_LEASE_NAME,
                process,
                MAINTENANCE_LEASE_LENGTH,
            ),
            reconciler: Reconciler::new(
                store.clone(),
                journal.clone(),
                Arc::clone(&accounts),
                Arc::clone(&known_accounts),
                limits,
                Arc::clone(&clock),
                Arc::clone(&steady_clock),
                process,
                &config.data_dir,
            ),
            retention: Retention::new(
                store.clone(),
                journal.clone(),
                Arc::clone(&clock),
                Arc::clone(&steady_clock),
                process,
                config.retention,
                stopping.clone(),
            ),
            config,
            accounts,
            clock,
            steady_clock,
            keys,
            store,
            journal,
            dispatch_wakeup: Arc::default(),
            access_refusals: Arc::default(),
            stopping,
        })
    }
}

/// Rejects a journal that does not belong to the main database, and marks both with the id of this
/// process, so that the next start sees that they belong together.
async fn pair_databases(store: &Store, journal: &Journal, process: Uuid) -> Result<(), StartError> {
    let position = store.position().await.map_err(StartError::main_database)?;
    let journal_state = journal.state().await.map_err(StartError::journal)?;
    store
        .claim_journal(position, &journal_state, process)
        .await
        .map_err(StartError::main_database)?;
    journal
        .store_mark(process)
        .await
        .map_err(StartError::journal)
}

/// The check of [`pair_databases`] on a main database that is not migrated yet.
async fn check_pairing(store: &Store, journal: &Journal) -> Result<(), StartError> {
    let position = store.position().await.map_err(StartError::main_database)?;
    let journal_state = journal.state().await.map_err(StartError::journal)?;
    store
        .check_journal(position, &journal_state)
        .await
        .map_err(StartError::main_database)
}

/// Identifies this process as the holder of leases, and its start in the mark that pairs the
/// databases.
fn new_process_id(now: DateTime<Utc>) -> Uuid {
    // Message ids are unique and sort by time, as this one should.
    MessageId::new(now).uuid()
}

async fn start_steady_clock(
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<SteadyClock>, StartError> {
    let steady_clock = SteadyClock::new(Arc::clone(clock));
    let result = store.set_lease_clock(&steady_clock).await;
    result.map_err(StartError::main_database)?;
    Ok(Arc::new(steady_clock))
}

/// Traffic limits that depend on the free space of the disk that stores the callbacks.
fn build_traffic_limits(
    journal: &Journal,
    config: &Config,
    accounts: &KnownAccounts,
) -> TrafficLimits {
    let folder = journal.file().and_then(Path::parent);
    TrafficLimits::new(accounts, folder.unwrap_or(&config.data_dir))
}

/// Creates the journal's partitions of the coming days. A lock held elsewhere does not prevent the
/// start: until the next attempt callbacks go to the default partition.
async fn create_day_partitions(journal: &Journal, clock: &dyn Clock) -> Result<(), StartError> {
    match journal.create_day_partitions(clock.now()).await {
        Err(error) if !error.is_busy() => Err(StartError::journal(error)),
        _ => Ok(()),
    }
}

/// Whether other processes may use the data folder: only one process serves a SQLite database.
fn folder_use(store: &Store) -> FolderUse {
    if store.is_shared() {
        FolderUse::Shared
    } else {
        FolderUse::Exclusive
    }
}
