//! `/api/v1/problems`, `/orphans`, `/accounts`: what needs a person, and how each account stands.

use std::sync::atomic::Ordering;

use actix_web::{HttpRequest, HttpResponse, web};

use crate::delivery::alarms::{self, Alarm};
use crate::delivery::services::Services;
use crate::delivery::standing::{self, AccountStanding, Health};
use crate::domain::access::{Caller, Scope, Visibility};
use crate::domain::delivery::Stage;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::message::Message;
use crate::domain::provider::Mode;
use crate::providers;
use crate::store::orphans::OrphanFilter;
use crate::web::api::filter::{
    parse_account, parse_provider_id, parse_recipient, read_place, write_place,
};
use crate::web::api::parameters::{Parameters, pairs};
use crate::web::api::wire::{
    self, AccountResponse, AlarmResponse, CapabilitiesResponse, ListResponse, OrphanResponse,
    ProblemsResponse,
};
use crate::web::error::ApiError;

/// `GET /problems`
pub(crate) async fn count(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let problems = services.store.count_problems(services.clock.now()).await?;
    Ok(HttpResponse::Ok().json(ProblemsResponse {
        orphans: problems.orphans,
        conflicts: problems.conflicts,
        id_conflicts: problems.id_conflicts,
        overdue: problems.overdue,
        uncertain: problems.uncertain,
        quarantine: problems.quarantine,
        unverified: problems.unverified,
        rejected: services.ingest.counters().refused.load(Ordering::Relaxed),
        paused_accounts: problems.paused_accounts,
        alarms: alarms::list(&services).into_iter().map(alarm).collect(),
    }))
}

fn alarm(alarm: Alarm) -> AlarmResponse {
    AlarmResponse {
        alarm: alarm.kind.as_str(),
        account: alarm.account.map(|account| account.to_string()),
        message: alarm.words,
    }
}

/// `GET /orphans`
pub(crate) async fn list_orphans(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let known = ["account", "provider_id", "recipient", "limit", "cursor"];
    let mut parameters = Parameters::read(&pairs(request.query_string()), &known);
    let filter = OrphanFilter {
        account: parameters.parse_with("account", parse_account),
        provider_id: parameters.parse_with("provider_id", parse_provider_id),
        recipient: parameters.parse_with("recipient", |text| Ok(parse_recipient(text))),
        put_aside: None,
    };
    let cursor = parameters.cursor(read_place);
    let limit = parameters.limit();
    let fingerprint = parameters.fingerprint();
    let (filter, cursor, limit) = parameters.finish((filter, cursor, limit))?;
    let page = services.store.list_orphans(&filter, cursor, limit).await?;
    let ids: Vec<MessageId> = page.messages.iter().map(|orphan| orphan.id).collect();
    let mut provider_ids = services.store.list_provider_ids_of(&ids).await?;
    let mut suggestions = services.store.list_suggestions(&page.messages).await?;
    let data = page.messages.iter().map(|orphan| {
        orphan_response(
            orphan,
            &provider_ids.remove(&orphan.id).unwrap_or_default(),
            suggestions.remove(&orphan.id).unwrap_or_default(),
            caller.visibility(),
        )
    });
    let data: Vec<OrphanResponse> = data.collect();
    let next_cursor = page
        .next
        .map(|next| fingerprint.write_cursor(&write_place(next)));
    Ok(HttpResponse::Ok().json(ListResponse { data, next_cursor }))
}

fn orphan_response(
    orphan: &Message,
    ids: &[ProviderMessageId],
    suggestions: Vec<MessageId>,
    visibility: Visibility,
) -> OrphanResponse {
    let stage = Stage::ALL
        .into_iter()
        .rev()
        .find(|stage| orphan.stage(*stage).is_some());
    OrphanResponse {
        id: orphan.id.uuid(),
        account: orphan.account.to_string(),
        provider_ids: ids.iter().map(|id| visibility.id(id)).collect(),
        recipient: orphan
            .recipient
            .as_deref()
            .map(|recipient| wire::recipient_text(recipient, visibility)),
        first_received_at: wire::time(orphan.created_at),
        stage: stage.map(Stage::as_str),
        suggestions: suggestions.into_iter().map(MessageId::uuid).collect(),
    }
}

/// `GET /accounts`
pub(crate) async fn list_accounts(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Read)?;
    let standings = standing::list_accounts(&services).await?;
    let data = standings
        .iter()
        .map(|standing| account_response(standing, caller.visibility()))
        .collect();
    Ok(HttpResponse::Ok().json(ListResponse {
        data,
        next_cursor: None,
    }))
}

fn account_response(standing: &AccountStanding, visibility: Visibility) -> AccountResponse {
    let shown = visibility == Visibility::Full;
    let url = if shown {
        standing.callback_url.as_str()
    } else {
        "the account's callback URL"
    };
    let steps = providers::of(standing.provider).setup();
    let (pause_reason, paused_since) = match &standing.health {
        Health::Paused { reason, since } => {
            (Some(visibility.words(reason)), Some(wire::time(*since)))
        }
        _ => (None, None),
    };
    AccountResponse {
        id: standing.id.to_string(),
        provider: standing.provider.as_str(),
        callback_url: shown.then(|| standing.callback_url.clone()),
        setup: steps
            .iter()
            .map(|step| step.replace("{url}", url))
            .collect(),
        capabilities: CapabilitiesResponse::of(standing.provider),
        senders: standing.senders.clone(),
        last_callback_at: standing.last_callback_at.map(wire::time),
        old_callback_url_used_at: standing.old_address_at.map(wire::time),
        health: standing.health.as_str(),
        pause_reason,
        paused_since,
        mode: standing.mode.map(|mode| match mode {
            Mode::Live => "live",
            Mode::DryRun => "dry-run",
        }),
    }
}
