//! The contents of `/metrics`: counters of this process, and a few numbers from the databases.
//!
//! **Invariant:** no query scans a table of messages or callbacks, and no label has a value that an
//! outsider chooses.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::db::disk::Disk;
use crate::domain::ids::AccountId;
use crate::reporting::alarms::{self, AlarmKind};
use crate::reporting::database_metrics;
use crate::reporting::gauges::{GaugeFamily, LabelSet, register_gauge, signed};
use crate::services::Services;
use crate::telemetry;

/// If the databases do not respond within this time, `/metrics` shows everything else.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Renders all metrics in the `OpenMetrics` text format.
pub async fn render(services: &Services) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("bluetick");
    services.journal.metrics().register(&mut registry);
    services.ingest.responses().register(&mut registry);
    services.dispatcher.attempt_counter.register(&mut registry);
    log(&mut registry);
    callbacks(services, &mut registry);
    rejections(services, &mut registry);
    access_refusals(services, &mut registry);
    spool(services, &mut registry);
    files(services, &mut registry);
    disks(services, &mut registry);
    alarms(services, &mut registry);
    sending(services, &mut registry);
    let databases = database_metrics::register(services, &mut registry);
    let answered = tokio::time::timeout(DATABASE_TIMEOUT, databases).await;
    let up = match answered {
        Ok(Ok(())) => i64::from(!services.store.last_write_failed()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "could not query the databases for metrics");
            0
        }
        Err(_) => 0,
    };
    register_gauge(
        &mut registry,
        "databases_up",
        "Whether both databases respond and the last write to the main one succeeded",
        up,
    );
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn log(registry: &mut Registry) {
    let dropped: Counter = Counter::default();
    dropped.inc_by(telemetry::dropped_lines());
    registry.register(
        "log_lines_dropped",
        "Log lines that stderr did not accept, or not in time",
        dropped,
    );
}

fn callbacks(services: &Services, registry: &mut Registry) {
    let results = Family::<LabelSet<1>, Counter>::default();
    for (result, number) in services.ingest.counters().list() {
        results
            .get_or_create(&[("result", result.to_owned())])
            .inc_by(number);
    }
    registry.register("callbacks", "Requests to callback URLs by result", results);
}

fn rejections(services: &Services, registry: &mut Registry) {
    let causes = Family::<LabelSet<1>, Counter>::default();
    for (cause, number) in services.ingest.rejections().counts() {
        causes
            .get_or_create(&[("cause", cause.as_str().to_owned())])
            .inc_by(number);
    }
    registry.register(
        "rejections",
        "Rejected requests to callback URLs, by cause",
        causes,
    );
}

fn access_refusals(services: &Services, registry: &mut Registry) {
    let causes = Family::<LabelSet<1>, Counter>::default();
    for (cause, number) in services.access_refusals.counts() {
        causes
            .get_or_create(&[("cause", cause.as_str().to_owned())])
            .inc_by(number);
    }
    registry.register(
        "access_refusals",
        "Failed sign-ins, refused tokens and throttled searches, by cause",
        causes,
    );
}

fn spool(services: &Services, registry: &mut Registry) {
    let status = *services.journal.spool().borrow();
    register_gauge(
        registry,
        "spool_in_use",
        "Whether the spool holds callbacks, or receives them because the journal does not accept them",
        i64::from(status.depth > 0 || status.in_use && !status.refusing),
    );
    register_gauge(
        registry,
        "spool_records",
        "Callbacks in the spool that are not in the journal yet",
        signed(status.depth),
    );
    let bytes: Gauge = Gauge::default();
    bytes.set(signed(status.bytes));
    registry.register_with_unit("spool", "Size of the spool", Unit::Bytes, bytes);
    let moves = Family::<LabelSet<1>, Counter>::default();
    for (what, number) in [
        ("spooled", status.spooled),
        ("drained", status.drained),
        ("failed", status.failed),
        ("set_aside", status.set_aside),
    ] {
        moves
            .get_or_create(&[("what", what.to_owned())])
            .inc_by(number);
    }
    registry.register(
        "spool_moves",
        "Callbacks written to the spool, moved to the journal, refused by both, or kept in a file",
        moves,
    );
}

/// The size of a WAL shows how much was written between two checkpoints.
fn files(services: &Services, registry: &mut Registry) {
    let sizes = GaugeFamily::<1>::default();
    let files = [
        ("journal", services.journal.file()),
        ("main", services.store.file()),
    ];
    for (name, path) in files {
        let Some(path) = path else { continue };
        let wal = format!("{}-wal", path.display());
        for (name, path) in [
            (name.to_owned(), path),
            (format!("{name}-wal"), Path::new(&wal)),
        ] {
            let bytes = path.metadata().map_or(0, |metadata| metadata.len());
            sizes.get_or_create(&[("file", name)]).set(signed(bytes));
        }
    }
    registry.register_with_unit(
        "file",
        "Size of SQLite's files; a -wal grows until its checkpoint and is then reused",
        Unit::Bytes,
        sizes,
    );
}

fn disks(services: &Services, registry: &mut Registry) {
    let (free, total) = (GaugeFamily::<1>::default(), GaugeFamily::<1>::default());
    let folders = [
        ("data", Some(services.config.data_dir.as_path())),
        ("database", services.store.file().and_then(Path::parent)),
    ];
    for (name, folder) in folders {
        let Some(disk) = folder.and_then(|folder| Disk::measure(folder).ok()) else {
            continue;
        };
        let label = [("folder", name.to_owned())];
        free.get_or_create(&label).set(signed(disk.free));
        total.get_or_create(&label).set(signed(disk.total));
    }
    registry.register_with_unit(
        "disk_free",
        "Free space on a folder's disk",
        Unit::Bytes,
        free,
    );
    registry.register_with_unit("disk", "Size of a folder's disk", Unit::Bytes, total);
}

/// Registers the send flows as the dispatcher last read them.
fn sending(services: &Services, registry: &mut Registry) {
    let tripped = GaugeFamily::<1>::default();
    let rates = Family::<LabelSet<1>, Gauge<f64, AtomicU64>>::default();
    let (flows, now) = (
        services.dispatcher.known_flows.list(),
        services.steady_clock.now(),
    );
    for (id, account) in services.accounts.iter() {
        let flow = flows.get(id).cloned().unwrap_or_default();
        let labels = [("account", id.to_string())];
        tripped
            .get_or_create(&labels)
            .set(i64::from(flow.breaker.trip.is_some()));
        if let Some(rate) = flow.rate(account.rate, now) {
            rates.get_or_create(&labels).set(rate);
        }
    }
    registry.register(
        "account_tripped",
        "1 while an account sends nothing but probes, because submissions failed one after another",
        tripped,
    );
    registry.register(
        "account_effective_rate",
        "Messages per second that an account may send now; absent without a limit",
        rates,
    );
}

fn alarms(services: &Services, registry: &mut Registry) {
    let active = GaugeFamily::<2>::default();
    let set = |kind: AlarmKind, account: Option<&AccountId>, value| {
        let account = account.map_or_else(String::new, ToString::to_string);
        let labels = [("alarm", kind.as_str().to_owned()), ("account", account)];
        active.get_or_create(&labels).set(value);
    };
    for kind in AlarmKind::ALL {
        set(kind, None, 0);
        for account in services
            .known_accounts
            .ids()
            .filter(|_| kind.is_per_account())
        {
            set(kind, Some(account), 0);
        }
    }
    for alarm in alarms::list(services) {
        set(alarm.kind, alarm.account.as_ref(), 1);
    }
    registry.register("alarms", "1 while the alarm is active", active);
}
