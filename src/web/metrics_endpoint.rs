//! `/metrics`, for callers with the scope `read`. If `public_url` is a loopback address, local
//! callers need no token.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::config::{Reachability, reachability};
use crate::domain::scope::Scope;
use crate::reporting::metrics::render;
use crate::reporting::metrics_text::to_prometheus_text;
use crate::services::Services;
use crate::web::auth::identify;
use crate::web::error::ApiError;

/// The type that Prometheus requests.
const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long the database may take to find a token; shorter than the timeout of a scrape.
const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a token stays accepted while the database is unavailable.
const REMEMBERED_FOR: TimeDelta = TimeDelta::hours(24);

/// The credentials that were accepted last: metrics matter most while the database is unavailable.
#[derive(Debug, Default)]
pub(crate) struct LastCredentials(Mutex<Option<([u8; 32], DateTime<Utc>)>>);

impl LastCredentials {
    fn remember(&self, request: &HttpRequest, now: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            fingerprint(request).map(|fingerprint| (fingerprint, now));
    }

    fn matches(&self, request: &HttpRequest, now: DateTime<Utc>) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|(last, at)| {
            now - at < REMEMBERED_FOR && fingerprint(request) == Some(last)
        })
    }
}

pub(crate) async fn show(
    services: web::Data<Services>,
    last: web::Data<LastCredentials>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let on_this_machine = request
        .peer_addr()
        .is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if !(on_this_machine && reachability(&services.config.public_url) == Reachability::Loopback) {
        admit(&services, &last, &request).await?;
    }
    let text = render(&services)
        .await
        .map_err(|error| ApiError::Internal(error.into()))?;
    let accepted = request.headers().get(ACCEPT);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    let (content_type, text) = if accepted.is_some_and(|types| types.contains(OPEN_METRICS)) {
        (OPEN_METRICS_TYPE, text)
    } else {
        (TEXT_TYPE, to_prometheus_text(&text))
    };
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text))
}

async fn admit(
    services: &Services,
    last: &LastCredentials,
    request: &HttpRequest,
) -> Result<(), ApiError> {
    let now = services.clock.now();
    let known = match tokio::time::timeout(IDENTIFY_TIMEOUT, identify(request)).await {
        Ok(known) => known,
        Err(slow) => Err(ApiError::Unavailable(slow.into())),
    };
    match known {
        Ok(caller) => {
            caller.require(Scope::Read)?;
            if caller.accounts.is_limited() {
                return Err(ApiError::AccountLimited(caller.accounts));
            }
            if fingerprint(request).is_some() {
                last.remember(request, now);
            }
            Ok(())
        }
        Err(ApiError::Unavailable(_)) if last.matches(request, now) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A hash of the header `Authorization`.
fn fingerprint(request: &HttpRequest) -> Option<[u8; 32]> {
    let presented = request.headers().get(AUTHORIZATION)?;
    Some(Sha256::digest(presented.as_bytes()).into())
}
