//! The messages of `bluetick campaign send` about invalid arguments, rejected lines and paused
//! accounts.

use std::io::Write;
use std::path::Path;

use crate::cli::campaign_context::CampaignContext;
use crate::cli::command_error::CommandError;
use crate::domain::ids::AccountId;
use crate::domain::masking::mask_numbers_and_wamids;
use crate::domain::message_warning::MessageWarning;
use crate::reporting::number_format::counted;
use crate::sending::accept::InvalidField;
use crate::sending::campaign::ImportReport;

/// At most this many rejected lines are printed; `--dry-run` prints all.
const MAX_PRINTED_REJECTIONS: usize = 20;

pub(super) fn no_recipients(file: &Path) -> String {
    format!(
        "{} has no valid recipient; nothing was sent. Correct the file and run the same command again",
        file.display()
    )
}

/// For a URL whose extension does not show the kind.
pub(super) fn unknown_kind(media: &str) -> String {
    if !media.contains("://") {
        return format!(
            "--media {media} is not a URL; providers download the file, so give the URL where it is published: https://…"
        );
    }
    format!(
        "--media {media} does not end in .jpg, .jpeg, .png, .mp4 or .3gp; WhatsApp accepts images as JPEG or PNG and videos as MP4 or 3GP. If it is one of these, add --kind image or --kind video"
    )
}

/// Why the account does not send, and what to do about it; `None` if it is not paused.
pub(super) async fn pause_warning(
    account: &AccountId,
    context: &CampaignContext<'_>,
) -> Result<Option<String>, CommandError> {
    let records = context.store.list_accounts().await?;
    let pause = records
        .get(account)
        .and_then(|record| record.pause.as_ref());
    Ok(pause.map(|pause| {
        format!(
            "warning: account {account} is paused: {}; nothing is sent until you run: bluetick account resume {account}",
            mask_numbers_and_wamids(&pause.reason).trim_end_matches('.')
        )
    }))
}

/// Prints a warning as the last line if lines were rejected; the command still succeeds.
pub(super) fn print_rejected(
    report: &ImportReport,
    correction: &str,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    if report.rejected > 0 {
        let lines = counted(report.rejected, "line was", "lines were");
        writeln!(
            out,
            "warning: {lines} rejected and not sent; correct the file, then {correction}"
        )?;
    }
    Ok(())
}

pub(super) fn print_report(report: &ImportReport, out: &mut impl Write) -> std::io::Result<()> {
    for row in report.listed.iter().take(MAX_PRINTED_REJECTIONS) {
        writeln!(out, "line {}, {}: {}", row.line, row.field, row.message)?;
    }
    if report.rejected > MAX_PRINTED_REJECTIONS as u64 {
        writeln!(out, "--dry-run names every rejected line")?;
    }
    print_counts(report, out)
}

pub(super) fn print_counts(report: &ImportReport, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{}, {}, {}",
        counted(report.accepted, "new recipient", "new recipients"),
        counted(report.duplicates, "duplicate", "duplicates"),
        counted(report.rejected, "rejected line", "rejected lines"),
    )
}

pub(super) fn print_warnings(
    warnings: &[MessageWarning],
    out: &mut impl Write,
) -> std::io::Result<()> {
    warnings
        .iter()
        .try_for_each(|warning| writeln!(out, "warning: {}", warning.message))
}

pub(super) fn describe(errors: &[InvalidField]) -> String {
    let lines: Vec<String> = errors
        .iter()
        .map(|error| format!("{} {}", error.field, error.message))
        .collect();
    lines.join("\n")
}
