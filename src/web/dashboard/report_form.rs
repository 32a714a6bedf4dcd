//! The form of the delivery summary on `/reports`, with the fields of the API.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::domain::ids::AccountId;
use crate::reporting::delivery_summary::{Dimension, Interval};
use crate::web::api::summary_query::{SummaryQuery, parse_summary};
use crate::web::dashboard::page_url::with_query;
use crate::web::problem_json::FieldError;

/// Days shown by default, including today.
const DEFAULT_DAYS: u64 = 7;
const FIELDS: [&str; 7] = [
    "from", "to", "month", "interval", "by", "account", "campaign",
];
/// The dimensions that the form offers.
const CHOICES: [(&str, &str); 6] = [
    ("account", "account"),
    ("account,kind", "account, kind"),
    ("account,campaign", "account, campaign"),
    ("account,kind,campaign", "account, kind, campaign"),
    ("campaign", "campaign"),
    ("none", "nothing else"),
];

#[derive(Clone, Debug)]
pub(super) struct ReportForm {
    pub(super) from: String,
    pub(super) to: String,
    /// The month if the period is exactly one: `2026-10`.
    pub(super) month: String,
    /// Periods that one click shows, with their URLs.
    pub(super) presets: Vec<Choice>,
    pub(super) intervals: Vec<Choice>,
    pub(super) by: Vec<Choice>,
    pub(super) accounts: Vec<Choice>,
    pub(super) campaign: String,
    /// Field and message of each error in the query; the default is shown instead.
    pub(super) errors: Vec<(String, String)>,
    /// Names and URLs of the files with the same numbers.
    pub(super) files: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) selected: bool,
}

/// What to show. Invalid fields are reported by the form, and the default is shown.
pub(super) fn read(
    query: &str,
    accounts: &[AccountId],
    zone: Tz,
    now: DateTime<Utc>,
) -> (SummaryQuery, ReportForm) {
    let today = now.with_timezone(&zone).date_naive();
    let first = today
        .checked_sub_days(Days::new(DEFAULT_DAYS - 1))
        .unwrap_or(today);
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .filter(|(name, value)| FIELDS.contains(&name.as_str()) && !value.trim().is_empty())
        .collect();
    let has =
        |pairs: &[(String, String)], wanted: &str| pairs.iter().any(|(name, _)| name == wanted);
    let mut month_errors = Vec::new();
    if let Some(place) = pairs.iter().position(|(name, _)| name == "month") {
        let (_, text) = pairs.remove(place);
        pairs.retain(|(name, _)| name != "from" && name != "to" && name != "month");
        match parse_month(&text) {
            Some((first, last)) => {
                pairs.push(("from".to_owned(), first.to_string()));
                pairs.push(("to".to_owned(), last.to_string()));
                if !has(&pairs, "interval") {
                    pairs.push(("interval".to_owned(), "month".to_owned()));
                }
            }
            None => month_errors.push(FieldError::new("month", "must be a month (2026-10)")),
        }
    }
    let defaults = [
        ("from", first.to_string()),
        ("to", today.to_string()),
        ("by", CHOICES[0].0.to_owned()),
    ];
    for (name, value) in &defaults {
        if !has(&pairs, name) {
            pairs.push(((*name).to_owned(), value.clone()));
        }
    }
    let (query, mut errors) = match parse_summary(&pairs, zone, now) {
        Ok(query) => (query, Vec::new()),
        Err(errors) => {
            pairs = defaults
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec();
            (SummaryQuery::by_account(first, zone, now), errors)
        }
    };
    errors.extend(month_errors);
    let form = ReportForm::new(&query, &pairs, accounts, errors, today);
    (query, form)
}

/// The first and the last day of `2026-10`.
fn parse_month(text: &str) -> Option<(NaiveDate, NaiveDate)> {
    let first: NaiveDate = format!("{}-01", text.trim()).parse().ok()?;
    let next = first.checked_add_months(Months::new(1))?;
    Some((first, next.pred_opt()?))
}

fn print_month(day: NaiveDate) -> String {
    day.format("%Y-%m").to_string()
}

/// The month that begins on `from` and ends on `to`, where `to` may be today within that month.
fn month_of(from: &str, to: &str, today: NaiveDate) -> Option<NaiveDate> {
    let (from, to): (NaiveDate, NaiveDate) = (from.parse().ok()?, to.parse().ok()?);
    let (first, last) = parse_month(&print_month(from))?;
    let ends = to == last || to == today && (first..=last).contains(&today);
    (from == first && ends).then_some(first)
}

/// The last 7 days, this month and last month, each for the chosen account.
fn presets(
    account: Option<&AccountId>,
    month: Option<NaiveDate>,
    is_default: bool,
    today: NaiveDate,
) -> Vec<Choice> {
    let this = today.with_day(1).unwrap_or(today);
    let last = this.checked_sub_months(Months::new(1)).unwrap_or(this);
    let link = |label: &str, shown: Option<NaiveDate>, selected: bool| {
        let mut pairs = Vec::new();
        pairs.extend(shown.map(|month| ("month", print_month(month))));
        pairs.extend(account.map(|id| ("account", id.to_string())));
        Choice {
            value: with_query("/reports", &pairs),
            label: label.to_owned(),
            selected,
        }
    };
    vec![
        link("Last 7 days", None, is_default),
        link("This month", Some(this), month == Some(this)),
        link("Last month", Some(last), month == Some(last)),
    ]
}

impl ReportForm {
    fn new(
        query: &SummaryQuery,
        pairs: &[(String, String)],
        accounts: &[AccountId],
        errors: Vec<FieldError>,
        today: NaiveDate,
    ) -> Self {
        let given = |wanted: &str| {
            let found = pairs.iter().find(|(name, _)| name == wanted);
            found.map_or_else(String::new, |(_, value)| value.clone())
        };
        let by: Vec<&str> = query.by.iter().copied().map(Dimension::as_str).collect();
        let by = if by.is_empty() {
            "none".to_owned()
        } else {
            by.join(",")
        };
        let choice = |value: &str, label: &str, selected: bool| Choice {
            value: value.to_owned(),
            label: label.to_owned(),
            selected,
        };
        let mut dimensions: Vec<Choice> = CHOICES
            .iter()
            .map(|(value, label)| choice(value, label, *value == by))
            .collect();
        if !dimensions.iter().any(|choice| choice.selected) {
            dimensions.push(choice(&by, &by, true));
        }
        let (from, to) = (given("from"), given("to"));
        let month = month_of(&from, &to, today);
        let first = today.checked_sub_days(Days::new(DEFAULT_DAYS - 1));
        let is_default = to == today.to_string() && first.is_some_and(|it| from == it.to_string());
        Self {
            presets: presets(query.period.account.as_ref(), month, is_default, today),
            month: month.map(print_month).unwrap_or_default(),
            from,
            to,
            intervals: Interval::ALL
                .map(|interval| {
                    choice(
                        interval.as_str(),
                        interval.as_str(),
                        interval == query.interval,
                    )
                })
                .to_vec(),
            by: dimensions,
            accounts: accounts
                .iter()
                .map(|id| {
                    choice(
                        id.as_str(),
                        id.as_str(),
                        Some(id) == query.period.account.as_ref(),
                    )
                })
                .collect(),
            campaign: given("campaign"),
            errors: errors
                .into_iter()
                .map(|error| (error.field, error.message))
                .collect(),
            files: files(query, &by, &given("from"), &given("to")),
        }
    }
}

/// CSV begins with a byte order mark, for Excel.
fn files(query: &SummaryQuery, by: &str, from: &str, to: &str) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("from", from.to_owned()),
        ("to", to.to_owned()),
        ("interval", query.interval.as_str().to_owned()),
        ("by", by.to_owned()),
    ];
    pairs.extend(
        query
            .period
            .account
            .iter()
            .map(|id| ("account", id.to_string())),
    );
    pairs.extend(query.campaign.iter().map(|id| ("campaign", id.to_string())));
    let path = |extension: &str| format!("/api/v1/reports/summary.{extension}");
    let mut for_excel = pairs.clone();
    for_excel.push(("bom", "1".to_owned()));
    vec![
        ("XLSX", with_query(&path("xlsx"), &pairs)),
        ("CSV", with_query(&path("csv"), &for_excel)),
        ("JSON", with_query(&path("json"), &pairs)),
    ]
}
