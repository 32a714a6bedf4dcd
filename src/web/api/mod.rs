//! The HTTP API under `/api/v1`: what its calls read and answer.

mod accounts;
pub(crate) mod actions;
mod call;
pub(crate) mod callbacks;
mod explain;
pub mod exports;
pub mod filter;
mod live;
mod messages;
mod observed;
pub mod openapi;
mod orphans;
mod parameters;
mod problem_lists;
mod problems;
mod replay;
pub mod search;
mod statistics;
mod timeline;
mod upload;
mod windows;
pub mod wire;

use actix_web::web::{self, ServiceConfig};

use crate::domain::scope::Scope::{Operate, Read, Send};
use crate::web::api::call::{Call, get, post};
use crate::web::api::openapi::calls as words;

/// Every call: its address, the scope it needs, what answers it, what the description says.
#[rustfmt::skip] // one call a line
fn calls() -> Vec<Call> {
    vec![
        post("/messages", Send, || web::post().to(messages::send), words::send_message),
        get("/messages", Read, || web::get().to(messages::list), words::list_messages),
        post("/messages/observed", Send, || web::post().to(observed::create), words::register_message),
        get("/messages/{id}", Read, || web::get().to(messages::show), words::show_message),
        get("/messages/{id}/timeline", Read, || web::get().to(timeline::show), words::show_timeline),
        get("/messages/{id}/explain", Read, || web::get().to(explain::show), words::explain),
        post("/messages/{id}/cancel", Operate, || web::post().to(actions::cancel), words::cancel),
        post("/messages/{id}/resend", Operate, || web::post().to(actions::resend), words::resend),
        post("/messages/{id}/mark-failed", Operate, || web::post().to(actions::mark_failed), words::mark_failed),
        post("/messages/{id}/unmatch", Operate, || web::post().to(actions::unmatch), words::unmatch),
        post("/messages/{id}/put-aside", Operate, || web::post().to(actions::put_message_aside), words::put_message_aside),
        get("/callbacks", Read, || web::get().to(callbacks::list), words::list_callbacks),
        post("/callbacks/replay", Operate, || web::post().to(replay::run), words::replay_callbacks),
        get("/callbacks/{id}", Read, || web::get().to(callbacks::show), words::show_callback),
        get("/callbacks/{id}/raw", Operate, || web::get().to(callbacks::raw), words::raw_callback),
        post("/callbacks/{id}/put-aside", Operate, || web::post().to(actions::put_callback_aside), words::put_callback_aside),
        get("/orphans", Read, || web::get().to(orphans::list), words::list_orphans),
        post("/orphans/{id}/match", Operate, || web::post().to(actions::match_orphan), words::match_orphan),
        get("/problems", Read, || web::get().to(problems::count), words::count_problems),
        get("/problems/{kind}", Read, || web::get().to(problem_lists::list), words::list_problems),
        get("/stats", Read, || web::get().to(statistics::show), words::show_statistics),
        get("/reports/messages.csv", Read, || web::get().to(exports::csv), words::export_csv),
        get("/reports/messages.ndjson", Read, || web::get().to(exports::ndjson), words::export_ndjson),
        get("/reports/summary.csv", Read, || web::get().to(statistics::summary_csv), words::summary_csv),
        get("/reports/summary.json", Read, || web::get().to(statistics::summary_json), words::summary_json),
        get("/accounts", Read, || web::get().to(accounts::list), words::list_accounts),
        post("/accounts/{id}/resume", Operate, || web::post().to(actions::resume), words::resume_account),
        get("/windows/{account}/{phone}", Read, || web::get().to(windows::show), words::show_window),
        get("/live", Read, || web::get().to(live::follow), words::follow),
    ]
}

/// Makes every call answer.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/api/openapi.json", web::get().to(openapi::show));
    call::register(config, &calls());
}
