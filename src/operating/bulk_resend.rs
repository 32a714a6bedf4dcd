//! Resends all messages that match a filter, or counts them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db;
use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::campaign::{CampaignId, CampaignMedia};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{AccountId, MessageId};
use crate::domain::message::Message;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::operating::bulk_actions::{
    BulkChange, BulkMode, BulkResult, BulkSelection, Obstacle, run_in_groups,
};
use crate::operating::campaign_pace::CampaignPace;
use crate::operating::message_actions::resend::{lost_upload_error, message_input};
use crate::operating::message_actions::resend_advice::{RepeatCause, ResendAdvisor};
use crate::sending::accept::{Acceptor, InvalidField, Resend};
use crate::store::Store;
use crate::store::campaigns::NewCampaignMessage;
use crate::store::ledger::Ledger;

/// Resends each message that is uncertain, failed or cancelled and was not resent, with `media`
/// instead of its own if given. A filter without a state selects only failed ones, because an
/// uncertain message may have arrived. A message that is selected by id but cannot be resent is
/// skipped, with the reason.
///
/// The new messages of a campaign share its rate with its other messages.
pub async fn resend_all(
    store: &Store,
    acceptor: &Acceptor,
    selection: BulkSelection,
    media: Option<&CampaignMedia>,
    mode: BulkMode,
    context: &ActionContext<'_>,
) -> Result<BulkResult, ActionError> {
    let mut filter = selection.filter;
    if filter.ids.is_empty() {
        filter.resent = Some(false);
        if filter.states.is_empty() {
            filter.states = vec![DeliveryState::Failed];
        }
    }
    let selection = BulkSelection {
        filter,
        ..selection
    };
    let mut change = BulkResend {
        store,
        acceptor,
        media,
        context,
        advisor: ResendAdvisor::load(store, acceptor.accounts(), context.now).await?,
        media_refusals: BTreeMap::new(),
        created: Vec::new(),
    };
    let result = run_in_groups(store, &selection, mode, &mut change).await?;
    Ok(BulkResult {
        created: change.created,
        ..result
    })
}

struct BulkResend<'a> {
    store: &'a Store,
    acceptor: &'a Acceptor,
    /// Replaces the media of the messages.
    media: Option<&'a CampaignMedia>,
    context: &'a ActionContext<'a>,
    advisor: ResendAdvisor<'a>,
    /// Why an account refuses the new media; `None` if it accepts them.
    media_refusals: BTreeMap<AccountId, Option<String>>,
    created: Vec<MessageId>,
}

/// The pace of each campaign whose messages are resent in one transaction.
type Paces = BTreeMap<CampaignId, CampaignPace>;

impl BulkChange for BulkResend<'_> {
    async fn find_obstacle(&mut self, message: &Message) -> Result<Option<Obstacle>, ActionError> {
        let now = self.context.now;
        let built = self.build_resend(message, now);
        if let Err(reason @ Obstacle::AlreadyResent(_)) = built {
            return Ok(Some(reason));
        }
        if is_resendable(message)
            && let Some(reason) = self.find_media_refusal(message).await
        {
            return Ok(Some(Obstacle::Media(reason)));
        }
        let new = match built {
            Ok(new) => new,
            Err(reason) => return Ok(Some(reason)),
        };
        if self.media.is_none() && self.acceptor.has_lost_upload(message).await? {
            return Ok(Some(Obstacle::Other(lost_upload_error().to_string())));
        }
        let refusal = self.acceptor.find_closed_window(&new.draft, now).await?;
        Ok(refusal.map(|error| Obstacle::ClosedWindow(describe(&[error]))))
    }

    async fn expect_failure(&mut self, message: &Message) -> Result<Option<String>, ActionError> {
        let advice = self.advisor.advise(message).await?;
        let is_avoided = |cause| cause == RepeatCause::Media && self.media.is_some();
        let advice = advice.filter(|advice| !is_avoided(advice.cause));
        Ok(advice.and_then(|advice| advice.summary))
    }

    async fn apply(&mut self, group: &[MessageId]) -> Result<u64, ActionError> {
        let context = self.context;
        let store = self.store;
        let resent = store
            .change(context.now, async |ledger: &mut Ledger| {
                ledger.load(group).await?;
                let mut paces = Paces::new();
                let mut resent = Vec::new();
                for id in group {
                    let Some(message) = ledger.find(*id)? else {
                        continue;
                    };
                    if self.build_resend(&message, context.now).is_err() {
                        continue;
                    }
                    let due_at = self.next_due_at(ledger, &message, &mut paces).await?;
                    let Ok(mut new) = self.build_resend(&message, due_at) else {
                        continue;
                    };
                    let acceptor = self.acceptor;
                    if !acceptor
                        .reuse_upload(ledger, &message, new.id, &mut new.draft)
                        .await?
                    {
                        continue;
                    }
                    ledger.queue_message(&new);
                    ledger.note_resend(*id, new.id)?;
                    let action = Action {
                        message: Some(*id),
                        account: Some(message.account.clone()),
                        detail: Some(format!("as {}", new.id)),
                        ..Action::new(context.actor, ActionKind::Resend, context.now)
                    };
                    ledger.record_action(&action).await?;
                    resent.push(new.id);
                }
                for pace in paces.into_values() {
                    pace.store(ledger).await?;
                }
                Ok::<_, ActionError>(resent)
            })
            .await?;
        let number = resent.len() as u64;
        self.created.extend(resent);
        Ok(number)
    }
}

impl BulkResend<'_> {
    async fn find_media_refusal(&mut self, message: &Message) -> Option<String> {
        let media = self.media?;
        let account = &message.account;
        if !self.media_refusals.contains_key(account) {
            let kind = message.media.as_ref().map(|media| media.kind);
            let checked = self.acceptor.check_shared_media(account, kind, media);
            let refused = checked.await.err().map(|errors| describe(&errors));
            self.media_refusals.insert(account.clone(), refused);
        }
        self.media_refusals.get(account).cloned().flatten()
    }

    /// The new message, due at `due_at`, or why `message` cannot be resent.
    fn build_resend(
        &self,
        message: &Message,
        due_at: DateTime<Utc>,
    ) -> Result<NewCampaignMessage, Obstacle> {
        if let Some(resent_as) = message.resent_as {
            return Err(Obstacle::AlreadyResent(resent_as));
        }
        if !is_resendable(message) {
            return Err(Obstacle::Other(format!(
                "it is {}; only a message that is uncertain, failed or cancelled can be sent again",
                message.state
            )));
        }
        let resend = Resend {
            of: message.id,
            actor: self.context.actor.name.to_owned(),
            address: self.context.actor.address.map(str::to_owned),
        };
        let input = message_input(message, resend, self.media)
            .map_err(|error| Obstacle::Other(error.to_string()))?;
        let id = MessageId::new(self.context.now);
        let checked = self.acceptor.check(&input, id);
        let (draft, account) = checked.map_err(|errors| {
            let mut fields = errors.iter().map(|error| error.field.as_str());
            let is_media = self.media.is_some() && fields.any(|field| field.starts_with("media"));
            let text = describe(&errors);
            if is_media {
                Obstacle::Media(text)
            } else {
                Obstacle::Other(text)
            }
        })?;
        Ok(NewCampaignMessage::of(id, draft, account, due_at))
    }

    /// When the resend of this message is due, by the pace of its campaign. Reopens the campaign if
    /// it is done.
    async fn next_due_at(
        &self,
        ledger: &mut Ledger,
        message: &Message,
        paces: &mut Paces,
    ) -> Result<DateTime<Utc>, db::Error> {
        let now = self.context.now;
        let Some(id) = &message.campaign else {
            return Ok(now);
        };
        if !paces.contains_key(id) {
            let Some(campaign) = ledger.reopen_campaign(id).await? else {
                return Ok(now);
            };
            let pace = CampaignPace::new(campaign, self.acceptor, ledger).await?;
            paces.insert(id.clone(), pace);
        }
        Ok(paces.get_mut(id).map_or(now, CampaignPace::next_due_at))
    }
}

fn is_resendable(message: &Message) -> bool {
    let resendable = [
        DeliveryState::Uncertain,
        DeliveryState::Failed,
        DeliveryState::Cancelled,
    ];
    resendable.contains(&message.state)
}

fn describe(errors: &[InvalidField]) -> String {
    let texts = errors
        .iter()
        .map(|error| format!("{} {}", error.field, error.message));
    texts.collect::<Vec<_>>().join("; ")
}
