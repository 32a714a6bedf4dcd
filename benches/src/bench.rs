//! What every part of a run is made of: an installation that is served, and ways to send to it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bluetick::domain::secret::Secret;
use bluetick::store::Store;

use crate::load::{Measured, Pace, Plan, Requests, run};
use crate::population::{BaselineCallbacks, Callbacks, Order, Population};
use crate::server::{Installation, Reconciling, Server};
use crate::{Failure, Scale, bulk};

/// Callbacks that may be acknowledged and not yet applied while a flat backlog is measured.
const BACKLOG: u64 = 8192;
/// How often the reconciler's place is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What all parts share.
pub struct Bench<'a> {
    /// How much and how long.
    pub scale: &'a Scale,
    /// Where databases are made.
    pub folder: &'a Path,
    binary: &'a Path,
    /// For what has to be awaited.
    pub runtime: tokio::runtime::Runtime,
}

/// A served installation and the callbacks that fit it.
pub struct Subject {
    /// The process.
    pub server: Server,
    /// Its files.
    pub installation: Installation,
    /// What it is sent.
    pub callbacks: Arc<Callbacks>,
    store: Store,
    /// The number of the next callback.
    pub next: AtomicU64,
}

impl Subject {
    /// Starts the server again; reconciling or, as on a replica, leaving that to another.
    pub fn restart(mut self, reconciling: Reconciling) -> Result<Self, Failure> {
        self.server.stop()?;
        self.installation.lend_reconciliation(reconciling)?;
        self.server = Server::bluetick(&self.installation)?;
        Ok(self)
    }

    /// The same, to be sent a campaign's reports.
    pub fn in_campaign(self) -> Result<Self, Failure> {
        let population = self.callbacks.population();
        let callbacks = Arc::new(Callbacks::new(population, Order::Campaign)?);
        Ok(Self { callbacks, ..self })
    }

    /// Starts the server again; callbacks are kept for so many days.
    pub fn restart_keeping(mut self, days: u32) -> Result<Self, Failure> {
        self.server.stop()?;
        self.installation.keep_callbacks(days)?;
        self.server = Server::bluetick(&self.installation)?;
        Ok(self)
    }
}

impl<'a> Bench<'a> {
    /// Nothing runs yet.
    pub fn new(scale: &'a Scale, folder: &'a Path, binary: &'a Path) -> Result<Self, Failure> {
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

    /// Waits for a future.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A plan of this scale.
    pub fn plan(&self, connections: u32, pace: Pace, first: u64) -> Plan {
        Plan {
            connections,
            pace,
            warm_up: self.scale.warm_up,
            measured: self.scale.measured,
            first,
        }
    }

    /// C: what a handler does that only parses, just now.
    pub fn reference(&self, connections: u32) -> Result<Measured, Failure> {
        let server = Server::baseline(&["noop"])?;
        let plan = self.plan(connections, Pace::Saturating, 0);
        let mut measured = run(server.address, &plan, Arc::new(BaselineCallbacks))?;
        measured.processor += server.processor_time()?;
        refuse_refusals(&measured)?;
        Ok(measured)
    }

    /// Makes, fills and starts an installation.
    pub fn subject(
        &self,
        name: &str,
        database_url: Option<&str>,
        population: &Population,
    ) -> Result<Subject, Failure> {
        let installation = Installation::make(self.binary, &self.folder.join(name), database_url)?;
        bulk::fill(&installation, population)?;
        let server = Server::bluetick(&installation)?;
        let url = Secret::new(installation.database_url.as_str());
        Ok(Subject {
            server,
            store: self.runtime.block_on(Store::open(&url))?,
            installation,
            callbacks: Arc::new(Callbacks::new(population, Order::Scattered)?),
            next: AtomicU64::new(0),
        })
    }

    /// The highest place that is applied.
    pub fn position(&self, subject: &Subject) -> Result<u64, Failure> {
        let position = self.runtime.block_on(subject.store.position())?;
        Ok(u64::try_from(position)?)
    }

    /// Sends callbacks at some pace.
    pub fn send(
        &self,
        subject: &Subject,
        connections: u32,
        pace: Pace,
    ) -> Result<Measured, Failure> {
        let plan = self.plan(connections, pace, subject.next.load(Ordering::Relaxed));
        let requests: Arc<dyn Requests> = subject.callbacks.clone();
        let before = subject.server.processor_time()?;
        let mut measured = run(subject.server.address, &plan, requests)?;
        measured.processor += subject.server.processor_time()?.saturating_sub(before);
        subject.next.store(measured.next, Ordering::Relaxed);
        refuse_refusals(&measured)?;
        let repeated = measured.next > subject.callbacks.distinct();
        if repeated {
            return Err("there were too few messages for so many callbacks".into());
        }
        Ok(measured)
    }

    /// Waits until everything sent is applied; returns how many a second were.
    pub fn drain(&self, subject: &Subject) -> Result<f64, Failure> {
        let began = Instant::now();
        let first = self.position(subject)?;
        let mut last = (first, began);
        while last.1.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(LOOK);
            let now = self.position(subject)?;
            if now != last.0 {
                last = (now, Instant::now());
            }
        }
        let elapsed = last.1.duration_since(began).as_secs_f64();
        Ok(if elapsed > 0.0 {
            count(last.0 - first) / elapsed
        } else {
            0.0
        })
    }

    /// The rate at which callbacks are acknowledged and applied while no more than [`BACKLOG`] wait in between.
    pub fn sustain(&self, subject: &Subject, connections: u32) -> Result<(f64, Measured), Failure> {
        let limit = Arc::new(AtomicU64::new(0));
        let done = AtomicBool::new(false);
        let offset = self.position(subject)?;
        let first = subject.next.load(Ordering::Relaxed);
        let raise = || -> Result<u64, Failure> {
            let applied = self.position(subject)? - offset;
            limit.store(first + applied + BACKLOG, Ordering::Relaxed);
            Ok(applied)
        };
        raise()?;
        std::thread::scope(|scope| {
            let follower = scope.spawn(|| -> Result<f64, Failure> {
                let begun = Instant::now();
                let mut from = None;
                let mut applied = 0;
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(LOOK);
                    applied = raise()?;
                    if begun.elapsed() < self.scale.warm_up {
                        from = Some((applied, Instant::now()));
                    }
                }
                let (before, since) = from.ok_or("no time passed")?;
                Ok(count(applied - before) / since.elapsed().as_secs_f64())
            });
            let pace = Pace::Behind(Arc::clone(&limit));
            let measured = self.send(subject, connections, pace);
            done.store(true, Ordering::Relaxed);
            let rate = follower.join().map_err(|_| "the follower panicked")??;
            Ok((rate, measured?))
        })
    }
}

/// A run with refusals measures nothing.
pub fn refuse_refusals(measured: &Measured) -> Result<(), Failure> {
    if measured.refused > 0 {
        return Err(format!("{} requests were refused", measured.refused).into());
    }
    if measured.answered == 0 {
        return Err("nothing was answered".into());
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(number: u64) -> f64 {
    number as f64
}
