//! Limits the memory that one account's request bodies use while they are received, so that slow
//! clients of one leaked URL do not delay other accounts.

use std::collections::HashMap;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::domain::ids::AccountId;
use crate::receiving::known_accounts::KnownAccounts;

/// Per account: a quarter of the journal's memory.
const UNITS: usize = 64 * 1024;
const UNIT_BYTES: usize = 1024;

#[derive(Debug)]
pub struct BodyMemory {
    accounts: HashMap<AccountId, Semaphore>,
    /// For all accounts that are no longer known but still receive reports.
    unknown_accounts: Semaphore,
}

/// Permission to hold a body in memory, within the account's limit.
#[derive(Debug)]
pub struct AccountMemoryPermit<'m>(SemaphorePermit<'m>);

impl BodyMemory {
    pub fn new(accounts: &KnownAccounts) -> Self {
        Self {
            accounts: accounts
                .ids()
                .map(|id| (id.clone(), Semaphore::new(UNITS)))
                .collect(),
            unknown_accounts: Semaphore::new(UNITS),
        }
    }

    /// Waits until the account may hold a body of this size in memory.
    ///
    /// Callers must acquire this permit before the journal's, so that one account cannot block the
    /// journal.
    pub async fn reserve(
        &self,
        account: &AccountId,
        body_bytes: usize,
    ) -> Option<AccountMemoryPermit<'_>> {
        let semaphore = self.accounts.get(account).unwrap_or(&self.unknown_accounts);
        let units = u32::try_from(units(body_bytes)).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let permit = semaphore.acquire_many(units).await;
        permit.ok().map(AccountMemoryPermit)
    }
}

impl AccountMemoryPermit<'_> {
    /// Releases what the body does not need.
    pub fn shrink_to(&mut self, body_bytes: usize) {
        let excess = self.0.num_permits().saturating_sub(units(body_bytes));
        drop(self.0.split(excess));
    }
}

fn units(body_bytes: usize) -> usize {
    body_bytes.div_ceil(UNIT_BYTES).clamp(1, UNITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::ProviderId;
    use crate::receiving::known_accounts::KnownAccount;

    #[tokio::test]
    async fn slow_clients_of_one_account_do_not_use_memory_of_another() {
        let shop: AccountId = "shop".parse().unwrap();
        let known: KnownAccounts = [(shop.clone(), KnownAccount::removed(ProviderId::Sobot, 1))]
            .into_iter()
            .collect();
        let memory = BodyMemory::new(&known);
        let limit = UNITS * UNIT_BYTES;
        let other = "other".parse().unwrap();
        let mut held = memory.reserve(&shop, limit).await;
        assert!(held.is_some());
        let mut next = Box::pin(memory.reserve(&shop, 1));
        assert!(futures_util::poll!(&mut next).is_pending());
        assert!(memory.reserve(&other, limit).await.is_some());
        held.as_mut().unwrap().shrink_to(limit / 2);
        assert!(next.await.is_some());
        assert!(
            memory
                .reserve(&shop, limit / 2 - UNIT_BYTES)
                .await
                .is_some()
        );
    }
}
