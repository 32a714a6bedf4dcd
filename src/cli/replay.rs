//! `bluetick replay`: parses callbacks again, after a parser fix or to release unverified ones.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Args;

use crate::cli::command_error::CommandError;
use crate::cli::command_line_actor::COMMAND_LINE;
use crate::cli::progress::ProgressLine;
use crate::domain::account_limit::AccountLimit;
use crate::domain::callback_outcome::Outcome;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{AccountId, CallbackId};
use crate::operating::action_context::ActionContext;
use crate::operating::replay::{ReplayMode, ReplayReport, replay};
use crate::reporting::number_format::counted;
use crate::services::Services;
use crate::store::outcome_list::OutcomeFilter;

#[derive(Args, Debug)]
pub struct ReplayArguments {
    /// Callback id; can be repeated
    #[arg(long = "id", value_name = "ID")]
    pub ids: Vec<CallbackId>,
    /// Callbacks of this account
    #[arg(long, value_name = "ID")]
    pub account: Option<AccountId>,
    /// Outcome to select: receipts, inbound, notice, probe, quarantined or unverified
    #[arg(long, value_parser = parse_outcome)]
    pub outcome: Option<Outcome>,
    /// Received at or after this instant, RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub received_after: Option<DateTime<Utc>>,
    /// Received before this instant, RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub received_before: Option<DateTime<Utc>>,
    /// Print what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

fn parse_outcome(text: &str) -> Result<Outcome, String> {
    Outcome::parse(text).ok_or_else(|| format!("is not one of {}", Outcome::words()))
}

pub async fn run(
    arguments: ReplayArguments,
    services: &Services,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    check_selection(&arguments, services).await?;
    let mode = if arguments.dry_run {
        ReplayMode::DryRun
    } else {
        ReplayMode::Apply
    };
    let selection = OutcomeFilter {
        limit: AccountLimit::default(),
        ids: (!arguments.ids.is_empty()).then_some(arguments.ids),
        account: arguments.account,
        outcome: arguments.outcome,
        received_after: arguments.received_after,
        received_before: arguments.received_before,
        first_seq: None,
        last_seq: None,
    };
    let context = ActionContext {
        actor: COMMAND_LINE,
        now: services.clock.now(),
    };
    let line = ProgressLine::new()?;
    let replayed = replay(services, &selection, mode, &context, &mut |count| {
        line.update(count, "callbacks replayed");
    })
    .await?;
    line.finish();
    print_summary(&replayed, mode, out)?;
    Ok(())
}

/// Rejects unknown ids and accounts: a typo must not silently select nothing.
async fn check_selection(
    arguments: &ReplayArguments,
    services: &Services,
) -> Result<(), CommandError> {
    if let Some(account) = &arguments.account
        && !services.accounts.contains_key(account)
        && !services.store.list_accounts().await?.contains_key(account)
    {
        return Err(format!("unknown account {account}").into());
    }
    let known = services.store.find_outcomes(&arguments.ids).await?;
    for id in &arguments.ids {
        if known.contains_key(id) {
            continue;
        }
        let problem = match services.journal.find(*id).await? {
            Some(_) => format!("callback {id} is unprocessed"),
            None => format!("unknown callback {id}"),
        };
        return Err(problem.into());
    }
    Ok(())
}

fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

fn print_summary(
    replayed: &ReplayReport,
    mode: ReplayMode,
    out: &mut impl Write,
) -> std::io::Result<()> {
    for change in &replayed.callbacks {
        let (before, after) = (change.before.as_str(), change.after.as_str());
        writeln!(out, "callback {}: {before} -> {after}", change.callback)?;
    }
    let name = |state: Option<DeliveryState>| state.map_or("none", DeliveryState::as_str);
    for change in &replayed.messages {
        let (before, after) = (name(change.before), name(change.after));
        writeln!(out, "message {}: {before} -> {after}", change.message)?;
    }
    let verb = match mode {
        ReplayMode::DryRun => "would change",
        ReplayMode::Apply => "changed",
    };
    writeln!(
        out,
        "{} replayed: {verb} {} and {}",
        counted(replayed.replayed, "callback", "callbacks"),
        counted(length(&replayed.callbacks), "callback", "callbacks"),
        counted(length(&replayed.messages), "message", "messages")
    )?;
    if replayed.purged > 0 {
        let verb = if replayed.purged == 1 { "is" } else { "are" };
        writeln!(out, "{} {verb} no longer in the journal", replayed.purged)?;
    }
    if replayed.skipped_unverified > 0 {
        writeln!(
            out,
            "{} unverified and skipped; use --id or --outcome unverified to release them",
            counted(replayed.skipped_unverified, "callback is", "callbacks are")
        )?;
    }
    Ok(())
}
