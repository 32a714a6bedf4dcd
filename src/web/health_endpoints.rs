//! Is the process alive, and can it do its work? For load balancers and supervisors; constant answers.

use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, HttpResponseBuilder, web};

use crate::services::Services;
use crate::web::error::RETRY_SECONDS;

/// The process answers.
pub(crate) async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok")
}

/// Callbacks are taken, by the journal or by the spool. A load balancer that heeds this keeps them coming while a database is away, and goes elsewhere when they would be refused or the process stops.
pub(crate) async fn ready(services: web::Data<Services>) -> HttpResponse {
    let standing = *services.journal.spool().borrow();
    let (mut reply, words) = if services.stopping.is_cancelled() {
        (unavailable(), "stopping")
    } else if standing.refusing {
        let words = "callbacks are refused: neither journal nor spool takes them";
        (unavailable(), words)
    } else if standing.in_use {
        let words = "ready for callbacks; a database does not take them, the spool does";
        (HttpResponse::Ok(), words)
    } else if services.store.is_refusing() {
        let words =
            "ready for callbacks; the main database cannot be written, so sends are refused";
        (HttpResponse::Ok(), words)
    } else {
        (HttpResponse::Ok(), "ready")
    };
    reply.content_type("text/plain").body(words)
}

fn unavailable() -> HttpResponseBuilder {
    let mut reply = HttpResponse::ServiceUnavailable();
    reply.insert_header((RETRY_AFTER, RETRY_SECONDS.to_string()));
    reply
}
