//! The orphan of a report whose message is not known.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::db;
use crate::domain::callback_record::CallbackRecord;
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::provider_account::Adoption;
use crate::providers::{Report, ReportedKind};
use crate::receiving::account_context::AccountContext;
use crate::store::ledger::{Ledger, Orphan};

/// Time without reports after which a message is overdue, for accounts that are no longer
/// configured.
const DEFAULT_DEADLINE: TimeDelta = TimeDelta::hours(24);

pub(super) async fn create_orphan(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    id: MessageId,
    record: &CallbackRecord,
    report: &Report,
) -> Result<MessageId, db::Error> {
    let adoption = account
        .configured
        .map_or(Adoption::Off, |account| account.adoption);
    let adopt_after = match adoption {
        Adoption::After(wait) => TimeDelta::from_std(wait).ok(),
        Adoption::Off => None,
    };
    let deadline = account
        .configured
        .and_then(|account| TimeDelta::from_std(account.report_deadline).ok());
    let orphan = Orphan {
        id,
        account: account.id,
        provider: account.provider,
        at: record.received_at,
        adopt_at: adopt_after.map(|wait| record.received_at + wait),
        silence_limit: deadline.unwrap_or(DEFAULT_DEADLINE),
        recipient: report.recipient.as_deref(),
        kind: report.kind.and_then(ReportedKind::media),
    };
    ledger.upsert_orphan(orphan).await?;
    Ok(id)
}

/// The id depends only on callback and part, so that a rebuild creates the same orphan.
pub(super) fn derive_orphan_id(
    callback: CallbackId,
    part: i32,
    received_at: DateTime<Utc>,
) -> MessageId {
    let digest = Sha256::new()
        .chain_update(callback.uuid().as_bytes())
        .chain_update(part.to_be_bytes())
        .finalize();
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&digest[..10]);
    MessageId::derived(received_at, bytes)
}
