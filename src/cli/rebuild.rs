//! `bluetick rebuild`: derive states, ids and counts anew from what was sent, decided and received.

use std::io::Write;

use crate::cli::Failure;
use crate::cli::progress::ProgressLine;
use crate::operating::rebuild::rebuild;
use crate::services::Services;

/// Rebuilds; refused while a `serve` follows the journal.
pub async fn run(services: &Services, out: &mut impl Write) -> Result<(), Failure> {
    let line = ProgressLine::new()?;
    let rebuilt = rebuild(services, &mut |read| {
        line.tell(read, "callbacks read again");
    })
    .await?;
    line.finish();
    writeln!(
        out,
        "derived {} messages anew from {} callbacks",
        rebuilt.messages, rebuilt.callbacks
    )?;
    Ok(())
}
