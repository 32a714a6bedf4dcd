//! Receiving callbacks: authenticates, appends to the journal, parses, correlates with messages,
//! applies.

pub mod account_context;
pub mod body_memory;
pub mod correlate;
mod hourly_ceiling;
mod hourly_usage;
pub mod ingest;
pub mod ingest_counters;
pub mod known_accounts;
pub mod operator_decisions;
mod orphan_of_report;
pub(crate) mod parsing;
pub mod reconcile;
pub mod reconcile_lag;
pub mod redaction;
pub mod rejections;
pub mod response_counts;
pub mod traffic_limits;
pub mod unpack;
mod unverified_limit;
