//! HTTP, and the only place that uses actix. Every route is on this screen.

pub mod api;
pub mod auth;
pub mod callback_body;
pub mod callback_receiver;
mod client_stream;
mod connection_entries;
mod connection_table;
pub mod connections;
pub mod dashboard;
pub mod error;
mod health_endpoints;
mod host_check;
mod kept_body;
pub mod listener;
pub mod live_streams;
mod media_file;
mod metrics_endpoint;
pub mod page_errors;
mod pasted_url;
pub mod problem_code;
pub mod problem_json;
mod request_body;
mod request_id;
pub mod request_parsing;
pub mod route_registration;
pub mod server;
pub mod sign_in;
mod static_files;
mod timed_body;
mod tracked_connection;

use actix_web::web::ServiceConfig;

use crate::domain::scope::Scope::{Operate, Read, Send};
use crate::web::api::{
    account_action_endpoints, account_endpoints, account_event_endpoints, action_endpoints,
    bulk_endpoints, callback_endpoints, campaign_endpoints, explanation_endpoints,
    export_endpoints, live_endpoints, message_endpoints, observed_message_endpoints, openapi,
    orphan_dismissal_endpoints, orphan_endpoints, problem_count_endpoints, problem_list_endpoints,
    recipient_endpoints, rejection_endpoints, replay_endpoints, send_endpoint,
    statistics_endpoints, summary_endpoints, timeline_endpoints, window_endpoints,
};
use crate::web::dashboard::{
    account_forms, accounts_page, callback_page, callbacks_page, campaign_page,
    campaign_resend_page, campaigns_page, form_handlers, message_page, messages_page,
    orphan_dismissal_page, overview_page, problems_page, replay_page, reports_page,
};
use crate::web::route_registration::RouteAccess::{Anyone, Scoped, ScopedOrLocal, UrlToken};
use crate::web::route_registration::{RouteEntry, ServedRoutes, register, route_table};

pub fn configure(config: &mut ServiceConfig) {
    configure_part(config, ServedRoutes::All);
}

/// For a listener that serves a part of the routes.
pub fn configure_part(config: &mut ServiceConfig, served: ServedRoutes) {
    config.configure(request_parsing::configure_extractors);
    register(config, &routes(), served);
}

/// Every route: method, path, who may call it, handler.
pub fn routes() -> Vec<RouteEntry> {
    route_table! {
        Plain {
            Any  "/callbacks/{account}/{token}",           UrlToken,            callback_receiver::receive_callback;
            Any  "/reports/{token}",                       UrlToken,            callback_receiver::receive_report;
            Get  "/media/{token}",                         UrlToken,            media_file::show;
            Get  "/healthz",                               Anyone,              health_endpoints::alive;
            Get  "/readyz",                                Anyone,              health_endpoints::ready;
            Get  "/metrics",                               ScopedOrLocal(Read), metrics_endpoint::show;
            Get  "/static/{name}",                         Anyone,              static_files::show;
            Get  "/api/openapi.json",                      Anyone,              openapi::show;
        }
        Api {
            Post "/api/v1/messages",                       Scoped(Send),        send_endpoint::send;
            Get  "/api/v1/messages",                       Scoped(Read),        message_endpoints::list;
            Post "/api/v1/messages/observed",              Scoped(Send),        observed_message_endpoints::register;
            Get  "/api/v1/messages/{id}",                  Scoped(Read),        message_endpoints::show;
            Get  "/api/v1/messages/{id}/timeline",         Scoped(Read),        timeline_endpoints::show;
            Get  "/api/v1/messages/{id}/explain",          Scoped(Read),        explanation_endpoints::show;
            Post "/api/v1/messages/{id}/cancel",           Scoped(Operate),     action_endpoints::cancel;
            Post "/api/v1/messages/{id}/resend",           Scoped(Operate),     action_endpoints::resend;
            Post "/api/v1/messages/{id}/mark-failed",      Scoped(Operate),     action_endpoints::mark_failed;
            Post "/api/v1/messages/{id}/unmatch",          Scoped(Operate),     action_endpoints::unmatch;
            Post "/api/v1/messages/{id}/put-aside",        Scoped(Operate),     action_endpoints::dismiss_message;
            Post "/api/v1/messages/resend",                Scoped(Operate),     bulk_endpoints::resend_messages;
            Post "/api/v1/messages/cancel",                Scoped(Operate),     bulk_endpoints::cancel_messages;
            Post "/api/v1/campaigns",                      Scoped(Send),        campaign_endpoints::create;
            Get  "/api/v1/campaigns",                      Scoped(Read),        campaign_endpoints::list;
            Get  "/api/v1/campaigns/{id}",                 Scoped(Read),        campaign_endpoints::show;
            Post "/api/v1/campaigns/{id}/recipients",      Scoped(Send),        recipient_endpoints::add;
            Post "/api/v1/campaigns/{id}/start",           Scoped(Send),        campaign_endpoints::start;
            Post "/api/v1/campaigns/{id}/pause",           Scoped(Operate),     campaign_endpoints::pause;
            Post "/api/v1/campaigns/{id}/resume",          Scoped(Operate),     campaign_endpoints::resume;
            Post "/api/v1/campaigns/{id}/cancel",          Scoped(Operate),     campaign_endpoints::cancel;
            Post "/api/v1/campaigns/{id}/resend",          Scoped(Operate),     bulk_endpoints::resend_campaign;
            Get  "/api/v1/callbacks",                      Scoped(Read),        callback_endpoints::list;
            Post "/api/v1/callbacks/replay",               Scoped(Operate),     replay_endpoints::run;
            Get  "/api/v1/callbacks/{id}",                 Scoped(Read),        callback_endpoints::show;
            Get  "/api/v1/callbacks/{id}/raw",             Scoped(Operate),     callback_endpoints::show_raw;
            Post "/api/v1/callbacks/{id}/put-aside",       Scoped(Operate),     action_endpoints::dismiss_callback;
            Get  "/api/v1/orphans",                        Scoped(Read),        orphan_endpoints::list;
            Post "/api/v1/orphans/put-aside",              Scoped(Operate),     orphan_dismissal_endpoints::run;
            Post "/api/v1/orphans/{id}/match",             Scoped(Operate),     action_endpoints::match_orphan;
            Get  "/api/v1/rejections",                     Scoped(Read),        rejection_endpoints::list;
            Get  "/api/v1/problems",                       Scoped(Read),        problem_count_endpoints::count;
            Get  "/api/v1/problems/{kind}",                Scoped(Read),        problem_list_endpoints::list;
            Get  "/api/v1/stats",                          Scoped(Read),        statistics_endpoints::show;
            Get  "/api/v1/reports/messages.csv",           Scoped(Read),        export_endpoints::csv;
            Get  "/api/v1/reports/messages.ndjson",        Scoped(Read),        export_endpoints::ndjson;
            Get  "/api/v1/reports/messages.xlsx",          Scoped(Read),        export_endpoints::xlsx;
            Get  "/api/v1/reports/summary.csv",            Scoped(Read),        summary_endpoints::csv;
            Get  "/api/v1/reports/summary.json",           Scoped(Read),        summary_endpoints::json;
            Get  "/api/v1/reports/summary.xlsx",           Scoped(Read),        summary_endpoints::xlsx;
            Get  "/api/v1/reports/costs.json",             Scoped(Read),        summary_endpoints::costs;
            Get  "/api/v1/accounts",                       Scoped(Read),        account_endpoints::list;
            Post "/api/v1/accounts/{id}/resume",           Scoped(Operate),     account_action_endpoints::resume;
            Post "/api/v1/accounts/{id}/pause",            Scoped(Operate),     account_action_endpoints::pause;
            Get  "/api/v1/accounts/{id}/events",           Scoped(Read),        account_event_endpoints::list;
            Get  "/api/v1/windows/{account}/{phone}",      Scoped(Read),        window_endpoints::show;
            Get  "/api/v1/live",                           Scoped(Read),        live_endpoints::follow;
        }
        Page {
            Get  "/login",                                 Anyone,              sign_in::show;
            Post "/login",                                 Anyone,              sign_in::sign_in;
            Post "/logout",                                Anyone,              sign_in::sign_out;
            Get  "/",                                      Scoped(Read),        overview_page::show;
            Get  "/messages",                              Scoped(Read),        messages_page::show;
            Get  "/messages/export",                       Scoped(Read),        reports_page::redirect_to_export;
            Get  "/messages/{id}",                         Scoped(Read),        message_page::show;
            Post "/messages/{id}/cancel",                  Scoped(Operate),     form_handlers::cancel;
            Post "/messages/{id}/resend",                  Scoped(Operate),     form_handlers::resend;
            Post "/messages/{id}/mark-failed",             Scoped(Operate),     form_handlers::mark_failed;
            Post "/messages/{id}/unmatch",                 Scoped(Operate),     form_handlers::unmatch;
            Post "/messages/{id}/put-aside",               Scoped(Operate),     form_handlers::dismiss_message;
            Get  "/orphans/put-aside",                     Scoped(Operate),     orphan_dismissal_page::preview;
            Post "/orphans/put-aside",                     Scoped(Operate),     orphan_dismissal_page::apply;
            Post "/orphans/{id}/match",                    Scoped(Operate),     form_handlers::match_orphan;
            Get  "/campaigns",                             Scoped(Read),        campaigns_page::show;
            Post "/campaigns",                             Scoped(Send),        campaigns_page::create_draft;
            Get  "/campaigns/{id}",                        Scoped(Read),        campaign_page::show;
            Post "/campaigns/{id}/recipients",             Scoped(Send),        campaign_page::add_recipients;
            Post "/campaigns/{id}/start",                  Scoped(Send),        campaign_page::start;
            Post "/campaigns/{id}/pause",                  Scoped(Operate),     campaign_page::pause;
            Post "/campaigns/{id}/resume",                 Scoped(Operate),     campaign_page::resume;
            Post "/campaigns/{id}/cancel",                 Scoped(Operate),     campaign_page::cancel;
            Get  "/campaigns/{id}/resend",                 Scoped(Operate),     campaign_resend_page::preview;
            Post "/campaigns/{id}/resend",                 Scoped(Operate),     campaign_resend_page::apply;
            Get  "/problems",                              Scoped(Read),        problems_page::show;
            Post "/problems/callbacks/{id}/put-aside",     Scoped(Operate),     form_handlers::dismiss_callback;
            Get  "/callbacks",                             Scoped(Read),        callbacks_page::show;
            Get  "/callbacks/replay",                      Scoped(Operate),     replay_page::preview;
            Post "/callbacks/replay",                      Scoped(Operate),     replay_page::apply;
            Get  "/callbacks/{id}",                        Scoped(Read),        callback_page::show;
            Get  "/accounts",                              Scoped(Read),        accounts_page::show;
            Post "/accounts/{id}/resume",                  Scoped(Operate),     account_forms::resume;
            Post "/accounts/{id}/pause",                   Scoped(Operate),     account_forms::pause;
            Get  "/reports",                               Scoped(Read),        reports_page::show;
        }
    }
}
