//! `/api/v1/alerts`: the configured alerts with their open incidents, and test notifications.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::scope::{Caller, Visibility};
use crate::operating::alert_delivery::rule_key;
use crate::operating::alerting::{self, TestAlertError};
use crate::services::Services;
use crate::store::alert_records::Incident;
use crate::web::api::documented_responses::NotPossible;
use crate::web::api::wire::time;
use crate::web::error::ApiError;

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AlertListResponse {
    pub(crate) data: Vec<AlertResponse>,
    /// Signs notifications of alerts without a secret of their own; with `operate` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signing_secret: Option<String>,
}

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AlertResponse {
    /// Its position in the configuration, from 1.
    pub(crate) number: usize,
    /// `failure_rate`, `silent`, `tripped`, `overdue`, `backlog`, `budget` or `quarantine`.
    pub(crate) kind: &'static str,
    pub(crate) threshold: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// `standard` or `slack`.
    pub(crate) format: &'static str,
    /// Whether it notifies anyone.
    pub(crate) has_url: bool,
    /// Open incidents.
    pub(crate) incidents: Vec<IncidentResponse>,
}

#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct IncidentResponse {
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    pub(crate) summary: String,
    pub(crate) opened_at: String,
}

impl From<&Incident> for IncidentResponse {
    fn from(incident: &Incident) -> Self {
        Self {
            id: incident.id.to_string(),
            account: incident.account.as_ref().map(ToString::to_string),
            summary: incident.summary.clone(),
            opened_at: time(incident.opened_at),
        }
    }
}

/// List the configured alerts with their open incidents
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    operation_id = "listAlerts",
    responses((status = 200, body = AlertListResponse, description = "All alerts, in the order of the configuration.")),
)]
pub(crate) async fn list(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let open = services.store.list_open_incidents().await?;
    let rules = services.config.alerts.iter().enumerate();
    let data = rules.map(|(index, rule)| {
        let key = rule_key(rule);
        AlertResponse {
            number: index + 1,
            kind: rule.kind.as_str(),
            threshold: rule.threshold,
            account: rule.account.as_ref().map(ToString::to_string),
            format: rule.format.as_str(),
            has_url: rule.url.is_some(),
            incidents: open
                .iter()
                .filter(|incident| incident.rule == key)
                .map(IncidentResponse::from)
                .collect(),
        }
    });
    let shown = caller.visibility() == Visibility::Full;
    Ok(HttpResponse::Ok().json(AlertListResponse {
        data: data.collect(),
        signing_secret: shown.then(|| alerting::derived_signing_key(&services)),
    }))
}

/// Send a test notification of an alert
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{number}/test",
    operation_id = "testAlert",
    params(("number" = usize, Path, minimum = 1, description = "The alert's position in the configuration, from 1.")),
    responses((status = 204, description = "Queued, and tried once."), NotPossible),
)]
pub(crate) async fn test(
    services: web::Data<Services>,
    number: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let number = number.parse().map_err(|_| ApiError::NotFound)?;
    alerting::send_test(&services, number)
        .await
        .map_err(test_error)?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) fn test_error(error: TestAlertError) -> ApiError {
    match error {
        TestAlertError::NoSuchAlert(number) => ApiError::NoSuchAlert(number),
        TestAlertError::WithoutUrl => ApiError::field("url", error.to_string()),
        TestAlertError::Database(error) => error.into(),
    }
}
