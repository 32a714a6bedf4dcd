//! `/api/v1/messages/{id}/timeline`: receipts, attempts and actions, ordered by our clock.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use crate::domain::scope::{Caller, Visibility};
use crate::reporting::message_history::{MessageHistory, TimelineEvent};
use crate::services::Services;
use crate::web::api::documented_responses::MessageMoved;
use crate::web::api::find_message::{FindMessageError, find};
use crate::web::api::list_response::list_response;
use crate::web::api::path_parameters::MessagePath;
use crate::web::api::wire;
use crate::web::api::wire::message_parts::PricingResponse;

/// One line of a timeline.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct TimelineResponse {
    /// By our clock.
    pub(crate) at: String,
    /// By the provider's clock, if it reported a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) occurred_at: Option<String>,
    /// Why `occurred_at` is not used: it is more than five minutes after `at`, or before 2009.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_problem: Option<String>,
    /// `stage`, `failure`, `other`, `notice`, `attempt` or `action`.
    pub(crate) kind: &'static str,
    /// The stage, the unknown status, the notice, the attempt's outcome or the action's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) word: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// The price in the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pricing: Option<PricingResponse>,
    /// The participant or number that the report named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recipient: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) callback_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
}

list_response!(TimelineListResponse, TimelineResponse);

/// List the receipts, attempts and actions of a message, ordered by our clock
#[utoipa::path(
    get,
    path = "/api/v1/messages/{id}/timeline",
    operation_id = "showTimeline",
    params(MessagePath),
    responses((status = 200, body = TimelineListResponse, description = "All entries, oldest first."), MessageMoved),
)]
pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, FindMessageError> {
    let message = find(&services, &request, &id).await?;
    let history = MessageHistory::load(&services.store, message.id).await?;
    let visibility = caller.visibility();
    let data: Vec<TimelineResponse> = history
        .timeline()
        .into_iter()
        .map(|event| match event {
            TimelineEvent::Attempt(attempt) => TimelineResponse {
                word: Some(attempt.outcome.as_str().to_owned()),
                detail: masked(attempt.detail.as_deref(), visibility),
                ..empty_line(attempt.started_at, "attempt")
            },
            TimelineEvent::Action(action) => TimelineResponse {
                word: Some(action.kind.as_str().to_owned()),
                detail: masked(action.detail.as_deref(), visibility),
                actor: Some(action.actor.clone()),
                ..empty_line(action.happened_at, "action")
            },
            TimelineEvent::Receipt { receipt, .. } => receipt_line(receipt, visibility),
        })
        .collect();
    Ok(HttpResponse::Ok().json(TimelineListResponse {
        data,
        next_cursor: None,
    }))
}

fn receipt_line(receipt: &Receipt, visibility: Visibility) -> TimelineResponse {
    let shown = |text: &str| wire::recipient_text(text, visibility);
    let line = TimelineResponse {
        occurred_at: receipt.reported_time().map(wire::time),
        pricing: PricingResponse::as_reported(&receipt.pricing, visibility),
        time_problem: receipt.time_problem().map(|problem| problem.to_string()),
        recipient: receipt.recipient.as_deref().map(shown),
        callback_id: (receipt.source_kind == SourceKind::Callback).then_some(receipt.source),
        ..empty_line(receipt.received_at, "other")
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
            title: masked(failure.title.as_deref(), visibility),
            detail: masked(failure.detail.as_deref(), visibility),
            ..line
        },
        ReceiptEvent::Other(word) => TimelineResponse {
            word: Some(visibility.mask_text(word)),
            ..line
        },
        ReceiptEvent::Notice(text) => TimelineResponse {
            kind: "notice",
            word: Some(visibility.mask_text(text)),
            ..line
        },
    }
}

fn masked(text: Option<&str>, visibility: Visibility) -> Option<String> {
    text.map(|text| visibility.mask_text(text))
}

fn empty_line(at: DateTime<Utc>, kind: &'static str) -> TimelineResponse {
    TimelineResponse {
        at: wire::time(at),
        occurred_at: None,
        pricing: None,
        time_problem: None,
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
