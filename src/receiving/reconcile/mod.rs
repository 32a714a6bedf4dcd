//! Follows the journal: parses callbacks in journal order and applies them, one batch and the
//! reconcile position per transaction.

mod account_rejections;
mod adopt_orphans;
mod apply_batch;
mod apply_callbacks;
mod apply_report;
mod callback_batch;
mod collected_effects;
mod reconciler;
mod reprocess;
mod separate_messages;

pub use reconciler::{ReconcileStep, Reconciler};
