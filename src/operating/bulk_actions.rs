//! Resends or cancels all messages of a filter, in groups; or counts them.

use chrono::TimeDelta;

use crate::db;
use crate::domain::audit_action::{Action, Verb};
use crate::domain::campaign::{CampaignId, CampaignMedia, CampaignState};
use crate::domain::delivery_state::{DeliveryState, QueueState};
use crate::domain::ids::MessageId;
use crate::domain::media::Media;
use crate::domain::message::Message;
use crate::operating::actions::{Decision, OperateError};
use crate::operating::resend::message_input;
use crate::sending::accept::{Acceptor, Resend};
use crate::sending::upload_storage;
use crate::store::Store;
use crate::store::campaigns::NewCampaignMessage;
use crate::store::ledger::Ledger;
use crate::store::messages::MessageFilter;

/// Messages of one transaction.
const GROUP: usize = 200;
/// Skipped messages that a result names.
const SKIPPED_LISTED: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BulkMode {
    Count,
    Apply,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BulkResult {
    /// Messages that were resent or cancelled, or would be.
    pub count: u64,
    /// Matching messages for which that is not possible.
    pub skipped: u64,
    /// The first of them, with the reason.
    pub listed: Vec<(MessageId, String)>,
}

impl BulkResult {
    fn skip(&mut self, id: MessageId, reason: String) {
        self.skipped += 1;
        if self.listed.len() < SKIPPED_LISTED {
            self.listed.push((id, reason));
        }
    }
}

/// Which messages, and at most how many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BulkSelection {
    pub filter: MessageFilter,
    pub limit: u64,
}

/// Resends each message that is uncertain, failed or cancelled and was not resent, with other media if
/// given. Without a state in the filter only failed ones: an uncertain message may have arrived.
pub async fn resend_all(
    store: &Store,
    acceptor: &Acceptor,
    selection: BulkSelection,
    media: Option<&CampaignMedia>,
    mode: BulkMode,
    decision: &Decision<'_>,
) -> Result<BulkResult, OperateError> {
    let mut filter = selection.filter;
    filter.resent = Some(false);
    if filter.states.is_empty() {
        filter.states = vec![DeliveryState::Failed];
    }
    let selection = BulkSelection {
        filter,
        ..selection
    };
    check_size(store, &selection).await?;
    let mut result = BulkResult::default();
    let mut after = None;
    loop {
        let page = store.list_messages(&selection.filter, after, GROUP).await?;
        let mut group = Vec::new();
        for message in &page.messages {
            match check_resend(acceptor, message, media, decision) {
                Ok(_) => group.push(message.id),
                Err(reason) => result.skip(message.id, reason),
            }
        }
        result.count += match mode {
            BulkMode::Count => group.len() as u64,
            BulkMode::Apply => resend_group(store, acceptor, &group, media, decision).await?,
        };
        after = page.next;
        if after.is_none() {
            return Ok(result);
        }
    }
}

/// Cancels each message that is queued.
pub async fn cancel_all(
    store: &Store,
    selection: BulkSelection,
    mode: BulkMode,
    decision: &Decision<'_>,
) -> Result<BulkResult, OperateError> {
    let mut filter = selection.filter;
    if filter.states.is_empty() {
        filter.states = vec![DeliveryState::Queued];
    }
    let selection = BulkSelection {
        filter,
        ..selection
    };
    check_size(store, &selection).await?;
    let mut result = BulkResult::default();
    let mut after = None;
    loop {
        let page = store.list_messages(&selection.filter, after, GROUP).await?;
        let mut group = Vec::new();
        for message in &page.messages {
            if message.queue == QueueState::Queued {
                group.push(message.id);
            } else {
                let reason = format!(
                    "it is {}; only a queued message can be cancelled",
                    message.state
                );
                result.skip(message.id, reason);
            }
        }
        result.count += match mode {
            BulkMode::Count => group.len() as u64,
            BulkMode::Apply => cancel_group(store, &group, decision).await?,
        };
        after = page.next;
        if after.is_none() {
            return Ok(result);
        }
    }
}

async fn check_size(store: &Store, selection: &BulkSelection) -> Result<(), OperateError> {
    if store
        .matches_more_than(&selection.filter, selection.limit)
        .await?
    {
        return Err(OperateError::NotNow(format!(
            "the filter selects more than {} messages; narrow it",
            selection.limit
        )));
    }
    Ok(())
}

/// The new message of a resend, or why there is none.
fn check_resend(
    acceptor: &Acceptor,
    message: &Message,
    media: Option<&CampaignMedia>,
    decision: &Decision<'_>,
) -> Result<NewCampaignMessage, String> {
    if let Some(again) = message.resent_as {
        return Err(format!("it was sent again already, as {again}"));
    }
    let resendable = [
        DeliveryState::Uncertain,
        DeliveryState::Failed,
        DeliveryState::Cancelled,
    ];
    if !resendable.contains(&message.state) {
        return Err(format!(
            "it is {}; only a message that is uncertain, failed or cancelled can be sent again",
            message.state
        ));
    }
    let resend = Resend {
        of: message.id,
        actor: decision.actor.name.to_owned(),
        address: decision.actor.address.map(str::to_owned),
    };
    let input = message_input(message, resend, media).map_err(|error| error.to_string())?;
    let id = MessageId::new(decision.now);
    let (draft, account) = acceptor.check(&input, id).map_err(|errors| {
        let texts = errors.iter();
        let texts: Vec<String> = texts
            .map(|error| format!("{} {}", error.field, error.message))
            .collect();
        texts.join("; ")
    })?;
    let time = |time| TimeDelta::from_std(time).unwrap_or(TimeDelta::days(365));
    Ok(NewCampaignMessage {
        id,
        draft,
        send_before: decision.now + time(account.send_before),
        silence_limit: time(account.deadline),
    })
}

/// Returns how many were resent: another process may have resent some since.
async fn resend_group(
    store: &Store,
    acceptor: &Acceptor,
    group: &[MessageId],
    media: Option<&CampaignMedia>,
    decision: &Decision<'_>,
) -> Result<u64, OperateError> {
    if group.is_empty() {
        return Ok(0);
    }
    let resent = store
        .change(decision.now, async |ledger: &mut Ledger| {
            ledger.load(group).await?;
            let mut resent = 0;
            for id in group {
                let Some(message) = ledger.find(*id)? else {
                    continue;
                };
                let Ok(new) = check_resend(acceptor, &message, media, decision) else {
                    continue;
                };
                ledger.queue_message(&new);
                ledger.note_resend(*id, new.id)?;
                let action = Action {
                    message: Some(*id),
                    account: Some(message.account.clone()),
                    detail: Some(format!("as {}", new.id)),
                    ..Action::new(decision.actor, Verb::Resend, decision.now)
                };
                ledger.record_action(&action).await?;
                resent += 1;
            }
            Ok::<u64, db::Error>(resent)
        })
        .await?;
    Ok(resent)
}

async fn cancel_group(
    store: &Store,
    group: &[MessageId],
    decision: &Decision<'_>,
) -> Result<u64, OperateError> {
    if group.is_empty() {
        return Ok(0);
    }
    let cancelled = store
        .change(decision.now, async |ledger: &mut Ledger| {
            ledger.load(group).await?;
            let mut cancelled: Vec<Option<Media>> = Vec::new();
            for id in group {
                let found = ledger.find(*id)?;
                let Some(message) = found.filter(|message| message.queue == QueueState::Queued)
                else {
                    continue;
                };
                ledger.cancel_queued(*id)?;
                let action = Action {
                    message: Some(*id),
                    account: Some(message.account.clone()),
                    ..Action::new(decision.actor, Verb::Cancel, decision.now)
                };
                ledger.record_action(&action).await?;
                cancelled.push(message.media);
            }
            Ok::<_, db::Error>(cancelled)
        })
        .await?;
    for media in &cancelled {
        upload_storage::discard(media.as_ref());
    }
    Ok(cancelled.len() as u64)
}

/// Lets a campaign that had ended run again, so that it can be paused while resent messages wait.
pub async fn reopen_campaign(
    store: &Store,
    id: &CampaignId,
    decision: &Decision<'_>,
) -> Result<(), OperateError> {
    store
        .change(decision.now, async |ledger: &mut Ledger| {
            let found = ledger.find_campaign(id).await?;
            if let Some(mut campaign) = found
                && campaign.state == CampaignState::Done
            {
                campaign.state = CampaignState::Running;
                campaign.finished_at = None;
                ledger.update_campaign(&campaign).await?;
            }
            Ok::<_, OperateError>(())
        })
        .await
}
