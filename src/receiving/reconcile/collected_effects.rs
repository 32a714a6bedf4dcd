//! What the callbacks of a batch contain besides receipts.

use crate::domain::account_event::{AccountEvent, ReportedEvent};
use crate::domain::callback_record::CallbackRecord;
use crate::domain::person::IdLink;
use crate::domain::phone::PhoneNumber;
use crate::domain::phone_text::parse_user_id;
use crate::domain::receipt::plausible;
use crate::providers::{CustomerIdLink, Inbound, Report};
use crate::receiving::account_context::AccountContext;
use crate::receiving::parsing::{CallbackContent, ParsedCallback};
use crate::receiving::reconcile::account_rejections::AccountRejection;
use crate::store::id_anomalies::IdAnomalies;
use crate::store::inbound_windows::LatestInbound;
use crate::store::ledger::Ledger;
use crate::store::person_links::{CustomerIdLinks, note_link};
use crate::store::quarantine::QuarantinedCopy;

#[derive(Default)]
pub(super) struct CollectedEffects {
    pub(super) quarantined: Vec<QuarantinedCopy>,
    pub(super) inbound: LatestInbound,
    pub(super) rejections: Vec<AccountRejection>,
    pub(super) id_anomalies: IdAnomalies,
    pub(super) events: Vec<AccountEvent>,
    pub(super) links: CustomerIdLinks,
}

impl CollectedEffects {
    pub(super) fn note_placeholder(&mut self, parsed: &ParsedCallback<'_>) {
        if let CallbackContent::Parts(_, content) = parsed.content.as_ref()
            && let Some(placeholder) = &content.placeholder_id
        {
            let record = &parsed.entry.record;
            self.id_anomalies
                .note_constant(&record.account, placeholder, record.received_at);
        }
    }

    /// Records ids of a report that identify no message, and ids longer than documented.
    pub(super) fn note_ids(&mut self, ledger: &Ledger, record: &CallbackRecord, report: &Report) {
        for id in &report.ids {
            if ledger.is_constant(&record.account, id) {
                self.id_anomalies
                    .note_constant(&record.account, id.as_str(), record.received_at);
            } else if id.is_long() {
                self.id_anomalies
                    .note_long(&record.account, record.received_at);
            }
        }
    }

    pub(super) fn note_event(
        &mut self,
        account: AccountContext<'_>,
        record: &CallbackRecord,
        part: i32,
        reported: &ReportedEvent,
    ) {
        let occurred_at = reported.occurred_at.map(|time| account.instant(time));
        self.events.push(AccountEvent {
            callback: record.id,
            part,
            account: record.account.clone(),
            at: plausible(occurred_at, record.received_at).unwrap_or(record.received_at),
            kind: reported.kind,
            title: reported.title.clone(),
            previous: reported.previous.clone(),
            current: reported.current.clone(),
            template: reported.template.clone(),
            sender: reported.sender.clone(),
            detail: reported.detail.clone(),
        });
    }

    pub(super) fn note_id_links(
        &mut self,
        account: AccountContext<'_>,
        record: &CallbackRecord,
        links: &[CustomerIdLink],
    ) {
        for ids in links {
            let link = IdLink {
                account: record.account.clone(),
                identity: ids.identity.clone(),
                other: ids.other.clone(),
                kind: ids.kind,
            };
            let occurred_at = ids.occurred_at.map(|time| account.instant(time));
            let at = plausible(occurred_at, record.received_at).unwrap_or(record.received_at);
            note_link(&mut self.links, link, at);
        }
    }

    /// Records when a customer wrote. A sender without a phone number opens the window of the
    /// numbers that are known to be theirs.
    pub(super) fn note_inbound(
        &mut self,
        account: AccountContext<'_>,
        record: &CallbackRecord,
        inbound: &Inbound,
    ) {
        let number = |text: &str| PhoneNumber::parse(&format!("+{text}")).ok();
        let identity = inbound.sender.as_deref().and_then(|sender| {
            let digits = number(sender).map(|number| number.digits().to_owned());
            digits.or_else(|| parse_user_id(sender))
        });
        let Some(identity) = identity else {
            return;
        };
        let occurred_at = inbound.occurred_at.map(|time| account.instant(time));
        let at = plausible(occurred_at, record.received_at).unwrap_or(record.received_at);
        let latest = self
            .inbound
            .entry((record.account.clone(), identity))
            .or_insert(at);
        *latest = (*latest).max(at);
    }
}
