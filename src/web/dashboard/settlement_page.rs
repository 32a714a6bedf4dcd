//! `/settlement`: compares a provider's own report or invoice file with our messages, like
//! `bluetick report diff` but with tighter limits.

use std::io::BufReader;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use tempfile::NamedTempFile;
use tokio::sync::Semaphore;

use crate::domain::provider_account::Account;
use crate::domain::scope::Visibility;
use crate::reporting::bucketed_statistics::{day_end, day_start};
use crate::reporting::number_format::{counted, format_count};
use crate::reporting::query_values::parse_zone;
use crate::reporting::settlement::{
    ColumnMap, CompareError, Comparison, ComparisonRequest, Difference, DifferenceKind,
    PeriodError, compare, covered_period, csv_bytes, known_columns, read_header,
    read_provider_file,
};
use crate::services::Services;
use crate::web::api::statistics_query::{PeriodBound, parse_bound};
use crate::web::dashboard::message_summary::short_id;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, respond, respond_with_status};
use crate::web::dashboard::settlement_form::{
    FILE_LIMIT, FoundColumns, MESSAGE_LIMIT, ROW_LIMIT, SettlementForm,
};
use crate::web::dashboard::upload_form::UploadForm;
use crate::web::dashboard::visible_text::visible_line;
use crate::web::error::ApiError;
use crate::web::problem_json::FieldError;

/// Differences on the page; the CSV has all of them.
const ROWS_SHOWN: usize = 500;
/// Column names shown for a file that lacks a needed column.
const COLUMNS_SHOWN: usize = 60;
const FILE_NAME: &str = "differences.csv";
/// A comparison keeps its file in memory, so only one runs at a time; others wait.
static TURN: Semaphore = Semaphore::const_new(1);

pub(crate) async fn show(services: web::Data<Services>) -> Result<HttpResponse, ApiError> {
    let form = SettlementForm::empty(&services);
    respond(&services, SettlementPage::new(&services, form, None)).await
}

pub(crate) async fn submit(
    services: web::Data<Services>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let given = UploadForm::read_with_file_error(&services, &request, payload, FILE_LIMIT).await?;
    let form = SettlementForm::of(&services, &given);
    let compared = match run(&services, &given).await {
        Ok(compared) => compared,
        Err(SettlementError::Field(error)) => {
            let mut form = form.with_error(error);
            form.chosen_file = given.file.as_ref().map(|(_, received)| {
                let name = received.file_name.as_deref().unwrap_or_default();
                visible_line(name)
            });
            form.found_columns = find_columns(&services, &given).await;
            let page = SettlementPage::new(&services, form, None);
            return respond_with_status(&services, StatusCode::UNPROCESSABLE_ENTITY, page).await;
        }
        Err(SettlementError::Other(error)) => return Err(error),
    };
    if given.text("format") == "csv" {
        return Ok(HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .insert_header((
                CONTENT_DISPOSITION,
                format!("attachment; filename=\"{FILE_NAME}\""),
            ))
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(csv_file(&compared.comparison)?));
    }
    let shown = ComparisonView::new(&compared)?;
    respond(&services, SettlementPage::new(&services, form, Some(shown))).await
}

/// The columns of the file, if it lacks some that are needed.
async fn find_columns(services: &Services, given: &UploadForm) -> Option<FoundColumns> {
    let mut accounts = services.accounts.values();
    let account = accounts.find(|account| account.id.as_str() == given.text("account"))?;
    let (needs, _) = known_columns(account.provider());
    let has = {
        let (file, _) = given.file.as_ref()?;
        let input = reopen(file).ok()?;
        web::block(move || read_header(input)).await.ok()?.ok()?
    };
    let is_known = |needed: &&str| has.iter().any(|name| name.eq_ignore_ascii_case(needed));
    let is_complete = !needs.is_empty() && needs.iter().all(is_known);
    let is_mapped = !given.text("map").is_empty() && has_mapped_columns(given, &has);
    let is_shown = !(has.is_empty() || is_complete || is_mapped);
    let has = has.iter().take(COLUMNS_SHOWN);
    is_shown.then(|| FoundColumns {
        has: has.map(|name| visible_line(name)).collect(),
        needs: needs.into_iter().map(str::to_owned).collect(),
    })
}

/// Whether the file has all columns that were typed.
fn has_mapped_columns(given: &UploadForm, has: &[String]) -> bool {
    given.text("map").split(',').all(|pair| {
        let (_, column) = pair.split_once('=').unwrap_or_default();
        has.iter()
            .any(|name| name.eq_ignore_ascii_case(column.trim()))
    })
}

enum SettlementError {
    Field(FieldError),
    Other(ApiError),
}

fn field(name: &str, message: impl Into<String>) -> SettlementError {
    SettlementError::Field(FieldError::new(name, message))
}

fn internal(error: impl Into<crate::web::error::Cause>) -> ApiError {
    ApiError::Internal(error.into())
}

struct FileComparison {
    file_name: String,
    comparison: Comparison,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    zone: Tz,
}

async fn run(services: &Services, given: &UploadForm) -> Result<FileComparison, SettlementError> {
    if let Some(message) = &given.file_error {
        return Err(field("file", message.clone()));
    }
    let mut accounts = services.accounts.values();
    let account = accounts
        .find(|account| account.id.as_str() == given.text("account"))
        .ok_or_else(|| field("account", "is missing; choose whose file it is"))?;
    let columns: Vec<String> = given.given("map").into_iter().collect();
    let columns = ColumnMap::new(account.provider(), &columns)
        .map_err(|error| field("map", error.to_string()))?;
    let (file, received) = given
        .file
        .as_ref()
        .ok_or_else(|| field("file", "is missing; choose a CSV file"))?;
    let zone = given.given("tz").map_or(Ok(Tz::UTC), |tz| parse_zone(&tz));
    let zone = zone.map_err(|error| field("tz", error))?;
    let input = reopen(file).map_err(|error| SettlementError::Other(internal(error)))?;
    let _turn = TURN
        .acquire()
        .await
        .map_err(|error| SettlementError::Other(internal(error)))?;
    let file = web::block(move || read_provider_file(input, &columns, zone, ROW_LIMIT))
        .await
        .map_err(|error| SettlementError::Other(internal(error)))?
        .map_err(|error| field("file", error.to_string()))?;
    let zone = services.config.report_time_zone;
    let from = given_end(given, "from", |day| day_start(day, zone))?;
    let to = given_end(given, "to", |day| day_end(day, zone))?;
    let (from, to) = covered_period(&file, from, to, zone).map_err(|error| match error {
        PeriodError::Reversed { .. } => field("to", "is before the first day"),
        PeriodError::NoTimes => field(
            "file",
            "has no times; give the days that it covers, or name the column with the times: time=COLUMN",
        ),
    })?;
    let request = request_of(account, from, to);
    let compared = compare(&services.costs, &file, &request).await;
    let comparison = compared.map_err(|error| match error {
        CompareError::Store(error) => SettlementError::Other(error.into()),
        error @ CompareError::TooManyMessages(_) => field("file", error.to_string()),
    })?;
    Ok(FileComparison {
        file_name: received.file_name.clone().unwrap_or_default(),
        comparison,
        from,
        to,
        zone,
    })
}

fn reopen(file: &NamedTempFile) -> std::io::Result<BufReader<std::fs::File>> {
    Ok(BufReader::new(file.reopen()?))
}

fn given_end(
    given: &UploadForm,
    name: &str,
    of_day: impl Fn(NaiveDate) -> DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, SettlementError> {
    let Some(text) = given.given(name) else {
        return Ok(None);
    };
    match parse_bound(&text).map_err(|error| field(name, error))? {
        PeriodBound::Instant(at) => Ok(Some(at)),
        PeriodBound::Day(day) => Ok(Some(of_day(day))),
    }
}

fn request_of(account: &Account, from: DateTime<Utc>, to: DateTime<Utc>) -> ComparisonRequest {
    ComparisonRequest {
        provider: account.provider(),
        account: Some(account.id.clone()),
        from,
        to,
        message_limit: Some(MESSAGE_LIMIT),
    }
}

/// Begins with a byte order mark, for Excel.
fn csv_file(comparison: &Comparison) -> Result<Vec<u8>, ApiError> {
    let mut bytes = "\u{feff}".as_bytes().to_vec();
    bytes.extend(csv_bytes(&comparison.differences).map_err(internal)?);
    Ok(bytes)
}

#[derive(Template, Clone, Debug)]
#[template(path = "settlement.html")]
pub struct SettlementPage {
    pub(super) frame: Frame,
    settlement: SettlementForm,
    result: Option<ComparisonView>,
}

#[derive(Clone, Debug)]
struct ComparisonView {
    title: String,
    summary: String,
    groups: Vec<DifferenceGroup>,
    /// A `data:` URL with all differences, if the page shows all of them.
    csv: Option<String>,
    /// How many differences are only in the CSV.
    more: Option<String>,
}

#[derive(Clone, Debug)]
struct DifferenceGroup {
    id: &'static str,
    title: &'static str,
    why: &'static str,
    count: String,
    rows: Vec<DifferenceRow>,
}

#[derive(Clone, Debug)]
struct DifferenceRow {
    line: String,
    their_id: String,
    number: String,
    ours: String,
    theirs: String,
    /// Short id and URL.
    message: Option<(String, String)>,
}

impl SettlementPage {
    fn new(services: &Services, form: SettlementForm, result: Option<ComparisonView>) -> Self {
        let title = "A provider’s file";
        let mut frame = Frame::in_section(NavigationSection::Reports, title, Refresh::Never);
        frame.fix_zone(services.config.report_time_zone);
        Self {
            frame,
            settlement: form,
            result,
        }
    }
}

impl ComparisonView {
    fn new(compared: &FileComparison) -> Result<Self, ApiError> {
        let comparison = &compared.comparison;
        let all = comparison.differences.len();
        let number = match all {
            0 => "No differences".to_owned(),
            all => counted(all as u64, "difference", "differences"),
        };
        let day = |at: DateTime<Utc>| at.with_timezone(&compared.zone).date_naive();
        let print = |day: NaiveDate| day.format("%-d %B %Y");
        let (first, last) = (
            day(compared.from),
            day(compared.to - TimeDelta::milliseconds(1)),
        );
        let days = if first == last {
            print(first).to_string()
        } else {
            format!("{} to {}", print(first), print(last))
        };
        let csv = if (1..=ROWS_SHOWN).contains(&all) {
            let bytes = STANDARD.encode(csv_file(comparison)?);
            Some(format!("data:text/csv;charset=utf-8;base64,{bytes}"))
        } else {
            None
        };
        let shown = comparison.differences.iter().take(ROWS_SHOWN);
        let shown: Vec<&Difference> = shown.collect();
        let counts = comparison.counts().into_iter();
        let groups = counts.map(|(kind, number)| DifferenceGroup::new(kind, number, &shown));
        Ok(Self {
            title: format!(
                "{number} in {}",
                Visibility::Full.quoted(&compared.file_name)
            ),
            summary: format!(
                "{} of {} match a message. Compared with our messages of {days}, in {}.",
                format_count(comparison.matched),
                counted(comparison.rows, "row", "rows"),
                compared.zone.name()
            ),
            groups: groups.collect(),
            csv,
            more: (all > ROWS_SHOWN).then(|| format_count((all - ROWS_SHOWN) as u64)),
        })
    }
}

impl DifferenceGroup {
    fn new(kind: DifferenceKind, number: usize, shown: &[&Difference]) -> Self {
        let (title, why) = match kind {
            DifferenceKind::OnlyOurs => (
                "Only ours",
                "Submitted by us on these days, but not in the file.",
            ),
            DifferenceKind::OnlyTheirs => (
                "Only theirs",
                "In the file, but not a message of ours, or in the file more than once.",
            ),
            DifferenceKind::State => (
                "Different state",
                "In both, but the file reports a different outcome than the callbacks did.",
            ),
            DifferenceKind::Cost => (
                "Different cost",
                "In both, but the price in the file differs from that of the callbacks or our rates.",
            ),
        };
        let of_kind = shown.iter().filter(|it| it.kind == kind);
        Self {
            id: kind.as_str(),
            title,
            why,
            count: format_count(number as u64),
            rows: of_kind.map(|it| DifferenceRow::new(it)).collect(),
        }
    }
}

impl DifferenceRow {
    fn new(difference: &Difference) -> Self {
        let text = |text: &str| match text {
            "" => "–".to_owned(),
            text => Visibility::Full.quoted(text),
        };
        let optional = |given: &Option<String>| text(given.as_deref().unwrap_or_default());
        Self {
            line: difference.line.map_or_else(|| "–".to_owned(), format_count),
            their_id: optional(&difference.their_id),
            number: difference
                .recipient
                .as_deref()
                .map_or_else(|| "–".to_owned(), |number| Visibility::Full.phone(number)),
            ours: text(&difference.ours),
            theirs: text(&difference.theirs),
            message: difference
                .our_id
                .map(|id| (short_id(id), format!("/messages/{id}"))),
        }
    }
}

impl FramedPage for SettlementPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
