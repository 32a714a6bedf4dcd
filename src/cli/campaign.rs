//! `bluetick campaign`: sends a file of recipients, and shows and changes campaigns.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::cli::campaign_context::{CampaignContext, action_context, find, print_summary};
use crate::cli::campaign_send::{self, SendArguments};
use crate::cli::command_error::CommandError;
use crate::domain::account_limit::AccountLimit;
use crate::domain::campaign::{Campaign, CampaignId};
use crate::operating::change_campaign::{CampaignChange, change_campaign};
use crate::reporting::campaign_summary::summarize;
use crate::reporting::number_format::counted;

/// At most this many campaigns are printed by `list`.
const MAX_LISTED: usize = 100;

#[derive(Subcommand, Debug)]
pub enum CampaignCommand {
    /// Send a message to every row of a CSV or NDJSON file
    ///
    /// Creates the campaign, adds the recipients, starts it and shows the progress until it is
    /// done. A running `serve` sends it, even if this command is interrupted. Running the same
    /// command again continues it and sends nothing twice.
    Send(Box<SendArguments>),
    /// List campaigns, newest first
    List,
    /// Show a campaign and the outcome of its messages
    Show(CampaignArguments),
    /// Pause a campaign: nothing more is sent until it is resumed
    Pause(CampaignArguments),
    /// Resume a paused campaign
    Resume(CampaignArguments),
    /// Cancel the messages that a campaign has not sent yet
    Cancel(CampaignArguments),
}

#[derive(Args, Debug)]
pub struct CampaignArguments {
    /// Id of the campaign: its name as a slug
    #[arg(value_name = "ID")]
    pub id: CampaignId,
}

pub async fn run(
    command: CampaignCommand,
    context: &CampaignContext<'_>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    match command {
        CampaignCommand::Send(arguments) => campaign_send::run(&arguments, context, out).await,
        CampaignCommand::List => list(context, out).await,
        CampaignCommand::Show(arguments) => {
            let campaign = find(context, &arguments.id).await?;
            print(context, campaign, out).await
        }
        CampaignCommand::Pause(arguments) => {
            change(context, &arguments.id, CampaignChange::Pause, out).await
        }
        CampaignCommand::Resume(arguments) => {
            let resume = CampaignChange::Resume(context.acceptor);
            change(context, &arguments.id, resume, out).await
        }
        CampaignCommand::Cancel(arguments) => {
            change(context, &arguments.id, CampaignChange::Cancel, out).await
        }
    }
}

async fn list(context: &CampaignContext<'_>, out: &mut impl Write) -> Result<(), CommandError> {
    for campaign in context
        .store
        .list_campaigns(None, &AccountLimit::default(), None, MAX_LISTED)
        .await?
    {
        writeln!(
            out,
            "{}  {}  {}  {}",
            campaign.id,
            campaign.state,
            campaign.account,
            counted(campaign.recipients.accepted, "recipient", "recipients")
        )?;
    }
    Ok(())
}

async fn change(
    context: &CampaignContext<'_>,
    id: &CampaignId,
    change: CampaignChange<'_>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let campaign = change_campaign(context.store, id, change, &action_context(context)).await?;
    print(context, campaign, out).await
}

async fn print(
    context: &CampaignContext<'_>,
    campaign: Campaign,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let summary = summarize(context.store, campaign, context.clock.now()).await?;
    Ok(print_summary(&summary, out)?)
}
