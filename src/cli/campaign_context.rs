//! The services that the commands about campaigns need, and what several of them print.

use std::io::Write;

use crate::cli::command_error::CommandError;
use crate::cli::command_line_actor::COMMAND_LINE;
use crate::domain::campaign::{Campaign, CampaignId};
use crate::domain::clock::Clock;
use crate::operating::action_context::ActionContext;
use crate::reporting::campaign_summary::CampaignSummary;
use crate::sending::accept::Acceptor;
use crate::store::Store;

pub struct CampaignContext<'a> {
    pub store: &'a Store,
    pub acceptor: &'a Acceptor,
    pub clock: &'a dyn Clock,
}

pub(super) async fn find(
    context: &CampaignContext<'_>,
    id: &CampaignId,
) -> Result<Campaign, CommandError> {
    let found = context.store.find_campaign(id).await?;
    Ok(found.ok_or_else(|| format!("there is no campaign {id}"))?)
}

pub(super) fn print_summary(
    summary: &CampaignSummary,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let campaign = &summary.campaign;
    writeln!(out, "{} is {}", campaign.id, campaign.state)?;
    for (state, messages) in &summary.states {
        writeln!(out, "{messages:>9} {state}")?;
    }
    for group in &summary.failures {
        let class = group.class.map_or("unknown", |class| class.as_str());
        let code = group.code.as_deref().unwrap_or("without code");
        writeln!(out, "{:>9} failed: {class}, {code}", group.messages)?;
    }
    Ok(())
}

pub(super) fn action_context(context: &CampaignContext<'_>) -> ActionContext<'static> {
    ActionContext {
        actor: COMMAND_LINE,
        now: context.clock.now(),
    }
}
