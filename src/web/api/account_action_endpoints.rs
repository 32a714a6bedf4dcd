//! Pausing and resuming an account.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::ids::AccountId;
use crate::domain::scope::Caller;
use crate::operating::account_actions;
use crate::services::Services;
use crate::web::api::action_endpoints::action_context;
use crate::web::api::documented_responses::NotPossible;
use crate::web::api::path_parameters::AccountPath;
use crate::web::error::ApiError;
use crate::web::request_parsing::parse_json;

#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct PauseRequest {
    /// Shown wherever messages of the account wait.
    #[schema(max_length = 1000, pattern = "^[^\\x00]*$")]
    pub(crate) reason: Option<String>,
}

/// Pause sending for an account; its messages stay queued
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/pause",
    operation_id = "pauseAccount",
    params(AccountPath),
    request_body = Option<PauseRequest>,
    responses((status = 204, description = "Done, and recorded in the audit log."), NotPossible),
)]
pub(crate) async fn pause(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let id: AccountId = id.parse().map_err(|_| ApiError::NotFound)?;
    let reason = if body.is_empty() {
        None
    } else {
        parse_json::<PauseRequest>(&body)?.reason
    };
    let reason = account_actions::check_reason(reason)
        .map_err(|message| ApiError::field("reason", message))?;
    let context = action_context(&services, &caller);
    account_actions::pause(&services.store, &id, &reason, &context).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Resume sending for a paused or tripped account
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{id}/resume",
    operation_id = "resumeAccount",
    params(AccountPath),
    responses((status = 204, description = "Done, and recorded in the audit log."), NotPossible),
)]
pub(crate) async fn resume(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id: AccountId = id.parse().map_err(|_| ApiError::NotFound)?;
    account_actions::resume(&services.store, &id, &action_context(&services, &caller)).await?;
    services.dispatch_wakeup.notify_one();
    Ok(HttpResponse::NoContent().finish())
}
