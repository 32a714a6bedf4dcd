//! `/callbacks`: what did the providers report? Raw requests, newest first, by account, outcome, day and
//! text in the body.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono_tz::Tz;

use crate::domain::callback_outcome::Outcome;
use crate::domain::ids::AccountId;
use crate::domain::scope::{Caller, Visibility};
use crate::receiving::rejections::Rejection;
use crate::reporting::callback_filter::{outcome_word, print_callback_fields};
use crate::reporting::callback_list::{self, CallbackList, SearchedSpan};
use crate::reporting::number_format::counted;
use crate::services::Services;
use crate::web::api::callback_endpoints::require_search;
use crate::web::dashboard::callback_row::CallbackRow;
use crate::web::dashboard::callback_urls::{CallbackListUrl, ReplayUrl};
use crate::web::dashboard::filter_form::SelectOption;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, ROWS_PER_PAGE, account_ids, respond};
use crate::web::dashboard::page_zone::PageZone;
use crate::web::dashboard::pager::Pager;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::visible_text::visible_line;
use crate::web::error::ApiError;

/// Rejected requests on the page; the API lists all that the process remembers.
const REJECTIONS_SHOWN: usize = 50;

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    page_zone: PageZone,
) -> Result<HttpResponse, ApiError> {
    let url = CallbackListUrl::parse(request.query_string());
    let zone = page_zone.zone;
    let query = url.query(ROWS_PER_PAGE, zone);
    require_search(&caller, &query.filter)?;
    let found = callback_list::list(&services, &query).await?;
    let accounts = account_ids(&services).await?;
    let mut shown = CallbacksPage::new(&url, &found, &accounts, zone, caller.visibility());
    if url.before.is_none() && !url.is_filtered() {
        let latest = services.ingest.rejections().latest(REJECTIONS_SHOWN);
        shown.rejections = latest.iter().map(RejectionRow::new).collect();
    }
    respond(&services, shown).await
}

#[derive(Template, Clone, Debug)]
#[template(path = "callbacks.html")]
pub struct CallbacksPage {
    pub(super) frame: Frame,
    rows: Vec<CallbackRow>,
    accounts: Vec<SelectOption>,
    outcomes: Vec<SelectOption>,
    filtered: bool,
    pager: Pager,
    /// How many callbacks a text search examined, and the time of the oldest if older ones are left.
    searched: Option<(String, Option<TimeElement>)>,
    since: String,
    until: String,
    text: String,
    /// Whether the viewer may see bodies.
    can_search: bool,
    /// Filters without a field.
    hidden: Vec<(&'static str, String)>,
    ignored: Vec<String>,
    zone: &'static str,
    /// URL of the replay preview of this list.
    replay: Option<String>,
    /// The latest rejected requests, on the first page of the unfiltered list.
    rejections: Vec<RejectionRow>,
}

#[derive(Clone, Debug)]
struct RejectionRow {
    at: TimeElement,
    cause: &'static str,
    path: String,
    address: String,
}

impl RejectionRow {
    fn new(rejection: &Rejection) -> Self {
        Self {
            at: TimeElement::new(rejection.at),
            cause: rejection.cause.title(),
            path: rejection.path(),
            address: rejection.remote.clone().unwrap_or_default(),
        }
    }
}

impl CallbacksPage {
    pub fn new(
        url: &CallbackListUrl,
        found: &CallbackList,
        accounts: &[AccountId],
        zone: Tz,
        viewer: Visibility,
    ) -> Self {
        let filter = &url.filter;
        let at = |before: Option<i64>| url.at(before).href();
        let choice = |word: &str, selected: bool| SelectOption {
            value: word.to_owned(),
            label: word.to_owned(),
            selected,
        };
        Self {
            frame: Frame::in_section(
                NavigationSection::Callbacks,
                "Callbacks",
                if url.before.is_some() {
                    Refresh::Never
                } else {
                    Refresh::Announced
                },
            ),
            rows: found
                .callbacks
                .iter()
                .map(|callback| CallbackRow::new(callback, viewer))
                .collect(),
            accounts: accounts
                .iter()
                .map(|account| choice(account.as_str(), filter.account.as_ref() == Some(account)))
                .collect(),
            outcomes: Outcome::ALL
                .into_iter()
                .map(Some)
                .chain([None])
                .map(|outcome| choice(outcome_word(outcome), filter.outcome == Some(outcome)))
                .collect(),
            filtered: url.is_filtered(),
            pager: Pager {
                older_label: if found.searched.is_some() {
                    "Search further →"
                } else {
                    "Older →"
                },
                ..Pager::new(
                    url.before.is_some().then(|| at(None)),
                    found.next.map(|seq| at(Some(seq))),
                )
            },
            searched: found
                .searched
                .map(|searched| searched_text(searched, found.next)),
            since: url.since.map(|day| day.to_string()).unwrap_or_default(),
            until: url.until.map(|day| day.to_string()).unwrap_or_default(),
            text: filter.text.clone().unwrap_or_default(),
            can_search: viewer == Visibility::Full,
            hidden: print_callback_fields(filter)
                .into_iter()
                .filter(|(name, _)| name.starts_with("received_"))
                .collect(),
            ignored: url.ignored.iter().map(|pair| visible_line(pair)).collect(),
            zone: zone.name(),
            replay: ReplayUrl::of_list(url)
                .filter(|_| viewer == Visibility::Full && !found.callbacks.is_empty())
                .map(|replay| replay.href()),
            rejections: Vec::new(),
        }
    }
}

/// The number of searched callbacks as text, and the time of the oldest if older ones are left.
fn searched_text(searched: SearchedSpan, next: Option<i64>) -> (String, Option<TimeElement>) {
    let number = u64::try_from(searched.callbacks).unwrap_or(u64::MAX);
    let callbacks = counted(number, "callback", "callbacks");
    let oldest = searched.oldest.filter(|_| next.is_some());
    (callbacks, oldest.map(TimeElement::new))
}

impl FramedPage for CallbacksPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
