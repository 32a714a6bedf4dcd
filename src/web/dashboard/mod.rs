//! The pages a person looks at: one file per page with its view model and its template.
//!
//! A view model is built by a pure function from domain values, who is looking and the current instant; its template only prints. All HTML comes out of askama, which escapes by default.

pub mod accounts;
pub mod address;
pub mod callback;
pub mod callbacks;
mod decisions;
pub mod error_page;
mod failures;
pub mod figure;
pub mod frame;
pub mod funnel;
pub mod login;
pub mod masking;
mod matching;
pub mod message;
pub mod messages;
pub mod moment;
pub mod overview;
mod pages;
pub mod pill;
mod problem;
pub mod problems;
pub mod replay;
pub mod reports;
mod stepper;
pub mod text;
pub mod timeline;
mod why;

use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{ServiceConfig, post, scope};

use crate::web::error::not_found;
use crate::web::{login as sign_in, page_errors, read};

/// Nothing of a page comes from elsewhere, and no other site frames it.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Every page and button. Comes last: whatever nobody else answers is a page that is not there.
pub fn routes(config: &mut ServiceConfig) {
    config.service(
        scope("")
            .wrap(from_fn(page_errors::show))
            .wrap(
                DefaultHeaders::new()
                    .add(("Content-Security-Policy", POLICY))
                    .add(("Referrer-Policy", "same-origin"))
                    .add(("X-Content-Type-Options", "nosniff")),
            )
            .configure(sign_in::configure)
            .route("/", read().to(pages::overview))
            .route("/messages", read().to(pages::messages))
            .route("/messages/export", read().to(pages::export))
            .route("/messages/{id}", read().to(pages::message))
            .route("/messages/{id}/cancel", post().to(decisions::cancel))
            .route("/messages/{id}/resend", post().to(decisions::resend))
            .route(
                "/messages/{id}/mark-failed",
                post().to(decisions::mark_failed),
            )
            .route("/messages/{id}/unmatch", post().to(decisions::unmatch))
            .route(
                "/messages/{id}/put-aside",
                post().to(decisions::put_message_aside),
            )
            .route(
                "/problems/callbacks/{id}/put-aside",
                post().to(decisions::put_callback_aside),
            )
            .route("/problems", read().to(pages::problems))
            .route("/orphans/{id}/match", post().to(decisions::match_orphan))
            .route("/callbacks", read().to(pages::callbacks))
            .route("/callbacks/replay", read().to(pages::replay))
            .route("/callbacks/replay", post().to(decisions::replay))
            .route("/callbacks/{id}", read().to(pages::callback))
            .route("/accounts", read().to(pages::accounts))
            .route("/accounts/{id}/resume", post().to(decisions::resume))
            .route("/reports", read().to(pages::reports))
            .default_service(actix_web::web::to(not_found)),
    );
}
