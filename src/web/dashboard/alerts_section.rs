//! The alerts on the overview: open incidents, and the button that sends a test.

use actix_web::{HttpResponse, web};

use crate::domain::alert::{AlertKind, AlertRule};
use crate::domain::scope::Visibility;
use crate::operating::alert_delivery::rule_key;
use crate::operating::alerting;
use crate::services::Services;
use crate::store::alert_records::Incident;
use crate::web::api::alert_endpoints::test_error;
use crate::web::dashboard::page_response::redirect_to;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::timed_text::TimedText;
use crate::web::error::ApiError;

#[derive(Clone, Debug)]
pub(super) struct AlertRow {
    pub(super) kind: String,
    pub(super) account: String,
    pub(super) threshold: String,
    pub(super) incidents: Vec<(TimedText, TimeElement)>,
    /// Where the test button posts to; absent without a URL, and for viewers who may not send tests.
    pub(super) test: Option<String>,
}

pub(super) fn alert_rows(
    rules: &[AlertRule],
    open: &[Incident],
    viewer: Visibility,
) -> Vec<AlertRow> {
    let row = |(index, rule): (usize, &AlertRule)| {
        let key = rule_key(rule);
        let incidents = open.iter().filter(|incident| incident.rule == key);
        let may_test = viewer == Visibility::Full && rule.url.is_some();
        AlertRow {
            kind: rule.kind.as_str().replace('_', " "),
            account: rule
                .account
                .as_ref()
                .map_or_else(|| "all accounts".to_owned(), ToString::to_string),
            threshold: threshold_text(rule),
            incidents: incidents
                .map(|it| {
                    (
                        TimedText::from_utc(&it.summary),
                        TimeElement::new(it.opened_at),
                    )
                })
                .collect(),
            test: may_test.then(|| format!("/alerts/{}/test", index + 1)),
        }
    };
    rules.iter().enumerate().map(row).collect()
}

/// The threshold with its unit.
fn threshold_text(rule: &AlertRule) -> String {
    let threshold = rule.threshold;
    match rule.kind {
        AlertKind::FailureRate => format!("{} %", (threshold * 1000.0).round() / 10.0),
        AlertKind::Silent | AlertKind::Tripped => format!("{threshold} s"),
        AlertKind::Overdue | AlertKind::Backlog => format!("{threshold} messages"),
        AlertKind::Budget if threshold <= 0.0 => "80 % of a budget".to_owned(),
        AlertKind::Budget => format!("{threshold} spent"),
        AlertKind::Quarantine => format!("{threshold} callbacks"),
    }
}

pub(crate) async fn send_test(
    services: web::Data<Services>,
    number: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let number = number.parse().map_err(|_| ApiError::NotFound)?;
    alerting::send_test(&services, number)
        .await
        .map_err(test_error)?;
    Ok(redirect_to("/#alerts".to_owned()))
}
