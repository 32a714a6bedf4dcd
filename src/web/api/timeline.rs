//! `/api/v1/messages/{id}/timeline`: facts, attempts and decisions by our clock, with both clocks shown.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::domain::scope::{Caller, Scope, Visibility};
use crate::services::Services;
use crate::web::api::messages::{find, moved};
use crate::web::api::wire::{self, ListResponse};
use crate::web::error::ApiError;

/// One line of a timeline.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct TimelineResponse {
    /// Our clock.
    pub(crate) at: String,
    /// The provider's clock, where it named a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) occurred_at: Option<String>,
    /// `stage`, `failure`, `other`, `attempt` or `action`.
    pub(crate) kind: &'static str,
    /// The stage, the unknown word, the attempt's outcome or the action's verb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) word: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// The participant or number that the report named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recipient: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callback_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
}

/// `GET /messages/{id}/timeline`
pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let message = match find(&services, &id).await? {
        Ok(message) => message,
        Err(survivor) => return Ok(moved(&request, survivor)),
    };
    let visibility = caller.visibility();
    let words = |text: Option<&str>| text.map(|text| visibility.mask_text(text));
    let mut lines: Vec<(DateTime<Utc>, TimelineResponse)> = Vec::new();
    for receipt in services.store.list_receipts(message.id).await? {
        lines.push((receipt.received_at, fact_line(&receipt, visibility)));
    }
    for attempt in services.store.list_attempts(message.id).await? {
        let line = TimelineResponse {
            word: Some(attempt.outcome.as_str().to_owned()),
            detail: words(attempt.detail.as_deref()),
            ..bare(attempt.started_at, "attempt")
        };
        lines.push((attempt.started_at, line));
    }
    for action in services.store.list_actions_of(message.id).await? {
        let line = TimelineResponse {
            word: Some(action.verb.as_str().to_owned()),
            detail: words(action.detail.as_deref()),
            actor: Some(action.actor.clone()),
            ..bare(action.happened_at, "action")
        };
        lines.push((action.happened_at, line));
    }
    lines.sort_by_key(|(at, _)| *at);
    let data: Vec<TimelineResponse> = lines.into_iter().map(|(_, line)| line).collect();
    Ok(HttpResponse::Ok().json(ListResponse {
        data,
        next_cursor: None,
    }))
}

fn fact_line(receipt: &Receipt, visibility: Visibility) -> TimelineResponse {
    let words = |text: &Option<String>| text.as_deref().map(|text| visibility.mask_text(text));
    let shown = |text: &str| wire::recipient_text(text, visibility);
    let line = TimelineResponse {
        occurred_at: receipt.reported_time().map(wire::time),
        recipient: receipt.recipient.as_deref().map(shown),
        callback_id: (receipt.source_kind == SourceKind::Callback).then_some(receipt.source),
        ..bare(receipt.received_at, "other")
    };
    match &receipt.event {
        ReceiptEvent::Stage(stage) => TimelineResponse {
            kind: "stage",
            word: Some(stage.as_str().to_owned()),
            ..line
        },
        ReceiptEvent::Failure(failure) => TimelineResponse {
            kind: "failure",
            code: failure
                .code
                .as_deref()
                .map(|code| visibility.mask_code(code)),
            title: words(&failure.title),
            detail: words(&failure.detail),
            ..line
        },
        ReceiptEvent::Other(word) => TimelineResponse {
            word: Some(visibility.mask_text(word)),
            ..line
        },
    }
}

fn bare(at: DateTime<Utc>, kind: &'static str) -> TimelineResponse {
    TimelineResponse {
        at: wire::time(at),
        occurred_at: None,
        kind,
        word: None,
        code: None,
        title: None,
        detail: None,
        recipient: None,
        callback_id: None,
        actor: None,
    }
}
