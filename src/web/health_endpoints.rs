//! Liveness and readiness, for load balancers and supervisors.

use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, HttpResponseBuilder, web};

use crate::reporting::alarms;
use crate::services::Services;
use crate::web::error::RETRY_SECONDS;

pub(crate) async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok")
}

/// Ready while callbacks can be stored, in the journal or in the spool: also while a database is
/// unavailable.
pub(crate) async fn ready(services: web::Data<Services>) -> HttpResponse {
    let spool = *services.journal.spool().borrow();
    let (mut reply, text) = if services.stopping.is_cancelled() {
        (unavailable(), "stopping")
    } else if spool.refusing {
        let text = "callbacks are refused: neither journal nor spool takes them";
        (unavailable(), text)
    } else if spool.in_use {
        let text = "ready for callbacks; a database does not take them, the spool does";
        (HttpResponse::Ok(), text)
    } else if services.store.is_refusing() {
        let text = "ready for callbacks; the main database cannot be written, so sends are refused";
        (HttpResponse::Ok(), text)
    } else if alarms::is_late(&services) {
        let text = "ready for callbacks; they are processed late";
        (HttpResponse::Ok(), text)
    } else {
        (HttpResponse::Ok(), "ready")
    };
    reply.content_type("text/plain").body(text)
}

fn unavailable() -> HttpResponseBuilder {
    let mut reply = HttpResponse::ServiceUnavailable();
    reply.insert_header((RETRY_AFTER, RETRY_SECONDS.to_string()));
    reply
}
