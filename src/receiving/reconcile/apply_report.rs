//! Applies one report as a receipt or as a notice.

use crate::db;
use crate::domain::callback_outcome::Outcome;
use crate::domain::callback_record::{CallbackRecord, JournalEntry};
use crate::domain::failure_codes;
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::domain::reported_time::ReportedTime;
use crate::providers::Report;
use crate::receiving::account_context::AccountContext;
use crate::receiving::correlate::{self, ReportTarget};
use crate::receiving::reconcile::account_rejections::AccountRejection;
use crate::receiving::reconcile::collected_effects::CollectedEffects;
use crate::store::ledger::Ledger;

pub(super) async fn apply_report(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    entry: &JournalEntry,
    part: i32,
    report: &Report,
    effects: &mut CollectedEffects,
) -> Result<(Outcome, Option<String>), db::Error> {
    let record = &entry.record;
    if let Some(event @ ReceiptEvent::Notice(text)) = &report.event {
        let about = correlate::find_message_of_notice(ledger, account.id, record, report).await?;
        if let Some(message) = about {
            ledger.add(
                message,
                receipt_of(account, record, part, report, event.clone()),
            )?;
        }
        return Ok((Outcome::Notice, Some(text.clone())));
    }
    if let Some(text) = &report.notice_if_unknown
        && correlate::find_message_of_notice(ledger, account.id, record, report)
            .await?
            .is_none()
    {
        return Ok((Outcome::Notice, Some(text.clone())));
    }
    let described = |outcome, detail: &str| Ok((outcome, Some(detail.to_owned())));
    let target = correlate::find_message(ledger, account, entry, part, report).await?;
    effects.note_ids(ledger, record, report);
    let message = match target {
        ReportTarget::Message(message) => message,
        ReportTarget::SentElsewhere => {
            return described(Outcome::Notice, "an echo of a message sent elsewhere");
        }
        ReportTarget::Purged => {
            return described(
                Outcome::Notice,
                "a report on a message that is no longer kept",
            );
        }
        ReportTarget::Unidentified => {
            let reason = "it reports on a message but names no id and no recipient";
            return described(Outcome::Quarantined, reason);
        }
        ReportTarget::ConstantId => {
            let reason =
                "its id is in reports on several messages, and nothing else identifies its message";
            return described(Outcome::Quarantined, reason);
        }
    };
    let Some(event) = report.event.clone() else {
        return described(Outcome::Receipts, LEARNED_ONLY);
    };
    if let ReceiptEvent::Failure(failure) = &event
        && failure_codes::rejects_account(account.provider, failure)
    {
        effects.rejections.push(AccountRejection {
            message,
            received_at: record.received_at,
            provider: account.provider,
            failure: failure.clone(),
        });
    }
    ledger.add(message, receipt_of(account, record, part, report, event))?;
    Ok((Outcome::Receipts, None))
}

fn receipt_of(
    account: AccountContext<'_>,
    record: &CallbackRecord,
    part: i32,
    report: &Report,
    event: ReceiptEvent,
) -> Receipt {
    Receipt {
        source_kind: SourceKind::Callback,
        source: record.id.uuid(),
        part,
        event,
        occurred_at: report.occurred_at.map(|time| account.instant(time)),
        zone_assumed: matches!(report.occurred_at, Some(ReportedTime::Local(_))),
        received_at: record.received_at,
        recipient: report.recipient.clone(),
        pricing: report.pricing.clone(),
    }
}

/// The detail of a callback that yields ids and no receipt.
const LEARNED_ONLY: &str = "ids were learned from it";
