//! The one way in which a message changes: load it, add receipts or ids, and commit. The commit
//! folds, counts and writes.
//!
//! **Invariant:** nothing else updates `messages`, `receipts`, `provider_ids` or `message_counts`,
//! so counts always equal a recount.

mod flush;
mod forget_ids;
mod id_binding;
mod id_claims;
mod learned_ids;
mod message_counts;
pub(crate) mod message_ledger;
mod orphan_messages;
mod rederivation;
mod registration;
mod retraction;

pub(crate) use flush::refold;
pub(crate) use id_binding::chief_id;
pub use id_binding::{BindOutcome, LearnedFrom};
pub use learned_ids::{CallbackIds, LearnedId, MessageSources};
pub(crate) use message_counts::{BUCKET, Differences};
pub(crate) use message_ledger::survivor;
pub use message_ledger::{Change, Ledger};
#[cfg(test)]
pub(crate) use orphan_messages::adoptable;
pub use orphan_messages::{Orphan, format_match_time};
pub use registration::{Entered, RecipientGiven, Registration};
pub use retraction::StateChange;
