//! The send flows of all accounts as they were last read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::ids::AccountId;
use crate::domain::send_flow::SendFlow;

/// The flows of the accounts as the dispatcher last read them; for alarms, which must not wait for
/// the database.
#[derive(Debug, Default)]
pub struct KnownFlows(Mutex<BTreeMap<AccountId, SendFlow>>);

impl KnownFlows {
    pub fn replace(&self, flows: BTreeMap<AccountId, SendFlow>) {
        *self.lock() = flows;
    }

    pub fn list(&self) -> BTreeMap<AccountId, SendFlow> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AccountId, SendFlow>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
