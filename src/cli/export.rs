//! `bluetick export`: messages as a file. Filters have the names and words of `GET /api/v1/messages`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tempfile::NamedTempFile;

use crate::cli::command_error::CommandError;
use crate::domain::scope::Visibility;
use crate::reporting::export::{self, ExportFileFormat};
use crate::store::Store;
use crate::web::api::filter;
use crate::web::error::FieldError;

/// Exports that end sooner show no progress.
const PROGRESS_DELAY: Duration = Duration::from_secs(1);

/// Write messages as CSV or NDJSON
///
/// Rows, columns and filters are those of GET /api/v1/reports/messages.csv. Reads the database directly; can run beside serve.
#[derive(Args, Debug)]
pub struct ExportArguments {
    /// File format
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub format: ExportFormat,
    /// File to write, with mode 0600 [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Time zone, such as Asia/Kolkata [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// Start the CSV with a byte order mark, which Excel needs for UTF-8
    #[arg(long)]
    pub bom: bool,
    #[command(flatten)]
    pub filters: FilterArguments,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportFormat {
    /// Comma-separated values with a header line
    Csv,
    /// One JSON object per line
    Ndjson,
}

/// Filters; all given ones must match.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub struct FilterArguments {
    /// Account id
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// sobot, kaleyra, zixflow or lancepilot
    #[arg(long)]
    pub provider: Option<String>,
    /// Business number they were sent from
    #[arg(long, value_name = "PHONE")]
    pub from: Option<String>,
    /// State, such as delivered or failed
    #[arg(long)]
    pub state: Option<String>,
    /// image or video
    #[arg(long)]
    pub kind: Option<String>,
    /// The customer's number
    #[arg(long, value_name = "PHONE")]
    pub to: Option<String>,
    /// Reference: any of the three, or the client reference
    #[arg(long = "ref", value_name = "TEXT")]
    pub reference: Option<String>,
    /// Any id that a provider uses for the message
    #[arg(long, value_name = "ID")]
    pub provider_id: Option<String>,
    /// Failure code
    #[arg(long)]
    pub code: Option<String>,
    /// Failure class, such as recipient or window
    #[arg(long)]
    pub class: Option<String>,
    /// Reported both delivered and failed: true or false
    #[arg(long, value_name = "BOOL")]
    pub conflict: Option<String>,
    /// No report within the account's deadline: true or false
    #[arg(long, value_name = "BOOL")]
    pub overdue: Option<String>,
    /// api, observed or dry-run
    #[arg(long)]
    pub origin: Option<String>,
    /// Created at or after this instant, RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub created_after: Option<String>,
    /// Created before this instant, RFC 3339
    #[arg(long, value_name = "INSTANT")]
    pub created_before: Option<String>,
    /// UUID, wamid, phone number or reference prefix
    #[arg(long, value_name = "TEXT")]
    pub q: Option<String>,
}

impl FilterArguments {
    /// The given filters as query parameters of the API; one parser reads both.
    pub fn into_parameters(self) -> Vec<(&'static str, String)> {
        [
            ("account", self.account),
            ("provider", self.provider),
            ("from", self.from),
            ("state", self.state),
            ("kind", self.kind),
            ("to", self.to),
            ("ref", self.reference),
            ("provider_id", self.provider_id),
            ("code", self.code),
            ("class", self.class),
            ("conflict", self.conflict),
            ("overdue", self.overdue),
            ("origin", self.origin),
            ("created_after", self.created_after),
            ("created_before", self.created_before),
            ("q", self.q),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

pub async fn run(
    arguments: ExportArguments,
    store: &Store,
    now: DateTime<Utc>,
) -> Result<(), CommandError> {
    let format = match arguments.format {
        ExportFormat::Csv => ExportFileFormat::Csv,
        ExportFormat::Ndjson => ExportFileFormat::Ndjson,
    };
    let mut pairs: Vec<(String, String)> = arguments
        .filters
        .into_parameters()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    pairs.extend(arguments.tz.map(|zone| ("tz".to_owned(), zone)));
    pairs.extend(arguments.bom.then(|| ("bom".to_owned(), "1".to_owned())));
    let export = filter::parse_export(&pairs, format, Visibility::Full, now)
        .map_err(|errors| flag_messages(&errors))?;
    match arguments.output {
        None => match write(store, export, &mut io::stdout().lock()).await {
            // The reader, such as `| head`, closed the pipe.
            Err(failure) if is_broken_pipe(&failure) => Ok(()),
            other => other,
        },
        Some(path) => write_file(store, export, &path).await,
    }
}

/// Writes a temporary file and renames it, so that the target is never incomplete.
async fn write_file(
    store: &Store,
    export: export::ExportRequest,
    path: &Path,
) -> Result<(), CommandError> {
    let failed =
        |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // NamedTempFile creates it with mode 0600.
    let mut file = NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    write(store, export, &mut file).await?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}

async fn write(
    store: &Store,
    export: export::ExportRequest,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let progress = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_style(
        ProgressStyle::with_template("{spinner} {human_pos} messages exported")?,
    );
    let started = Instant::now();
    let mut chunks = pin!(export::stream(store.clone(), export));
    while let Some(chunk) = chunks.try_next().await? {
        out.write_all(&chunk.bytes)?;
        progress.inc(chunk.messages);
        if progress.is_hidden() && started.elapsed() > PROGRESS_DELAY {
            // Draws nothing unless stderr is a terminal.
            progress.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
    out.flush()?;
    progress.finish_and_clear();
    Ok(())
}

fn flag_messages(errors: &[FieldError]) -> String {
    let lines: Vec<String> = errors
        .iter()
        .map(|error| format!("--{} {}", error.field.replace('_', "-"), error.message))
        .collect();
    lines.join("\n")
}

fn is_broken_pipe(failure: &CommandError) -> bool {
    failure
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Export {
        #[command(flatten)]
        arguments: ExportArguments,
    }

    #[test]
    fn every_filter_becomes_the_parameter_of_its_name() {
        let filters: Vec<String> = Export::command()
            .get_arguments()
            .filter_map(|argument| argument.get_long().map(str::to_owned))
            .filter(|name| !["format", "output", "tz", "bom", "help"].contains(&name.as_str()))
            .collect();
        assert_eq!(filters.len(), 16);
        for name in filters {
            let line = ["export".to_owned(), format!("--{name}"), "x".to_owned()];
            let given = Export::try_parse_from(line).unwrap().arguments.filters;
            assert_eq!(
                given.into_parameters(),
                [(name.replace('-', "_").as_str(), "x".to_owned())]
            );
        }
    }
}
