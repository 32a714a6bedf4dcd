//! The actions of operators: cancel, resend, mark as failed, match, undo a match, dismiss, resume.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::domain::scope::Caller;
use crate::operating::actions::{self, Decision, OperateError};
use crate::operating::dismiss;
use crate::operating::resend;
use crate::operating::unmatch;
use crate::services::Services;
use crate::web::api::documented_responses::{MessageMoved, NotPossible};
use crate::web::api::message_endpoints::moved;
use crate::web::api::path_parameters::{CallbackPath, MessagePath};
use crate::web::error::{ApiError, parse_json};

#[derive(Deserialize, ToSchema, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarkFailedRequest {
    /// Why, in your own words; shown on the message's page.
    pub(crate) reason: Option<String>,
}

#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchRequest {
    /// The message that the orphan's reports are about.
    pub(crate) message_id: Uuid,
}

/// The message that the action changed or created.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct DecidedResponse {
    pub(crate) id: Uuid,
    /// The state now.
    pub(crate) state: &'static str,
    /// After `undoMatch`: the messages and orphans that hold the reports now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reports_now_at: Option<Vec<Uuid>>,
}

/// Cancel a message that is not submitted yet
#[utoipa::path(
    post,
    path = "/api/v1/messages/{id}/cancel",
    operation_id = "cancelMessage",
    params(MessagePath),
    responses((status = 200, body = DecidedResponse, description = "Done, and recorded in the audit log."), MessageMoved, NotPossible),
)]
pub(crate) async fn cancel(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = parse_id(&id)?;
    let done = actions::cancel(&services.store, id, &decision(&services, &caller)).await;
    answer(&services, &request, done.map(|()| id)).await
}

/// Send a message again, as a new message
///
/// Once per message; `id` is the id of the new message.
#[utoipa::path(
    post,
    path = "/api/v1/messages/{id}/resend",
    operation_id = "resendMessage",
    params(MessagePath),
    responses((status = 200, body = DecidedResponse, description = "Done, and recorded in the audit log."), MessageMoved, NotPossible),
)]
pub(crate) async fn resend(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = parse_id(&id)?;
    let done = resend::resend(
        &services.store,
        &services.acceptor,
        id,
        &decision(&services, &caller),
    )
    .await;
    services.accepted.notify_one();
    answer(&services, &request, done).await
}

/// Declare that a message will not arrive
#[utoipa::path(
    post,
    path = "/api/v1/messages/{id}/mark-failed",
    operation_id = "markMessageFailed",
    params(MessagePath),
    request_body = Option<MarkFailedRequest>,
    responses((status = 200, body = DecidedResponse, description = "Done, and recorded in the audit log."), MessageMoved, NotPossible),
)]
pub(crate) async fn mark_failed(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let id = parse_id(&id)?;
    let marking = if body.is_empty() {
        MarkFailedRequest::default()
    } else {
        parse_json(&body)?
    };
    if marking
        .reason
        .as_ref()
        .is_some_and(|reason| reason.chars().count() > 1000 || reason.contains('\0'))
    {
        return Err(ApiError::field(
            "reason",
            "is longer than 1000 characters, or holds a NUL",
        ));
    }
    let reason = marking.reason.as_deref();
    let done =
        actions::mark_failed(&services.store, id, reason, &decision(&services, &caller)).await;
    answer(&services, &request, done.map(|()| id)).await
}

/// Undo the match of reports with a message
///
/// Whether the recipient or an operator matched them: every callback about the message is
/// processed again, and its recipient never matches it again. `reports_now_at` names the messages
/// and orphans that hold the reports now.
#[utoipa::path(
    post,
    path = "/api/v1/messages/{id}/unmatch",
    operation_id = "undoMatch",
    params(MessagePath),
    responses((status = 200, body = DecidedResponse, description = "Done, and recorded in the audit log."), MessageMoved, NotPossible),
)]
pub(crate) async fn unmatch(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = parse_id(&id)?;
    let done = unmatch::unmatch(&services, id, &decision(&services, &caller)).await;
    let now_at = done.as_ref().ok().cloned();
    let done = done.map(|_| id);
    answer_with(&services, &request, done, now_at).await
}

/// Dismiss contradicting or unmatched reports from the problems
///
/// For reports that nobody can resolve. A new report makes the message a problem again.
#[utoipa::path(
    post,
    path = "/api/v1/messages/{id}/put-aside",
    operation_id = "putMessageAside",
    params(MessagePath),
    responses((status = 200, body = DecidedResponse, description = "Done, and recorded in the audit log."), MessageMoved, NotPossible),
)]
pub(crate) async fn dismiss_message(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = parse_id(&id)?;
    let decision = decision(&services, &caller);
    let done = dismiss::dismiss_message(&services.store, id, &decision).await;
    answer(&services, &request, done.map(|()| id)).await
}

/// Dismiss the quarantined parts of a callback from the problems
#[utoipa::path(
    post,
    path = "/api/v1/callbacks/{id}/put-aside",
    operation_id = "putCallbackAside",
    params(CallbackPath),
    responses((status = 204, description = "Done, and recorded in the audit log.")),
)]
pub(crate) async fn dismiss_callback(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id: CallbackId = id.parse().map_err(|_| ApiError::NotFound)?;
    let decision = decision(&services, &caller);
    dismiss::dismiss_callback(&services.store, id, &decision).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Match the reports of an orphan with a message
#[utoipa::path(
    post,
    path = "/api/v1/orphans/{id}/match",
    operation_id = "matchOrphan",
    params(("id" = String, Path, description = "The id of the orphan, a UUID; also after adoption.")),
    request_body = MatchRequest,
    responses((status = 200, body = DecidedResponse, description = "The message, with the reports of the orphan."), MessageMoved, NotPossible),
)]
pub(crate) async fn match_orphan(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let id = parse_id(&id)?;
    let matching: MatchRequest = parse_json(&body)?;
    let message = MessageId::from(matching.message_id);
    let done =
        actions::match_orphan(&services.store, id, message, &decision(&services, &caller)).await;
    answer(&services, &request, done.map(|()| message)).await
}

/// Resume sending for a paused account
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/resume",
    operation_id = "resumeAccount",
    params(("id" = String, Path, description = "The id of the account.")),
    responses((status = 204, description = "Done, and recorded in the audit log."), NotPossible),
)]
pub(crate) async fn resume(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id: AccountId = id.parse().map_err(|_| ApiError::NotFound)?;
    actions::resume(&services.store, &id, &decision(&services, &caller)).await?;
    services.accepted.notify_one();
    Ok(HttpResponse::NoContent().finish())
}

fn parse_id(text: &str) -> Result<MessageId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound)
}

pub(crate) fn decision<'a>(services: &Services, caller: &'a Caller) -> Decision<'a> {
    Decision {
        actor: &caller.name,
        now: services.clock.now(),
    }
}

async fn answer(
    services: &Services,
    request: &HttpRequest,
    done: Result<MessageId, OperateError>,
) -> Result<HttpResponse, ApiError> {
    answer_with(services, request, done, None).await
}

async fn answer_with(
    services: &Services,
    request: &HttpRequest,
    done: Result<MessageId, OperateError>,
    reports_now_at: Option<Vec<MessageId>>,
) -> Result<HttpResponse, ApiError> {
    let id = match done {
        Ok(id) => id,
        Err(OperateError::Moved(survivor)) => return Ok(moved(request, survivor)),
        Err(error) => return Err(error.into()),
    };
    match services.store.find_message(id).await? {
        Some(crate::store::messages::Found::Message(message)) => {
            Ok(HttpResponse::Ok().json(DecidedResponse {
                id: id.uuid(),
                state: message.state.as_str(),
                reports_now_at: reports_now_at
                    .map(|ids| ids.into_iter().map(MessageId::uuid).collect()),
            }))
        }
        _ => Err(ApiError::NotFound),
    }
}
