//! `bluetick campaign send`: creates a campaign from a file of recipients and shows its progress.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::campaign_context::{CampaignContext, action_context, find, print_summary};
use crate::cli::campaign_continuation::continue_with;
use crate::cli::campaign_send_messages::{
    describe, no_recipients, pause_warning, print_counts, print_rejected, print_report,
    print_warnings, unknown_kind,
};
use crate::cli::command_error::CommandError;
use crate::cli::command_line_actor::COMMAND_LINE;
use crate::cli::progress::ProgressLine;
use crate::domain::campaign::{Campaign, CampaignId, CampaignMedia, CampaignState};
use crate::domain::media::{MediaKind, mime_type_of_extension};
use crate::operating::change_campaign::{CampaignChange, change_campaign};
use crate::reporting::campaign_summary::summarize;
use crate::reporting::number_format::counted;
use crate::sending::campaign::{
    CreateCampaignError, ImportMode, ImportReport, NewCampaign, RejectedRow, RowFormat, check,
    create, import,
};

/// How often the progress is read.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Args, Debug)]
pub struct SendArguments {
    /// CSV with a header, or NDJSON if it ends in .ndjson or .jsonl
    ///
    /// Columns: `to`, `name`, `caption`, `media_url`, `ref`, `ref1`, `ref2`, `client_reference`; any other is
    /// a variable for {{column}} in the caption.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Account id
    #[arg(long, value_name = "ID")]
    pub account: String,
    /// Name of the campaign; its id is made from it
    #[arg(long)]
    pub name: String,
    /// Public URL of the image or video; not needed if every row has a `media_url`
    #[arg(long, value_name = "URL")]
    pub media: Option<String>,
    /// image or video [default: that of the URL's extension]
    #[arg(long)]
    pub kind: Option<String>,
    /// Caption, with {{column}} for columns of the file
    #[arg(long, value_name = "TEXT")]
    pub caption: Option<String>,
    /// One of the account's senders [default: its first]
    #[arg(long, value_name = "PHONE")]
    pub from: Option<String>,
    /// Start at this instant, RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub send_at: Option<String>,
    /// Messages still queued at this time fail as expired: an RFC 3339 instant, or a duration from
    /// the start such as 2h
    #[arg(long, value_name = "INSTANT")]
    pub send_before: Option<String>,
    /// Messages per second
    #[arg(long, value_name = "NUMBER")]
    pub rate: Option<f64>,
    /// Check every row and the media, name each rejected line, and store nothing
    ///
    /// Exits with 1 if a line or the media is rejected. The media of a campaign that exists already is
    /// not checked again.
    #[arg(long)]
    pub dry_run: bool,
    /// Return when the campaign is started
    #[arg(long)]
    pub no_wait: bool,
}

pub(super) async fn run(
    arguments: &SendArguments,
    context: &CampaignContext<'_>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    fs::metadata(&arguments.file).map_err(|error| unreadable(&arguments.file, &error))?;
    let new = new_campaign(arguments);
    if new.kind.is_empty() {
        return Err(match &arguments.media {
            Some(media) => unknown_kind(media).into(),
            None => "without --media, add --kind image or --kind video".into(),
        });
    }
    let now = context.clock.now();
    let checked = check(context.acceptor, &new, now).map_err(|errors| describe(&errors))?;
    let known = context.store.find_campaign(&checked.id).await?;
    let known = known
        .map(|known| continue_with(known, &checked))
        .transpose()?;
    if arguments.dry_run {
        return dry_run(arguments, known.as_ref(), &checked, context, out).await;
    }
    let campaign = if let Some(known) = known {
        known
    } else {
        refuse_without_recipients(arguments, &checked, context, out).await?;
        create_draft(&new, context, out).await?
    };
    let mode = if campaign.state == CampaignState::Done {
        ImportMode::DryRun
    } else {
        ImportMode::Apply
    };
    let report = read_file(arguments, &campaign, mode, context, &mut |_| {}).await?;
    refuse_late_rows(&campaign, &report)?;
    print_report(&report, out)?;
    if campaign.state == CampaignState::Draft {
        if campaign.recipients.accepted + report.accepted == 0 {
            return Err(no_recipients(&arguments.file).into());
        }
        let action = action_context(context);
        let start = CampaignChange::Start;
        change_campaign(context.store, &campaign.id, start, &action).await?;
    }
    if campaign.state == CampaignState::Done {
        writeln!(
            out,
            "campaign {} was already done; nothing was sent again",
            campaign.id
        )?;
    } else if arguments.no_wait {
        writeln!(out, "campaign {} is started; `serve` sends it", campaign.id)?;
        if let Some(warning) = pause_warning(&campaign.account, context).await? {
            writeln!(out, "{warning}")?;
        }
        return print_rejected(&report, "run the same command again", out);
    } else {
        writeln!(
            out,
            "campaign {}: the running `serve` sends it, also if this command is interrupted; start one if there is none",
            campaign.id
        )?;
        out.flush()?;
    }
    watch(&campaign.id, context, out).await?;
    let correction = "send it with another --name, in a file without the other lines";
    print_rejected(&report, correction, out)
}

/// Runs before the draft is created, because a later run with a corrected message could not
/// continue that draft.
async fn refuse_without_recipients(
    arguments: &SendArguments,
    campaign: &Campaign,
    context: &CampaignContext<'_>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let metadata = fs::metadata(&arguments.file);
    if metadata.is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        // A pipe can be read only once.
        return Ok(());
    }
    let mode = ImportMode::UntilValid;
    let report = read_file(arguments, campaign, mode, context, &mut |_| {}).await?;
    if report.accepted > 0 {
        return Ok(());
    }
    print_report(&report, out)?;
    Err(no_recipients(&arguments.file).into())
}

async fn create_draft(
    new: &NewCampaign,
    context: &CampaignContext<'_>,
    out: &mut impl Write,
) -> Result<Campaign, CommandError> {
    let now = context.clock.now();
    match create(context.store, context.acceptor, new, COMMAND_LINE, now).await {
        Err(CreateCampaignError::Invalid(errors)) => Err(describe(&errors).into()),
        created => {
            let created = created?;
            print_warnings(&created.warnings, out)?;
            Ok(created.campaign)
        }
    }
}

fn new_campaign(arguments: &SendArguments) -> NewCampaign {
    let kind_by_extension = || {
        let path = arguments.media.as_deref().and_then(|media| {
            let url = url::Url::parse(media).ok()?;
            Some(url.path().to_owned())
        });
        let mime_type = path.as_deref().and_then(mime_type_of_extension)?;
        let kinds = MediaKind::ALL.into_iter();
        let mut matching = kinds.filter(|kind| kind.mime_types().contains(&mime_type));
        matching.next().map(|kind| kind.to_string())
    };
    NewCampaign {
        account: arguments.account.clone(),
        name: arguments.name.clone(),
        kind: arguments
            .kind
            .clone()
            .or_else(kind_by_extension)
            .unwrap_or_default(),
        from: arguments.from.clone(),
        media: CampaignMedia {
            url: arguments.media.clone(),
            id: None,
            mime_type: None,
        },
        caption: arguments.caption.clone(),
        template: None,
        send_at: arguments.send_at.clone(),
        send_before: arguments.send_before.clone(),
        rate: arguments.rate,
    }
}

/// `known` is the campaign that would be continued; if there is none, `checked` would be created.
async fn dry_run(
    arguments: &SendArguments,
    known: Option<&Campaign>,
    checked: &Campaign,
    context: &CampaignContext<'_>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let campaign = known.unwrap_or(checked);
    let mut written = Ok(());
    let mut print = |row: &RejectedRow| {
        if written.is_ok() {
            written = writeln!(out, "line {}, {}: {}", row.line, row.field, row.message);
        }
    };
    let report = read_file(arguments, campaign, ImportMode::DryRun, context, &mut print).await?;
    written?;
    refuse_late_rows(campaign, &report)?;
    print_counts(&report, out)?;
    let mut errors = Vec::new();
    if report.rejected > 0 {
        let rejected = counted(report.rejected, "line is", "lines are");
        errors.push(format!("{rejected} rejected"));
    }
    if known.is_none() {
        let (account, kind) = (&campaign.account, Some(campaign.kind));
        let media = &campaign.media;
        match (context.acceptor.check_shared_media(account, kind, media)).await {
            Ok(warnings) => print_warnings(&warnings, out)?,
            Err(invalid) => errors.push(describe(&invalid)),
        }
    }
    writeln!(out, "nothing was stored or sent")?;
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.join("\n").into())
    }
}

/// Fails if the file has new recipients for a campaign that is done.
fn refuse_late_rows(campaign: &Campaign, report: &ImportReport) -> Result<(), CommandError> {
    if campaign.state != CampaignState::Done || report.accepted == 0 {
        return Ok(());
    }
    let new = counted(report.accepted, "recipient", "recipients");
    Err(format!(
        "campaign {} is done, and the file has {new} that it does not have; nothing was sent to them. Put them into a file of their own and use another --name",
        campaign.id
    )
    .into())
}

async fn read_file(
    arguments: &SendArguments,
    campaign: &Campaign,
    mode: ImportMode,
    context: &CampaignContext<'_>,
    rejected: &mut impl FnMut(&RejectedRow),
) -> Result<ImportReport, CommandError> {
    let path = &arguments.file;
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let line = ProgressLine::new()?;
    let mut progress = |rows: u64, rejections: &[RejectedRow]| {
        line.update(rows, "rows read");
        rejections.iter().for_each(&mut *rejected);
    };
    let now = context.clock.now();
    let source = (
        BufReader::new(file),
        RowFormat::of_file_name(&path.to_string_lossy()),
    );
    let (store, acceptor) = (context.store, context.acceptor);
    let report = import(store, acceptor, campaign, source, mode, now, &mut progress).await;
    line.finish();
    Ok(report.map_err(|error| format!("{}: {error}", path.display()))?)
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

/// Shows the progress until the campaign has ended.
async fn watch(
    id: &CampaignId,
    context: &CampaignContext<'_>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let line = ProgressLine::with_total()?;
    let mut has_warned = false;
    loop {
        let campaign = find(context, id).await?;
        if !has_warned && let Some(warning) = pause_warning(&campaign.account, context).await? {
            has_warned = true;
            line.suspend(|| writeln!(out, "{warning}").and_then(|()| out.flush()))?;
        }
        let summary = summarize(context.store, campaign, context.clock.now()).await?;
        let total = summary.total();
        line.update_of(
            total - summary.unsent(),
            total,
            summary.campaign.state.as_str(),
        );
        match summary.campaign.state {
            CampaignState::Done => {
                line.finish();
                print_summary(&summary, out)?;
                return Ok(());
            }
            CampaignState::Cancelled => {
                line.finish();
                print_summary(&summary, out)?;
                return Err(format!("campaign {id} was cancelled").into());
            }
            _ => tokio::time::sleep(WATCH_INTERVAL).await,
        }
    }
}
