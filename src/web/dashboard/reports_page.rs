//! `/reports`: how were messages delivered in a period, what do they cost, and export of messages.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Datelike, TimeDelta, Utc};

use crate::domain::ids::AccountId;
use crate::domain::scope::{Caller, Scope};
use crate::reporting::costs::month_costs::{self, MonthCosts};
use crate::reporting::delivery_summary::{Dimension, Interval, SummaryFigures, SummaryGroup};
use crate::reporting::export::ExportFormat;
use crate::reporting::number_format::percent;
use crate::reporting::query_values::parse_zone;
use crate::reporting::summary_report::{self, SummaryReport};
use crate::services::Services;
use crate::web::api::summary_query::SummaryQuery;
use crate::web::dashboard::filter_form::FilterForm;
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, account_ids, respond};
use crate::web::dashboard::report_figures::{
    ComparableShares, ReportRow, count_text, non_negative, rows,
};
use crate::web::dashboard::report_form::{self, ReportForm};
use crate::web::dashboard::report_money::MoneySection;
use crate::web::dashboard::settlement_form::SettlementForm;
use crate::web::error::ApiError;

/// Almost all deliveries are reported within this time.
const DELIVERED_AGE: TimeDelta = TimeDelta::hours(1);
/// Shares of read messages are compared only after this time.
const READ_AGE: TimeDelta = TimeDelta::hours(24);

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (query, now) = (request.query_string(), services.clock.now());
    let accounts = account_ids(&services).await?;
    let zone = services.config.report_time_zone;
    let (summary, form) = report_form::read(query, &accounts, zone, now);
    let report = summary_report::compute(&services.costs, &summary.request(), now).await?;
    let last = summary.period.to.min(now) - TimeDelta::milliseconds(1);
    let month = month_costs::compute(&services.costs, &services.config, last, now).await?;
    let shown = ReportsPage::new(&ReportsPageInput {
        url: &MessageListUrl::parse(query),
        accounts: &accounts,
        summary: &summary,
        form: &form,
        report: &report,
        month: &month,
        rates_problem: services.costs.rates_file.problem(),
        settlement: caller
            .require(Scope::Operate)
            .is_ok()
            .then(|| SettlementForm::empty(&services)),
        now,
    });
    respond(&services, shown).await
}

/// Redirects to the API's file, with days converted to instants. CSV begins with a byte order mark,
/// for Excel.
pub(crate) async fn redirect_to_export(
    services: web::Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = request.query_string();
    let given = |wanted: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let found = pairs.find(|(name, value)| name == wanted && !value.is_empty());
        found.map(|(_, value)| value)
    };
    let format = given("format")
        .map_or(Ok(ExportFormat::Csv), |value| value.parse())
        .map_err(|_| ApiError::field("format", "is csv, ndjson or xlsx"))?;
    let zone = given("tz")
        .map(|text| parse_zone(&text))
        .transpose()
        .map_err(|error| ApiError::field("tz", error))?;
    let mut url = MessageListUrl::parse(query).export(format, services.config.report_time_zone);
    let mut add = |name: &str, value: &str| {
        let separator = if url.contains('?') { '&' } else { '?' };
        url = format!("{url}{separator}{name}={value}");
    };
    if let Some(zone) = zone {
        let name: String = form_urlencoded::byte_serialize(zone.name().as_bytes()).collect();
        add("tz", &name);
    }
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, url))
        .finish())
}

#[derive(Debug)]
pub(super) struct ReportsPageInput<'a> {
    /// The filters of the export.
    pub(super) url: &'a MessageListUrl,
    pub(super) accounts: &'a [AccountId],
    pub(super) summary: &'a SummaryQuery,
    pub(super) form: &'a ReportForm,
    pub(super) report: &'a SummaryReport,
    pub(super) month: &'a MonthCosts,
    pub(super) rates_problem: Option<String>,
    /// For operators only: files and differences have unmasked phone numbers.
    pub(super) settlement: Option<SettlementForm>,
    pub(super) now: DateTime<Utc>,
}

/// The form of the export goes to `/messages/export`, which converts days to instants and redirects
/// to the API's file.
#[derive(Template, Clone, Debug)]
#[template(path = "reports.html")]
pub struct ReportsPage {
    pub(super) frame: Frame,
    title: String,
    as_of: String,
    as_of_utc: String,
    /// Why shares have no changes yet.
    so_far: Option<&'static str>,
    summary: ReportForm,
    accounts: Vec<ReportRow>,
    total: ReportRow,
    campaigns: Vec<ReportRow>,
    money: MoneySection,
    /// Names of the columns before the figures.
    heads: Vec<&'static str>,
    rows: Vec<ReportRow>,
    /// Whether `rows` would repeat the table by account.
    rows_repeat: bool,
    /// Rows that only the files have.
    more_rows: usize,
    form: FilterForm,
    settlement: Option<SettlementForm>,
    zone: &'static str,
}

impl ReportsPage {
    pub(super) fn new(input: &ReportsPageInput<'_>) -> Self {
        let &ReportsPageInput {
            summary,
            report,
            now,
            ..
        } = input;
        let (sums, before) = (&report.sums, &report.previous);
        let comparable = ComparableShares {
            delivered: report.period.to <= now - DELIVERED_AGE,
            read: report.period.to <= now - READ_AGE,
        };
        let total = sums.total();
        let none = SummaryFigures::default();
        let by_account = [Dimension::Account];
        let accounts_before = before.whole(&by_account);
        let accounts = sums.whole(&by_account);
        let groups = sums.by_interval(&summary.by);
        let mut intervals: Vec<_> = groups.keys().map(|group| group.day).collect();
        intervals.dedup();
        let (rows, more_rows) = rows(&groups, summary.interval);
        let as_of = now.with_timezone(&report.zone);
        let mut frame = Frame::in_section(NavigationSection::Reports, "Reports", Refresh::Never);
        frame.fix_zone(report.zone);
        Self {
            frame,
            title: title(report, &total),
            as_of: as_of.format("%H:%M on %a %-d %b %Y").to_string(),
            as_of_utc: now.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            so_far: so_far(comparable),
            summary: input.form.clone(),
            accounts: accounts
                .iter()
                .map(|(group, figures)| {
                    let earlier = accounts_before.get(group).unwrap_or(&none);
                    ReportRow::compared(vec![account_name(group)], figures, earlier, comparable)
                })
                .collect(),
            total: ReportRow::compared(
                vec!["All accounts".to_owned()],
                &total,
                &before.total(),
                comparable,
            ),
            campaigns: campaigns(report),
            money: MoneySection::new(input.month, input.rates_problem.clone(), report.zone, now),
            heads: heads(summary),
            rows_repeat: summary.by == by_account && intervals.len() == 1,
            rows,
            more_rows,
            form: FilterForm::new(input.url, input.accounts),
            settlement: input.settlement.clone(),
            zone: report.zone.name(),
        }
    }
}

impl FramedPage for ReportsPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}

fn account_name(group: &SummaryGroup) -> String {
    group
        .account
        .as_ref()
        .map_or_else(String::new, ToString::to_string)
}

/// The result of the period in one sentence.
fn title(report: &SummaryReport, total: &SummaryFigures) -> String {
    let day = |at: DateTime<Utc>| at.with_timezone(&report.zone).date_naive();
    let first = day(report.period.from);
    let last = day(report.period.to.min(report.as_of) - TimeDelta::milliseconds(1)).max(first);
    let is_month = first.day() == 1 && last.succ_opt().is_some_and(|next| next.day() == 1);
    let days = if is_month && (first.year(), first.month()) == (last.year(), last.month()) {
        first.format("%B %Y").to_string()
    } else if first == last {
        last.format("%-d %B %Y").to_string()
    } else {
        format!("{} to {}", first.format("%-d %B"), last.format("%-d %B %Y"))
    };
    let attempted = total.states.attempted();
    if attempted == 0 {
        return format!("No messages attempted, {days}");
    }
    let share = percent(non_negative(total.delivered()), non_negative(attempted));
    format!(
        "{share} of {} attempted messages delivered, {days}",
        count_text(attempted)
    )
}

fn so_far(comparable: ComparableShares) -> Option<&'static str> {
    match comparable {
        ComparableShares {
            delivered: false, ..
        } => Some(
            "Shares are preliminary: the newest messages have had no time to be delivered and read.",
        ),
        ComparableShares { read: false, .. } => {
            Some("The read share is preliminary: the newest messages have had no time to be read.")
        }
        ComparableShares { .. } => None,
    }
}

/// The largest first; empty without any campaign.
fn campaigns(report: &SummaryReport) -> Vec<ReportRow> {
    const SHOWN: usize = 20;
    let groups = report.sums.whole(&[Dimension::Campaign]);
    let mut sorted: Vec<(&SummaryGroup, &SummaryFigures)> = groups
        .iter()
        .filter(|(group, _)| group.campaign.as_deref().is_some_and(|id| !id.is_empty()))
        .collect();
    sorted.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.states.messages()));
    sorted
        .into_iter()
        .take(SHOWN)
        .map(|(group, figures)| {
            ReportRow::new(vec![group.campaign.clone().unwrap_or_default()], figures)
        })
        .collect()
}

fn heads(summary: &SummaryQuery) -> Vec<&'static str> {
    let dimensions = summary.by.iter().map(|dimension| match dimension {
        Dimension::Account => "Account",
        Dimension::Kind => "Kind",
        Dimension::Campaign => "Campaign",
    });
    let interval = match summary.interval {
        Interval::Day => "Day",
        Interval::Week => "Week",
        Interval::Month => "Month",
    };
    std::iter::once(interval).chain(dimensions).collect()
}
