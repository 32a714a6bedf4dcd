//! Limits the memory that one account's request bodies use while they are received, so that slow
//! clients of one leaked URL delay neither other accounts nor other callbacks of this one.
//!
//! A body uses memory for the bytes that have arrived, not for the length that it announces. When
//! an account has no memory left, the bodies that arrive slowest are dropped. Bodies that have
//! arrived completely are never dropped: they wait for the journal, and others wait for them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::sleep;

use crate::domain::ids::AccountId;
use crate::receiving::known_accounts::KnownAccounts;

/// 64 MiB, a quarter of the journal's memory.
const UNITS_PER_ACCOUNT: usize = 64 * 1024;
const UNIT_BYTES: usize = 1024;
/// Younger bodies are never dropped.
const MIN_AGE: Duration = Duration::from_millis(300);
/// How often a caller that waits for memory checks for bodies to drop.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct BodyMemory {
    accounts: HashMap<AccountId, AccountMemory>,
    /// Shared by the report URLs of all accounts that are not in [`KnownAccounts`].
    unknown_accounts: AccountMemory,
}

#[derive(Debug)]
struct AccountMemory {
    free: Semaphore,
    arriving: Mutex<ArrivingBodies>,
}

#[derive(Debug, Default)]
struct ArrivingBodies {
    by_id: HashMap<u64, Arc<ArrivingBody>>,
    next_id: u64,
}

/// A body that is being received.
#[derive(Debug)]
struct ArrivingBody {
    started: Instant,
    /// Units of memory that it holds.
    units: AtomicUsize,
    dropped: Notify,
}

/// Permission to hold a body in memory, within the account's limit.
#[derive(Debug)]
pub struct AccountMemoryPermit<'m> {
    permit: SemaphorePermit<'m>,
    memory: &'m AccountMemory,
    /// Id in the list of arriving bodies; `None` once the body has arrived.
    id: Option<u64>,
    body: Arc<ArrivingBody>,
}

/// The account has no memory for this body, because it arrived more slowly than others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyDropped;

impl BodyMemory {
    pub fn new(accounts: &KnownAccounts) -> Self {
        Self {
            accounts: accounts
                .ids()
                .map(|id| (id.clone(), AccountMemory::new()))
                .collect(),
            unknown_accounts: AccountMemory::new(),
        }
    }

    /// Waits until the account may hold a body of this size in memory. The body counts as arriving
    /// until [`AccountMemoryPermit::complete`]. `None` only if the semaphore is closed, which nothing
    /// does.
    ///
    /// Callers must acquire this permit before the journal's, so that one account cannot block the
    /// journal.
    pub async fn reserve(
        &self,
        account: &AccountId,
        body_bytes: usize,
    ) -> Option<AccountMemoryPermit<'_>> {
        let memory = self.accounts.get(account).unwrap_or(&self.unknown_accounts);
        let units = units(body_bytes);
        let permit = memory.acquire(units).await?;
        let body = Arc::new(ArrivingBody {
            started: Instant::now(),
            units: AtomicUsize::new(units),
            dropped: Notify::new(),
        });
        Some(AccountMemoryPermit {
            permit,
            memory,
            id: Some(memory.lock().add(Arc::clone(&body))),
            body,
        })
    }
}

impl AccountMemory {
    fn new() -> Self {
        Self {
            free: Semaphore::new(UNITS_PER_ACCOUNT),
            arriving: Mutex::default(),
        }
    }

    async fn acquire(&self, units: usize) -> Option<SemaphorePermit<'_>> {
        let wanted = u32::try_from(units).unwrap_or(u32::MAX);
        if let Ok(permit) = self.free.try_acquire_many(wanted) {
            return Some(permit);
        }
        let permit = self.free.acquire_many(wanted);
        tokio::pin!(permit);
        loop {
            self.lock().drop_slowest(units);
            tokio::select! {
                permit = &mut permit => return permit.ok(),
                () = sleep(RETRY_INTERVAL) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ArrivingBodies> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ArrivingBodies {
    fn add(&mut self, body: Arc<ArrivingBody>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.by_id.insert(id, body);
        id
    }

    /// Drops the slowest bodies until `wanted` units are free; none that is younger than
    /// [`MIN_AGE`].
    fn drop_slowest(&mut self, mut wanted: usize) {
        let mut slow: Vec<(u128, u64)> = self
            .by_id
            .iter()
            .filter(|(_, body)| body.started.elapsed() >= MIN_AGE)
            .map(|(id, body)| (body.bytes_per_second(), *id))
            .collect();
        slow.sort_unstable();
        for (_, id) in slow {
            if wanted == 0 {
                break;
            }
            if let Some(body) = self.by_id.remove(&id) {
                wanted = wanted.saturating_sub(body.units.load(Ordering::Relaxed));
                body.dropped.notify_one();
            }
        }
    }
}

impl ArrivingBody {
    /// An upper bound of the average rate since the body began to arrive.
    fn bytes_per_second(&self) -> u128 {
        let bytes = (self.units.load(Ordering::Relaxed) * UNIT_BYTES) as u128;
        bytes * 1000 / self.started.elapsed().as_millis().max(1)
    }
}

impl AccountMemoryPermit<'_> {
    /// Waits until the body may be as large as this.
    pub async fn grow_to(&mut self, body_bytes: usize) -> Result<(), BodyDropped> {
        let missing = units(body_bytes).saturating_sub(self.permit.num_permits());
        let more = tokio::select! {
            more = self.memory.acquire(missing) => more,
            () = self.body.dropped.notified() => return Err(BodyDropped),
        };
        if let Some(more) = more {
            self.permit.merge(more);
            let held = self.permit.num_permits();
            self.body.units.store(held, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Returns when the body is dropped.
    pub async fn dropped(&self) {
        self.body.dropped.notified().await;
    }

    /// Call when the body has arrived, with its size. Releases the memory that it does not need.
    pub fn complete(&mut self, body_bytes: usize) {
        self.leave_list();
        let excess = self.permit.num_permits().saturating_sub(units(body_bytes));
        drop(self.permit.split(excess));
    }

    fn leave_list(&mut self) {
        if let Some(id) = self.id.take() {
            self.memory.lock().by_id.remove(&id);
        }
    }
}

impl Drop for AccountMemoryPermit<'_> {
    fn drop(&mut self) {
        self.leave_list();
    }
}

fn units(body_bytes: usize) -> usize {
    body_bytes.div_ceil(UNIT_BYTES).clamp(1, UNITS_PER_ACCOUNT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::ProviderId;
    use crate::receiving::known_accounts::KnownAccount;

    const LIMIT: usize = UNITS_PER_ACCOUNT * UNIT_BYTES;

    fn shop() -> AccountId {
        "shop".parse().unwrap()
    }

    fn memory() -> BodyMemory {
        let known: KnownAccounts = [(shop(), KnownAccount::removed(ProviderId::Sobot, 1))]
            .into_iter()
            .collect();
        BodyMemory::new(&known)
    }

    #[tokio::test]
    async fn slow_clients_of_one_account_do_not_use_memory_of_another() {
        let memory = memory();
        let other = "other".parse().unwrap();
        let mut held = memory.reserve(&shop(), LIMIT).await.unwrap();
        // A body that has arrived is not dropped.
        held.complete(LIMIT);
        let shop = shop();
        let mut next = Box::pin(memory.reserve(&shop, 1));
        assert!(futures_util::poll!(&mut next).is_pending());
        assert!(memory.reserve(&other, LIMIT).await.is_some());
        held.complete(LIMIT / 2);
        assert!(next.await.is_some());
        let rest = memory.reserve(&shop, LIMIT / 2 - UNIT_BYTES).await;
        assert!(rest.is_some());
    }

    #[tokio::test]
    async fn the_slowest_bodies_are_dropped_for_others_of_the_account() {
        let memory = memory();
        let shop = shop();
        let fast = memory.reserve(&shop, LIMIT / 4 * 3).await.unwrap();
        let slow = memory.reserve(&shop, LIMIT / 4).await.unwrap();
        let mut next = Box::pin(memory.reserve(&shop, 1));
        tokio::select! {
            _ = &mut next => panic!("there is no memory"),
            () = fast.dropped() => panic!("the other one is slower"),
            () = slow.dropped() => {}
        }
        drop(slow);
        assert!(next.await.is_some());
        assert!(futures_util::poll!(Box::pin(fast.dropped())).is_pending());
    }
}
