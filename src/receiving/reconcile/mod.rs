//! Reading the journal in its order and applying what callbacks say, a batch a transaction, together with the position.

mod adoption;
mod again;
mod batch;
mod lease;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db;
use crate::domain::callback_record::{CallbackRecord, JournalEntry, Route};
use crate::domain::clock::Clock;
use crate::domain::failure_codes;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::phone::PhoneNumber;
use crate::domain::provider_account::Account;
use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind, plausible};
use crate::journal::Journal;
use crate::providers::{CallbackPart, Inbound, Report};
use crate::receiving::correlate::{self, AccountContext, ReportTarget};
use crate::receiving::known_accounts::KnownAccounts;
use crate::receiving::operator_decisions::OperatorDecisions;
use crate::receiving::parsing::{
    self, CallbackContent, ParsedCallback, list_named_ids, list_new_orphan_ids,
};
use crate::receiving::reconcile::batch::{Ahead, Batch};
use crate::store::Store;
use crate::store::callbacks::{CallbackOutcome, Outcome, Quarantined};
use crate::store::lease::Lease;
use crate::store::ledger::Ledger;
use crate::store::windows::LatestInbound;

/// Follows the journal.
#[derive(Clone)]
pub struct Reconciler {
    store: Store,
    journal: Journal,
    accounts: Arc<BTreeMap<AccountId, Account>>,
    known: Arc<KnownAccounts>,
    clock: Arc<dyn Clock>,
    lease: Lease,
    ahead: Ahead,
}

/// What one step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Applied so many callbacks.
    Applied(usize),
    /// Another process follows the journal.
    NotOurs,
}

/// Whether callbacks are read for the first time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    First,
    /// They were read before, and operators may have decided about them.
    Again,
}

/// What the callbacks of a batch say beside receipts.
#[derive(Default)]
struct Gathered {
    quarantined: Vec<Quarantined>,
    inbound: LatestInbound,
    refusals: Vec<Refusal>,
}

/// A report that its provider refuses the account, not only the message.
struct Refusal {
    message: MessageId,
    received_at: DateTime<Utc>,
    reason: String,
}

/// What became of a batch's callbacks.
struct Applied {
    outcomes: Vec<CallbackOutcome>,
    quarantined: Vec<Quarantined>,
    refusals: Vec<Refusal>,
}

impl Gathered {
    /// Notes when a customer wrote; a sender without a number opens no window that anybody could ask for.
    fn hear_from_customer(&mut self, record: &CallbackRecord, inbound: &Inbound) {
        let sender = inbound.sender.as_deref();
        let Some(phone) = sender.and_then(|text| PhoneNumber::parse(&format!("+{text}")).ok())
        else {
            return;
        };
        let at = plausible(inbound.occurred_at, record.received_at).unwrap_or(record.received_at);
        let latest = self
            .inbound
            .entry((record.account.clone(), phone))
            .or_insert(at);
        *latest = (*latest).max(at);
    }
}

impl Reconciler {
    /// A reconciler whose lease carries `holder`.
    pub fn new(
        store: Store,
        journal: Journal,
        accounts: Arc<BTreeMap<AccountId, Account>>,
        known: Arc<KnownAccounts>,
        clock: Arc<dyn Clock>,
        holder: Uuid,
    ) -> Self {
        Self {
            lease: lease::of(store.clone(), holder),
            store,
            journal,
            accounts,
            known,
            clock,
            ahead: Ahead::default(),
        }
    }

    /// Takes or renews the lease and applies the next batch.
    pub async fn step(&self) -> Result<Step, db::Error> {
        if !self.claim().await? {
            self.ahead.forget();
            return Ok(Step::NotOurs);
        }
        let position = self.store.position().await?;
        let mut batch = self.next_batch(position).await?;
        let pass = self.pass(&mut batch).await?;
        let Some(last) = batch.entries.last() else {
            return Ok(Step::Applied(0));
        };
        let (applied, ()) = tokio::join!(
            self.apply_batch(position, &batch, pass),
            self.read_ahead(&batch, last.seq)
        );
        applied?;
        Ok(Step::Applied(batch.entries.len()))
    }

    /// In one transaction, else one by one.
    async fn apply_batch(&self, position: i64, batch: &Batch, pass: Pass) -> Result<(), db::Error> {
        match self.apply(position, &batch.read(), pass).await {
            Err(error) if !error.is_transient() => {
                tracing::warn!(%error, "a batch of callbacks could not be applied; going one by one");
                self.apply_singly(position, &batch.read(), pass).await
            }
            applied => applied,
        }
    }

    /// Whether what comes now was read before; a batch in which only the first were is cut after them. A rebuild that has caught up, also one that another process began, ends here.
    async fn pass(&self, batch: &mut Batch) -> Result<Pass, db::Error> {
        let Some(until) = self.store.rebuilding_until().await? else {
            return Ok(Pass::First);
        };
        let read_before = batch.entries.partition_point(|entry| entry.seq <= until);
        if read_before == 0 {
            self.store.finish_rebuild(self.clock.now()).await?;
            return Ok(Pass::First);
        }
        batch.truncate(read_before);
        Ok(Pass::Again)
    }

    fn content(
        &self,
        entry: &JournalEntry,
        decisions: Option<&OperatorDecisions>,
    ) -> CallbackContent {
        let configured = self.accounts.get(&entry.record.account);
        parsing::parse_callback_record(&self.known, configured, &entry.record, decisions)
    }

    async fn apply(
        &self,
        position: i64,
        batch: &[ParsedCallback<'_>],
        pass: Pass,
    ) -> Result<(), db::Error> {
        let Some(last) = batch.last() else {
            return Ok(());
        };
        let position = (position, last.entry.seq);
        let mut ledger = self.store.ledger(self.clock.now()).await?;
        let applied = match pass {
            Pass::First => self.apply_news(&mut ledger, batch, position).await,
            Pass::Again => self.derive_again(&mut ledger, batch, position).await,
        };
        self.end(ledger, applied).await
    }

    /// Commits what was done, or gives it up.
    async fn end(&self, ledger: Ledger, done: Result<(), db::Error>) -> Result<(), db::Error> {
        match done {
            Ok(()) => self.store.commit(ledger).await,
            Err(error) => {
                ledger.roll_back().await;
                Err(error)
            }
        }
    }

    async fn apply_news(
        &self,
        ledger: &mut Ledger,
        batch: &[ParsedCallback<'_>],
        position: (i64, i64),
    ) -> Result<(), db::Error> {
        let applied = self
            .apply_all(ledger, batch, &OperatorDecisions::default())
            .await?;
        pause_accounts(ledger, &applied.refusals).await?;
        ledger
            .record_outcomes(applied.outcomes, applied.quarantined, position)
            .await
    }

    /// What operators released since is read, too. A refusal of the account is old news by now: it pauses nothing again.
    async fn derive_again(
        &self,
        ledger: &mut Ledger,
        batch: &[ParsedCallback<'_>],
        position: (i64, i64),
    ) -> Result<(), db::Error> {
        ledger.keep_times();
        let decisions = OperatorDecisions::load(ledger).await?;
        let read: Vec<ParsedCallback<'_>> = batch
            .iter()
            .map(|read| ParsedCallback {
                entry: read.entry,
                content: match read.content.as_ref() {
                    CallbackContent::Unverified { .. } => {
                        Cow::Owned(self.content(read.entry, Some(&decisions)))
                    }
                    content => Cow::Borrowed(content),
                },
            })
            .collect();
        let applied = self.apply_all(ledger, &read, &decisions).await?;
        ledger
            .record_outcomes(applied.outcomes, applied.quarantined, position)
            .await
    }

    async fn apply_all(
        &self,
        ledger: &mut Ledger,
        batch: &[ParsedCallback<'_>],
        decisions: &OperatorDecisions,
    ) -> Result<Applied, db::Error> {
        let (messages, ids) = list_named_ids(batch);
        ledger.load(&messages).await?;
        ledger.load_holders(&ids).await?;
        ledger.load(&list_new_orphan_ids(ledger, batch)).await?;
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut gathered = Gathered::default();
        for read in batch {
            let outcome = self
                .apply_one(ledger, read, decisions, &mut gathered)
                .await?;
            outcomes.push(outcome);
        }
        ledger.record_inbound(gathered.inbound).await?;
        Ok(Applied {
            outcomes,
            quarantined: gathered.quarantined,
            refusals: gathered.refusals,
        })
    }

    async fn apply_one(
        &self,
        ledger: &mut Ledger,
        read: &ParsedCallback<'_>,
        decisions: &OperatorDecisions,
        gathered: &mut Gathered,
    ) -> Result<CallbackOutcome, db::Error> {
        let record = &read.entry.record;
        let (provider, parts) = match read.content.as_ref() {
            CallbackContent::Unverified { reason } => {
                return Ok(outcome(
                    read.entry,
                    Outcome::Unverified,
                    Some(reason.clone()),
                ));
            }
            CallbackContent::Unsupported { reason } => {
                gathered
                    .quarantined
                    .push(quarantine(record, 0, reason, Kept::Whole));
                return Ok(outcome(
                    read.entry,
                    Outcome::Quarantined,
                    Some((*reason).to_owned()),
                ));
            }
            CallbackContent::Parts(provider, parts) => (*provider, parts),
        };
        let account = AccountContext {
            id: &record.account,
            provider,
            configured: self.accounts.get(&record.account),
            decisions,
        };
        let mut seen = Vec::new();
        for (part, said) in (0_i32..).zip(parts) {
            let (what, detail) = match said {
                CallbackPart::Report(report) => {
                    apply_report(ledger, account, record, part, report, gathered).await?
                }
                CallbackPart::Inbound(inbound) => {
                    gathered.hear_from_customer(record, inbound);
                    (Outcome::Inbound, None)
                }
                CallbackPart::Notice(words) => (Outcome::Notice, Some(words.clone())),
                CallbackPart::Unparseable(reason) => (Outcome::Quarantined, Some(reason.clone())),
            };
            if what == Outcome::Quarantined {
                // One copy a callback is enough.
                let copy = if seen.iter().any(|(seen, _)| *seen == Outcome::Quarantined) {
                    Kept::Nothing
                } else {
                    Kept::Whole
                };
                let reason = detail.as_deref().unwrap_or_default();
                gathered
                    .quarantined
                    .push(quarantine(record, part, reason, copy));
            }
            seen.push((what, detail));
        }
        let chief = seen
            .iter()
            .map(|(what, _)| *what)
            .min()
            .unwrap_or(Outcome::Quarantined);
        let detail = seen
            .into_iter()
            .find(|(what, _)| *what == chief)
            .and_then(|(_, detail)| detail);
        Ok(outcome(read.entry, chief, detail))
    }

    /// A callback that fails alone is quarantined as internal and passed, so that it cannot stop the others.
    async fn apply_singly(
        &self,
        position: i64,
        batch: &[ParsedCallback<'_>],
        pass: Pass,
    ) -> Result<(), db::Error> {
        let mut from = position;
        for read in batch {
            let entry = read.entry;
            match self.apply(from, std::slice::from_ref(read), pass).await {
                Ok(()) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(%error, callback.id = %entry.record.id, "a callback could not be applied");
                    self.set_aside(from, entry).await?;
                }
            }
            from = entry.seq;
        }
        Ok(())
    }

    async fn set_aside(&self, from: i64, entry: &JournalEntry) -> Result<(), db::Error> {
        let content = CallbackContent::Unsupported {
            reason: "internal: it could not be applied; see the log",
        };
        let content = Cow::Owned(content);
        let mut ledger = self.store.ledger(self.clock.now()).await?;
        let position = (from, entry.seq);
        let applied = self
            .apply_news(&mut ledger, &[ParsedCallback { entry, content }], position)
            .await;
        self.end(ledger, applied).await
    }
}

/// Whether quarantine keeps the body with a part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Whole,
    Nothing,
}

fn quarantine(record: &CallbackRecord, part: i32, reason: &str, kept: Kept) -> Quarantined {
    Quarantined {
        callback: record.id,
        part,
        account: record.account.clone(),
        reason: reason.to_owned(),
        content: match kept {
            Kept::Whole => record.body.clone(),
            Kept::Nothing => Vec::new(),
        },
        received_at: record.received_at,
    }
}

/// Stops accounts that their providers refuse by a report: what else waits would end the same way.
///
/// Of an account's reports the one on the message that was tried last decides; a callback may hold thousands.
async fn pause_accounts(ledger: &mut Ledger, refusals: &[Refusal]) -> Result<(), db::Error> {
    let mut latest: BTreeMap<AccountId, (DateTime<Utc>, &Refusal)> = BTreeMap::new();
    for refusal in refusals {
        let message = ledger.current(refusal.message);
        let Some((account, tried_at)) = ledger.tried(message, refusal.received_at)? else {
            continue;
        };
        let known = latest.entry(account).or_insert((tried_at, refusal));
        if tried_at > known.0 {
            *known = (tried_at, refusal);
        }
    }
    for (account, (tried_at, refusal)) in latest {
        let paused = ledger
            .pause_by_report(&account, tried_at, &refusal.reason)
            .await?;
        if paused {
            tracing::warn!(account.id = %account, message.id = %refusal.message, "the provider rejected the account by a report; sending is paused");
        }
    }
    Ok(())
}

async fn apply_report(
    ledger: &mut Ledger,
    account: AccountContext<'_>,
    record: &CallbackRecord,
    part: i32,
    report: &Report,
    gathered: &mut Gathered,
) -> Result<(Outcome, Option<String>), db::Error> {
    let message = match correlate::find_message(ledger, account, record, part, report).await? {
        ReportTarget::Message(message) => message,
        ReportTarget::SentElsewhere => {
            return Ok((
                Outcome::Notice,
                Some("an echo of a message sent elsewhere".to_owned()),
            ));
        }
        ReportTarget::Purged => {
            return Ok((
                Outcome::Notice,
                Some("a report on a message that is no longer kept".to_owned()),
            ));
        }
        ReportTarget::Unidentified => {
            let reason = "it reports on a message but names no id and no recipient";
            return Ok((Outcome::Quarantined, Some(reason.to_owned())));
        }
    };
    let Some(event) = report.event.clone() else {
        return Ok((Outcome::Receipts, Some("it taught ids".to_owned())));
    };
    if let ReceiptEvent::Failure(failure) = &event
        && failure_codes::rejects_account(account.provider, failure)
    {
        gathered.refusals.push(Refusal {
            message,
            received_at: record.received_at,
            reason: failure.one_line(),
        });
    }
    let receipt = Receipt {
        source_kind: SourceKind::Callback,
        source: record.id.uuid(),
        part,
        event,
        occurred_at: report.occurred_at,
        received_at: record.received_at,
        recipient: report.recipient.clone(),
        pricing: report.pricing.clone(),
    };
    ledger.add(message, receipt)?;
    Ok((Outcome::Receipts, None))
}

fn outcome(entry: &JournalEntry, outcome: Outcome, detail: Option<String>) -> CallbackOutcome {
    CallbackOutcome {
        callback: entry.record.id,
        seq: entry.seq,
        account: entry.record.account.clone(),
        received_at: entry.record.received_at,
        by_old_address: entry.record.route == Route::OldCallback,
        outcome,
        detail,
    }
}
