//! `bluetick dismiss-orphans`: dismisses all orphans of an account, or counts them.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Args;

use crate::cli::command_error::CommandError;
use crate::cli::command_line_actor::COMMAND_LINE;
use crate::cli::progress::ProgressLine;
use crate::domain::ids::AccountId;
use crate::operating::action_context::ActionContext;
use crate::operating::dismiss_orphans::{
    DismissalMode, OrphanSelection, ReceptionPeriod, dismiss_orphans,
};
use crate::reporting::number_format::counted;
use crate::store::Store;

#[derive(Args, Debug)]
pub struct DismissOrphansArguments {
    /// Account whose orphans are dismissed
    #[arg(long, value_name = "ID")]
    pub account: AccountId,
    /// First reported at or after this instant, RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub received_after: Option<DateTime<Utc>>,
    /// First reported before this instant, RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub received_before: Option<DateTime<Utc>>,
    /// Print how many there are, and dismiss none
    #[arg(long)]
    pub dry_run: bool,
}

pub async fn run(
    arguments: DismissOrphansArguments,
    store: &Store,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let selection = OrphanSelection::Received(ReceptionPeriod {
        account: arguments.account,
        received_after: arguments.received_after,
        received_before: arguments.received_before,
    });
    let context = ActionContext {
        actor: COMMAND_LINE,
        now,
    };
    let count = DismissalMode::Count;
    let found = dismiss_orphans(store, &selection, count, &context, &mut |_| {}).await?;
    if arguments.dry_run {
        let found = counted(found, "orphan", "orphans");
        writeln!(out, "{found} would be dismissed")?;
        return Ok(());
    }
    // Printed first, so that the operator can still interrupt the command.
    writeln!(out, "dismissing {}", counted(found, "orphan", "orphans"))?;
    out.flush()?;
    let line = ProgressLine::new()?;
    let mut progress = |number| line.update(number, "orphans dismissed");
    let apply = DismissalMode::Apply;
    let dismissed = dismiss_orphans(store, &selection, apply, &context, &mut progress).await?;
    line.finish();
    writeln!(out, "dismissed {}", counted(dismissed, "orphan", "orphans"))?;
    Ok(())
}
