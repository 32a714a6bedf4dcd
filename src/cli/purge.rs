//! `bluetick purge`: remove what is past its retention, or tell what that is.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;

use crate::cli::Failure;
use crate::cli::progress::ProgressLine;
use crate::operating::retention::Purged;
use crate::services::Services;
use crate::store::retention::RowCounts;

/// Remove what is past its retention
///
/// `serve` does the same by itself every ten minutes. Raw callbacks go `retention.callbacks` days after they came, unless they were not read
/// yet; messages, with all that belongs to them, go `retention.messages` days after they were made. Counts in reports stay. Runs beside
/// `serve`, in portions of about 250 rows, so that nobody waits; interrupted, it goes on the next time. One purge runs at a time: while
/// `serve`'s own is at work, or another command's, this one is refused.
#[derive(Args, Debug)]
pub struct PurgeArguments {
    /// Tell what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Removes, or counts; what it tells goes to `out`.
pub async fn run(
    arguments: &PurgeArguments,
    services: &Services,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let line = ProgressLine::new()?;
    let words = if arguments.dry_run {
        "rows would be removed"
    } else {
        "rows removed"
    };
    let mut progress = |rows: &RowCounts| line.tell(rows.values().sum(), words);
    let purged = if arguments.dry_run {
        services.retention.forecast(&mut progress).await
    } else {
        services.retention.purge(&mut progress).await
    };
    line.finish();
    tell(&purged?, words, services, out)?;
    Ok(())
}

fn tell(
    purged: &Purged,
    words: &str,
    services: &Services,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let kept = services.config.retention;
    for (what, at, days) in [
        (
            "raw callbacks received",
            purged.cutoffs.callbacks,
            kept.callbacks,
        ),
        ("messages created", purged.cutoffs.messages, kept.messages),
    ] {
        writeln!(out, "{what} before {} ({days} days)", written(at))?;
    }
    for (table, rows) in &purged.rows {
        writeln!(out, "{table}: {rows}")?;
    }
    let total: u64 = purged.rows.values().sum();
    writeln!(out, "{total} {words}")
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
