//! The HTTP API under `/api/v1`: what its calls read and answer.

mod account_endpoints;
pub(crate) mod action_endpoints;
mod call;
pub(crate) mod callback_endpoints;
mod explanation_endpoints;
pub mod export_endpoints;
pub mod filter;
mod live_endpoints;
mod message_endpoints;
mod observed_message_endpoints;
pub mod openapi;
mod orphan_endpoints;
mod parameters;
mod problem_count_endpoints;
mod problem_list_endpoints;
mod replay_endpoints;
pub mod search;
mod send_body;
mod statistics_endpoints;
mod timeline_endpoints;
mod window_endpoints;
pub mod wire;

use actix_web::web::{self, ServiceConfig};

use crate::domain::scope::Scope::{Operate, Read, Send};
use crate::web::api::call::{Call, get, post};
use crate::web::api::openapi::calls as words;

/// Every call: its address, the scope it needs, what answers it, what the description says.
#[rustfmt::skip] // one call a line
fn calls() -> Vec<Call> {
    vec![
        post("/messages", Send, || web::post().to(message_endpoints::send), words::send_message),
        get("/messages", Read, || web::get().to(message_endpoints::list), words::list_messages),
        post("/messages/observed", Send, || web::post().to(observed_message_endpoints::create), words::register_message),
        get("/messages/{id}", Read, || web::get().to(message_endpoints::show), words::show_message),
        get("/messages/{id}/timeline", Read, || web::get().to(timeline_endpoints::show), words::show_timeline),
        get("/messages/{id}/explain", Read, || web::get().to(explanation_endpoints::show), words::explain),
        post("/messages/{id}/cancel", Operate, || web::post().to(action_endpoints::cancel), words::cancel),
        post("/messages/{id}/resend", Operate, || web::post().to(action_endpoints::resend), words::resend),
        post("/messages/{id}/mark-failed", Operate, || web::post().to(action_endpoints::mark_failed), words::mark_failed),
        post("/messages/{id}/unmatch", Operate, || web::post().to(action_endpoints::unmatch), words::unmatch),
        post("/messages/{id}/put-aside", Operate, || web::post().to(action_endpoints::put_message_aside), words::put_message_aside),
        get("/callbacks", Read, || web::get().to(callback_endpoints::list), words::list_callbacks),
        post("/callbacks/replay", Operate, || web::post().to(replay_endpoints::run), words::replay_callbacks),
        get("/callbacks/{id}", Read, || web::get().to(callback_endpoints::show), words::show_callback),
        get("/callbacks/{id}/raw", Operate, || web::get().to(callback_endpoints::raw), words::raw_callback),
        post("/callbacks/{id}/put-aside", Operate, || web::post().to(action_endpoints::put_callback_aside), words::put_callback_aside),
        get("/orphans", Read, || web::get().to(orphan_endpoints::list), words::list_orphans),
        post("/orphans/{id}/match", Operate, || web::post().to(action_endpoints::match_orphan), words::match_orphan),
        get("/problems", Read, || web::get().to(problem_count_endpoints::count), words::count_problems),
        get("/problems/{kind}", Read, || web::get().to(problem_list_endpoints::list), words::list_problems),
        get("/stats", Read, || web::get().to(statistics_endpoints::show), words::show_statistics),
        get("/reports/messages.csv", Read, || web::get().to(export_endpoints::csv), words::export_csv),
        get("/reports/messages.ndjson", Read, || web::get().to(export_endpoints::ndjson), words::export_ndjson),
        get("/reports/summary.csv", Read, || web::get().to(statistics_endpoints::summary_csv), words::summary_csv),
        get("/reports/summary.json", Read, || web::get().to(statistics_endpoints::summary_json), words::summary_json),
        get("/accounts", Read, || web::get().to(account_endpoints::list), words::list_accounts),
        post("/accounts/{id}/resume", Operate, || web::post().to(action_endpoints::resume), words::resume_account),
        get("/windows/{account}/{phone}", Read, || web::get().to(window_endpoints::show), words::show_window),
        get("/live", Read, || web::get().to(live_endpoints::follow), words::follow),
    ]
}

/// Makes every call answer.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/api/openapi.json", web::get().to(openapi::show));
    call::register(config, &calls());
}
