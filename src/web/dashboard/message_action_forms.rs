//! The forms that act on one message or callback. Each runs one action and redirects to the page that
//! shows the result.
//!
//! `web::auth` checks that the POST comes from our own pages.

use actix_web::{HttpResponse, web};

use crate::domain::ids::CallbackId;
use crate::domain::scope::Caller;
use crate::operating::action_context::ActionError;
use crate::operating::message_actions::dismiss;
use crate::operating::message_actions::{self, ActionResult, MessageAction};
use crate::sending::accept::AcceptError;
use crate::services::Services;
use crate::web::api::action_endpoints::action_context;
use crate::web::api::find_message::parse_id;
use crate::web::dashboard::page_response::redirect_to;
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

pub(super) async fn run_action(
    services: &Services,
    caller: &Caller,
    id: &str,
    action: MessageAction,
) -> Result<HttpResponse, ApiError> {
    let id = parse_id(id)?;
    let dismissed = matches!(action, MessageAction::Dismiss);
    let done = message_actions::run(services, id, action, &action_context(services, caller)).await;
    let url = match done {
        Ok(_) if dismissed => "/problems".to_owned(),
        Ok(ActionResult {
            reports_moved_to: Some(ids),
            ..
        }) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            format!("/messages/{id}?reports_now_at={}", ids.join(","))
        }
        Ok(ActionResult { message, .. }) | Err(ActionError::Merged(message)) => {
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
    let context = action_context(&services, &caller);
    dismiss::dismiss_callback(&services.store, id, &context)
        .await
        .map_err(action_error)?;
    Ok(redirect_to("/problems".to_owned()))
}

pub(super) fn action_error(error: ActionError) -> ApiError {
    match error {
        // The account's configuration may have changed since the message was first accepted.
        ActionError::Accept(AcceptError::Invalid(errors)) => {
            let texts: Vec<String> = errors
                .into_iter()
                .map(|error| format!("{} {}", error.field, error.message))
                .collect();
            ApiError::NotPossible(texts.join("; "))
        }
        error => error.into(),
    }
}
