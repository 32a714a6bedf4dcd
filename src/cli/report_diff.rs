//! `bluetick report diff`: compares a provider's own file with our messages.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::Args;
use csv::Writer;

use crate::cli::command_error::{CommandError, ErrorWithStatus};
use crate::cli::output_file::write_output;
use crate::cli::report_context::ReportContext;
use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::reporting::bucketed_statistics::{day_end, day_start};
use crate::reporting::export::escape_formula;
use crate::reporting::query_values::parse_zone;
use crate::reporting::settlement::{
    ColumnMap, Comparison, ComparisonRequest, Difference, DifferenceKind, ProviderFile, compare,
    read,
};
use crate::web::api::statistics_query::{End, parse_end};

const HEADER: [&str; 7] = [
    "difference",
    "line",
    "their_id",
    "our_id",
    "number",
    "ours",
    "theirs",
];
const EXIT_DIFFERENCES: u8 = 1;
const EXIT_FAILED: u8 = 2;

#[derive(Args, Debug)]
pub struct DiffArguments {
    /// The provider's file, as CSV with a header
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Whose file it is
    #[arg(long, value_name = "PROVIDER")]
    pub provider: String,
    /// Columns, such as id=ID,to=TO,status=STATUS,time=CREATED,cost=PRICE; those of Kaleyra are known
    #[arg(long, value_name = "FIELD=COLUMN,…")]
    pub map: Vec<String>,
    /// Only the messages of this account
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// First day that the file covers, or an RFC 3339 instant [default: the day of its first time]
    #[arg(long, value_name = "DAY")]
    pub from: Option<String>,
    /// Last day, or an RFC 3339 instant (exclusive) [default: the day of its last time]
    #[arg(long, value_name = "DAY")]
    pub to: Option<String>,
    /// Time zone of the days and of times without one [default: `report_time_zone` for days, UTC for times]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// How to print the differences: table or csv
    #[arg(long, value_parser = ["table", "csv"], default_value = "table")]
    pub format: String,
    /// File to write, with mode 0600 [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

pub async fn run(
    arguments: &DiffArguments,
    context: &ReportContext<'_>,
) -> Result<(), CommandError> {
    let (file, request) = prepare(arguments, context).map_err(|message| ErrorWithStatus {
        code: EXIT_FAILED,
        message,
    })?;
    // Not the status 1, which means that there are differences.
    let failed = |error: &dyn std::fmt::Display| ErrorWithStatus {
        code: EXIT_FAILED,
        message: error.to_string(),
    };
    let compared = compare(context.costs, &file, &request).await;
    let compared = compared.map_err(|error| failed(&error))?;
    print(arguments, &compared).map_err(|error| failed(&error))?;
    match compared.differences.len() {
        0 => Ok(()),
        number => Err(ErrorWithStatus {
            code: EXIT_DIFFERENCES,
            message: summary(&compared, number),
        }
        .into()),
    }
}

fn summary(compared: &Comparison, number: usize) -> String {
    let parts: Vec<String> = DifferenceKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let of_kind = compared.differences.iter().filter(|it| it.kind == kind);
            let count = of_kind.count();
            (count > 0).then(|| format!("{} {count}", kind.as_str()))
        })
        .collect();
    let noun = if number == 1 {
        "difference"
    } else {
        "differences"
    };
    format!(
        "{number} {noun} ({}); {} of {} rows have a message",
        parts.join(", "),
        compared.matched,
        compared.rows
    )
}

fn prepare(
    arguments: &DiffArguments,
    context: &ReportContext<'_>,
) -> Result<(ProviderFile, ComparisonRequest), String> {
    let provider: ProviderId = arguments
        .provider
        .parse()
        .map_err(|error| format!("--provider {error}"))?;
    let account: Option<AccountId> = arguments
        .account
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|error| format!("--account {error}"))?;
    let zone = arguments.tz.as_deref().map(parse_zone).transpose();
    let zone = zone.map_err(|error| format!("--tz {error}"))?;
    let columns = ColumnMap::new(provider, &arguments.map).map_err(|error| error.to_string())?;
    let path = arguments.file.display();
    let opened = File::open(&arguments.file).map_err(|error| format!("{path}: {error}"))?;
    let file = read(BufReader::new(opened), &columns, zone.unwrap_or(Tz::UTC))
        .map_err(|error| format!("{path} {error}"))?;
    let zone = zone.unwrap_or(context.config.report_time_zone);
    let (from, to) = period(arguments, &file, zone)?;
    let request = ComparisonRequest {
        provider,
        account,
        from,
        to,
    };
    Ok((file, request))
}

/// The days of the file, or those given.
fn period(
    arguments: &DiffArguments,
    file: &ProviderFile,
    zone: Tz,
) -> Result<(DateTime<Utc>, DateTime<Utc>), String> {
    let given = |name: &str, text: &Option<String>| {
        let end = text.as_deref().map(parse_end).transpose();
        end.map_err(|error| format!("--{name} {error}"))
    };
    let times = || file.rows.iter().filter_map(|row| row.time);
    let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
    let from = match given("from", &arguments.from)? {
        Some(End::Instant(at)) => Some(at),
        Some(End::Day(day)) => Some(day_start(day, zone)),
        None => times().min().map(|at| day_start(day(at), zone)),
    };
    let to = match given("to", &arguments.to)? {
        Some(End::Instant(at)) => Some(at),
        Some(End::Day(day)) => Some(day_end(day, zone)),
        None => times().max().map(|at| day_end(day(at), zone)),
    };
    match (from, to) {
        (Some(from), Some(to)) if from < to => Ok((from, to)),
        (Some(_), Some(_)) => Err("--from is not before --to".to_owned()),
        _ => Err(format!(
            "{} has no times; give the days that it covers with --from and --to, or map its column of times with --map time=COLUMN",
            arguments.file.display()
        )),
    }
}

fn print(arguments: &DiffArguments, compared: &Comparison) -> Result<(), CommandError> {
    let rows: Vec<[String; HEADER.len()]> = compared.differences.iter().map(cells).collect();
    let bytes = match arguments.format.as_str() {
        "csv" => csv_bytes(&rows)?,
        _ => table_bytes(&rows, compared),
    };
    write_output(arguments.output.as_deref(), &bytes)
}

fn cells(difference: &Difference) -> [String; HEADER.len()] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        difference.kind.as_str().to_owned(),
        difference
            .line
            .map_or_else(String::new, |line| line.to_string()),
        text(&difference.their_id),
        difference
            .our_id
            .map_or_else(String::new, |id| id.to_string()),
        text(&difference.recipient),
        difference.ours.clone(),
        difference.theirs.clone(),
    ]
}

fn csv_bytes(rows: &[[String; HEADER.len()]]) -> Result<Vec<u8>, CommandError> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for row in rows {
        let cells = row.each_ref().map(|cell| escape_formula(cell));
        writer.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
    }
    Ok(writer.into_inner()?)
}

fn table_bytes(rows: &[[String; HEADER.len()]], compared: &Comparison) -> Vec<u8> {
    if rows.is_empty() {
        let (matched, all) = (compared.matched, compared.rows);
        return format!("no differences; {matched} of {all} rows have a message\n").into_bytes();
    }
    let header = HEADER.map(str::to_owned);
    let lines = || std::iter::once(&header).chain(rows);
    let mut widths = [0; HEADER.len()];
    for line in lines() {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in lines() {
        let cells = line.iter().zip(widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text.into_bytes()
}
