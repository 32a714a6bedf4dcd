//! Alarms: about this process and its disks, and about accounts: orphan floods, hourly limits,
//! accounts that stopped sending, budgets. They are read from memory, so that they work while a
//! database is unavailable.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::TimeDelta;

use crate::db::disk::{Disk, Reserve};
use crate::domain::budget::BudgetUse;
use crate::domain::enum_words::enum_words;
use crate::domain::ids::AccountId;
use crate::domain::scope::Visibility;
use crate::receiving::traffic_limits::{OrphanFlood, TrafficSpike};
use crate::reporting::costs::month_costs::BudgetLine;
use crate::services::Services;

const MIB: u64 = 1024 * 1024;
const LONG_LAG: TimeDelta = TimeDelta::seconds(60);
/// In bytes; on a large disk this is less than a twentieth.
const LOW_SPACE: u64 = 10 * 1024 * MIB;

#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum AlarmKind {
    /// Neither journal nor spool accepts callbacks; they are answered 503.
    CallbacksRefused,
    /// The main database cannot be written; new messages are answered 503.
    SendsRefused,
    DiskLow,
    /// The oldest unprocessed callback has waited for longer than a minute.
    ReconcileLag,
    /// The journal does not accept callbacks; the spool does.
    SpoolInUse,
    /// The journal refused callbacks because of their content; they are kept in a file.
    SetAside,
    /// An account created many orphans within an hour.
    OrphanFlood,
    /// An account reached its hourly limit; its callbacks are answered 429.
    OverCeiling,
    /// Submissions of an account failed one after another, or its provider paused it.
    AccountTripped,
    /// An account used half of its hourly limit.
    Busy,
    /// The messages of this month have used most of a budget.
    Budget,
}
enum_words!(AlarmKind);

impl AlarmKind {
    pub fn is_per_account(self) -> bool {
        matches!(
            self,
            Self::OrphanFlood | Self::OverCeiling | Self::AccountTripped | Self::Busy
        )
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::CallbacksRefused => "Callbacks are refused",
            Self::SendsRefused => "The database cannot be written",
            Self::DiskLow => "The disk is nearly full",
            Self::ReconcileLag => "Callbacks are processed late",
            Self::SpoolInUse => "The database does not accept callbacks",
            Self::SetAside => "The journal refused callbacks",
            Self::OrphanFlood => "An account receives many unmatched reports",
            Self::OverCeiling => "An account reached its hourly limit",
            Self::AccountTripped => "An account has stopped sending",
            Self::Busy => "An account used half of its hourly limit",
            Self::Budget => "Most or all of this month's budget is used",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    pub kind: AlarmKind,
    /// Set for alarms about one account.
    pub account: Option<AccountId>,
    /// What is wrong and what to do, in a few sentences.
    pub text: String,
}

/// Most severe first.
pub fn list(services: &Services) -> Vec<Alarm> {
    let mut alarms: Vec<Alarm> = disks(services).collect();
    alarms.extend(spool(services));
    alarms.extend(sends(services));
    alarms.extend(lag_alarm(services.reconciler.lag()));
    let (limits, now) = (services.ingest.limits(), services.clock.now());
    alarms.extend(limits.list_orphan_floods(now).into_iter().map(flood_alarm));
    alarms.extend(limits.list_spikes(now).into_iter().map(spike_alarm));
    alarms.extend(trips(services));
    alarms.extend(provider_pauses(services));
    alarms.extend(services.month_costs.list().iter().filter_map(budget_alarm));
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

/// Active while the free space above the reserve is at most the smaller of a twentieth of the disk and
/// [`LOW_SPACE`].
fn low_disk(name: &str, disk: Disk) -> Option<Alarm> {
    let reserve = Reserve::default();
    let available = disk.free_above(reserve);
    (available <= LOW_SPACE.min(disk.total / 20)).then(|| Alarm {
        kind: AlarmKind::DiskLow,
        account: None,
        text: format!(
            "{} MiB of the disk of {name} are free. Callbacks are answered 503 below {} MiB, which is {} MiB from now, and callbacks that a provider sends only once are lost. Free some space; no restart is needed.",
            disk.free / MIB,
            reserve.bytes(disk) / MIB,
            available / MIB
        ),
    })
}

fn sends(services: &Services) -> Option<Alarm> {
    services.store.last_write_failed().then(|| Alarm {
        kind: AlarmKind::SendsRefused,
        account: None,
        text: "The last write to the main database failed: new messages and all actions are answered 503, and callbacks are processed later. The log has the reason: a lock that another program holds, a full disk, or an unreachable server. Bluetick recovers automatically.".to_owned(),
    })
}

/// Whether the alarm [`AlarmKind::ReconcileLag`] is active.
pub fn is_late(services: &Services) -> bool {
    services.reconciler.lag() > LONG_LAG
}

fn lag_alarm(lag: TimeDelta) -> Option<Alarm> {
    (lag > LONG_LAG).then(|| Alarm {
        kind: AlarmKind::ReconcileLag,
        account: None,
        text: format!(
            "The oldest unprocessed callback has been waiting for {} s. Callbacks are stored and answered as usual, but the states of messages are out of date by that much. A large backlog is processed without action; otherwise the log has the reason.",
            lag.num_seconds()
        ),
    })
}

fn spool(services: &Services) -> Vec<Alarm> {
    let status = *services.journal.spool().borrow();
    let alarm = |kind, text| Alarm {
        kind,
        account: None,
        text,
    };
    let mut alarms = Vec::new();
    if status.refusing {
        alarms.push(alarm(
            AlarmKind::CallbacksRefused,
            format!(
                "Neither the journal nor the spool in data_dir accepts callbacks: they are answered 503, {} since the start. The log has the reason. Bluetick recovers automatically as soon as one of them accepts callbacks again.",
                status.failed
            ),
        ));
    } else if status.in_use {
        alarms.push(alarm(
            AlarmKind::SpoolInUse,
            format!(
                "Callbacks are answered 200 and kept in the spool, {} now. They are processed as soon as the database accepts them; no action is needed for them.",
                status.depth
            ),
        ));
    }
    if status.set_aside > 0 {
        alarms.push(alarm(
            AlarmKind::SetAside,
            format!(
                "The journal refused {} callbacks because of their content since the start. They are kept in a .refused file in data_dir; the log names it.",
                status.set_aside
            ),
        ));
    }
    alarms
}

/// The trips as the dispatcher last read them, except of accounts that their providers paused.
fn trips(services: &Services) -> impl Iterator<Item = Alarm> {
    let known = &services.dispatcher.known_flows;
    let (flows, pauses) = (known.list(), known.list_provider_pauses());
    flows.into_iter().filter_map(move |(account, flow)| {
        let trip = flow.breaker.trip?;
        if pauses.contains_key(&account) {
            return None;
        }
        Some(Alarm {
            kind: AlarmKind::AccountTripped,
            text: format!(
                "{account} has stopped sending since {}: {}. The last reply was: {}. Its messages stay queued. Single messages test whether the provider accepts again; then sending continues automatically.",
                trip.since.format("%Y-%m-%d %H:%M:%S UTC"),
                trip.reason.trim_end_matches('.'),
                // Replies may quote the recipient.
                Visibility::Masked
                    .mask_text(&trip.last_reply)
                    .trim_end_matches('.')
            ),
            account: Some(account),
        })
    })
}

/// Pauses by providers, as the dispatcher last read them. A pause by an operator is not an alarm.
fn provider_pauses(services: &Services) -> impl Iterator<Item = Alarm> {
    let pauses = services.dispatcher.known_flows.list_provider_pauses();
    pauses.into_iter().map(|(account, pause)| Alarm {
        kind: AlarmKind::AccountTripped,
        text: format!(
            "{account} has stopped sending since {}, because the provider rejects the account or its messages: {}. Its messages stay queued. Correct the cause with the provider or in the configuration, then resume the account on the page Accounts or with bluetick account resume {account}.",
            pause.since.format("%Y-%m-%d %H:%M:%S UTC"),
            // Providers may quote the recipient.
            Visibility::Masked
                .mask_text(&pause.reason)
                .trim_end_matches('.')
        ),
        account: Some(account),
    })
}

fn flood_alarm(flood: OrphanFlood) -> Alarm {
    let subject = match &flood.account {
        Some(account) => account.to_string(),
        None => "The report URLs of unknown accounts".to_owned(),
    };
    Alarm {
        kind: AlarmKind::OrphanFlood,
        text: format!(
            "{subject} received {} reports within an hour that match no message. Another program may send through this account, or its callback URL may have leaked: then raise callback_generation, enter the new URL in the provider's console, and retire the old generation. Dismiss the unmatched reports of that time together, on the page Problems or with bluetick dismiss-orphans.",
            flood.orphans
        ),
        account: flood.account,
    }
}

fn spike_alarm(spike: TrafficSpike) -> Alarm {
    let TrafficSpike {
        account,
        used,
        rejected,
        byte_ceiling,
        receipt_ceiling,
    } = spike;
    let (mib, limit) = (used.bytes / MIB, byte_ceiling / MIB);
    let used = format!(
        "{} callbacks ({mib} MiB, {} receipts)",
        used.callbacks, used.receipts
    );
    let limit = format!("{limit} MiB or {receipt_ceiling} receipts per hour");
    let (subject, advice) = match &account {
        Some(account) => (
            account.to_string(),
            "If this is unexpected, the callback URL may have leaked: raise callback_generation, enter the new URL in the provider's console, and retire the old generation.",
        ),
        None => (
            "The report URLs of unknown accounts".to_owned(),
            "If such an account is yours, add it to the configuration again; then it is counted separately. Otherwise, a report URL may have leaked: block its sender in front of Bluetick.",
        ),
    };
    let (kind, text) = if rejected > 0 {
        let text = format!(
            "{subject} received {used} this hour, and {rejected} more were answered 429. The limit is {limit}. {advice}"
        );
        (AlarmKind::OverCeiling, text)
    } else {
        let text = format!(
            "{subject} received {used} this hour. Above {limit} they are answered 429. {advice}"
        );
        (AlarmKind::Busy, text)
    };
    Alarm {
        kind,
        account,
        text,
    }
}

fn budget_alarm(line: &BudgetLine) -> Option<Alarm> {
    let share = line.used.alarm_share()?;
    let subject = match &line.account {
        Some(account) => account.to_string(),
        None => "all accounts".to_owned(),
    };
    let BudgetUse {
        currency,
        spent,
        budget,
        ..
    } = &line.used;
    let spent = format!("{} {currency}", spent.normalize());
    let spent = spent.trim_end();
    let text = if share == 100 {
        format!(
            "The messages of {subject} have cost {spent} this month; the budget of {budget} is used up. Messages are still sent: pause the account or its campaigns to stop the costs."
        )
    } else {
        format!(
            "The messages of {subject} have cost {spent} this month, more than {share} % of the budget of {budget}."
        )
    };
    Some(Alarm {
        kind: AlarmKind::Budget,
        account: line.account.clone(),
        text,
    })
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
            low_disk("data_dir", disk).map(|alarm| alarm.text)
        };
        assert_eq!(low(110, 1_000), None);
        let text = low(90, 1_000).unwrap();
        assert!(text.starts_with("90 MiB of the disk of data_dir"), "{text}");
        assert!(text.contains("40 MiB from now"), "{text}");
        assert!(low(10, 1_000).unwrap().contains("0 MiB from now"));
        // Ten gibibytes above the reserve of a large disk.
        assert_eq!(low(12_300, 2_000_000), None);
        assert!(low(12_280, 2_000_000).is_some());
    }
}
