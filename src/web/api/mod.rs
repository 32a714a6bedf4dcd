//! The HTTP API under `/api/v1`: what its calls read and answer.

mod actions;
mod callbacks;
mod explain;
pub mod exports;
pub mod filter;
mod live;
mod messages;
mod parameters;
mod problems;
pub mod search;
mod timeline;
mod upload;
pub mod wire;

use actix_web::web::{ServiceConfig, get, post, resource, scope};

use crate::web::error::not_found;

/// Every call.
pub fn routes(config: &mut ServiceConfig) {
    config.service(
        scope("/api/v1")
            .service(
                resource("/messages")
                    .route(post().to(messages::send))
                    .route(get().to(messages::list)),
            )
            .route("/messages/{id}", get().to(messages::show))
            .route("/messages/{id}/timeline", get().to(timeline::show))
            .route("/messages/{id}/explain", get().to(explain::show))
            .route("/messages/{id}/cancel", post().to(actions::cancel))
            .route("/messages/{id}/resend", post().to(actions::resend))
            .route(
                "/messages/{id}/mark-failed",
                post().to(actions::mark_failed),
            )
            .route("/callbacks", get().to(callbacks::list))
            .route("/callbacks/{id}", get().to(callbacks::show))
            .route("/callbacks/{id}/raw", get().to(callbacks::raw))
            .route("/orphans", get().to(problems::list_orphans))
            .route("/orphans/{id}/match", post().to(actions::match_orphan))
            .route("/problems", get().to(problems::count))
            .route("/accounts", get().to(problems::list_accounts))
            .route("/accounts/{id}/resume", post().to(actions::resume))
            .route("/live", get().to(live::follow))
            .configure(exports::configure)
            .default_service(actix_web::web::to(not_found)),
    );
}
