//! `/api/v1/orphans/put-aside`: dismiss the orphans of an account and time, or count them.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::AccountId;
use crate::domain::scope::Caller;
use crate::operating::dismiss_orphans::{
    DismissalMode, OrphanSelection, ReceptionPeriod, dismiss_orphans,
};
use crate::reporting::query_values::parse_instant;
use crate::services::Services;
use crate::web::api::account_check::require_account;
use crate::web::api::action_endpoints::action_context;
use crate::web::error::ApiError;
use crate::web::problem_json::FieldError;
use crate::web::request_parsing::parse_json;

/// Which orphans to dismiss, by the time their first report was received.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct DismissOrphansRequest {
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    pub(crate) account: String,
    #[schema(format = DateTime)]
    pub(crate) received_after: Option<String>,
    /// Until now if absent.
    #[schema(format = DateTime)]
    pub(crate) received_before: Option<String>,
    /// Count them, and dismiss none.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// How many orphans were dismissed, or would be.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct DismissOrphansResponse {
    pub(crate) dry_run: bool,
    pub(crate) orphans: u64,
}

/// Dismiss the orphans of an account from the problems, or count them
///
/// They never become observed messages. A new report on one of them lists it again. Recorded in the
/// audit log.
#[utoipa::path(
    post,
    path = "/api/v1/orphans/put-aside",
    operation_id = "putOrphansAside",
    request_body = DismissOrphansRequest,
    responses((status = 200, body = DismissOrphansResponse, description = "How many.")),
)]
pub(crate) async fn run(
    services: web::Data<Services>,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let request: DismissOrphansRequest = parse_json(&body)?;
    require_account(&caller, &request.account)?;
    let dry_run = request.dry_run;
    let mode = if dry_run {
        DismissalMode::Count
    } else {
        DismissalMode::Apply
    };
    let (selection, context) = (selection(&request)?, action_context(&services, &caller));
    let store = &services.store;
    let orphans = dismiss_orphans(store, &selection, mode, &context, &mut |_| {}).await?;
    Ok(HttpResponse::Ok().json(DismissOrphansResponse { dry_run, orphans }))
}

fn selection(request: &DismissOrphansRequest) -> Result<OrphanSelection, ApiError> {
    let mut errors = Vec::new();
    let account: Option<AccountId> = request
        .account
        .parse()
        .map_err(|error: <AccountId as std::str::FromStr>::Err| {
            errors.push(FieldError::new("account", error.to_string()));
        })
        .ok();
    let mut instant = |field: &str, text: Option<&String>| {
        parse_instant(text?)
            .map_err(|words| errors.push(FieldError::new(field, words)))
            .ok()
    };
    let received_after = instant("received_after", request.received_after.as_ref());
    let received_before = instant("received_before", request.received_before.as_ref());
    match account {
        Some(account) if errors.is_empty() => Ok(OrphanSelection::Received(ReceptionPeriod {
            account,
            received_after,
            received_before,
        })),
        _ => Err(ApiError::Invalid(errors)),
    }
}
