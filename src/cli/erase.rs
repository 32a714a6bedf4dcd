//! `bluetick erase`: removes the personal data of one customer.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::command_error::CommandError;
use crate::cli::command_line_actor::COMMAND_LINE;
use crate::cli::progress::ProgressLine;
use crate::operating::action_context::ActionContext;
use crate::operating::erasure::{ErasureError, ErasureProgress, ErasureReport, erase};
use crate::reporting::number_format::counted;
use crate::services::Services;

#[derive(Args, Debug)]
pub struct EraseArguments {
    /// Phone number with country code, a `wa_id`, or a WhatsApp user id
    #[arg(long = "phone", value_name = "N")]
    pub identity: String,
}

pub async fn run(
    arguments: &EraseArguments,
    services: &Services,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let context = ActionContext {
        actor: COMMAND_LINE,
        now: services.clock.now(),
    };
    let line = ProgressLine::new()?;
    let mut progress = |progress: ErasureProgress| line.update(progress.done, progress.stage);
    let erased = erase(services, &arguments.identity, &context, &mut progress).await;
    line.finish();
    // Without a running `serve`, the erasure took the reconciler's lease to process unprocessed
    // callbacks.
    services.reconciler.release_lease().await?;
    let report = erased.map_err(name_phone_argument)?;
    print_report(&report, out)?;
    if report.remaining.is_empty() {
        return Ok(());
    }
    Err(format!(
        "these files still hold the number or an id; remove them, or stop `serve` and erase again:\n{}",
        lines(&report.remaining)
    )
    .into())
}

/// Names `--phone` in the error for an invalid number.
pub(super) fn name_phone_argument(error: ErasureError) -> CommandError {
    match error {
        ErasureError::InvalidIdentity(message) => format!(
            "--phone {message}; write the number with its country code, or a WhatsApp user id"
        )
        .into(),
        error => error.into(),
    }
}

fn print_report(report: &ErasureReport, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "erased: {} recipient, content and ids; {} deleted; {} changed",
        counted(report.messages, "message lost its", "messages lost their"),
        counted(report.callbacks, "callback", "callbacks"),
        counted(
            report.other_rows,
            "row of another table",
            "rows of other tables"
        ),
    )?;
    if report.former_numbers > 0 {
        let former = u64::try_from(report.former_numbers).unwrap_or(u64::MAX);
        writeln!(
            out,
            "the customer formerly had {}, not erased because other customers may use such numbers now; to erase one, run erase with --phone",
            counted(former, "other number", "other numbers")
        )?;
    }
    if !report.earlier_backups.is_empty() {
        writeln!(
            out,
            "warning: these earlier backups still hold the data; delete them, or erase again after a restore:\n{}",
            lines(&report.earlier_backups)
        )?;
    }
    writeln!(
        out,
        "backups elsewhere (made by `bluetick backup` or pg_dump, or copied) are not known here: delete the earlier ones, too"
    )?;
    Ok(())
}

fn lines(paths: &[PathBuf]) -> String {
    let lines: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    lines.join("\n")
}
