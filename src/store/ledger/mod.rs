//! The only code that changes messages: loads them, adds receipts or ids, and commits. The commit
//! folds, counts and writes.
//!
//! **Invariant:** nothing else updates `messages`, `receipts`, `provider_ids` or the
//! counts, so counts always equal a recount.

pub(super) mod charge_counts;
pub(super) mod cohort_key;
mod constant_ids;
pub(super) mod count_sums;
pub(super) mod flush;
mod forget_ids;
pub(super) mod id_binding;
mod id_claims;
pub(super) mod latency_histograms;
pub(super) mod learned_from;
mod learned_ids;
mod ledger_entry;
pub(super) mod merge;
pub(super) mod message_change;
pub(super) mod message_counts;
pub(super) mod message_erasure;
pub(super) mod message_ledger;
mod message_sources;
mod orphan_adoption;
mod orphan_dismissal;
mod orphan_messages;
mod past_holders;
mod rebuild_steps;
pub mod recount;
mod registration;
mod retraction;

pub use id_binding::BindOutcome;
pub use learned_from::LearnedFrom;
pub use learned_ids::{CallbackIds, LearnedId};
pub use message_change::{FeedChange, StateChange};
pub use message_ledger::Ledger;
pub use message_sources::MessageSources;
pub use orphan_adoption::AdoptionResult;
pub use orphan_messages::{KindFilter, Orphan, format_match_time};
pub use registration::{RecipientComparison, Registered, Registration};
