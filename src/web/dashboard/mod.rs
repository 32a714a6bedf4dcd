//! The HTML pages: one file per page with its view model and its template.
//!
//! A view model is built by a pure function from domain values, the visibility of the viewer and
//! the present instant; its template only prints it. All HTML comes from askama, which escapes by
//! default.

pub mod accounts_page;
pub mod callback_page;
mod callback_row;
pub mod callback_urls;
pub mod callbacks_page;
pub mod error_page;
mod explanation_section;
mod failure_reasons;
pub mod filter_form;
mod form_handlers;
pub mod funnel;
pub mod login_page;
pub mod masked_text;
mod match_form;
mod message_details;
pub mod message_list_url;
pub mod message_page;
mod message_summary;
mod message_timeline;
pub mod messages_page;
pub mod number_format;
mod overview_accounts;
pub mod overview_page;
pub mod overview_period;
pub mod page_frame;
mod page_response;
mod problem_counts;
mod problem_item;
pub mod problems_page;
pub mod replay_page;
pub mod reports_page;
mod stage_stepper;
pub mod state_pill;
pub mod time_element;
mod timeline_entry;
pub mod visible_text;

use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{ServiceConfig, post, scope};

use crate::web::error::not_found;
use crate::web::{page_errors, read, sign_in};

/// Pages load nothing from other origins, and other sites cannot frame them.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Must come last: its default service answers every other path.
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
            .route("/", read().to(overview_page::show))
            .route("/messages", read().to(messages_page::show))
            .route(
                "/messages/export",
                read().to(reports_page::redirect_to_export),
            )
            .route("/messages/{id}", read().to(message_page::show))
            .route("/messages/{id}/cancel", post().to(form_handlers::cancel))
            .route("/messages/{id}/resend", post().to(form_handlers::resend))
            .route(
                "/messages/{id}/mark-failed",
                post().to(form_handlers::mark_failed),
            )
            .route("/messages/{id}/unmatch", post().to(form_handlers::unmatch))
            .route(
                "/messages/{id}/put-aside",
                post().to(form_handlers::dismiss_message),
            )
            .route(
                "/problems/callbacks/{id}/put-aside",
                post().to(form_handlers::dismiss_callback),
            )
            .route("/problems", read().to(problems_page::show))
            .route(
                "/orphans/{id}/match",
                post().to(form_handlers::match_orphan),
            )
            .route("/callbacks", read().to(callbacks_page::show))
            .route("/callbacks/replay", read().to(replay_page::preview))
            .route("/callbacks/replay", post().to(replay_page::apply))
            .route("/callbacks/{id}", read().to(callback_page::show))
            .route("/accounts", read().to(accounts_page::show))
            .route("/accounts/{id}/resume", post().to(form_handlers::resume))
            .route("/reports", read().to(reports_page::show))
            .default_service(actix_web::web::to(not_found)),
    );
}
