//! `/api/v1/accounts`: the health of each account, and how its provider is set up.

use actix_web::{HttpResponse, web};

use crate::domain::provider_account::AccountMode;
use crate::domain::scope::{Caller, Visibility};
use crate::providers;
use crate::reporting::account_health::{self, AccountStatus, Health};
use crate::services::Services;
use crate::web::api::list_response::list_response;
use crate::web::api::wire;
use crate::web::api::wire::account_response::{
    AccountResponse, AccountWarningResponse, CapabilitiesResponse, LastHourResponse,
};
use crate::web::error::ApiError;

list_response!(AccountListResponse, AccountResponse);

/// List accounts with their health
#[utoipa::path(
    get,
    path = "/api/v1/accounts",
    operation_id = "listAccounts",
    responses((status = 200, body = AccountListResponse, description = "All accounts.")),
)]
pub(crate) async fn list(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let statuses = account_health::list_accounts(&services).await?;
    let data = statuses
        .iter()
        .filter(|status| caller.accounts.allows(&status.id))
        .map(|status| account_response(status, caller.visibility()))
        .collect();
    Ok(HttpResponse::Ok().json(AccountListResponse {
        data,
        next_cursor: None,
    }))
}

fn account_response(status: &AccountStatus, visibility: Visibility) -> AccountResponse {
    let shown = visibility == Visibility::Full;
    let url = if shown {
        status.callback_url.as_str()
    } else {
        "<callback URL>"
    };
    let steps = providers::get(status.provider).setup();
    let pause = match &status.health {
        Health::Paused(pause) => Some(pause),
        _ => None,
    };
    let trip = match &status.health {
        Health::Tripped(trip) => Some(trip),
        _ => None,
    };
    let slowdown = status.slowdown.as_ref();
    AccountResponse {
        trip_reason: trip.map(|trip| trip.reason.clone()),
        tripped_since: trip.map(|trip| wire::time(trip.since)),
        last_reply: trip.map(|trip| visibility.mask_text(&trip.last_reply)),
        next_probe_at: trip.map(|trip| wire::time(trip.next_probe_at)),
        rate: status.rate,
        effective_rate: status.effective_rate.map(round_rate),
        effective_rate_reason: slowdown.map(|it| visibility.mask_text(&it.reason)),
        slowed_since: slowdown.map(|it| wire::time(it.since)),
        held_until: slowdown.map(|it| wire::time(it.hold_until)),
        id: status.id.to_string(),
        provider: status.provider.as_str(),
        callback_url: shown.then(|| status.callback_url.clone()),
        setup: steps
            .iter()
            .map(|step| step.replace("{url}", url))
            .collect(),
        capabilities: CapabilitiesResponse::of(status.provider),
        senders: status.senders.clone(),
        last_callback_at: status.last_callback_at.map(wire::time),
        old_callback_url_used_at: status.old_address_at.map(wire::time),
        health: status.health.as_str(),
        last_hour: LastHourResponse::of(&status.activity),
        warnings: status
            .warnings
            .iter()
            .map(|warning| AccountWarningResponse {
                code: warning.code,
                message: warning.message.clone(),
                last_seen_at: wire::time(warning.last_seen_at),
            })
            .collect(),
        pause_reason: pause.map(|pause| visibility.mask_text(&pause.reason)),
        paused_since: pause.map(|pause| wire::time(pause.since)),
        paused_by: pause.map(|pause| pause.by.as_str()),
        mode: status.mode.map(|mode| match mode {
            AccountMode::Live => "live",
            AccountMode::DryRun => "dry-run",
        }),
    }
}

/// Rounds to a hundredth, because the rate is measured.
fn round_rate(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}
