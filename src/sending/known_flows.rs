//! Why accounts do not send, as it was last read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::db;
use crate::domain::ids::AccountId;
use crate::domain::send_flow::SendFlow;
use crate::store::Store;
use crate::store::account_records::{AccountRecord, Pause};

/// The flows and pauses of the accounts as the dispatcher last read them; for alarms, which must not
/// wait for the database.
#[derive(Debug, Default)]
pub struct KnownFlows {
    flows: Mutex<BTreeMap<AccountId, SendFlow>>,
    pauses: Mutex<KnownPauses>,
}

#[derive(Clone, Debug, Default)]
struct KnownPauses {
    all: BTreeMap<AccountId, Pause>,
    /// Those that no operator decided.
    of_providers: BTreeMap<AccountId, Pause>,
}

impl KnownFlows {
    pub fn replace(&self, flows: BTreeMap<AccountId, SendFlow>) {
        *lock(&self.flows) = flows;
    }

    pub fn list(&self) -> BTreeMap<AccountId, SendFlow> {
        lock(&self.flows).clone()
    }

    /// Asks who decided the pauses, if they are not those of the last call.
    pub async fn note_pauses(
        &self,
        store: &Store,
        records: &BTreeMap<AccountId, AccountRecord>,
    ) -> Result<(), db::Error> {
        let paused = records.values();
        let all: BTreeMap<AccountId, Pause> = paused
            .filter_map(|record| Some((record.id.clone(), record.pause.clone()?)))
            .collect();
        if lock(&self.pauses).all == all {
            return Ok(());
        }
        let of_providers = store.list_pauses_of_providers(&all).await?;
        *lock(&self.pauses) = KnownPauses { all, of_providers };
        Ok(())
    }

    /// The accounts that are paused because their provider refuses them.
    pub fn list_pauses_of_providers(&self) -> BTreeMap<AccountId, Pause> {
        lock(&self.pauses).of_providers.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
