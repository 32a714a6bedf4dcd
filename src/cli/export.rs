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

use crate::cli::Failure;
use crate::domain::access::Visibility;
use crate::reporting::export::{self, Format};
use crate::store::Store;
use crate::web::api::filter;
use crate::web::error::FieldError;

/// Shorter exports need no progress.
const PATIENCE: Duration = Duration::from_secs(1);

/// Write messages as CSV or NDJSON
///
/// The same rows, columns and filters as GET /api/v1/reports/messages.csv; reads the database directly, also beside a running serve.
#[derive(Args, Debug)]
pub struct ExportArguments {
    /// Form of the rows
    #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
    pub format: ExportFormat,
    /// File to write (0600); without it rows go to stdout
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Zone of the times, such as Asia/Kolkata [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// Begin a CSV with a byte order mark, which Excel needs to read UTF-8
    #[arg(long)]
    pub bom: bool,
    /// Which messages.
    #[command(flatten)]
    pub filters: FilterArguments,
}

/// Forms of exported rows.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportFormat {
    /// Comma-separated values with a header line
    Csv,
    /// One JSON object a line
    Ndjson,
}

/// Which messages: each filter narrows the selection.
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
    /// Delivered and yet reported as failed: true or false
    #[arg(long, value_name = "BOOL")]
    pub conflict: Option<String>,
    /// Nothing heard within the account's deadline: true or false
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
    /// UUID, wamid, phone number or beginning of a reference
    #[arg(long, value_name = "TEXT")]
    pub q: Option<String>,
}

impl FilterArguments {
    /// The filters that were given, as the query parameters they are in the API; one parser reads both.
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

/// Runs it on an open store.
pub async fn run(
    arguments: ExportArguments,
    store: &Store,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let format = match arguments.format {
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Ndjson => Format::Ndjson,
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
        .map_err(|errors| in_flags(&errors))?;
    match arguments.output {
        None => match write(store, export, &mut io::stdout().lock()).await {
            // `| head` has read enough.
            Err(failure) if is_broken_pipe(&failure) => Ok(()),
            other => other,
        },
        Some(path) => write_file(store, export, &path).await,
    }
}

/// Writes beside the file and renames at the end: a reader never sees half an export.
async fn write_file(store: &Store, export: export::Export, path: &Path) -> Result<(), Failure> {
    let failed =
        |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // Made with mode 0600.
    let mut file = NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    write(store, export, &mut file).await?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}

async fn write(store: &Store, export: export::Export, out: &mut impl Write) -> Result<(), Failure> {
    let progress = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_style(
        ProgressStyle::with_template("{spinner} {human_pos} messages exported")?,
    );
    let started = Instant::now();
    let mut chunks = pin!(export::stream(store.clone(), export));
    while let Some(chunk) = chunks.try_next().await? {
        out.write_all(&chunk.bytes)?;
        progress.inc(chunk.messages);
        if progress.is_hidden() && started.elapsed() > PATIENCE {
            // Draws nothing unless stderr is a terminal.
            progress.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
    out.flush()?;
    progress.finish_and_clear();
    Ok(())
}

fn in_flags(errors: &[FieldError]) -> String {
    let lines: Vec<String> = errors
        .iter()
        .map(|error| format!("--{} {}", error.field.replace('_', "-"), error.message))
        .collect();
    lines.join("\n")
}

fn is_broken_pipe(failure: &Failure) -> bool {
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
