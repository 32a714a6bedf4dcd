//! What all parts of the benchmark share: a running installation, and ways to send to it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bluetick::domain::secret::Secret;
use bluetick::store::Store;

use crate::bulk;
use crate::callback_requests::{BaselineCallbacks, Callbacks, ReadOrder};
use crate::error::BenchError;
use crate::load::{Measured, Pace, Plan, Requests, run};
use crate::population::{ACCOUNTS, Population};
use crate::scale::Scale;
use crate::server::{Installation, Reconciliation, Server};

/// Maximum number of callbacks acknowledged and not yet applied while the sustained rate is
/// measured.
const BACKLOG: u64 = 8192;
/// How often the reconciler's position is read.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

pub struct Bench<'a> {
    pub scale: &'a Scale,
    /// For databases.
    pub folder: &'a Path,
    binary: &'a Path,
    pub runtime: tokio::runtime::Runtime,
}

/// A running installation and callbacks about its messages.
pub struct Subject {
    pub server: Server,
    pub installation: Installation,
    pub callbacks: Arc<Callbacks>,
    store: Store,
    /// Number of the next callback.
    pub next: AtomicU64,
    /// Locks the main database while reconciliation is disabled. The mutex makes the subject `Sync`.
    lock: Option<Mutex<rusqlite::Connection>>,
}

impl Subject {
    pub fn restart(mut self, reconciliation: Reconciliation) -> Result<Self, BenchError> {
        self.lock = None;
        self.server.stop()?;
        self.server = Server::bluetick(&self.installation)?;
        self.lock = match reconciliation {
            Reconciliation::Enabled => None,
            Reconciliation::Disabled => Some(Mutex::new(self.installation.lock_main_database()?)),
        };
        Ok(self)
    }

    /// Restarts with TLS to PostgreSQL instead of unencrypted connections.
    pub fn restart_with_tls(mut self) -> Result<Self, BenchError> {
        self.server.stop()?;
        let url = &self.installation.database_url;
        let mut command = self.installation.command(&["serve"]);
        command.env(
            "BLUETICK_DATABASE_URL",
            url.replace("sslmode=disable", "sslmode=require"),
        );
        self.server = Server::start(&mut command)?;
        Ok(self)
    }

    pub fn with_campaign_order(self) -> Result<Self, BenchError> {
        let population = self.callbacks.population();
        let callbacks = Arc::new(Callbacks::new(population, ReadOrder::Campaign)?);
        Ok(Self { callbacks, ..self })
    }

    pub fn restart_with_callback_retention(mut self, days: u32) -> Result<Self, BenchError> {
        self.server.stop()?;
        self.installation.set_callback_retention(days)?;
        self.server = Server::bluetick(&self.installation)?;
        Ok(self)
    }
}

impl<'a> Bench<'a> {
    pub fn new(scale: &'a Scale, folder: &'a Path, binary: &'a Path) -> Result<Self, BenchError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        Ok(Self {
            scale,
            folder,
            binary,
            runtime,
        })
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn plan(&self, connections: u32, pace: Pace, first: u64) -> Plan {
        Plan {
            connections,
            pace,
            warm_up: self.scale.warm_up,
            measured: self.scale.measured,
            first,
        }
    }

    /// Measures C, a handler that only parses.
    pub fn measure_c(&self, connections: u32) -> Result<Measured, BenchError> {
        let server = Server::baseline(&["noop"])?;
        let plan = self.plan(connections, Pace::Saturating, 0);
        let mut measured = run(server.address, &plan, Arc::new(BaselineCallbacks))?;
        measured.processor += server.processor_time()?;
        check_all_accepted(&measured)?;
        Ok(measured)
    }

    /// Creates, fills and starts an installation.
    pub fn start_subject(
        &self,
        name: &str,
        database_url: Option<&str>,
        population: &Population,
    ) -> Result<Subject, BenchError> {
        let installation =
            Installation::create(self.binary, &self.folder.join(name), database_url)?;
        bulk::fill(&installation, population)?;
        let server = Server::bluetick(&installation)?;
        let url = Secret::new(installation.database_url.as_str());
        Ok(Subject {
            server,
            store: self.runtime.block_on(Store::open(&url, 12))?,
            installation,
            callbacks: Arc::new(Callbacks::new(population, ReadOrder::Scattered)?),
            next: AtomicU64::new(0),
            lock: None,
        })
    }

    /// Starts an installation of an earlier run, or creates and fills it.
    pub fn start_kept_subject(&self, name: &str, size: u64) -> Result<Subject, BenchError> {
        let folder = self.folder.join(name);
        let Some(now) = bulk::newest_message(&folder)? else {
            return self.start_subject(name, None, &Population::new(size));
        };
        let population = Population::until(size, now);
        let installation = Installation::create(self.binary, &folder, None)?;
        let server = Server::bluetick(&installation)?;
        let url = Secret::new(installation.database_url.as_str());
        Ok(Subject {
            server,
            store: self.runtime.block_on(Store::open(&url, 12))?,
            installation,
            callbacks: Arc::new(Callbacks::new(&population, ReadOrder::Scattered)?),
            next: AtomicU64::new(0),
            lock: None,
        })
    }

    /// An installation with one account, whose provider is at this address.
    pub fn install_sender(
        &self,
        folder: &Path,
        provider: SocketAddr,
    ) -> Result<Installation, BenchError> {
        let account = ACCOUNTS.iter().find(|account| account.provider == "sobot");
        let account = account.ok_or("no account of Sobot")?;
        let settings = format!(
            "{}base_url = \"http://{provider}\"\nwindow = \"ignore\"\n",
            account.settings
        );
        Installation::create_with_accounts(self.binary, folder, None, vec![settings])
    }

    /// Sequence number of the last applied callback.
    pub fn position(&self, subject: &Subject) -> Result<u64, BenchError> {
        let position = self.runtime.block_on(subject.store.position())?;
        Ok(u64::try_from(position)?)
    }

    pub fn send(
        &self,
        subject: &Subject,
        connections: u32,
        pace: Pace,
    ) -> Result<Measured, BenchError> {
        self.send_for(subject, connections, pace, Duration::ZERO)
    }

    /// Measures for at least `shortest`.
    pub fn send_for(
        &self,
        subject: &Subject,
        connections: u32,
        pace: Pace,
        shortest: Duration,
    ) -> Result<Measured, BenchError> {
        let plan = self.plan(connections, pace, subject.next.load(Ordering::Relaxed));
        let plan = plan.lasting(shortest);
        let requests: Arc<dyn Requests> = subject.callbacks.clone();
        let before = subject.server.processor_time()?;
        let mut measured = run(subject.server.address, &plan, requests)?;
        measured.processor += subject.server.processor_time()?.saturating_sub(before);
        subject.next.store(measured.next, Ordering::Relaxed);
        check_all_accepted(&measured)?;
        let repeated = measured.next > subject.callbacks.distinct();
        if repeated {
            return Err("more callbacks were sent than the messages allow".into());
        }
        Ok(measured)
    }

    /// Waits until every callback is applied; returns the number applied per second.
    pub fn drain(&self, subject: &Subject) -> Result<f64, BenchError> {
        let began = Instant::now();
        let first = self.position(subject)?;
        let mut last = (first, began);
        while last.1.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(POLL_INTERVAL);
            let now = self.position(subject)?;
            if now != last.0 {
                last = (now, Instant::now());
            }
        }
        let elapsed = last.1.duration_since(began).as_secs_f64();
        Ok(if elapsed > 0.0 {
            to_f64(last.0 - first) / elapsed
        } else {
            0.0
        })
    }

    /// The rate at which callbacks are applied while at most [`BACKLOG`] wait.
    pub fn sustain(
        &self,
        subject: &Subject,
        connections: u32,
    ) -> Result<(f64, Measured), BenchError> {
        let limit = Arc::new(AtomicU64::new(0));
        let done = AtomicBool::new(false);
        let offset = self.position(subject)?;
        let first = subject.next.load(Ordering::Relaxed);
        let raise_limit = || -> Result<u64, BenchError> {
            let applied = self.position(subject)? - offset;
            limit.store(first + applied + BACKLOG, Ordering::Relaxed);
            Ok(applied)
        };
        raise_limit()?;
        std::thread::scope(|scope| {
            let follower = scope.spawn(|| -> Result<f64, BenchError> {
                // The position moves once per batch, so time is taken from one change to another.
                let began = Instant::now();
                let mut changed = (0, began);
                let mut from = changed;
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(POLL_INTERVAL);
                    let applied = raise_limit()?;
                    if applied != changed.0 {
                        changed = (applied, Instant::now());
                        if began.elapsed() < self.scale.warm_up {
                            from = changed;
                        }
                    }
                }
                if changed.0 == from.0 {
                    return Err("the reconciler applied no batch".into());
                }
                let elapsed = changed.1.duration_since(from.1).as_secs_f64();
                Ok(to_f64(changed.0 - from.0) / elapsed)
            });
            let pace = Pace::Limited(Arc::clone(&limit));
            let measured = self.send(subject, connections, pace);
            done.store(true, Ordering::Relaxed);
            let rate = follower.join().map_err(|_| "the follower panicked")??;
            Ok((rate, measured?))
        })
    }
}

/// A run with rejected requests is not a measurement.
pub fn check_all_accepted(measured: &Measured) -> Result<(), BenchError> {
    if measured.rejected > 0 {
        return Err(format!("{} requests were rejected", measured.rejected).into());
    }
    if measured.succeeded == 0 {
        return Err("no request succeeded".into());
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn to_f64(number: u64) -> f64 {
    number as f64
}
