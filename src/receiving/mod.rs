//! Callbacks on their way in: authenticate, append to the journal, parse, correlate with messages, apply.

pub mod correlate;
pub mod ingest;
pub mod known_accounts;
pub mod limits;
pub mod operator_decisions;
pub(crate) mod parsing;
pub mod reconcile;
pub mod redaction;
pub mod response_counts;
pub mod unpack;
