//! Is the process alive, and can it do its work? For load balancers and supervisors; constant answers.

use actix_web::{HttpResponse, web};

use crate::delivery::services::Services;

/// The process answers.
pub(crate) async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("ok")
}

/// Both databases answer.
pub(crate) async fn ready(services: web::Data<Services>) -> HttpResponse {
    let store = services.store.position().await;
    let journal = services.journal.end().await;
    match (store, journal) {
        (Ok(_), Ok(_)) => HttpResponse::Ok().content_type("text/plain").body("ready"),
        (store, journal) => {
            for error in store.err().into_iter().chain(journal.err()) {
                tracing::warn!(%error, "not ready");
            }
            HttpResponse::ServiceUnavailable()
                .content_type("text/plain")
                .body("a database does not answer")
        }
    }
}
