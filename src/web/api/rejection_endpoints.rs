//! `/api/v1/rejections`: the latest rejected requests to callback URLs.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::scope::Caller;
use crate::receiving::rejections::{MAX_KEPT, Rejection};
use crate::services::Services;
use crate::web::api::wire;
use crate::web::error::ApiError;

/// The latest rejected requests, newest first.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct RejectionListResponse {
    pub(crate) data: Vec<RejectionResponse>,
}

/// A rejected request to a callback URL.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct RejectionResponse {
    pub(crate) at: String,
    /// - `unknown_account`: the URL names no account that was ever configured
    /// - `wrong_token`: the token does not belong to the account, or its generation is retired
    /// - `wrong_report_token`: the token of a report URL is not signed with our key
    /// - `wrong_verify_token`: a subscription handshake with another verify token
    /// - `unverified`: it failed the account's authentication; stored, but not applied
    /// - `over_unverified_limit`: it failed the account's authentication, beyond the hourly limit
    ///   for such requests; not stored
    /// - `over_hourly_limit`: the account reached its hourly limit
    /// - `too_large`, `incomplete` (the body ended early) or `too_slow`
    pub(crate) cause: &'static str,
    /// The client's IP address; behind a proxy that is not in `trusted_proxies`, that of the proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// The token is masked.
    pub(crate) path: String,
    /// If the URL names an account that was ever configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
}

/// List the latest rejected requests to callback URLs, newest first
///
/// The last 1,000 since the process started; each process has its own list.
#[utoipa::path(
    get,
    path = "/api/v1/rejections",
    operation_id = "listRejections",
    responses((status = 200, body = RejectionListResponse, description = "All that are kept.")),
)]
pub(crate) async fn list(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let latest = services.ingest.rejections().latest(MAX_KEPT);
    let is_shown = |rejection: &&Rejection| match &rejection.account {
        Some(account) => caller.accounts.allows(account),
        None => !caller.accounts.is_limited(),
    };
    let data = latest.iter().filter(is_shown).map(response).collect();
    Ok(HttpResponse::Ok().json(RejectionListResponse { data }))
}

fn response(rejection: &Rejection) -> RejectionResponse {
    RejectionResponse {
        at: wire::time(rejection.at),
        cause: rejection.cause.as_str(),
        address: rejection.remote.clone(),
        path: rejection.path(),
        account: rejection.account.as_ref().map(ToString::to_string),
    }
}
