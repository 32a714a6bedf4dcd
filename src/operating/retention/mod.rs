//! Removes what is past its retention: callbacks, then messages with their rows, then other rows.
//!
//! Works in batches of a few milliseconds with longer pauses, so that receiving and sending
//! continue; one process per database. The only state is the rows themselves: an interrupted purge
//! continues at the next step.

mod purge_count;
mod purge_run;
mod purge_step;
mod removal;

pub use purge_run::{Cutoffs, PurgeReport};
pub use purge_step::{PurgeError, PurgeStep, Retention};
