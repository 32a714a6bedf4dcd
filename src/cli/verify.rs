//! `bluetick verify`: does everything stored agree with everything else?

use std::io::Write;

use crate::cli::Failure;
use crate::cli::progress::ProgressLine;
use crate::journal::Journal;
use crate::operating::verify::verify;
use crate::store::Store;

/// Checks, tells every discrepancy on a line of its own, and fails when there was any.
pub async fn run(store: &Store, journal: &Journal, out: &mut impl Write) -> Result<(), Failure> {
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
            line.tell(progress.done, &format!("{}{of} checked", progress.stage));
        },
    )
    .await?;
    line.finish();
    if let Some(error) = broken {
        return Err(error.into());
    }
    writeln!(
        out,
        "checked {} callbacks, {} messages, {} counts; {} callbacks are not read yet",
        checked.callbacks, checked.messages, checked.counts, checked.backlog
    )?;
    match number {
        0 => Ok(writeln!(out, "everything agrees")?),
        1 => Err("1 discrepancy; rebuild derives states, ids and counts anew".into()),
        number => Err(format!(
            "{number} discrepancies; rebuild derives states, ids and counts anew"
        )
        .into()),
    }
}
