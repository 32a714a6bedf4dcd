//! The account whose callbacks are applied.

use chrono::{DateTime, Utc};

use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::domain::provider_account::{Account, DEFAULT_PROVIDER_TIME_ZONE};
use crate::domain::reported_time::ReportedTime;
use crate::receiving::operator_decisions::OperatorDecisions;

/// The account that received a callback.
#[derive(Clone, Copy, Debug)]
pub struct AccountContext<'a> {
    pub id: &'a AccountId,
    pub provider: ProviderId,
    /// Absent if the account was removed from the configuration.
    pub configured: Option<&'a Account>,
    pub decisions: &'a OperatorDecisions,
}

impl AccountContext<'_> {
    /// The instant of a time in a callback of this account.
    pub fn instant(&self, time: ReportedTime) -> DateTime<Utc> {
        let zone = self
            .configured
            .map_or(DEFAULT_PROVIDER_TIME_ZONE, |account| {
                account.provider_time_zone
            });
        time.in_zone(zone)
    }
}
