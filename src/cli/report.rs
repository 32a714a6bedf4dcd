//! `bluetick report`: the delivery summary as a file.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use crate::cli::command_error::CommandError;
use crate::cli::export::format_option_errors;
use crate::cli::output_file::write_output;
use crate::cli::report_context::ReportContext;
use crate::cli::report_diff::{self, DiffArguments};
use crate::reporting::export::summary::{SummaryFile, SummaryFormat};
use crate::reporting::summary_report;
use crate::web::api::summary_query::parse_summary;
use crate::web::api::wire::summary_responses::SummaryResponse;

/// Write deliveries and cost per day, week or month, or compare a provider's own file
///
/// The numbers are those of the page /reports and of GET /api/v1/reports/summary.json. Reads the
/// database directly; can be used while serve is running.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ReportArguments {
    #[command(subcommand)]
    pub command: Option<ReportCommand>,
    #[command(flatten)]
    pub summary: SummaryArguments,
}

#[derive(Subcommand, Debug)]
pub enum ReportCommand {
    /// Compare a provider's own report or invoice file with our messages
    ///
    /// A row is matched with the message that has its id, or else with the message whose tag is in
    /// one of its references. If no id in the file is known, rows are matched by recipient and
    /// nearest time, within 15 minutes. Exits with 0 without differences, with 1 if there are some,
    /// and with 2 if the file cannot be read.
    Diff(Box<DiffArguments>),
}

#[derive(Args, Debug)]
pub struct SummaryArguments {
    /// File format
    #[arg(long, value_parser = PossibleValuesParser::new(SummaryFormat::ALL.map(SummaryFormat::as_str)), default_value = "csv")]
    pub format: String,
    /// File to write, with mode 0600 [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// First day (2026-11-20), or an RFC 3339 instant [default: 30 days ago]
    #[arg(long, value_name = "DAY")]
    pub from: Option<String>,
    /// Last day, or an RFC 3339 instant (exclusive) [default: now]
    #[arg(long, value_name = "DAY")]
    pub to: Option<String>,
    /// day, week or month [default: day]
    #[arg(long, value_name = "INTERVAL")]
    pub interval: Option<String>,
    /// Dimensions that rows are grouped by: account, kind and campaign, separated by commas, or none [default: account,kind]
    #[arg(long, value_name = "PARTS")]
    pub by: Option<String>,
    /// Account id
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
    /// Campaign id
    #[arg(long, value_name = "ID")]
    pub campaign: Option<String>,
    /// Time zone of the days, such as Asia/Kolkata [default: `report_time_zone`]
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// Start the CSV with a byte order mark, which Excel needs for UTF-8
    #[arg(long)]
    pub bom: bool,
}

pub async fn run(
    arguments: ReportArguments,
    context: &ReportContext<'_>,
) -> Result<(), CommandError> {
    match arguments.command {
        Some(ReportCommand::Diff(diff)) => report_diff::run(&diff, context).await,
        None => write_summary(arguments.summary, context).await,
    }
}

async fn write_summary(
    arguments: SummaryArguments,
    context: &ReportContext<'_>,
) -> Result<(), CommandError> {
    let format: SummaryFormat = arguments.format.parse()?;
    if arguments.bom && format != SummaryFormat::Csv {
        return Err("--bom is for CSV only".into());
    }
    let bytes = summary_file(&arguments, format, context).await?;
    write_output(arguments.output.as_deref(), &bytes)
}

async fn summary_file(
    arguments: &SummaryArguments,
    format: SummaryFormat,
    context: &ReportContext<'_>,
) -> Result<Vec<u8>, CommandError> {
    let bom = arguments.bom.then(|| "1".to_owned());
    let given = [
        ("from", &arguments.from),
        ("to", &arguments.to),
        ("interval", &arguments.interval),
        ("by", &arguments.by),
        ("account", &arguments.account),
        ("campaign", &arguments.campaign),
        ("tz", &arguments.tz),
        ("bom", &bom),
    ];
    let pairs: Vec<(String, String)> = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect();
    let query = parse_summary(&pairs, context.config.report_time_zone, context.now)
        .map_err(|errors| format_option_errors(&errors))?;
    let report = summary_report::compute(context.costs, &query.request(), context.now).await?;
    let file = SummaryFile::new(&report, &query.by);
    Ok(match format {
        SummaryFormat::Csv => file.write_csv(query.mark),
        SummaryFormat::Xlsx => file.write_xlsx(&context.config.data_dir)?,
        SummaryFormat::Json => {
            let response = SummaryResponse::of(&report, query.interval, &query.by);
            let mut bytes = serde_json::to_vec_pretty(&response)?;
            bytes.push(b'\n');
            bytes
        }
    })
}
