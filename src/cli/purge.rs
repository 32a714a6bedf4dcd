//! `bluetick purge`: deletes what is past its retention, or counts it.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;

use crate::cli::command_error::CommandError;
use crate::cli::progress::ProgressLine;
use crate::operating::retention::PurgeReport;
use crate::services::Services;
use crate::store::purge_messages::RowCounts;

/// Delete callbacks and messages that are past their retention
///
/// `serve` does the same every ten minutes. Raw callbacks are deleted `retention.callbacks` days
/// after they were received, unless they are unprocessed; messages and everything that belongs to
/// them `retention.messages` days after they were created. Counts in reports are kept. Can be used
/// while `serve` is running: it deletes in batches of about 250 rows. An interrupted purge
/// continues the next time. Only one purge runs at a time; a second one fails.
#[derive(Args, Debug)]
pub struct PurgeArguments {
    /// Print what would be deleted, and delete nothing
    #[arg(long)]
    pub dry_run: bool,
}

pub async fn run(
    arguments: &PurgeArguments,
    services: &Services,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let line = ProgressLine::new()?;
    let label = if arguments.dry_run {
        "rows would be deleted"
    } else {
        "rows deleted"
    };
    let mut progress = |rows: &RowCounts| line.update(rows.values().sum(), label);
    let purged = if arguments.dry_run {
        services.retention.count_expired(&mut progress).await
    } else {
        services.retention.purge(&mut progress).await
    };
    line.finish();
    print_summary(&purged?, label, services, out)?;
    Ok(())
}

fn print_summary(
    purged: &PurgeReport,
    label: &str,
    services: &Services,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let kept = services.config.retention;
    for (label, cutoff, days) in [
        (
            "raw callbacks received",
            purged.cutoffs.callbacks,
            kept.callbacks,
        ),
        ("messages created", purged.cutoffs.messages, kept.messages),
    ] {
        writeln!(
            out,
            "{label} before {} ({days} days)",
            format_instant(cutoff)
        )?;
    }
    for (table, rows) in &purged.rows {
        writeln!(out, "{table}: {rows}")?;
    }
    let total: u64 = purged.rows.values().sum();
    writeln!(out, "{total} {label}")
}

fn format_instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
