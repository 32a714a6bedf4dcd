//! Follows the journal: parses callbacks in journal order and applies them, one batch and the
//! reconcile position per transaction.

#[cfg(debug_assertions)]
mod abort_hook;
mod account_rejections;
mod adopt_orphans;
mod apply_batch;
mod apply_callbacks;
mod apply_report;
mod callback_batch;
mod collected_effects;
mod processing_marker;
mod reconciler;
mod reprocess;
mod separate_messages;
mod suspects;

pub use reconciler::{ReconcileStep, Reconciler};
