//! The JSON of problem counts and alarms.

use serde::Serialize;
use utoipa::ToSchema;

/// Counts of what needs attention.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ProblemsResponse {
    pub(crate) orphans: u64,
    pub(crate) conflicts: u64,
    pub(crate) id_conflicts: u64,
    pub(crate) overdue: u64,
    pub(crate) uncertain: u64,
    pub(crate) quarantine: u64,
    pub(crate) unverified: u64,
    /// Rejected callbacks since the process started.
    pub(crate) rejected: u64,
    pub(crate) paused_accounts: u64,
    pub(crate) tripped_accounts: u64,
    /// Alarms of the process that responds.
    pub(crate) alarms: Vec<AlarmResponse>,
}

/// Something that needs attention immediately.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AlarmResponse {
    /// `callbacks_refused`, `sends_refused`, `disk_low`, `reconcile_lag`, `spool_in_use`,
    /// `set_aside`, `orphan_flood`, `over_ceiling`, `account_tripped`, `busy` or `budget`.
    /// `account_tripped` also covers an account that its provider paused.
    pub(crate) alarm: &'static str,
    /// Absent if it does not concern one account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// What is wrong and what to do.
    pub(crate) message: String,
}
