//! `/api/v1/problems/{kind}`: the things behind one of the counts, with why it is a problem and what to do next.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::delivery::problems::{self, Items, Orphan, ProblemKind};
use crate::delivery::services::Services;
use crate::domain::access::{Caller, Scope, Visibility};
use crate::domain::message::Message;
use crate::store::callbacks::CallbackOutcome;
use crate::store::problems::{IdConflict, QuarantinedPart};
use crate::web::api::parameters::{Parameters, pairs};
use crate::web::api::wire;
use crate::web::error::ApiError;

/// One kind of problem.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ProblemListResponse {
    /// As `/problems` names it.
    pub(crate) kind: String,
    /// How many there are, listed or not.
    pub(crate) count: u64,
    pub(crate) why: &'static str,
    pub(crate) next_step: &'static str,
    /// The newest; always empty for `rejected`, of which nothing is kept.
    pub(crate) data: Vec<ProblemItemResponse>,
}

/// One thing that needs a person; what it is about depends on the kind.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ProblemItemResponse {
    pub(crate) account: String,
    /// The message, the orphan, or the message that keeps an id claimed twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<Uuid>,
    /// The message that claims the id, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) claimant_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callback_id: Option<Uuid>,
    /// Which part of the callback, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) part: Option<i32>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// Since when, or when it came.
    pub(crate) at: String,
}

/// `GET /problems/{kind}`
pub(crate) async fn list(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    kind: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let mut parameters = Parameters::read(&pairs(request.query_string()), &["limit"]);
    let limit = parameters.limit();
    let limit = parameters.finish(limit)?;
    let kind = ProblemKind::ALL
        .into_iter()
        .find(|known| key(*known) == *kind)
        .ok_or(ApiError::NotFound)?;
    let found = problems::find(&services, kind, limit).await?;
    Ok(HttpResponse::Ok().json(ProblemListResponse {
        kind: key(kind),
        count: found.count,
        why: kind.why(),
        next_step: kind.next_step(),
        data: data(found.items, caller.visibility()),
    }))
}

/// The key of the kind's count.
fn key(kind: ProblemKind) -> String {
    kind.as_str().replace('-', "_")
}

fn data(items: Items, visibility: Visibility) -> Vec<ProblemItemResponse> {
    match items {
        Items::Accounts(paused) => paused
            .into_iter()
            .map(|(account, pause)| ProblemItemResponse {
                detail: Some(visibility.words(&pause.reason)),
                ..item(&account, pause.since)
            })
            .collect(),
        Items::Messages(messages) => messages.iter().map(of_message).collect(),
        Items::Orphans(orphans) => orphans.iter().map(|one| orphan(one, visibility)).collect(),
        Items::IdConflicts(conflicts) => conflicts
            .iter()
            .map(|one| id_conflict(one, visibility))
            .collect(),
        Items::Quarantine(parts) => parts.iter().map(|one| part(one, visibility)).collect(),
        Items::Callbacks(callbacks) => callbacks
            .iter()
            .map(|one| callback(one, visibility))
            .collect(),
        Items::Nothing => Vec::new(),
    }
}

fn item(account: &impl ToString, at: DateTime<Utc>) -> ProblemItemResponse {
    ProblemItemResponse {
        account: account.to_string(),
        message_id: None,
        claimant_id: None,
        provider_id: None,
        callback_id: None,
        part: None,
        detail: None,
        at: wire::time(at),
    }
}

fn of_message(message: &Message) -> ProblemItemResponse {
    ProblemItemResponse {
        message_id: Some(message.id.uuid()),
        ..item(&message.account, message.created_at)
    }
}

fn orphan(orphan: &Orphan, visibility: Visibility) -> ProblemItemResponse {
    ProblemItemResponse {
        provider_id: orphan.ids.first().map(|id| visibility.id(id)),
        ..of_message(&orphan.message)
    }
}

fn id_conflict(conflict: &IdConflict, visibility: Visibility) -> ProblemItemResponse {
    ProblemItemResponse {
        message_id: Some(conflict.message.uuid()),
        claimant_id: Some(conflict.claimant.uuid()),
        provider_id: Some(visibility.id(&conflict.provider_id)),
        ..item(&conflict.account, conflict.seen_at)
    }
}

fn part(part: &QuarantinedPart, visibility: Visibility) -> ProblemItemResponse {
    ProblemItemResponse {
        callback_id: Some(part.callback.uuid()),
        part: Some(part.part),
        detail: Some(visibility.words(&part.reason)),
        ..item(&part.account, part.quarantined_at)
    }
}

fn callback(callback: &CallbackOutcome, visibility: Visibility) -> ProblemItemResponse {
    ProblemItemResponse {
        callback_id: Some(callback.callback.uuid()),
        detail: callback
            .detail
            .as_deref()
            .map(|words| visibility.words(words)),
        ..item(&callback.account, callback.received_at)
    }
}
