//! How much each account's provider calls: its hour beside its usual hour, and the ceiling that keeps a leaked address from filling the disk.
//!
//! Counts in memory, shared with other processes through the database every few seconds.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::db;
use crate::db::disk::Disk;
use crate::domain::ids::AccountId;
use crate::journal::spool::SpoolLimits;
use crate::receiving::known_accounts::KnownAccounts;
use crate::store::Store;
use crate::store::callback_hours::CallbackHour;

/// So many times its usual hour is an alarm.
const ALARMING: u64 = 20;
/// No hour with fewer callbacks is one: a quiet account may have a first campaign.
const ALARMING_CALLBACKS: u64 = 10_000;
/// Hours with callbacks that must be known before one is called usual.
const HOURS_KNOWN: u64 = 3;
/// How far back usual hours lie.
const REMEMBERED: TimeDelta = TimeDelta::days(7);
/// What is always allowed in an hour: about a million callbacks of one kilobyte. Beyond it a hundred usual hours are, and a tenth of the free disk.
const ALWAYS_ALLOWED: u64 = 1024 * 1024 * 1024;
const USUAL_HOURS_ALLOWED: u64 = 100;
const DISK_SHARE_ALLOWED: u64 = 10;

/// Memory that one account's requests may hold while they come in: a quarter of the journal's, so that slow clients at one leaked address do not keep all others waiting.
const ROOM_UNITS: usize = 64 * 1024;
const ROOM_UNIT: usize = 1024;

/// Callbacks and the bytes they take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Volume {
    /// How many.
    pub callbacks: u64,
    /// Their bodies, queries and headers.
    pub bytes: u64,
}

/// An account account hour is out of the ordinary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Surge {
    /// Which account; absent for all those together that nobody remembers.
    pub account: Option<AccountId>,
    /// What it took this hour, in all processes as far as known.
    pub taken: Volume,
    /// Callbacks refused this hour because the ceiling was reached.
    pub refused: u64,
    /// Its usual hour, once it has one.
    pub usual: Option<Volume>,
}

/// What every account takes.
#[derive(Debug)]
pub struct Traffic {
    accounts: HashMap<AccountId, Gate>,
    /// Accounts that were forgotten while messages of theirs still report.
    elsewhere: Gate,
    /// Where callbacks are kept.
    folder: PathBuf,
}

/// Leave to hold a body in memory beside the account's others.
#[derive(Debug)]
pub struct Share<'t>(SemaphorePermit<'t>);

impl Share<'_> {
    /// Gives back what a body did not need that turned out smaller than it could have been.
    pub fn give_back_beyond(&mut self, body_bytes: usize) {
        let beyond = self.0.num_permits().saturating_sub(units(body_bytes));
        drop(self.0.split(beyond));
    }
}

fn units(body_bytes: usize) -> usize {
    body_bytes.div_ceil(ROOM_UNIT).clamp(1, ROOM_UNITS)
}

/// Where one account's callbacks come in.
#[derive(Debug)]
struct Gate {
    flow: Mutex<Flow>,
    room: Semaphore,
}

impl Gate {
    fn new(flow: Flow) -> Self {
        Self {
            flow: Mutex::new(flow),
            room: Semaphore::new(ROOM_UNITS),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one account takes.
#[derive(Clone, Debug)]
struct Flow {
    /// Hours since 1970.
    hour: i64,
    /// What the database knew of this hour.
    recorded: Volume,
    /// What it does not know yet, by hour.
    unsaved: BTreeMap<i64, Volume>,
    refused: u64,
    usual: Option<Volume>,
    /// Bytes of one hour.
    ceiling: u64,
}

impl Traffic {
    /// Of these accounts; their callbacks are kept on the disk of `folder`.
    pub fn new(accounts: &KnownAccounts, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let quiet = Flow {
            hour: 0,
            recorded: Volume::default(),
            unsaved: BTreeMap::new(),
            refused: 0,
            usual: None,
            ceiling: ceiling(None, room(&folder)),
        };
        Self {
            accounts: accounts
                .ids()
                .map(|id| (id.clone(), Gate::new(quiet.clone())))
                .collect(),
            elsewhere: Gate::new(quiet),
            folder,
        }
    }

    /// Waits until an account may hold a body of so many bytes in memory beside its others; ask before asking for room in the journal.
    pub async fn reserve(&self, account: &AccountId, body_bytes: usize) -> Option<Share<'_>> {
        let units = u32::try_from(units(body_bytes)).unwrap_or(u32::MAX);
        // Nobody closes it.
        let permit = self.gate(account).room.acquire_many(units).await;
        permit.ok().map(Share)
    }

    fn gate(&self, account: &AccountId) -> &Gate {
        self.accounts.get(account).unwrap_or(&self.elsewhere)
    }

    fn gates(&self) -> impl Iterator<Item = (Option<&AccountId>, &Gate)> {
        let known = self.accounts.iter().map(|(id, gate)| (Some(id), gate));
        known.chain([(None, &self.elsewhere)])
    }

    /// Whether an account may have so many bytes more kept in this hour; if so, they are counted.
    pub fn admit(&self, account: &AccountId, bytes: usize, now: DateTime<Utc>) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let mut flow = self.gate(account).lock();
        flow.turn_to(hour_of(now));
        if flow.taken().bytes.saturating_add(bytes) > flow.ceiling {
            flow.refused += 1;
            return false;
        }
        let hour = flow.hour;
        let unsaved = flow.unsaved.entry(hour).or_default();
        unsaved.callbacks += 1;
        unsaved.bytes += bytes;
        true
    }

    /// Accounts at twenty times their usual hour, or at their ceiling.
    pub fn list_surges(&self, now: DateTime<Utc>) -> Vec<Surge> {
        let mut surges: Vec<Surge> = self
            .gates()
            .filter_map(|(account, gate)| {
                let mut flow = gate.lock();
                flow.turn_to(hour_of(now));
                flow.surge(account)
            })
            .collect();
        surges.sort_by(|one, other| one.account.cmp(&other.account));
        surges
    }

    /// Tells the database what was taken, learns what others took, and sets ceilings anew.
    pub async fn share(&self, store: &Store, now: DateTime<Utc>) -> Result<(), db::Error> {
        let since = now - REMEMBERED;
        let unsaved = self.unsaved();
        if !unsaved.is_empty() {
            let hours = unsaved.iter().map(|(account, hour, volume)| CallbackHour {
                hour: begin_of(*hour),
                account: account.clone(),
                callbacks: volume.callbacks,
                bytes: volume.bytes,
            });
            store.add_callback_hours(hours.collect(), since).await?;
            for (account, hour, volume) in unsaved {
                let gate = account.map_or(&self.elsewhere, |account| self.gate(&account));
                gate.lock().saved(hour, volume);
            }
        }
        let hours = store.list_callback_hours(since).await?;
        let room = room(&self.folder);
        for (account, gate) in self.gates() {
            let hours = hours.iter().filter(|hour| hour.account.as_ref() == account);
            gate.lock().learn(hours, hour_of(now), room);
        }
        Ok(())
    }

    fn unsaved(&self) -> Vec<(Option<AccountId>, i64, Volume)> {
        let mut all = Vec::new();
        for (account, gate) in self.gates() {
            let hours = gate.lock().unsaved.clone();
            all.extend(
                hours
                    .into_iter()
                    .map(|(hour, volume)| (account.cloned(), hour, volume)),
            );
        }
        all
    }
}

impl Flow {
    /// Forwards, and backwards when the clock was set back: a future hour that a wrong clock named takes no more.
    fn turn_to(&mut self, hour: i64) {
        if hour != self.hour {
            self.hour = hour;
            self.recorded = Volume::default();
            self.refused = 0;
        }
    }

    fn taken(&self) -> Volume {
        let unsaved = self.unsaved.get(&self.hour).copied().unwrap_or_default();
        Volume {
            callbacks: self.recorded.callbacks + unsaved.callbacks,
            bytes: self.recorded.bytes + unsaved.bytes,
        }
    }

    fn surge(&self, account: Option<&AccountId>) -> Option<Surge> {
        let taken = self.taken();
        let busy = self.usual.is_some_and(|usual| {
            taken.callbacks >= ALARMING_CALLBACKS.max(usual.callbacks.saturating_mul(ALARMING))
        });
        (busy || self.refused > 0).then(|| Surge {
            account: account.cloned(),
            taken,
            refused: self.refused,
            usual: self.usual,
        })
    }

    fn saved(&mut self, hour: i64, volume: Volume) {
        let Some(unsaved) = self.unsaved.get_mut(&hour) else {
            return;
        };
        unsaved.callbacks -= volume.callbacks.min(unsaved.callbacks);
        unsaved.bytes -= volume.bytes.min(unsaved.bytes);
        if *unsaved == Volume::default() {
            self.unsaved.remove(&hour);
        }
        if hour == self.hour {
            self.recorded.callbacks += volume.callbacks;
            self.recorded.bytes += volume.bytes;
        }
    }

    fn learn<'h>(
        &mut self,
        hours: impl Iterator<Item = &'h CallbackHour>,
        now: i64,
        room: Option<u64>,
    ) {
        self.turn_to(now);
        let (mut known, mut sum) = (0, Volume::default());
        for hour in hours {
            if hour_of(hour.hour) == self.hour {
                self.recorded = Volume {
                    callbacks: hour.callbacks,
                    bytes: hour.bytes,
                };
            } else {
                known += 1;
                sum.callbacks += hour.callbacks;
                sum.bytes += hour.bytes;
            }
        }
        self.usual = (known >= HOURS_KNOWN).then(|| Volume {
            callbacks: sum.callbacks / known,
            bytes: sum.bytes / known,
        });
        self.ceiling = ceiling(self.usual, room);
    }
}

/// Bytes that one account may take in an hour.
fn ceiling(usual: Option<Volume>, room: Option<u64>) -> u64 {
    let usual = usual.map_or(0, |usual| usual.bytes.saturating_mul(USUAL_HOURS_ALLOWED));
    ALWAYS_ALLOWED
        .max(usual)
        .max(room.unwrap_or(0) / DISK_SHARE_ALLOWED)
}

/// Bytes that callbacks may take before they are refused.
fn room(folder: &std::path::Path) -> Option<u64> {
    let disk = Disk::measure(folder).ok()?;
    Some(disk.room_above(SpoolLimits::default().free_percent))
}

fn hour_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(3600)
}

fn begin_of(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(hour.saturating_mul(3600), 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::ProviderId;
    use crate::receiving::known_accounts::KnownAccount;

    const MIB: u64 = 1024 * 1024;

    fn shop() -> AccountId {
        "shop".parse().unwrap()
    }

    fn traffic() -> Traffic {
        let known: KnownAccounts = [(shop(), KnownAccount::departed(ProviderId::Sobot, 1))]
            .into_iter()
            .collect();
        // A folder that is not there has no room, so only what is always allowed is.
        Traffic::new(&known, "/nowhere")
    }

    fn noon() -> DateTime<Utc> {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn past(hours: i64, callbacks: u64, bytes: u64) -> CallbackHour {
        CallbackHour {
            hour: noon() - TimeDelta::hours(hours),
            account: Some(shop()),
            callbacks,
            bytes,
        }
    }

    fn learn(traffic: &Traffic, hours: &[CallbackHour]) {
        traffic
            .gate(&shop())
            .lock()
            .learn(hours.iter(), hour_of(noon()), None);
    }

    #[test]
    fn an_hour_beyond_the_ceiling_is_refused_and_the_next_one_is_not() {
        let traffic = traffic();
        let large = usize::try_from(ALWAYS_ALLOWED / 4).unwrap();
        for _ in 0..4 {
            assert!(traffic.admit(&shop(), large, noon()));
        }
        assert!(traffic.list_surges(noon()).is_empty());
        assert!(!traffic.admit(&shop(), 1, noon()));
        assert!(!traffic.admit(&shop(), 1, noon() + TimeDelta::minutes(59)));
        let surges = traffic.list_surges(noon());
        assert_eq!((surges[0].refused, surges[0].taken.callbacks), (2, 4));
        let next = noon() + TimeDelta::hours(1);
        assert!(traffic.admit(&shop(), 1, next));
        assert!(traffic.list_surges(next).is_empty());
    }

    #[test]
    fn after_a_clock_jumped_a_day_ahead_and_back_every_hour_has_its_own_ceiling() {
        let traffic = traffic();
        let whole = usize::try_from(ALWAYS_ALLOWED).unwrap();
        assert!(traffic.admit(&shop(), 1, noon() + TimeDelta::days(1)));
        for hour in 0..24 {
            let at = noon() + TimeDelta::hours(hour);
            assert!(traffic.admit(&shop(), whole, at), "hour {hour}");
            assert!(!traffic.admit(&shop(), 1, at), "hour {hour}");
            let surges = traffic.list_surges(at);
            assert_eq!((surges[0].refused, surges[0].taken.callbacks), (1, 1));
        }
        assert_eq!(traffic.unsaved().len(), 25, "each in its own hour");
    }

    #[tokio::test]
    async fn slow_clients_of_one_account_take_no_other_accounts_room() {
        let traffic = traffic();
        let most = ROOM_UNITS * ROOM_UNIT;
        let (shop, other) = (shop(), "other".parse().unwrap());
        let mut held = traffic.reserve(&shop, most).await;
        assert!(held.is_some());
        let mut next = Box::pin(traffic.reserve(&shop, 1));
        assert!(futures_util::poll!(&mut next).is_pending());
        assert!(traffic.reserve(&other, most).await.is_some());
        // The body was small after all.
        held.as_mut().unwrap().give_back_beyond(most / 2);
        assert!(next.await.is_some());
        assert!(traffic.reserve(&shop, most / 2 - ROOM_UNIT).await.is_some());
    }

    #[test]
    fn what_is_allowed_grows_with_the_usual_hour_and_with_the_disk() {
        assert_eq!(ceiling(None, None), ALWAYS_ALLOWED);
        assert_eq!(ceiling(None, Some(5 * ALWAYS_ALLOWED)), ALWAYS_ALLOWED);
        let roomy = 1_000 * ALWAYS_ALLOWED;
        assert_eq!(ceiling(None, Some(roomy)), 100 * ALWAYS_ALLOWED);
        let usual = Volume {
            callbacks: 50_000,
            bytes: 50 * MIB,
        };
        assert_eq!(ceiling(Some(usual), None), 5_000 * MIB);
    }

    #[test]
    fn twenty_times_the_usual_hour_is_an_alarm_once_an_hour_is_usual() {
        let busy = |hours: &[CallbackHour], this_hour: u64| {
            let traffic = traffic();
            learn(
                &traffic,
                &[hours, &[past(0, this_hour, this_hour)]].concat(),
            );
            traffic.list_surges(noon()).len()
        };
        let usual = [past(30, 500, 1), past(3, 1_500, 1), past(1, 1_000, 1)];
        assert_eq!(busy(&usual, 19_999), 0);
        assert_eq!(busy(&usual, 20_000), 1);
        assert_eq!(busy(&usual[..2], 1_000_000), 0, "too little is known");
        let quiet = [past(3, 2, 1), past(2, 1, 1), past(1, 3, 1)];
        assert_eq!(busy(&quiet, 9_999), 0);
        assert_eq!(busy(&quiet, 10_000), 1);
    }

    #[test]
    fn what_is_saved_is_counted_once() {
        let traffic = traffic();
        for _ in 0..3 {
            assert!(traffic.admit(&shop(), 10, noon()));
        }
        let unsaved = traffic.unsaved();
        assert!(traffic.admit(&shop(), 10, noon()));
        for (_, hour, volume) in unsaved {
            traffic.gate(&shop()).lock().saved(hour, volume);
        }
        let taken = || traffic.gate(&shop()).lock().taken().callbacks;
        assert_eq!(taken(), 4);
        assert_eq!(traffic.unsaved()[0].2.callbacks, 1);
        // Another process took five in the same hour.
        learn(&traffic, &[past(0, 8, 80)]);
        assert_eq!(taken(), 9);
    }
}
