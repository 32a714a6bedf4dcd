//! `bluetick report diff`: compares a provider's own file with our messages.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::Args;

use crate::cli::command_error::{CommandError, ErrorWithStatus};
use crate::cli::output_file::write_output;
use crate::cli::report_context::ReportContext;
use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::reporting::bucketed_statistics::{day_end, day_start};
use crate::reporting::query_values::parse_zone;
use crate::reporting::settlement::{
    COLUMN_NAMES, ColumnMap, Comparison, ComparisonRequest, FileError, PeriodError, ProviderFile,
    compare, covered_period, csv_bytes, difference_cells, read_provider_file,
};
use crate::web::api::statistics_query::{PeriodBound, parse_bound};
use crate::web::dashboard::visible_text::visible_line;

/// The most rows in one file: they are compared in memory.
const ROW_LIMIT: usize = 2_000_000;
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
    /// First day that the file covers, or an RFC 3339 instant [default: the day of the earliest time in it]
    #[arg(long, value_name = "DAY")]
    pub from: Option<String>,
    /// Last day, or an RFC 3339 instant (exclusive) [default: the day of the latest time in it]
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
    // Status 1 would mean that there are differences.
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
    let parts: Vec<String> = compared
        .counts()
        .into_iter()
        .map(|(kind, count)| format!("{} {count}", kind.as_str()))
        .collect();
    let noun = if number == 1 {
        "difference"
    } else {
        "differences"
    };
    format!(
        "{number} {noun} ({}); {} of {} rows matched a message",
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
    let columns = ColumnMap::new(provider, &arguments.map).map_err(|error| match error {
        FileError::NoColumns(_) => format!("{error} with --map"),
        error => error.to_string(),
    })?;
    let path = arguments.file.display();
    let opened = File::open(&arguments.file).map_err(|error| format!("{path}: {error}"))?;
    let input = BufReader::new(opened);
    let file = read_provider_file(input, &columns, zone.unwrap_or(Tz::UTC), ROW_LIMIT)
        .map_err(|error| visible_line(&format!("{path} {error}")))?;
    let zone = zone.unwrap_or(context.config.report_time_zone);
    let (from, to) = period(arguments, &file, zone)?;
    let request = ComparisonRequest {
        provider,
        account,
        from,
        to,
        message_limit: None,
    };
    Ok((file, request))
}

/// The period given; by default the days that the file covers.
fn period(
    arguments: &DiffArguments,
    file: &ProviderFile,
    zone: Tz,
) -> Result<(DateTime<Utc>, DateTime<Utc>), String> {
    let parse = |name: &str, text: &Option<String>| {
        let bound = text.as_deref().map(parse_bound).transpose();
        bound.map_err(|error| format!("--{name} {error}"))
    };
    let from = parse("from", &arguments.from)?.map(|bound| match bound {
        PeriodBound::Instant(at) => at,
        PeriodBound::Day(day) => day_start(day, zone),
    });
    let to = parse("to", &arguments.to)?.map(|bound| match bound {
        PeriodBound::Instant(at) => at,
        PeriodBound::Day(day) => day_end(day, zone),
    });
    covered_period(file, from, to, zone).map_err(|error| match error {
        PeriodError::Reversed { from, to } => {
            let local = |at: DateTime<Utc>| at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z");
            format!(
                "--from is not before the end of --to: the period begins at {} and ends at {}",
                local(from),
                local(to)
            )
        }
        PeriodError::NoTimes => format!(
            "{} has no times; give the days that it covers with --from and --to, or map its column of times with --map time=COLUMN",
            arguments.file.display()
        ),
    })
}

fn print(arguments: &DiffArguments, compared: &Comparison) -> Result<(), CommandError> {
    let bytes = match arguments.format.as_str() {
        "csv" => csv_bytes(&compared.differences)?,
        _ => table_bytes(compared),
    };
    write_output(arguments.output.as_deref(), &bytes)
}

fn table_bytes(compared: &Comparison) -> Vec<u8> {
    let rows: Vec<[String; COLUMN_NAMES.len()]> = compared
        .differences
        .iter()
        .map(|difference| difference_cells(difference).map(|cell| visible_line(&cell)))
        .collect();
    if rows.is_empty() {
        let (matched, all) = (compared.matched, compared.rows);
        return format!("no differences; {matched} of {all} rows matched a message\n").into_bytes();
    }
    let head = COLUMN_NAMES.map(str::to_owned);
    let lines = || std::iter::once(&head).chain(&rows);
    let mut widths = [0; COLUMN_NAMES.len()];
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporting::settlement::{Difference, DifferenceKind};

    #[test]
    fn control_characters_of_the_file_are_visible_in_the_table() {
        let difference = Difference {
            kind: DifferenceKind::State,
            line: Some(2),
            their_id: Some("a\u{1b}[31m\nb".to_owned()),
            our_id: None,
            recipient: None,
            ours: "delivered".to_owned(),
            theirs: "failed".to_owned(),
        };
        let compared = Comparison {
            differences: vec![difference],
            matched: 1,
            rows: 1,
        };
        let table = String::from_utf8(table_bytes(&compared)).unwrap();
        assert_eq!(table.lines().count(), 2, "{table}");
        assert!(table.contains("a␛[31m␊b"), "{table}");
    }
}
