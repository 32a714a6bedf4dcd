//! `/api/v1/callbacks/replay`: process callbacks again, or show what that would change.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::account_limit::AccountLimit;
use crate::domain::callback_outcome::Outcome;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::{AccountId, CallbackId};
use crate::domain::scope::Caller;
use crate::operating::replay::{ReplayMode, ReplayReport, replay};
use crate::reporting::query_values::parse_instant;
use crate::services::Services;
use crate::store::outcome_list::OutcomeFilter;
use crate::web::api::action_endpoints::action_context;
use crate::web::api::documented_responses::NotPossible;
use crate::web::error::ApiError;
use crate::web::problem_json::FieldError;
use crate::web::request_parsing::parse_json;

/// Ids that one request may name.
const IDS_LIMIT: usize = 500;

/// Which callbacks to process again. At least one condition; all given conditions must hold.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    /// At most 500. Naming an unverified callback releases it.
    #[schema(max_items = 500)]
    pub(crate) ids: Option<Vec<Uuid>>,
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    pub(crate) account: Option<String>,
    /// `receipts`, `inbound`, `notice`, `probe`, `quarantined` or `unverified`; the last releases them.
    #[schema(pattern = "^(receipts|inbound|notice|probe|quarantined|unverified)$")]
    pub(crate) outcome: Option<String>,
    #[schema(format = DateTime)]
    pub(crate) received_after: Option<String>,
    #[schema(format = DateTime)]
    pub(crate) received_before: Option<String>,
    /// Show what would change, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// What changed, or would change.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ReplayResponse {
    pub(crate) dry_run: bool,
    /// How many callbacks were processed.
    #[serde(rename = "read")]
    pub(crate) replayed: u64,
    /// Selected, but no longer kept.
    pub(crate) gone: u64,
    /// Unverified callbacks that the selection does not release.
    pub(crate) withheld: u64,
    pub(crate) callbacks: Vec<CallbackChange>,
    pub(crate) messages: Vec<MessageChange>,
}

/// A callback with another outcome.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct CallbackChange {
    pub(crate) id: Uuid,
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
}

/// A message in another state.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct MessageChange {
    pub(crate) id: Uuid,
    /// Absent when it did not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<&'static str>,
    /// Absent when it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<&'static str>,
}

/// Process callbacks again, or show what that would change
///
/// The receipts of each callback are replaced by those that it yields now. At least one condition
/// is needed; all given conditions must hold. Unverified callbacks are released only by `ids` or by
/// `outcome: unverified`. Recorded in the audit log.
#[utoipa::path(
    post,
    path = "/api/v1/callbacks/replay",
    operation_id = "replayCallbacks",
    request_body = ReplayRequest,
    responses((status = 200, body = ReplayResponse, description = "What changed, or would change."), NotPossible),
)]
pub(crate) async fn run(
    services: web::Data<Services>,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let request: ReplayRequest = parse_json(&body)?;
    let (dry_run, mut selection) = (request.dry_run, selection(request)?);
    selection.limit_to(&caller.accounts);
    let mode = if dry_run {
        ReplayMode::DryRun
    } else {
        ReplayMode::Apply
    };
    let context = action_context(&services, &caller);
    let replayed = replay(&services, &selection, mode, &context, &mut |_| {}).await?;
    Ok(HttpResponse::Ok().json(response(dry_run, &replayed)))
}

fn selection(request: ReplayRequest) -> Result<OutcomeFilter, ApiError> {
    let mut errors = Vec::new();
    if request
        .ids
        .as_ref()
        .is_some_and(|ids| ids.len() > IDS_LIMIT)
    {
        errors.push(FieldError::new(
            "ids",
            format!("names more than {IDS_LIMIT} callbacks"),
        ));
    }
    let account = request.account.and_then(|text| {
        text.parse::<AccountId>()
            .map_err(|error| errors.push(FieldError::new("account", error.to_string())))
            .ok()
    });
    let outcome = request.outcome.and_then(|word| {
        let parsed = Outcome::parse(&word);
        if parsed.is_none() {
            let words = format!("is not one of {}", Outcome::words());
            errors.push(FieldError::new("outcome", words));
        }
        parsed
    });
    let mut instant = |field: &str, text: Option<String>| {
        text.and_then(|text| {
            parse_instant(&text)
                .map_err(|words| errors.push(FieldError::new(field, words)))
                .ok()
        })
    };
    let received_after = instant("received_after", request.received_after);
    let received_before = instant("received_before", request.received_before);
    if !errors.is_empty() {
        return Err(ApiError::Invalid(errors));
    }
    Ok(OutcomeFilter {
        ids: request
            .ids
            .map(|ids| ids.into_iter().map(CallbackId::from).collect()),
        account,
        limit: AccountLimit::default(),
        outcome,
        received_after,
        received_before,
        first_seq: None,
        last_seq: None,
    })
}

fn response(dry_run: bool, report: &ReplayReport) -> ReplayResponse {
    ReplayResponse {
        dry_run,
        replayed: report.replayed,
        gone: report.purged,
        withheld: report.skipped_unverified,
        callbacks: report
            .callbacks
            .iter()
            .map(|change| CallbackChange {
                id: change.callback.uuid(),
                before: change.before.as_str(),
                after: change.after.as_str(),
            })
            .collect(),
        messages: report
            .messages
            .iter()
            .map(|change| MessageChange {
                id: change.message.uuid(),
                before: change.before.map(DeliveryState::as_str),
                after: change.after.map(DeliveryState::as_str),
            })
            .collect(),
    }
}
