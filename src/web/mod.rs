//! The only place that knows actix: addresses, requests, replies. Every route is on this screen.

mod callback_body;
pub mod callbacks;
pub mod dashboard;
pub mod health;
pub mod server;
use actix_web::web::{ServiceConfig, get};
/// Every address that is answered.
pub fn routes(config: &mut ServiceConfig) {
    config
        .configure(callbacks::routes)
        .route("/healthz", get().to(health::alive))
        .route("/readyz", get().to(health::ready));
}
