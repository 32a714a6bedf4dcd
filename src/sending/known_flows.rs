//! The last known reasons why accounts send nothing, or slowly.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::ids::AccountId;
use crate::domain::send_flow::SendFlow;
use crate::store::account_records::Pause;

/// The flows and pauses of the accounts as the dispatcher last read them; for alarms, which must
/// not wait for the database.
#[derive(Debug, Default)]
pub struct KnownFlows(Mutex<LastRead>);

#[derive(Debug, Default)]
struct LastRead {
    flows: BTreeMap<AccountId, SendFlow>,
    provider_pauses: BTreeMap<AccountId, Pause>,
}

impl KnownFlows {
    pub fn replace(
        &self,
        flows: BTreeMap<AccountId, SendFlow>,
        provider_pauses: BTreeMap<AccountId, Pause>,
    ) {
        *self.lock() = LastRead {
            flows,
            provider_pauses,
        };
    }

    pub fn list(&self) -> BTreeMap<AccountId, SendFlow> {
        self.lock().flows.clone()
    }

    /// The pauses that were caused by the provider, not by an operator.
    pub fn list_provider_pauses(&self) -> BTreeMap<AccountId, Pause> {
        self.lock().provider_pauses.clone()
    }

    fn lock(&self) -> MutexGuard<'_, LastRead> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
