//! `bluetick rebuild`: recomputes states, ids and counts.

use std::io::Write;

use crate::cli::command_error::CommandError;
use crate::cli::progress::ProgressLine;
use crate::operating::rebuild::rebuild;
use crate::services::Services;

/// Fails while a `serve` process holds the reconciler lease.
pub async fn run(services: &Services, out: &mut impl Write) -> Result<(), CommandError> {
    let line = ProgressLine::new()?;
    let rebuilt = rebuild(services, &mut |processed| {
        line.update(processed, "callbacks processed");
    })
    .await?;
    line.finish();
    writeln!(
        out,
        "rebuilt {} messages from {} callbacks",
        rebuilt.messages, rebuilt.callbacks
    )?;
    Ok(())
}
