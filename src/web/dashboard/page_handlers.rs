//! The GET handlers of all pages: parse the URL, query the store, build the view model, render.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::db;
use crate::domain::delivery::fold;
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::domain::message::Message;
use crate::domain::provider::ProviderId;
use crate::domain::receipt::{Receipt, SourceKind};
use crate::domain::scope::{Caller, Scope, Visibility};
use crate::journal::JournalFilter;
use crate::operating::explain::explain_message;
use crate::operating::replay::Earnest;
use crate::reporting::account_health;
use crate::reporting::alarms;
use crate::reporting::callback_views::{self, ListedCallback};
use crate::reporting::problem_items;
use crate::services::Services;
use crate::store::messages::Found;
use crate::web::api;
use crate::web::auth;
use crate::web::dashboard::accounts_page::{AccountsPage, PublicUrlReach};
use crate::web::dashboard::callback_page::CallbackPage;
use crate::web::dashboard::callbacks_page::{CallbackListUrl, CallbacksPage};
use crate::web::dashboard::form_handlers::run_replay;
use crate::web::dashboard::match_form::{MatchFormError, MatchFormPage};
use crate::web::dashboard::message_list_url::{ExportFormat, MessageListUrl, start_of_day};
use crate::web::dashboard::message_page::{MessagePage, MessagePageInput};
use crate::web::dashboard::messages_page::{MessagesPage, MessagesPageInput};
use crate::web::dashboard::overview_page::{OverviewInput, OverviewPage, OverviewPeriod};
use crate::web::dashboard::page_frame::Frame;
use crate::web::dashboard::problem_counts::total_problems;
use crate::web::dashboard::problems_page::ProblemsPage;
use crate::web::dashboard::replay_page::{ReplayPage, ReplayUrl};
use crate::web::dashboard::reports_page::ReportsPage;
use crate::web::error::ApiError;

/// Rows per page of a list.
const ROWS: usize = 50;
/// Items per kind on the problems page.
const PROBLEMS_SHOWN: usize = 25;
/// Callbacks on a message's page; its timeline links every one.
const CALLBACKS_SHOWN: usize = 50;

/// Unparseable parts on a callback's page.
const UNREADABLE_SHOWN: u64 = 20;

pub(super) trait FramedPage: Template {
    fn frame_mut(&mut self) -> &mut Frame;
}

macro_rules! framed {
    ($($page:ty),+ $(,)?) => {
        $(impl FramedPage for $page {
            fn frame_mut(&mut self) -> &mut Frame {
                &mut self.frame
            }
        })+
    };
}

framed!(
    AccountsPage,
    CallbackPage,
    CallbacksPage,
    MessagePage,
    MessagesPage,
    OverviewPage,
    ProblemsPage,
    ReplayPage,
    ReportsPage,
);

/// Renders a page with the number of open problems in its navigation. It contains personal data, so
/// it is not cached.
async fn page(services: &Services, template: impl FramedPage) -> Result<HttpResponse, ApiError> {
    page_as(services, StatusCode::OK, template).await
}

async fn page_as(
    services: &Services,
    status: StatusCode,
    mut template: impl FramedPage,
) -> Result<HttpResponse, ApiError> {
    let problems = services.store.count_problems(services.clock.now()).await?;
    let alarms = alarms::list(services);
    let alarm_count = u64::try_from(alarms.len()).unwrap_or_default();
    let frame = template.frame_mut();
    frame.set_problem_count(total_problems(&problems).saturating_add(alarm_count));
    frame.set_alarms(alarms);
    let html = template
        .render()
        .map_err(|error| ApiError::Internal(error.into()))?;
    Ok(HttpResponse::build(status)
        .insert_header(ContentType::html())
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(html))
}

pub(super) async fn overview(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let (now, zone) = (services.clock.now(), services.config.report_time_zone);
    let period = OverviewPeriod::parse(request.query_string());
    let since = period.since(now, zone);
    let begin = start_of_day(since, zone).unwrap_or(now);
    let counts = services.store.count_messages(begin).await?;
    let problems = services.store.count_problems(now).await?;
    let shown = OverviewPage::new(&OverviewInput {
        providers: &providers(&services).await?,
        counts: &counts,
        problems: &problems,
        alarms: alarms::list(&services).len(),
        period,
        since,
    });
    page(&services, shown).await
}

pub(super) async fn messages(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let (now, zone) = (services.clock.now(), services.config.report_time_zone);
    let url = MessageListUrl::parse(request.query_string());
    let filter = url.filter(zone, caller.visibility(), now)?;
    let listed = services
        .store
        .list_messages(&filter, url.cursor, ROWS)
        .await?;
    let accounts = account_ids(&services).await?;
    let input = MessagesPageInput {
        messages: &listed.messages,
        next: listed.next,
        accounts: &accounts,
        zone,
    };
    let shown = MessagesPage::new(&url, &input, caller.visibility(), now);
    page(&services, shown).await
}

/// Redirects to the API's file, with days converted to instants.
pub(super) async fn export(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let query = request.query_string();
    let format = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "format")
        .map_or(Some(ExportFormat::Csv), |(_, value)| {
            ExportFormat::parse(&value)
        })
        .ok_or_else(|| ApiError::field("format", "is csv or ndjson"))?;
    let url = MessageListUrl::parse(query).export(format, services.config.report_time_zone);
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, url))
        .finish())
}

pub(super) async fn message(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let id: MessageId = id.parse().map_err(|_| ApiError::NotFound)?;
    let message = match services.store.find_message(id).await? {
        Some(Found::Message(message)) => message,
        Some(Found::Moved(survivor)) => {
            return Ok(HttpResponse::PermanentRedirect()
                .insert_header((LOCATION, format!("/messages/{survivor}")))
                .finish());
        }
        None => return Err(ApiError::NotFound),
    };
    let shown = message_page(&services, &caller, &message).await?;
    let shown = match reports_now_at(request.query_string()) {
        Some(ids) => shown.with_reports_now_at(&ids),
        None => shown,
    };
    page(&services, shown).await
}

/// Where the reports are whose match was just undone.
fn reports_now_at(query: &str) -> Option<Vec<MessageId>> {
    let (_, ids) =
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "reports_now_at")?;
    Some(ids.split(',').filter_map(|id| id.parse().ok()).collect())
}

/// The page that contains the match form, with the error.
pub(super) async fn show_match_error(
    services: &Services,
    caller: &Caller,
    from: MatchFormPage,
    error: &MatchFormError,
) -> Result<HttpResponse, ApiError> {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    if from == MatchFormPage::Problems {
        let lists = problem_items::list(services, PROBLEMS_SHOWN).await?;
        let shown = ProblemsPage::new(&lists, caller.visibility()).with_match_error(error);
        return page_as(services, status, shown).await;
    }
    let Some(Found::Message(message)) = services.store.find_message(error.orphan).await? else {
        return Err(ApiError::NotFound);
    };
    let shown = message_page(services, caller, &message).await?;
    page_as(services, status, shown.with_match_error(error)).await
}

async fn message_page(
    services: &Services,
    caller: &Caller,
    message: &Message,
) -> Result<MessagePage, db::Error> {
    let receipts = &services.store.list_receipts(message.id).await?;
    let delivery = fold(message.queue, message.queued_at(), receipts);
    let explanation = explain_message(services, message, caller.visibility()).await?;
    let shown = MessagePage::new(
        &MessagePageInput {
            message,
            delivery: &delivery,
            explanation: &explanation,
            ids: &services.store.list_provider_ids(message.id).await?,
            receipts,
            attempts: &services.store.list_attempts(message.id).await?,
            actions: &services.store.list_actions_of(message.id).await?,
            callbacks: &source_callbacks(services, message.id, receipts).await?,
        },
        caller.visibility(),
        services.clock.now(),
    );
    if message.origin.is_ours() || caller.visibility() != Visibility::Full {
        return Ok(shown);
    }
    let mut suggestions = services
        .store
        .list_suggestions(std::slice::from_ref(message))
        .await?;
    Ok(shown.with_match_form(&suggestions.remove(&message.id).unwrap_or_default()))
}

/// Newest first, without those past retention.
async fn source_callbacks(
    services: &Services,
    message: MessageId,
    receipts: &[Receipt],
) -> Result<Vec<ListedCallback>, db::Error> {
    let mut ids: Vec<CallbackId> = receipts
        .iter()
        .filter(|receipt| receipt.source_kind == SourceKind::Callback)
        .map(|receipt| receipt.source.into())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    // A UUIDv7 begins with its time, so the newest are last.
    let ids = ids.split_off(ids.len().saturating_sub(CALLBACKS_SHOWN));
    let mut outcomes = services.store.find_outcomes(&ids).await?;
    let filter = JournalFilter {
        account: None,
        ids: Some(ids),
    };
    let limit = u64::try_from(CALLBACKS_SHOWN).unwrap_or(u64::MAX);
    let summaries = services.journal.list(&filter, None, limit).await?;
    let listed = summaries.into_iter().map(|summary| {
        let outcome = outcomes.remove(&summary.id);
        ListedCallback {
            outcome: outcome.as_ref().map(|outcome| outcome.outcome),
            detail: outcome.and_then(|outcome| outcome.detail),
            messages: vec![message],
            summary,
        }
    });
    Ok(listed.collect())
}

pub(super) async fn problems(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let lists = problem_items::list(&services, PROBLEMS_SHOWN).await?;
    page(&services, ProblemsPage::new(&lists, caller.visibility())).await
}

pub(super) async fn callbacks(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let url = CallbackListUrl::parse(request.query_string());
    let found = callback_views::list(&services, &url.query(ROWS)).await?;
    let shown = CallbacksPage::new(
        &url,
        &found.callbacks,
        found.next,
        &account_ids(&services).await?,
        caller.visibility(),
    );
    page(&services, shown).await
}

pub(super) async fn callback(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let id: CallbackId = id.parse().map_err(|_| ApiError::NotFound)?;
    let found = api::callbacks::find(&services, id).await?;
    let unreadable = services.store.find_unreadable(id, UNREADABLE_SHOWN).await?;
    let shown = CallbackPage::new(&found, caller.visibility())
        .with_unreadable(&unreadable, caller.visibility());
    page(&services, shown).await
}

/// The preview. It writes nothing, but shows what only operators may see.
pub(super) async fn replay(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    // A dry run holds the write lock for a while; other sites cannot start one through a link.
    let access = auth::access_of(&request)?;
    auth::refuse_other_sites(&access, &request)?;
    let url = ReplayUrl::parse(request.query_string()).ok_or(ApiError::NotFound)?;
    let known = match url.id {
        Some(id) => services.store.find_outcomes(&[id]).await?.remove(&id),
        None => None,
    };
    if url.id.is_some() && known.is_none() {
        return Err(ApiError::NotFound);
    }
    // The button replays exactly what the page shows.
    let url = url.limited_to(services.store.position().await?);
    let replayed = run_replay(&services, &caller, &url, Earnest::DryRun).await?;
    page(&services, ReplayPage::new(&url, known.as_ref(), &replayed)).await
}

pub(super) async fn accounts(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let shown = AccountsPage::new(
        &account_health::list_accounts(&services).await?,
        PublicUrlReach::of_url(&services.config.public_url),
        caller.visibility(),
        services.clock.now(),
    );
    page(&services, shown).await
}

pub(super) async fn reports(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let shown = ReportsPage::new(
        &MessageListUrl::parse(request.query_string()),
        &account_ids(&services).await?,
        services.config.report_time_zone,
    );
    page(&services, shown).await
}

async fn account_ids(services: &Services) -> Result<Vec<AccountId>, db::Error> {
    Ok(services.store.list_accounts().await?.into_keys().collect())
}

async fn providers(services: &Services) -> Result<BTreeMap<AccountId, ProviderId>, db::Error> {
    let accounts = services.store.list_accounts().await?;
    Ok(accounts
        .into_iter()
        .map(|(id, record)| (id, record.provider))
        .collect())
}
