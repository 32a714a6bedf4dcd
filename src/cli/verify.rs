//! `bluetick verify`: checks that stored data agree.

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
    let line = ProgressLine::new()?;
    let mut number = 0_u64;
    let mut broken = None;
    let checked = verify(
        store,
        journal,
        &mut |discrepancy| {
            number += 1;
            if let Err(error) = writeln!(out, "{discrepancy}") {
                broken.get_or_insert(error);
            }
        },
        &mut |progress| {
            let of = progress
                .total
                .map(|total| format!(" of {total}"))
                .unwrap_or_default();
            line.update(progress.done, &format!("{}{of} checked", progress.stage));
        },
    )
    .await?;
    line.finish();
    let done = Verification {
        at: now,
        discrepancies: number,
    };
    if let Err(error) = store.record_verification(done).await {
        writeln!(
            out,
            "the result could not be recorded for the overview: {error}"
        )?;
    }
    if let Some(error) = broken {
        return Err(error.into());
    }
    writeln!(
        out,
        "checked {} callbacks, {} messages, {} counts; {} callbacks are unprocessed",
        checked.callbacks, checked.messages, checked.counts, checked.backlog
    )?;
    match number {
        0 => Ok(writeln!(out, "no discrepancies")?),
        1 => Err("1 discrepancy; `bluetick rebuild` derives states, ids and counts again".into()),
        number => Err(format!(
            "{number} discrepancies; `bluetick rebuild` derives states, ids and counts again"
        )
        .into()),
    }
}
