//! What a GET of each page does: read the address, ask the store, build the view model, render.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::db;
use crate::domain::access::{Caller, Scope, Visibility};
use crate::domain::delivery::{Receipt, SourceKind, fold};
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::domain::message::Message;
use crate::domain::provider::ProviderId;
use crate::journal::JournalFilter;
use crate::operating::explain::explain_message;
use crate::operating::replay::Earnest;
use crate::reporting::account_health;
use crate::reporting::alarms;
use crate::reporting::callback_views::{self, ListedCallback};
use crate::reporting::problems;
use crate::services::Services;
use crate::store::messages::Found;
use crate::web::api;
use crate::web::auth;
use crate::web::dashboard::accounts::{AccountsPage, Reach};
use crate::web::dashboard::address::{ExportFormat, MessagesAddress, day_begins};
use crate::web::dashboard::callback::CallbackPage;
use crate::web::dashboard::callbacks::{CallbacksAddress, CallbacksPage};
use crate::web::dashboard::decisions::read_again;
use crate::web::dashboard::frame::Frame;
use crate::web::dashboard::matching::{FormPage, MatchTrouble};
use crate::web::dashboard::message::{MessageFile, MessagePage};
use crate::web::dashboard::messages::{MessagesFound, MessagesPage};
use crate::web::dashboard::overview::{Flow, OverviewPage, Period};
use crate::web::dashboard::problem::total;
use crate::web::dashboard::problems::ProblemsPage;
use crate::web::dashboard::replay::{ReplayAddress, ReplayPage};
use crate::web::dashboard::reports::ReportsPage;
use crate::web::error::ApiError;

/// Rows of one page of a list.
const ROWS: usize = 50;
/// Things of each kind that the page of problems lists.
const PROBLEMS_SHOWN: usize = 25;
/// Callbacks that a message's page lists; its timeline links every one.
const CALLBACKS_SHOWN: usize = 50;

/// Unreadable parts that a callback's page lists.
const UNREADABLE_SHOWN: u64 = 20;

/// A page whose surroundings can still be completed.
pub(super) trait Framed: Template {
    /// What surrounds it.
    fn frame_mut(&mut self) -> &mut Frame;
}

macro_rules! framed {
    ($($page:ty),+ $(,)?) => {
        $(impl Framed for $page {
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

/// A page as it is sent, its navigation telling how many problems are open. It shows people, so no cache keeps it.
async fn page(services: &Services, template: impl Framed) -> Result<HttpResponse, ApiError> {
    page_as(services, StatusCode::OK, template).await
}

async fn page_as(
    services: &Services,
    status: StatusCode,
    mut template: impl Framed,
) -> Result<HttpResponse, ApiError> {
    let problems = services.store.count_problems(services.clock.now()).await?;
    let alarms = alarms::list(services);
    let alarmed = u64::try_from(alarms.len()).unwrap_or_default();
    let frame = template.frame_mut();
    frame.note_problems(total(&problems).saturating_add(alarmed));
    frame.note_alarms(alarms);
    let html = template
        .render()
        .map_err(|error| ApiError::Internal(error.into()))?;
    Ok(HttpResponse::build(status)
        .insert_header(ContentType::html())
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(html))
}

/// `/`
pub(super) async fn overview(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let (now, zone) = (services.clock.now(), services.config.report_time_zone);
    let period = Period::parse(request.query_string());
    let since = period.since(now, zone);
    let begin = day_begins(since, zone).unwrap_or(now);
    let counts = services.store.count_messages(begin).await?;
    let problems = services.store.count_problems(now).await?;
    let shown = OverviewPage::new(&Flow {
        providers: &providers(&services).await?,
        counts: &counts,
        problems: &problems,
        alarms: alarms::list(&services).len(),
        period,
        since,
    });
    page(&services, shown).await
}

/// `/messages`
pub(super) async fn messages(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let (now, zone) = (services.clock.now(), services.config.report_time_zone);
    let address = MessagesAddress::parse(request.query_string());
    let filter = address.filter(zone, caller.visibility(), now)?;
    let listed = services
        .store
        .list_messages(&filter, address.cursor, ROWS)
        .await?;
    let accounts = account_ids(&services).await?;
    let found = MessagesFound {
        messages: &listed.messages,
        next: listed.next,
        accounts: &accounts,
        zone,
    };
    let shown = MessagesPage::new(&address, &found, caller.visibility(), now);
    page(&services, shown).await
}

/// `/messages/export`: the file of the API, its days turned into instants.
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
    let address = MessagesAddress::parse(query).export(format, services.config.report_time_zone);
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, address))
        .finish())
}

/// `/messages/{id}`
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

/// Where the reports went whose match was just undone, as the address tells it.
fn reports_now_at(query: &str) -> Option<Vec<MessageId>> {
    let (_, ids) =
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "reports_now_at")?;
    Some(ids.split(',').filter_map(|id| id.parse().ok()).collect())
}

/// The page that a form of matching stands on, saying why what was typed names no message.
pub(super) async fn match_again(
    services: &Services,
    caller: &Caller,
    from: FormPage,
    trouble: &MatchTrouble,
) -> Result<HttpResponse, ApiError> {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    if from == FormPage::Problems {
        let lists = problems::list(services, PROBLEMS_SHOWN).await?;
        let shown = ProblemsPage::new(&lists, caller.visibility()).with_trouble(trouble);
        return page_as(services, status, shown).await;
    }
    let Some(Found::Message(message)) = services.store.find_message(trouble.orphan).await? else {
        return Err(ApiError::NotFound);
    };
    let shown = message_page(services, caller, &message).await?;
    page_as(services, status, shown.with_trouble(trouble)).await
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
        &MessageFile {
            message,
            delivery: &delivery,
            explanation: &explanation,
            ids: &services.store.list_provider_ids(message.id).await?,
            receipts,
            attempts: &services.store.list_attempts(message.id).await?,
            actions: &services.store.list_actions_of(message.id).await?,
            callbacks: &callbacks_behind(services, message.id, receipts).await?,
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
    Ok(shown.with_matching(&suggestions.remove(&message.id).unwrap_or_default()))
}

/// The callbacks that receipts come from, newest first; those past retention are gone.
async fn callbacks_behind(
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
    // A UUIDv7 begins with its time: the newest are last.
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

/// `/problems`
pub(super) async fn problems(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let lists = problems::list(&services, PROBLEMS_SHOWN).await?;
    page(&services, ProblemsPage::new(&lists, caller.visibility())).await
}

/// `/callbacks`
pub(super) async fn callbacks(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let address = CallbacksAddress::parse(request.query_string());
    let found = callback_views::list(&services, &address.query(ROWS)).await?;
    let shown = CallbacksPage::new(
        &address,
        &found.callbacks,
        found.next,
        &account_ids(&services).await?,
        caller.visibility(),
    );
    page(&services, shown).await
}

/// `/callbacks/{id}`
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

/// `/callbacks/replay`: a rehearsal. It writes nothing, but it shows what only who operates may know.
pub(super) async fn replay(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    // A rehearsal holds the writer's lock for a while; no other site begins one by a link.
    let access = auth::access_of(&request)?;
    auth::refuse_other_sites(&access, &request)?;
    let address = ReplayAddress::parse(request.query_string()).ok_or(ApiError::NotFound)?;
    let known = match address.id {
        Some(id) => services.store.find_outcomes(&[id]).await?.remove(&id),
        None => None,
    };
    if address.id.is_some() && known.is_none() {
        return Err(ApiError::NotFound);
    }
    // What the page shows is what its button does.
    let address = address.seen_up_to(services.store.position().await?);
    let replayed = read_again(&services, &caller, &address, Earnest::DryRun).await?;
    page(
        &services,
        ReplayPage::new(&address, known.as_ref(), &replayed),
    )
    .await
}

/// `/accounts`
pub(super) async fn accounts(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let shown = AccountsPage::new(
        &account_health::list_accounts(&services).await?,
        Reach::of(&services.config.public_url),
        caller.visibility(),
        services.clock.now(),
    );
    page(&services, shown).await
}

/// `/reports`
pub(super) async fn reports(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let shown = ReportsPage::new(
        &MessagesAddress::parse(request.query_string()),
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
