//! What a person may decide: cancel, resend, give up, match and undo it, resume.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::domain::scope::{Caller, Scope};
use crate::operating::actions::{self, Decision, OperateError};
use crate::operating::dismiss;
use crate::operating::unmatch;
use crate::services::Services;
use crate::web::api::message_endpoints::moved;
use crate::web::error::{ApiError, parse_json};

/// `POST /messages/{id}/mark-failed`
#[derive(Deserialize, ToSchema, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarkFailedRequest {
    /// Why, in your own words; shown on the message's page.
    pub(crate) reason: Option<String>,
}

/// `POST /orphans/{id}/match`
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchRequest {
    /// The message that the orphan's reports are about.
    pub(crate) message_id: Uuid,
}

/// The message that a decision was about, or made.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct DecidedResponse {
    pub(crate) id: Uuid,
    /// The state now.
    pub(crate) state: &'static str,
    /// After the undoing of a match: the messages and orphans that the reports are told of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reports_now_at: Option<Vec<Uuid>>,
}

/// `POST /messages/{id}/cancel`
pub(crate) async fn cancel(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    let id = parse_id(&id)?;
    let done = actions::cancel(&services.store, id, &decision(&services, &caller)).await;
    answer(&services, &request, done.map(|()| id)).await
}

/// `POST /messages/{id}/resend`
pub(crate) async fn resend(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    let id = parse_id(&id)?;
    let done = actions::resend(
        &services.store,
        &services.acceptor,
        id,
        &decision(&services, &caller),
    )
    .await;
    services.accepted.notify_one();
    answer(&services, &request, done).await
}

/// `POST /messages/{id}/mark-failed`
pub(crate) async fn mark_failed(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
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

/// `POST /messages/{id}/unmatch`
pub(crate) async fn unmatch(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    let id = parse_id(&id)?;
    let done = unmatch::unmatch(&services, id, &decision(&services, &caller)).await;
    let now_at = done.as_ref().ok().cloned();
    let done = done.map(|_| id);
    answer_with(&services, &request, done, now_at).await
}

/// `POST /messages/{id}/put-aside`
pub(crate) async fn put_message_aside(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    let id = parse_id(&id)?;
    let decision = decision(&services, &caller);
    let done = dismiss::put_message_aside(&services.store, id, &decision).await;
    answer(&services, &request, done.map(|()| id)).await
}

/// `POST /callbacks/{id}/put-aside`
pub(crate) async fn put_callback_aside(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    let id: CallbackId = id.parse().map_err(|_| ApiError::NotFound)?;
    let decision = decision(&services, &caller);
    dismiss::put_callback_aside(&services.store, id, &decision).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /orphans/{id}/match`
pub(crate) async fn match_orphan(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    let id = parse_id(&id)?;
    let matching: MatchRequest = parse_json(&body)?;
    let message = MessageId::from(matching.message_id);
    let done =
        actions::match_orphan(&services.store, id, message, &decision(&services, &caller)).await;
    answer(&services, &request, done.map(|()| message)).await
}

/// `POST /accounts/{id}/resume`
pub(crate) async fn resume(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
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
