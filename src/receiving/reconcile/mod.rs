//! Follows the journal: parses callbacks in journal order and applies them, one batch and the
//! reconcile position per transaction.

mod account_rejections;
mod adopt_orphans;
mod apply_batch;
mod apply_callbacks;
mod callback_batch;
mod reconciler;
mod reprocess;

pub use reconciler::{ReconcileStep, Reconciler};
