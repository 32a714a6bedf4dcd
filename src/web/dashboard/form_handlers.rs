//! The forms that act on one message, orphan or callback. Each runs one action and redirects to the page
//! that shows the result.
//!
//! `web::auth` checks that the POST comes from our own pages.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::domain::ids::CallbackId;
use crate::domain::scope::Caller;
use crate::operating::actions::OperateError;
use crate::operating::dismiss;
use crate::operating::message_actions::{self, ActionResult, MessageAction};
use crate::reporting::problem_items;
use crate::sending::accept::AcceptError;
use crate::services::Services;
use crate::store::messages::Found;
use crate::web::api::action_endpoints::decision;
use crate::web::api::find_message::parse_id;
use crate::web::dashboard::match_form::{
    MatchFormError, MatchFormPage, MatchTargetError, find_target,
};
use crate::web::dashboard::message_page;
use crate::web::dashboard::page_response::{redirect_to, respond_with_status};
use crate::web::dashboard::problems_page::{PROBLEMS_SHOWN, ProblemsPage};
use crate::web::error::ApiError;

pub(crate) async fn cancel(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    run_action(&services, &caller, &id, MessageAction::Cancel).await
}

pub(crate) async fn mark_failed(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    run_action(
        &services,
        &caller,
        &id,
        MessageAction::MarkFailed { reason: None },
    )
    .await
}

pub(crate) async fn unmatch(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    run_action(&services, &caller, &id, MessageAction::Unmatch).await
}

pub(crate) async fn dismiss_message(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    run_action(&services, &caller, &id, MessageAction::Dismiss).await
}

async fn run_action(
    services: &Services,
    caller: &Caller,
    id: &str,
    action: MessageAction,
) -> Result<HttpResponse, ApiError> {
    let id = parse_id(id)?;
    let dismissed = action == MessageAction::Dismiss;
    let done = message_actions::run(services, id, action, &decision(services, caller)).await;
    let url = match done {
        Ok(_) if dismissed => "/problems".to_owned(),
        Ok(ActionResult {
            reports_now_at: Some(ids),
            ..
        }) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            format!("/messages/{id}?reports_now_at={}", ids.join(","))
        }
        Ok(ActionResult { message, .. }) | Err(OperateError::Moved(message)) => {
            format!("/messages/{message}")
        }
        Err(error) => return Err(action_error(error)),
    };
    Ok(redirect_to(url))
}

/// Not under `/callbacks`, which belongs to the providers.
pub(crate) async fn dismiss_callback(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id: CallbackId = id.parse().map_err(|_| ApiError::NotFound)?;
    let decision = decision(&services, &caller);
    dismiss::dismiss_callback(&services.store, id, &decision)
        .await
        .map_err(action_error)?;
    Ok(redirect_to("/problems".to_owned()))
}

/// Takes any input that the search box takes.
pub(crate) async fn match_orphan(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let orphan = parse_id(&id)?;
    let field = |wanted: &str| {
        form_urlencoded::parse(&form)
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let account = match services.store.find_message(orphan).await? {
        Some(Found::Message(message)) => message.account.clone(),
        Some(Found::Moved(survivor)) => return Ok(redirect_to(format!("/messages/{survivor}"))),
        None => return Err(ApiError::NotFound),
    };
    let (input, from) = (field("message_id"), MatchFormPage::parse(&field("page")));
    match find_target(&services, &account, orphan, &input).await {
        Ok(message) => run_action(&services, &caller, &id, MessageAction::Match(message)).await,
        Err(MatchTargetError::Input(error)) => {
            show_match_error(&services, &caller, from, &error).await
        }
        Err(MatchTargetError::Store(error)) => Err(error.into()),
    }
}

/// The page that contains the match form, with the error.
async fn show_match_error(
    services: &Services,
    caller: &Caller,
    from: MatchFormPage,
    error: &MatchFormError,
) -> Result<HttpResponse, ApiError> {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    if from == MatchFormPage::Problems {
        let lists = problem_items::list(services, PROBLEMS_SHOWN).await?;
        let shown = ProblemsPage::new(&lists, caller.visibility()).with_match_error(error);
        return respond_with_status(services, status, shown).await;
    }
    let Some(Found::Message(message)) = services.store.find_message(error.orphan).await? else {
        return Err(ApiError::NotFound);
    };
    let shown = message_page::load(services, caller, &message).await?;
    respond_with_status(services, status, shown.with_match_error(error)).await
}

pub(super) fn action_error(error: OperateError) -> ApiError {
    match error {
        // The account's configuration may have changed since the message was first accepted.
        OperateError::Accept(AcceptError::Invalid(errors)) => {
            let texts: Vec<String> = errors
                .into_iter()
                .map(|error| format!("{} {}", error.field, error.message))
                .collect();
            ApiError::NotPossible(texts.join("; "))
        }
        error => error.into(),
    }
}
