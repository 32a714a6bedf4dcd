//! `bluetick export`: what can be asked of it. Filters have the names and words of `GET /api/v1/messages`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
    account: Option<String>,
    /// sobot, kaleyra, zixflow or lancepilot
    #[arg(long)]
    provider: Option<String>,
    /// Business number they were sent from
    #[arg(long, value_name = "PHONE")]
    from: Option<String>,
    /// State, such as delivered or failed
    #[arg(long)]
    state: Option<String>,
    /// image or video
    #[arg(long)]
    kind: Option<String>,
    /// The customer's number
    #[arg(long, value_name = "PHONE")]
    to: Option<String>,
    /// Reference: any of the three, or the client reference
    #[arg(long = "ref", value_name = "TEXT")]
    reference: Option<String>,
    /// Any id that a provider uses for the message
    #[arg(long, value_name = "ID")]
    provider_id: Option<String>,
    /// Failure code
    #[arg(long)]
    code: Option<String>,
    /// Failure class, such as recipient or window
    #[arg(long)]
    class: Option<String>,
    /// Delivered and yet reported as failed: true or false
    #[arg(long, value_name = "BOOL")]
    conflict: Option<String>,
    /// Nothing heard within the account's deadline: true or false
    #[arg(long, value_name = "BOOL")]
    overdue: Option<String>,
    /// api, observed or dry-run
    #[arg(long)]
    origin: Option<String>,
    /// Created at or after this instant, RFC 3339
    #[arg(long, value_name = "INSTANT")]
    created_after: Option<String>,
    /// Created before this instant, RFC 3339
    #[arg(long, value_name = "INSTANT")]
    created_before: Option<String>,
    /// UUID, wamid, phone number or beginning of a reference
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
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
