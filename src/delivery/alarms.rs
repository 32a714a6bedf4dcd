//! What an operator must know at once about this process and its disks. Read from memory, so that it can be told while a database is away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::delivery::services::Services;
use crate::delivery::traffic::Surge;
use crate::domain::ids::AccountId;
use crate::store::disk::Disk;
use crate::store::spool::SpoolLimits;

/// A kind of alarm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AlarmKind {
    /// Neither journal nor spool takes callbacks; they are answered 503.
    CallbacksRefused,
    /// Little is free of a disk.
    DiskLow,
    /// The journal does not take callbacks; the spool does.
    SpoolInUse,
    /// The journal refused callbacks for what they hold; they lie in a file.
    SetAside,
    /// An account reached its ceiling; its callbacks are answered 429.
    OverCeiling,
    /// An account gets many times its usual callbacks.
    Busy,
}

impl AlarmKind {
    /// The word used in JSON and at `/metrics`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallbacksRefused => "callbacks_refused",
            Self::DiskLow => "disk_low",
            Self::SpoolInUse => "spool_in_use",
            Self::SetAside => "set_aside",
            Self::OverCeiling => "over_ceiling",
            Self::Busy => "busy",
        }
    }

    /// Its name as people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::CallbacksRefused => "Callbacks are refused",
            Self::DiskLow => "The disk is nearly full",
            Self::SpoolInUse => "The database does not take callbacks",
            Self::SetAside => "Callbacks were set aside",
            Self::OverCeiling => "An account reached its ceiling",
            Self::Busy => "An account is unusually busy",
        }
    }
}

/// One alarm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// Which kind.
    pub kind: AlarmKind,
    /// Whose, where it is about one account.
    pub account: Option<AccountId>,
    /// What is the matter and what to do, in a few sentences.
    pub words: String,
}

/// Everything that is alarming now, the worst first.
pub fn list(services: &Services) -> Vec<Alarm> {
    let mut alarms: Vec<Alarm> = disks(services).collect();
    alarms.extend(spool(services));
    let surges = services.ingest.traffic().list_surges(services.clock.now());
    alarms.extend(surges.into_iter().map(surge));
    alarms.sort_by_key(|alarm| alarm.kind);
    alarms
}

/// Told at twice of what callbacks leave free.
fn disks(services: &Services) -> impl Iterator<Item = Alarm> {
    let reserve = SpoolLimits::default().free_percent;
    let data = services.config.data_dir.clone();
    let file = services.store.file();
    let database = file.and_then(|file| Some((file.parent()?.to_owned(), "the database")));
    let folders: BTreeMap<PathBuf, &str> =
        database.into_iter().chain([(data, "data_dir")]).collect();
    let low = move |(folder, name): (PathBuf, &str)| {
        let disk = Disk::measure(&folder).ok()?;
        (disk.room_above(2 * reserve) == 0).then(|| Alarm {
            kind: AlarmKind::DiskLow,
            account: None,
            words: format!(
                "Less than {} % of the disk of {name} is free ({} MiB). Below {reserve} % callbacks are answered 503, and what a provider sends only once is lost. Make room; nothing has to be restarted.",
                2 * reserve,
                disk.free / 1024 / 1024
            ),
        })
    };
    folders.into_iter().filter_map(low)
}

fn spool(services: &Services) -> Vec<Alarm> {
    let standing = *services.journal.spool().borrow();
    let alarm = |kind, words| Alarm {
        kind,
        account: None,
        words,
    };
    let mut alarms = Vec::new();
    if standing.refusing {
        alarms.push(alarm(
            AlarmKind::CallbacksRefused,
            format!(
                "Neither the journal nor the spool in data_dir takes callbacks: they are answered 503, {} since the start. The log says why. It goes on by itself as soon as one of them does.",
                standing.failed
            ),
        ));
    } else if standing.in_use {
        alarms.push(alarm(
            AlarmKind::SpoolInUse,
            format!(
                "Callbacks are answered 200 and kept in the spool, {} now. They show once the database takes them; nothing has to be done for them.",
                standing.depth
            ),
        ));
    }
    if standing.set_aside > 0 {
        alarms.push(alarm(
            AlarmKind::SetAside,
            format!(
                "The journal refused {} for what they hold, since the start. They are kept in a .refused file in data_dir; the log names it.",
                standing.set_aside
            ),
        ));
    }
    alarms
}

fn surge(surge: Surge) -> Alarm {
    let Surge {
        account,
        taken,
        refused,
        usual,
    } = surge;
    let mib = taken.bytes / 1024 / 1024;
    let usual = usual.map_or_else(String::new, |usual| {
        format!(" Its usual hour has {}.", usual.callbacks)
    });
    let advice = "If nobody sends that much, the callback URL has leaked: raise callback_generation, enter the new URL in the provider's console, and retire the old generation.";
    let (kind, words) = if refused > 0 {
        let words = format!(
            "{account} took {} callbacks ({mib} MiB) this hour, and {refused} more were answered 429 until the hour ends.{usual} {advice}",
            taken.callbacks
        );
        (AlarmKind::OverCeiling, words)
    } else {
        let words = format!(
            "{account} took {} callbacks ({mib} MiB) this hour.{usual} {advice}",
            taken.callbacks
        );
        (AlarmKind::Busy, words)
    };
    Alarm {
        kind,
        account: Some(account),
        words,
    }
}
