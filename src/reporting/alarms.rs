//! What an operator must know at once about this process and its disks. Read from memory, so that it can be told while a database is away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::db::disk::Disk;
use crate::domain::ids::AccountId;
use crate::journal::spool::SpoolLimits;
use crate::receiving::limits::Surge;
use crate::services::Services;

const MIB: u64 = 1024 * 1024;
/// Of a large disk a small share is plenty.
const LITTLE: u64 = 10 * 1024 * MIB;

/// A kind of alarm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AlarmKind {
    /// Neither journal nor spool takes callbacks; they are answered 503.
    CallbacksRefused,
    /// The main database cannot be written; whoever sends is answered 503.
    SendsRefused,
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
    /// Every kind, the worst first.
    pub const ALL: [Self; 7] = [
        Self::CallbacksRefused,
        Self::SendsRefused,
        Self::DiskLow,
        Self::SpoolInUse,
        Self::SetAside,
        Self::OverCeiling,
        Self::Busy,
    ];

    /// Whether it is about one account.
    pub fn is_of_account(self) -> bool {
        matches!(self, Self::OverCeiling | Self::Busy)
    }

    /// The word used in JSON and at `/metrics`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallbacksRefused => "callbacks_refused",
            Self::SendsRefused => "sends_refused",
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
            Self::SendsRefused => "The database cannot be written",
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
    alarms.extend(sends(services));
    let surges = services.ingest.traffic().list_surges(services.clock.now());
    alarms.extend(surges.into_iter().map(surge));
    alarms.sort_by_key(|alarm| alarm.kind);
    alarms
}

fn disks(services: &Services) -> impl Iterator<Item = Alarm> {
    let data = services.config.data_dir.clone();
    let file = services.store.file();
    let database = file.and_then(|file| Some((file.parent()?.to_owned(), "the database")));
    let folders: BTreeMap<PathBuf, &str> =
        database.into_iter().chain([(data, "data_dir")]).collect();
    folders
        .into_iter()
        .filter_map(|(folder, name)| low_disk(name, Disk::measure(&folder).ok()?))
}

/// Told while as much again as callbacks leave free is left, or [`LITTLE`].
fn low_disk(name: &str, disk: Disk) -> Option<Alarm> {
    let reserve = SpoolLimits::default().free_percent;
    let room = disk.room_above(reserve);
    let share = disk.total / 100 * reserve;
    (room <= share.min(LITTLE)).then(|| Alarm {
        kind: AlarmKind::DiskLow,
        account: None,
        words: format!(
            "{} MiB of the disk of {name} are free. Below {reserve} %, in {} MiB, callbacks are answered 503, and what a provider sends only once is lost. Make room; nothing has to be restarted.",
            disk.free / MIB,
            room / MIB
        ),
    })
}

fn sends(services: &Services) -> Option<Alarm> {
    services.store.is_refusing().then(|| Alarm {
        kind: AlarmKind::SendsRefused,
        account: None,
        words: "The main database could not be written when that was last tried: new messages and every action are answered 503, and what callbacks tell shows later. The log says why: a lock that another program holds, a full disk, a server that is away. It goes on by itself.".to_owned(),
    })
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
    let mib = taken.bytes / MIB;
    let usual = usual.map_or_else(String::new, |usual| {
        format!(" Its usual hour has {}.", usual.callbacks)
    });
    let (whose, advice) = match &account {
        Some(account) => (
            account.to_string(),
            "If nobody sends that much, the callback URL has leaked: raise callback_generation, enter the new URL in the provider's console, and retire the old generation.",
        ),
        None => (
            "The report URLs of accounts that nobody remembers".to_owned(),
            "If such an account is yours, add it to the configuration again, and it is counted by itself. If nobody sends that much, a report URL has leaked: refuse its sender in front of Bluetick.",
        ),
    };
    let (kind, words) = if refused > 0 {
        let words = format!(
            "{whose} took {} callbacks ({mib} MiB) this hour, and {refused} more were answered 429 until the hour ends.{usual} {advice}",
            taken.callbacks
        );
        (AlarmKind::OverCeiling, words)
    } else {
        let words = format!(
            "{whose} took {} callbacks ({mib} MiB) this hour.{usual} {advice}",
            taken.callbacks
        );
        (AlarmKind::Busy, words)
    };
    Alarm {
        kind,
        account,
        words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_before_callbacks_are_refused() {
        let low = |free: u64, total: u64| {
            let disk = Disk {
                free: free * MIB,
                total: total * MIB,
            };
            low_disk("data_dir", disk).map(|alarm| alarm.words)
        };
        assert_eq!(low(110, 1_000), None);
        let words = low(90, 1_000).unwrap();
        assert!(
            words.starts_with("90 MiB of the disk of data_dir"),
            "{words}"
        );
        assert!(words.contains("in 40 MiB"), "{words}");
        assert!(low(10, 1_000).unwrap().contains("in 0 MiB"));
        // Twenty gibibytes above the reserve of a large disk.
        assert_eq!(low(120_000, 2_000_000), None);
        assert!(low(105_000, 2_000_000).is_some());
    }
}
