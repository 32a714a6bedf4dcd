//! `/callbacks`: what did the providers report? Raw requests, newest first, by account and outcome.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::domain::callback_outcome::Outcome;
use crate::domain::ids::AccountId;
use crate::domain::scope::{Caller, Visibility};
use crate::receiving::rejections::Rejection;
use crate::reporting::callback_views::{self, ListedCallback};
use crate::services::Services;
use crate::web::dashboard::callback_row::CallbackRow;
use crate::web::dashboard::callback_urls::{CallbackListUrl, ReplayUrl, outcome_label};
use crate::web::dashboard::filter_form::SelectOption;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, ROWS_PER_PAGE, account_ids, respond};
use crate::web::dashboard::time_element::TimeElement;
use crate::web::error::ApiError;

/// The API lists all that are kept.
const REJECTIONS_SHOWN: usize = 50;

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let url = CallbackListUrl::parse(request.query_string());
    let found = callback_views::list(&services, &url.query(ROWS_PER_PAGE)).await?;
    let mut shown = CallbacksPage::new(
        &url,
        &found.callbacks,
        found.next,
        &account_ids(&services).await?,
        caller.visibility(),
    );
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
    newest: Option<String>,
    older: Option<String>,
    /// URL of the replay preview of this list.
    replay: Option<String>,
    /// The latest refused requests, on the first page of the whole list.
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
        found: &[ListedCallback],
        next: Option<i64>,
        accounts: &[AccountId],
        viewer: Visibility,
    ) -> Self {
        let at = |before: Option<i64>| {
            CallbackListUrl {
                before,
                ..url.clone()
            }
            .href()
        };
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
            rows: found.iter().map(CallbackRow::new).collect(),
            accounts: accounts
                .iter()
                .map(|account| choice(account.as_str(), url.account.as_ref() == Some(account)))
                .collect(),
            outcomes: Outcome::ALL
                .into_iter()
                .map(Some)
                .chain([None])
                .map(|outcome| choice(outcome_label(outcome), url.outcome == Some(outcome)))
                .collect(),
            filtered: url.is_filtered(),
            newest: url.before.is_some().then(|| at(None)),
            older: next.map(|seq| at(Some(seq))),
            replay: ReplayUrl::of_list(url)
                .filter(|_| viewer == Visibility::Full && !found.is_empty())
                .map(|replay| replay.href()),
            rejections: Vec::new(),
        }
    }
}

impl FramedPage for CallbacksPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
