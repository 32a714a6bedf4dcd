//! `/api/v1/messages/{id}/explain`: why a message's state is what it is, as JSON or as text.

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
use crate::web::api::message_endpoints::{find, moved};
use crate::web::api::path_parameters::MessagePath;
use crate::web::error::ApiError;

/// Why a message's state is what it is.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ExplanationResponse {
    pub(crate) id: Uuid,
    pub(crate) state: &'static str,
    /// One or two sentences that stand alone.
    pub(crate) summary: String,
    /// Which facts, and which rule.
    pub(crate) because: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<FailureWordsResponse>,
    /// What happens by itself, and what you can do.
    pub(crate) what_next: Vec<String>,
}

/// A failure in the provider's words and in ours.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct FailureWordsResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// The provider's own words.
    pub(crate) words: String,
    pub(crate) class: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) action: &'static str,
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
) -> Result<HttpResponse, ApiError> {
    let message = match find(&services, &id).await? {
        Ok(message) => message,
        Err(survivor) => return Ok(moved(&request, survivor)),
    };
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

/// Whoever names `text/plain` and not JSON reads with their own eyes.
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
