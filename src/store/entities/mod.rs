//! Rows of the main database, private to `store`.
//!
//! Instants are in milliseconds since 1970, unless a field says otherwise. `bucket` and `start` are
//! the beginning of a counted period.

#![expect(
    unreachable_pub,
    reason = "sea-orm derives the other types of a row as `pub`"
)]

/// What sea-orm's derives need in addition to a row. The schema has no foreign keys.
macro_rules! without_relations {
    () => {
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    };
}

pub(super) mod account_event_row;
pub(super) mod account_row;
pub(super) mod action_row;
pub(super) mod alert_incident_row;
pub(super) mod alert_notification_row;
pub(super) mod attempt_row;
pub(super) mod callback_hour_row;
pub(super) mod callback_outcome_row;
pub(super) mod campaign_recipient_row;
pub(super) mod campaign_row;
pub(super) mod change_row;
pub(super) mod charge_count_row;
pub(super) mod charge_sum_row;
pub(super) mod column_types;
pub(super) mod crashed_callback_row;
pub(super) mod dismissal_row;
pub(super) mod exported_message_row;
pub(super) mod id_conflict_row;
pub(super) mod id_holder_row;
pub(super) mod idempotency_key_row;
pub(super) mod latency_sum_row;
pub(super) mod lease_row;
pub(super) mod merged_message_row;
pub(super) mod message_count_row;
pub(super) mod message_row;
pub(super) mod message_sum_row;
pub(super) mod message_warning_row;
pub(super) mod person_link_row;
pub(super) mod provider_id_row;
pub(super) mod quarantined_part_row;
pub(super) mod receipt_row;
pub(super) mod recipient_hold_row;
pub(super) mod send_flow_row;
pub(super) mod session_row;
pub(super) mod setting_row;
pub(super) mod sign_in_link_row;
pub(super) mod token_row;
pub(super) mod upload_row;
pub(super) mod user_row;
pub(super) mod window_row;
