//! Starts, pauses, resumes and cancels a campaign.

use chrono::TimeDelta;

use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::campaign::{Campaign, CampaignId, CampaignState};
use crate::operating::action_context::{ActionContext, ActionError};
use crate::operating::campaign_pace::CampaignPace;
use crate::sending::accept::Acceptor;
use crate::store::Store;
use crate::store::campaigns::Expiry;
use crate::store::ledger::Ledger;

/// Messages that one transaction holds or releases. A pause holds one group here and
/// `sending::campaign` holds the rest.
const GROUP_SIZE: u64 = 500;

#[derive(Clone, Copy, Debug)]
pub enum CampaignChange<'a> {
    Start,
    Pause,
    /// Releases the held messages at the campaign's rate. Each expires as a new message of the
    /// account would.
    Resume(&'a Acceptor),
    Cancel,
}

impl CampaignChange<'_> {
    fn kind(self) -> ActionKind {
        match self {
            Self::Start => ActionKind::StartCampaign,
            Self::Pause => ActionKind::PauseCampaign,
            Self::Resume(_) => ActionKind::ResumeCampaign,
            Self::Cancel => ActionKind::CancelCampaign,
        }
    }
}

/// Returns the campaign after the change. A change that was already made is not an error.
pub async fn change_campaign(
    store: &Store,
    id: &CampaignId,
    change: CampaignChange<'_>,
    context: &ActionContext<'_>,
) -> Result<Campaign, ActionError> {
    let changed = store
        .change(context.now, async |ledger: &mut Ledger| {
            let found = ledger.find_campaign(id).await?;
            let mut campaign = found.ok_or(ActionError::NotFound("campaign"))?;
            if !apply(&mut campaign, change, context)? {
                return Ok(campaign);
            }
            if let CampaignChange::Pause = change {
                ledger.hold_queued(id, GROUP_SIZE).await?;
            }
            ledger.update_campaign(&campaign).await?;
            let action = Action {
                account: Some(campaign.account.clone()),
                detail: Some(id.to_string()),
                ..Action::new(context.actor, change.kind(), context.now)
            };
            ledger.record_action(&action).await?;
            Ok::<_, ActionError>(campaign)
        })
        .await?;
    if let CampaignChange::Resume(acceptor) = change {
        release_held(store, &changed, acceptor, context).await?;
    }
    Ok(changed)
}

/// Returns false if the campaign already is in the requested state.
fn apply(
    campaign: &mut Campaign,
    change: CampaignChange<'_>,
    context: &ActionContext<'_>,
) -> Result<bool, ActionError> {
    use CampaignState::{Cancelled, Done, Draft, Paused, Running, Scheduled};
    let now = context.now;
    match (change, campaign.state) {
        (CampaignChange::Start, Draft) => {
            if campaign.recipients.accepted == 0 {
                let reason = "the campaign has no recipients; upload them first";
                return Err(ActionError::NotPossible(reason.to_owned()));
            }
            if campaign.send_at.is_some_and(|at| at > now) {
                campaign.state = Scheduled;
            } else {
                campaign.begin(now);
            }
        }
        (CampaignChange::Pause, Scheduled | Running) => campaign.state = Paused,
        (CampaignChange::Resume(_), Paused) => {
            // Released messages take new slots.
            campaign.next_slot_at = None;
            if campaign.started_at.is_none() && campaign.send_at.is_some_and(|at| at > now) {
                campaign.state = Scheduled;
            } else {
                campaign.begin(now);
            }
        }
        (CampaignChange::Cancel, Draft | Scheduled | Running | Paused) => {
            campaign.state = Cancelled;
            campaign.finished_at = Some(now);
        }
        (CampaignChange::Start | CampaignChange::Resume(_), Scheduled | Running)
        | (CampaignChange::Pause, Paused)
        | (CampaignChange::Cancel, Cancelled) => return Ok(false),
        (_, state) => {
            let participle = match change {
                CampaignChange::Start => "started",
                CampaignChange::Pause => "paused",
                CampaignChange::Resume(_) => "resumed",
                CampaignChange::Cancel => "cancelled",
            };
            let reason = format!("the campaign is {state}; it cannot be {participle}");
            return Err(ActionError::NotPossible(reason));
        }
    }
    debug_assert!(campaign.state != Done, "only the sender ends a campaign");
    Ok(true)
}

async fn release_held(
    store: &Store,
    campaign: &Campaign,
    acceptor: &Acceptor,
    context: &ActionContext<'_>,
) -> Result<(), ActionError> {
    let max_queue_time = acceptor.max_queue_time(&campaign.account);
    let max_queue_time = max_queue_time.unwrap_or(TimeDelta::hours(1));
    let expiry = campaign
        .send_before
        .map_or(Expiry::After(max_queue_time), Expiry::At);
    loop {
        let released = store
            .change(context.now, async |ledger: &mut Ledger| {
                let stopped = [CampaignState::Paused, CampaignState::Cancelled];
                let current = ledger.find_campaign(&campaign.id).await?;
                let Some(current) = current.filter(|it| !stopped.contains(&it.state)) else {
                    return Ok(0);
                };
                let mut pace = CampaignPace::new(current, acceptor, ledger).await?;
                let released = ledger
                    .release_held(&campaign.id, expiry, GROUP_SIZE, || pace.next_due_at())
                    .await?;
                pace.store(ledger).await?;
                Ok(released)
            })
            .await
            .map_err(ActionError::Store)?;
        if released == 0 {
            return Ok(());
        }
    }
}
