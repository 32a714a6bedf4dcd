//! The actions of operators: cancel, resend, mark as failed, match, undo a match, dismiss.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::scope::Caller;
use crate::operating::action_context::ActionContext;
use crate::operating::message_actions::dismiss;
use crate::operating::message_actions::{self, MessageAction};
use crate::services::Services;
use crate::store::messages::FoundMessage;
use crate::web::api::documented_responses::{MessageMoved, NotPossible};
use crate::web::api::find_message::{FindMessageError, parse_id};
use crate::web::api::path_parameters::{CallbackPath, MessagePath, OrphanPath};
use crate::web::api::resend_body::{self, ResendFileForm, ResendMessageRequest};
use crate::web::error::ApiError;
use crate::web::request_parsing::parse_json;

#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarkFailedRequest {
    /// Shown on the message's page.
    #[schema(max_length = 1000, pattern = "^[^\\x00]*$")]
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
) -> Result<HttpResponse, FindMessageError> {
    let id = parse_id(&id)?;
    run(&services, &caller, &request, id, MessageAction::Cancel).await
}

/// Send a message again, as a new message
///
/// With other media if given: by JSON, or a file as multipart/form-data. Once per message; `id` is
/// the id of the new message.
#[utoipa::path(
    post,
    path = "/api/v1/messages/{id}/resend",
    operation_id = "resendMessage",
    params(MessagePath),
    request_body(content((Option<ResendMessageRequest> = "application/json"), (inline(ResendFileForm) = "multipart/form-data"))),
    responses((status = 200, body = DecidedResponse, description = "Done, and recorded in the audit log."), MessageMoved, NotPossible),
)]
pub(crate) async fn resend(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, FindMessageError> {
    let id = parse_id(&id)?;
    let (media, _file) = resend_body::receive(&services, &request, payload).await?;
    let action = MessageAction::Resend { media };
    run(&services, &caller, &request, id, action).await
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
) -> Result<HttpResponse, FindMessageError> {
    let id = parse_id(&id)?;
    let reason = if body.is_empty() {
        None
    } else {
        parse_json::<MarkFailedRequest>(&body)?.reason
    };
    let reason = check_reason(reason)?;
    let action = MessageAction::MarkFailed { reason };
    run(&services, &caller, &request, id, action).await
}

/// Checks the reason why a message is marked as failed.
pub(crate) fn check_reason(reason: Option<String>) -> Result<Option<String>, ApiError> {
    let is_invalid = |reason: &String| reason.chars().count() > 1000 || reason.contains('\0');
    if reason.as_ref().is_some_and(is_invalid) {
        let message = "is longer than 1000 characters, or contains a NUL character";
        return Err(ApiError::field("reason", message));
    }
    Ok(reason)
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
) -> Result<HttpResponse, FindMessageError> {
    let id = parse_id(&id)?;
    run(&services, &caller, &request, id, MessageAction::Unmatch).await
}

/// Dismiss contradicting or unmatched reports from the problems
///
/// For reports that cannot be resolved. A new report makes the message a problem again.
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
) -> Result<HttpResponse, FindMessageError> {
    let id = parse_id(&id)?;
    run(&services, &caller, &request, id, MessageAction::Dismiss).await
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
    let context = action_context(&services, &caller);
    dismiss::dismiss_callback(&services.store, id, &context).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Match the reports of an orphan with a message
#[utoipa::path(
    post,
    path = "/api/v1/orphans/{id}/match",
    operation_id = "matchOrphan",
    params(OrphanPath),
    request_body = MatchRequest,
    responses((status = 200, body = DecidedResponse, description = "The message, with the reports of the orphan."), MessageMoved, NotPossible),
)]
pub(crate) async fn match_orphan(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, FindMessageError> {
    let id = parse_id(&id)?;
    let matching: MatchRequest = parse_json(&body)?;
    let action = MessageAction::Match(matching.message_id.into());
    run(&services, &caller, &request, id, action).await
}

pub(crate) fn action_context<'a>(services: &Services, caller: &'a Caller) -> ActionContext<'a> {
    ActionContext {
        actor: caller.actor(),
        now: services.clock.now(),
    }
}

async fn run(
    services: &Services,
    caller: &Caller,
    request: &HttpRequest,
    id: MessageId,
    action: MessageAction,
) -> Result<HttpResponse, FindMessageError> {
    let done = message_actions::run(services, id, action, &action_context(services, caller))
        .await
        .map_err(|error| FindMessageError::from_action(request, error))?;
    let Some(FoundMessage::Message(message)) = services.store.find_message(done.message).await?
    else {
        return Err(ApiError::NotFound.into());
    };
    Ok(HttpResponse::Ok().json(DecidedResponse {
        id: done.message.uuid(),
        state: message.state.as_str(),
        reports_now_at: done
            .reports_moved_to
            .map(|ids| ids.into_iter().map(MessageId::uuid).collect()),
    }))
}
