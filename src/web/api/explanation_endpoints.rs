//! `/api/v1/messages/{id}/explain`: explains the state of a message, as JSON or as text.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::ids::MessageId;
use crate::domain::scope::Caller;
use crate::operating::explain::{ExplainedFailure, Explanation, explain_message};
use crate::services::Services;
use crate::web::api::documented_responses::MessageMoved;
use crate::web::api::find_message::{FindMessageError, find};
use crate::web::api::path_parameters::MessagePath;

/// Why a message is in its state.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ExplanationResponse {
    pub(crate) id: Uuid,
    pub(crate) state: &'static str,
    /// One or two complete sentences.
    pub(crate) summary: String,
    /// The receipts and the rule that lead to the state.
    pub(crate) because: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<FailureWordsResponse>,
    /// What happens automatically, and what you can do.
    pub(crate) what_next: Vec<String>,
}

/// A failure as the provider reported it, and what it means.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct FailureWordsResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// As the provider reported it.
    pub(crate) words: String,
    pub(crate) class: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) action: String,
}

/// Explain the state of a message
///
/// As text for `Accept: text/plain`.
#[utoipa::path(
    get,
    path = "/api/v1/messages/{id}/explain",
    operation_id = "explainMessage",
    params(MessagePath),
    responses((status = 200, body = ExplanationResponse, description = "The explanation."), MessageMoved),
)]
pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, FindMessageError> {
    let message = find(&services, &request, &id).await?;
    let explanation = explain_message(&services, &message, caller.visibility()).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::VARY, "Accept"));
    if prefers_text(&request) {
        return Ok(response
            .insert_header(header::ContentType::plaintext())
            .body(explanation.text()));
    }
    Ok(response.json(json(message.id, explanation)))
}

fn prefers_text(request: &HttpRequest) -> bool {
    let accepted = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accepted.contains("text/plain") && !accepted.contains("json")
}

fn json(id: MessageId, explanation: Explanation) -> ExplanationResponse {
    ExplanationResponse {
        id: id.uuid(),
        state: explanation.state.as_str(),
        summary: explanation.summary,
        because: explanation.because,
        failure: explanation.failure.map(failure),
        what_next: explanation.what_next,
    }
}

fn failure(words: ExplainedFailure) -> FailureWordsResponse {
    FailureWordsResponse {
        code: words.code,
        words: words.words,
        class: words.class.as_str(),
        meaning: words.meaning,
        action: words.action,
    }
}
