//! Rows of the main database, private to `store`.

#![expect(
    unreachable_pub,
    reason = "sea-orm derives its companions of a row as `pub`"
)]

pub(super) mod accounts;
pub(super) mod actions;
pub(super) mod attempts;
pub(super) mod callback_hours;
pub(super) mod callback_outcomes;
pub(super) mod changes;
pub(super) mod column_types;
pub(super) mod exported_messages;
pub(super) mod id_conflicts;
pub(super) mod id_holders;
pub(super) mod idempotency_keys;
pub(super) mod latency_counts;
pub(super) mod leases;
pub(super) mod merged_messages;
pub(super) mod message_counts;
pub(super) mod messages;
pub(super) mod provider_ids;
pub(super) mod put_aside;
pub(super) mod quarantine;
pub(super) mod receipts;
pub(super) mod settings;
pub(super) mod sign_in_links;
pub(super) mod tokens;
pub(super) mod uploads;
pub(super) mod windows;
