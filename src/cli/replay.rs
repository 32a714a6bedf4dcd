//! `bluetick replay`: read callbacks again, after a parser was mended or to release unverified ones.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Args;

use crate::cli::Failure;
use crate::cli::progress::ProgressLine;
use crate::cli::token::ACTOR;
use crate::delivery::operate::Decision;
use crate::delivery::replay::{Earnest, Replayed, Selection, replay};
use crate::delivery::services::Services;
use crate::domain::delivery::DeliveryState;
use crate::domain::ids::{AccountId, CallbackId};
use crate::store::callbacks::Outcome;

/// Read callbacks again
///
/// What each of them told is replaced by what it tells now. Every condition that is given must hold. Unverified callbacks are released (read
/// although they did not prove their origin) only when named by --id or by --outcome unverified.
#[derive(Args, Debug)]
pub struct ReplayArguments {
    /// A callback's id; may be given several times
    #[arg(long = "id", value_name = "ID")]
    pub ids: Vec<CallbackId>,
    /// Callbacks of this account
    #[arg(long, value_name = "ID")]
    pub account: Option<AccountId>,
    /// receipts, inbound, notice, quarantined or unverified
    #[arg(long, value_parser = parse_outcome)]
    pub outcome: Option<Outcome>,
    /// Received at or after this instant, RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub received_after: Option<DateTime<Utc>>,
    /// Received before this instant, RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub received_before: Option<DateTime<Utc>>,
    /// Tell what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

fn parse_outcome(word: &str) -> Result<Outcome, String> {
    Outcome::parse(word).ok_or_else(|| format!("is not one of {}", Outcome::words()))
}

/// Reads them again; what it tells goes to `out`.
pub async fn run(
    arguments: ReplayArguments,
    services: &Services,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let earnest = if arguments.dry_run {
        Earnest::DryRun
    } else {
        Earnest::Apply
    };
    let selection = Selection {
        ids: (!arguments.ids.is_empty()).then_some(arguments.ids),
        account: arguments.account,
        outcome: arguments.outcome,
        received_after: arguments.received_after,
        received_before: arguments.received_before,
        up_to: None,
    };
    let decision = Decision {
        actor: ACTOR,
        now: services.clock.now(),
    };
    let line = ProgressLine::new()?;
    let replayed = replay(services, &selection, earnest, &decision, &mut |read| {
        line.tell(read, "callbacks read again");
    })
    .await?;
    line.finish();
    tell(&replayed, earnest, out)?;
    Ok(())
}

fn tell(replayed: &Replayed, earnest: Earnest, out: &mut impl Write) -> std::io::Result<()> {
    for change in &replayed.callbacks {
        let (before, after) = (change.before.as_str(), change.after.as_str());
        writeln!(out, "callback {}: {before} -> {after}", change.callback)?;
    }
    let word = |state: Option<DeliveryState>| state.map_or("none", DeliveryState::as_str);
    for change in &replayed.messages {
        let (before, after) = (word(change.before), word(change.after));
        writeln!(out, "message {}: {before} -> {after}", change.message)?;
    }
    let verb = match earnest {
        Earnest::DryRun => "would change",
        Earnest::Apply => "changed",
    };
    writeln!(
        out,
        "{} callbacks read: {verb} {} callbacks and {} messages",
        replayed.read,
        replayed.callbacks.len(),
        replayed.messages.len()
    )?;
    if replayed.gone > 0 {
        writeln!(out, "{} are not in the journal any more", replayed.gone)?;
    }
    if replayed.withheld > 0 {
        writeln!(
            out,
            "{} are unverified and stay so; name them to release them",
            replayed.withheld
        )?;
    }
    Ok(())
}
