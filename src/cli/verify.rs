//! `bluetick verify`: checks that the stored data is consistent.

use std::io::Write;

use chrono::{DateTime, Utc};

use crate::cli::command_error::CommandError;
use crate::cli::progress::ProgressLine;
use crate::journal::Journal;
use crate::operating::verify::verify;
use crate::store::Store;
use crate::store::store_settings::Verification;

/// Prints one line per discrepancy and fails if there is one. Records the result for the overview.
pub async fn run(
    store: &Store,
    journal: &Journal,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let progress_line = ProgressLine::new()?;
    let mut discrepancies = 0_u64;
    let mut write_error = None;
    let checked = verify(
        store,
        journal,
        &mut |discrepancy| {
            discrepancies += 1;
            if let Err(error) = writeln!(out, "{discrepancy}") {
                write_error.get_or_insert(error);
            }
        },
        &mut |progress| {
            let total = progress
                .total
                .map(|total| format!(" of {total}"))
                .unwrap_or_default();
            progress_line.update(progress.done, &format!("{}{total} checked", progress.stage));
        },
    )
    .await?;
    progress_line.finish();
    let done = Verification {
        at: now,
        discrepancies,
    };
    if let Err(error) = store.record_verification(done).await {
        writeln!(
            out,
            "the result could not be recorded for the overview: {error}"
        )?;
    }
    if let Some(error) = write_error {
        return Err(error.into());
    }
    writeln!(
        out,
        "checked {} callbacks, {} messages, {} counts; {} callbacks are unprocessed",
        checked.callbacks, checked.messages, checked.counts, checked.backlog
    )?;
    match discrepancies {
        0 => Ok(writeln!(out, "no discrepancies")?),
        1 => Err("1 discrepancy; `bluetick rebuild` recomputes states, ids and counts".into()),
        number => Err(format!(
            "{number} discrepancies; `bluetick rebuild` recomputes states, ids and counts"
        )
        .into()),
    }
}
