//! Liveness and readiness, for load balancers and supervisors.

use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, HttpResponseBuilder, web};

use crate::reporting::alarms;
use crate::web::error::PROVIDER_RETRY_SECONDS;
use crate::web::web_state::WebState;

pub(crate) async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok")
}

/// Ready while callbacks can be stored, in the journal or in the spool: also while a database is
/// unavailable, and while the main database is migrated.
pub(crate) async fn ready(state: web::Data<WebState>) -> HttpResponse {
    let receiving = state.receiving_services();
    let spool = *receiving.journal.spool().borrow();
    if receiving.stopping.is_cancelled() {
        return plain(unavailable(), "stopping");
    }
    if spool.refusing {
        let text = "callbacks are refused: neither journal nor spool accepts them";
        return plain(unavailable(), text);
    }
    let Some(services) = state.services() else {
        let step = state.step();
        let text = format!("ready for callbacks; everything else waits: {step}");
        return plain(HttpResponse::Ok(), text);
    };
    let text = if spool.in_use {
        "ready for callbacks; a database does not accept them, the spool does"
    } else if services.store.last_write_failed() {
        "ready for callbacks; the main database cannot be written, so sends are refused"
    } else if alarms::is_late(services) {
        "ready for callbacks; they are processed late"
    } else {
        "ready"
    };
    plain(HttpResponse::Ok(), text)
}

fn plain(mut reply: HttpResponseBuilder, text: impl Into<String>) -> HttpResponse {
    reply.content_type("text/plain").body(text.into())
}

fn unavailable() -> HttpResponseBuilder {
    let mut reply = HttpResponse::ServiceUnavailable();
    reply.insert_header((RETRY_AFTER, PROVIDER_RETRY_SECONDS.to_string()));
    reply
}
