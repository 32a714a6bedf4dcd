//! The only place that knows actix: addresses, requests, replies. Every route is on this screen.

pub mod api;
pub mod auth;
mod callback_body;
pub mod callbacks;
pub mod dashboard;
pub mod error;
pub mod health;
pub mod login;
pub mod page_errors;
pub mod problem_code;
pub mod server;
mod static_files;

use actix_web::web::{ServiceConfig, get};

/// Every address that is answered.
pub fn routes(config: &mut ServiceConfig) {
    config
        .configure(error::configure_extractors)
        .configure(callbacks::routes)
        .configure(api::routes)
        .route("/healthz", get().to(health::alive))
        .route("/readyz", get().to(health::ready))
        .route("/static/{name}", get().to(static_files::show))
        .configure(dashboard::routes);
}
