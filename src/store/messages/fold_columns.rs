//! The columns of `messages` that a fold writes.

use chrono::{DateTime, Utc};

use crate::db::instant;
use crate::domain::delivery::Delivery;
use crate::domain::delivery_state::{DeliveryState, Stage};
use crate::domain::failure_codes;
use crate::domain::provider::ProviderId;
use crate::store::entities::message_row::{Column, Model};

/// The columns that [`apply`] writes, and `updated_at`.
pub(crate) const FOLD_COLUMNS: [Column; 23] = [
    Column::State,
    Column::Conflict,
    Column::DueAt,
    Column::SubmittedAt,
    Column::SentAt,
    Column::DeliveredAt,
    Column::ReadAt,
    Column::PlayedAt,
    Column::ImpliedStages,
    Column::FailedAt,
    Column::FailureCode,
    Column::FailureTitle,
    Column::FailureDetail,
    Column::FailureKey,
    Column::FailureClass,
    Column::Billable,
    Column::PricingCategory,
    Column::PricingBasis,
    Column::Price,
    Column::PricingType,
    Column::PriceCurrency,
    Column::Deliveries,
    Column::UpdatedAt,
];

/// The columns of [`FOLD_COLUMNS`] that a usual report changes: a message that was submitted reaches a
/// stage. Writing the others, too, would bind unchanged values and touch their indexes: with the same
/// choice for receipts, 2 % of a callback's processor time.
pub(crate) const PROGRESS_COLUMNS: [Column; 12] = [
    Column::State,
    Column::DueAt,
    Column::SentAt,
    Column::DeliveredAt,
    Column::ReadAt,
    Column::ImpliedStages,
    Column::Billable,
    Column::PricingCategory,
    Column::PricingBasis,
    Column::PricingType,
    Column::Deliveries,
    Column::UpdatedAt,
];

/// The columns that claims and outcomes of submissions write in addition.
const QUEUE_COLUMNS: [Column; 9] = [
    Column::Queue,
    Column::Hold,
    Column::Tries,
    Column::SubmissionStartedAt,
    Column::NextAttemptAt,
    Column::LeaseHolder,
    Column::LeaseUntil,
    Column::ProviderId,
    Column::CountedAt,
];

/// The columns of a fold and of a submission.
pub(crate) fn submission_columns() -> Vec<Column> {
    FOLD_COLUMNS.into_iter().chain(QUEUE_COLUMNS).collect()
}

/// Whether two rows differ only in the columns of [`submission_columns`].
pub(crate) fn differ_in_submission_only(one: &Model, other: &Model) -> bool {
    let one = Model {
        queue: other.queue,
        hold: other.hold.clone(),
        tries: other.tries,
        submission_started_at: other.submission_started_at,
        next_attempt_at: other.next_attempt_at,
        lease_holder: other.lease_holder,
        lease_until: other.lease_until,
        provider_id: other.provider_id.clone(),
        counted_at: other.counted_at,
        ..one.clone()
    };
    differ_in_fold_only(&one, other)
}

/// Defines a function that compares rows in these columns, and the list of their names.
macro_rules! compare {
    ($(#[$meta:meta])* $name:ident, $list:ident, $($column:ident),+ $(,)?) => {
        $(#[$meta])*
        pub(crate) fn $name(one: &Model, other: &Model) -> bool {
            $(one.$column == other.$column)&&+
        }

        #[cfg(test)]
        const $list: &[&str] = &[$(stringify!($column)),+];
    };
}

compare!(
    /// Whether two rows that differ only in [`FOLD_COLUMNS`] differ only in [`PROGRESS_COLUMNS`].
    differ_in_progress_only,
    COMPARED_OF_FOLD,
    conflict,
    submitted_at,
    played_at,
    failed_at,
    failure_code,
    failure_title,
    failure_detail,
    failure_key,
    failure_class,
    price,
    price_currency,
);

compare!(
    /// Whether two rows differ only in [`FOLD_COLUMNS`].
    differ_in_fold_only,
    COMPARED,
    id,
    account,
    provider,
    origin,
    sender,
    recipient,
    recipient_reversed,
    recipient_name,
    kind,
    media_url,
    media_id,
    upload_path,
    upload_size,
    mime_type,
    caption,
    reference,
    reference1,
    reference2,
    client_reference,
    wa_source,
    link_source,
    link_with_record,
    queue,
    hold,
    tries,
    submission_started_at,
    next_attempt_at,
    lease_holder,
    lease_until,
    send_before,
    silence_limit,
    adopt_at,
    provider_id,
    matched_by,
    resend_of,
    resent_as,
    campaign,
    template_name,
    template_language,
    template_values,
    media_token,
    counted_at,
    erased_country,
    created_at,
);

/// Writes the result of a fold into the row. `last_receipt_at` starts the wait for the next report.
pub(crate) fn apply(
    row: &mut Model,
    provider: ProviderId,
    delivery: &Delivery,
    last_receipt_at: Option<DateTime<Utc>>,
) {
    let at = |stage: Stage| {
        delivery
            .stage(stage)
            .map(|reached| instant::to_millis(reached.at))
    };
    row.state = delivery.state;
    row.conflict = delivery.conflict;
    row.submitted_at = at(Stage::Submitted);
    row.sent_at = at(Stage::Sent);
    row.delivered_at = at(Stage::Delivered);
    row.read_at = at(Stage::Read);
    row.played_at = at(Stage::Played);
    row.implied_stages = implied_stages(delivery);
    let failed = delivery.failure.as_ref();
    let failure = failed
        .map(|failed| failed.failure.clone())
        .unwrap_or_default();
    row.failed_at = failed.map(|failed| instant::to_millis(failed.at));
    row.failure_class =
        failed.map(|failed| failure_codes::describe(provider, &failed.failure).class);
    row.failure_code = failure.code;
    row.failure_title = failure.title;
    row.failure_detail = failure.detail;
    row.failure_key = failure.key;
    row.billable = delivery.pricing.billable;
    row.pricing_category.clone_from(&delivery.pricing.category);
    row.pricing_basis.clone_from(&delivery.pricing.model);
    row.price.clone_from(&delivery.pricing.price);
    row.pricing_type.clone_from(&delivery.pricing.kind);
    row.price_currency.clone_from(&delivery.pricing.currency);
    row.deliveries = i64::from(delivery.deliveries);
    let awaits_report = matches!(
        delivery.state,
        DeliveryState::Submitted | DeliveryState::Sent
    );
    row.due_at = last_receipt_at
        .filter(|_| awaits_report)
        .map(|at| instant::to_millis(at) + row.silence_limit);
}

/// One bit per stage that no receipt names, at its index in [`Stage::ALL`].
fn implied_stages(delivery: &Delivery) -> i64 {
    Stage::ALL
        .into_iter()
        .filter(|stage| {
            delivery
                .stage(*stage)
                .is_some_and(|reached| reached.implied)
        })
        .fold(0, |bits, stage| bits | stage_bit(stage))
}

fn stage_bit(stage: Stage) -> i64 {
    1 << stage.index()
}

/// When a stage was reported; absent for a stage that is only implied.
pub(crate) fn reported_at(row: &Model, stage: Stage) -> Option<i64> {
    let at = match stage {
        Stage::Queued => None,
        Stage::Submitted => row.submitted_at,
        Stage::Sent => row.sent_at,
        Stage::Delivered => row.delivered_at,
        Stage::Read => row.read_at,
        Stage::Played => row.played_at,
    };
    at.filter(|_| row.implied_stages & stage_bit(stage) == 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sea_orm::Iterable;

    use super::*;

    #[test]
    fn every_column_is_either_written_or_compared() {
        let all: Vec<Column> = Column::iter().collect();
        for (written, compared, columns) in [
            (&FOLD_COLUMNS[..], COMPARED, &all[..]),
            (&PROGRESS_COLUMNS, COMPARED_OF_FOLD, &FOLD_COLUMNS),
        ] {
            let compared = compared.iter().map(|field| field.replace('_', ""));
            let fields: Vec<String> = written.iter().copied().map(field).chain(compared).collect();
            let once: BTreeSet<String> = fields.iter().cloned().collect();
            assert_eq!(fields.len(), once.len());
            assert_eq!(once, columns.iter().copied().map(field).collect());
        }
    }

    /// The column's field without underscores; some columns have another name in the database.
    fn field(column: Column) -> String {
        format!("{column:?}").to_lowercase()
    }
}
