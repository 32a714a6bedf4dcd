//! `/api/v1/problems`: how many things need attention, by kind.

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, web};

use crate::reporting::alarms::{self, Alarm};
use crate::services::Services;
use crate::web::api::wire::problem_responses::{AlarmResponse, ProblemsResponse};
use crate::web::error::ApiError;

/// Count what needs attention
#[utoipa::path(
    get,
    path = "/api/v1/problems",
    operation_id = "countProblems",
    responses((status = 200, body = ProblemsResponse, description = "The counts.")),
)]
pub(crate) async fn count(services: web::Data<Services>) -> Result<HttpResponse, ApiError> {
    let problems = services.store.count_problems(services.clock.now()).await?;
    Ok(HttpResponse::Ok().json(ProblemsResponse {
        orphans: problems.orphans,
        conflicts: problems.conflicts,
        id_conflicts: problems.id_conflicts,
        overdue: problems.overdue,
        uncertain: problems.uncertain,
        quarantine: problems.quarantine,
        unverified: problems.unverified,
        rejected: services.ingest.counters().rejected.load(Ordering::Relaxed),
        paused_accounts: problems.paused_accounts,
        tripped_accounts: problems.tripped_accounts,
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
