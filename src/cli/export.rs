//! `bluetick export`: messages as a file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;

use chrono::{DateTime, Utc};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use futures_util::TryStreamExt;

use crate::cli::command_error::CommandError;
use crate::cli::filter_arguments::FilterArguments;
use crate::cli::output_file::{OutputFile, is_broken_pipe};
use crate::cli::progress::ProgressLine;
use crate::domain::scope::Visibility;
use crate::reporting::export::{self, ExportFormat, Exporter};
use crate::web::api::filter;
use crate::web::problem_json::FieldError;

/// Write messages as CSV, NDJSON or XLSX
///
/// Rows, columns and filters are those of GET /api/v1/reports/messages.csv; all given filters must
/// match. Reads the database directly; can be used while serve is running.
#[derive(Args, Debug)]
pub struct ExportArguments {
    /// File format
    #[arg(long, value_parser = format_parser(), default_value = ExportFormat::Csv.as_str())]
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

fn format_parser() -> impl TypedValueParser<Value = ExportFormat> {
    let values = ExportFormat::ALL.map(|format| {
        PossibleValue::new(format.as_str()).help(match format {
            ExportFormat::Csv => "Comma-separated values with a header line",
            ExportFormat::Ndjson => "One JSON object per line",
            ExportFormat::Xlsx => "Excel workbook",
        })
    });
    PossibleValuesParser::new(values).try_map(|word| word.parse::<ExportFormat>())
}

pub async fn run(
    arguments: ExportArguments,
    exporter: &Exporter,
    now: DateTime<Utc>,
) -> Result<(), CommandError> {
    let mut pairs: Vec<(String, String)> = arguments
        .filters
        .given
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    pairs.extend(arguments.tz.map(|zone| ("tz".to_owned(), zone)));
    pairs.extend(arguments.bom.then(|| ("bom".to_owned(), "1".to_owned())));
    let export = filter::parse_export(&pairs, arguments.format, Visibility::Full, now)
        .map_err(|errors| format_option_errors(&errors))?;
    match arguments.output {
        None => match write(exporter, export, &mut io::stdout().lock()).await {
            // The reader, such as `| head`, closed the pipe.
            Err(failure) if is_broken_pipe_failure(&failure) => Ok(()),
            other => other,
        },
        Some(path) => write_file(exporter, export, &path).await,
    }
}

async fn write_file(
    exporter: &Exporter,
    export: export::ExportRequest,
    path: &Path,
) -> Result<(), CommandError> {
    let mut file = OutputFile::create(path)?;
    write(exporter, export, &mut file.file).await?;
    file.finish()
}

async fn write(
    exporter: &Exporter,
    export: export::ExportRequest,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let progress = ProgressLine::new()?;
    let mut messages = 0;
    let mut chunks = pin!(export::stream(exporter.clone(), export));
    while let Some(chunk) = chunks.try_next().await? {
        out.write_all(&chunk.bytes)?;
        messages += chunk.messages;
        progress.update(messages, "messages exported");
    }
    out.flush()?;
    progress.finish();
    Ok(())
}

pub(super) fn format_option_errors(errors: &[FieldError]) -> String {
    let lines: Vec<String> = errors
        .iter()
        .map(|error| format!("--{} {}", error.field.replace('_', "-"), error.message))
        .collect();
    lines.join("\n")
}

fn is_broken_pipe_failure(failure: &CommandError) -> bool {
    failure
        .downcast_ref::<io::Error>()
        .is_some_and(is_broken_pipe)
}
