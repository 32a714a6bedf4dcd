//! What the callbacks of a batch contain beside receipts.

use crate::domain::callback_record::CallbackRecord;
use crate::domain::phone::PhoneNumber;
use crate::domain::receipt::plausible;
use crate::providers::{Inbound, Report};
use crate::receiving::account_context::AccountContext;
use crate::receiving::parsing::{CallbackContent, ParsedCallback};
use crate::receiving::reconcile::account_rejections::AccountRejection;
use crate::store::id_remarks::IdRemarks;
use crate::store::inbound_windows::LatestInbound;
use crate::store::ledger::Ledger;
use crate::store::quarantine::QuarantinedCopy;

#[derive(Default)]
pub(super) struct CollectedEffects {
    pub(super) quarantined: Vec<QuarantinedCopy>,
    pub(super) inbound: LatestInbound,
    pub(super) rejections: Vec<AccountRejection>,
    pub(super) id_remarks: IdRemarks,
}

impl CollectedEffects {
    pub(super) fn note_placeholder(&mut self, parsed: &ParsedCallback<'_>) {
        if let CallbackContent::Parts(_, content) = parsed.content.as_ref()
            && let Some(placeholder) = &content.placeholder_id
        {
            let record = &parsed.entry.record;
            self.id_remarks
                .note_constant(&record.account, placeholder, record.received_at);
        }
    }

    /// Records ids of a report that identify no message, and ids longer than documented.
    pub(super) fn note_ids(&mut self, ledger: &Ledger, record: &CallbackRecord, report: &Report) {
        for id in &report.ids {
            if ledger.is_constant(&record.account, id) {
                self.id_remarks
                    .note_constant(&record.account, id.as_str(), record.received_at);
            } else if id.is_long() {
                self.id_remarks
                    .note_long(&record.account, record.received_at);
            }
        }
    }

    /// Records when a customer wrote. A sender without a phone number opens no window.
    pub(super) fn note_inbound(
        &mut self,
        account: AccountContext<'_>,
        record: &CallbackRecord,
        inbound: &Inbound,
    ) {
        let sender = inbound.sender.as_deref();
        let Some(phone) = sender.and_then(|text| PhoneNumber::parse(&format!("+{text}")).ok())
        else {
            return;
        };
        let occurred_at = inbound.occurred_at.map(|time| account.instant(time));
        let at = plausible(occurred_at, record.received_at).unwrap_or(record.received_at);
        let latest = self
            .inbound
            .entry((record.account.clone(), phone))
            .or_insert(at);
        *latest = (*latest).max(at);
    }
}
