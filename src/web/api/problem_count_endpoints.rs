//! `/api/v1/problems`: how much needs a person, by kind. What is behind each count is told by the lists.

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, web};

use crate::domain::scope::{Caller, Scope};
use crate::reporting::alarms::{self, Alarm};
use crate::services::Services;
use crate::web::api::wire::{AlarmResponse, ProblemsResponse};
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
        message: alarm.text,
    }
}
