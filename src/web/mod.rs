//! The only place that knows actix: addresses, requests, replies. Every route is on this screen.

pub mod api;
pub mod auth;
mod callback_body;
pub mod callback_receiver;
pub mod connections;
pub mod dashboard;
pub mod error;
pub mod health_endpoints;
mod metrics_endpoint;
pub mod page_errors;
pub mod problem_code;
pub mod server;
pub mod sign_in;
mod static_files;
mod unread_body;

use actix_web::web::{ServiceConfig, route};
use actix_web::{Route, guard};

/// Seconds after which a caller may find better times than a 503: a lock is given back, the spool has room, the next process answers.
const RETRY_SECONDS: u16 = 5;

/// Every address that is answered.
pub fn routes(config: &mut ServiceConfig) {
    config
        .configure(error::configure_extractors)
        .configure(callback_receiver::routes)
        .configure(api::routes)
        .route("/healthz", read().to(health_endpoints::alive))
        .route("/readyz", read().to(health_endpoints::ready))
        .route("/metrics", read().to(metrics_endpoint::show))
        .route("/static/{name}", read().to(static_files::show))
        .configure(dashboard::routes);
}

/// A route that answers GET, and HEAD with the same head; the server leaves the body out.
fn read() -> Route {
    route().guard(guard::Any(guard::Get()).or(guard::Head()))
}
