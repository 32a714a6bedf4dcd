//! Removes data past its retention: callbacks, then messages with their rows, then other rows.
//!
//! Works in batches of a few milliseconds with longer pauses, so that receiving and sending
//! continue; one process per database. The only state is the rows themselves: an interrupted purge
//! continues at the next step.

mod purge_count;
mod purge_run;
mod removal;
mod retention_service;

pub use purge_run::{Cutoffs, PurgeReport};
pub use retention_service::{PurgeError, Retention, StepResult};
