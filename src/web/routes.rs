//! The table of routes: method, path, who may call it, handler.

use actix_web::web::ServiceConfig;

use crate::domain::scope::Scope::{Admin, Operate, Read, Send};
use crate::web::api::{
    account_action_endpoints, account_endpoints, account_event_endpoints, action_endpoints,
    alert_endpoints, audit_endpoints, bulk_endpoints, callback_endpoints, campaign_endpoints,
    explanation_endpoints, export_endpoints, live_endpoints, message_endpoints,
    observed_message_endpoints, openapi, orphan_dismissal_endpoints, orphan_endpoints,
    person_endpoints, problem_count_endpoints, problem_list_endpoints, recipient_endpoints,
    rejection_endpoints, replay_endpoints, send_endpoint, statistics_endpoints, summary_endpoints,
    timeline_endpoints, window_endpoints,
};
use crate::web::dashboard::{
    account_forms, accounts_page, alerts_section, audit_page, bulk_action_page, callback_page,
    callbacks_page, campaign_page, campaign_resend_page, campaigns_page, match_action,
    message_action_forms, message_page, messages_page, orphan_dismissal_page, overview_page,
    problems_page, replay_page, reports_page, resend_action, send_page, settings_forms,
    settings_page, settlement_page, url_check_page, user_forms,
};
use crate::web::route_registration::RouteAccess::{
    Anyone, PerAccount, Scoped, ScopedOrLocal, UrlToken,
};
use crate::web::route_registration::{RouteEntry, ServedRoutes, register, route_table};
use crate::web::session_cookie::SessionCookies;
use crate::web::{
    callback_receiver, health_endpoints, media_file, metrics_endpoint, request_parsing, sign_in,
    static_files, url_check_endpoint,
};

/// Configures a listener.
pub fn configure(config: &mut ServiceConfig, served: ServedRoutes, cookies: SessionCookies<'_>) {
    config.configure(request_parsing::configure_extractors);
    register(config, &routes(), served, cookies);
}

/// Every route.
#[expect(clippy::too_many_lines, reason = "one line per route")]
pub fn routes() -> Vec<RouteEntry> {
    route_table! {
        Always {
            Any  "/callbacks/{account}/{token}",           UrlToken,            callback_receiver::receive_callback;
            Any  "/callbacks/-/{token}",                   UrlToken,            url_check_endpoint::answer;
            Any  "/reports/{token}",                       UrlToken,            callback_receiver::receive_report;
            Get  "/healthz",                               Anyone,              health_endpoints::alive;
            Get  "/readyz",                                Anyone,              health_endpoints::ready;
            Get  "/static/{name}",                         Anyone,              static_files::show;
            Get  "/api/openapi.json",                      Anyone,              openapi::show;
        }
        Plain {
            Get  "/media/{token}",                         UrlToken,            media_file::show;
            Get  "/metrics",                               ScopedOrLocal(Read), metrics_endpoint::show;
        }
        Api {
            Post "/api/v1/messages",                       PerAccount(Send),    send_endpoint::send;
            Get  "/api/v1/messages",                       PerAccount(Read),    message_endpoints::list;
            Post "/api/v1/messages/observed",              PerAccount(Send),    observed_message_endpoints::register;
            Get  "/api/v1/messages/{id}",                  PerAccount(Read),    message_endpoints::show;
            Get  "/api/v1/messages/{id}/timeline",         PerAccount(Read),    timeline_endpoints::show;
            Get  "/api/v1/messages/{id}/explain",          PerAccount(Read),    explanation_endpoints::show;
            Post "/api/v1/messages/{id}/cancel",           PerAccount(Operate), action_endpoints::cancel;
            Post "/api/v1/messages/{id}/resend",           PerAccount(Operate), action_endpoints::resend;
            Post "/api/v1/messages/{id}/mark-failed",      PerAccount(Operate), action_endpoints::mark_failed;
            Post "/api/v1/messages/{id}/unmatch",          PerAccount(Operate), action_endpoints::unmatch;
            Post "/api/v1/messages/{id}/put-aside",        PerAccount(Operate), action_endpoints::dismiss_message;
            Post "/api/v1/messages/resend",                PerAccount(Operate), bulk_endpoints::resend_messages;
            Post "/api/v1/messages/cancel",                PerAccount(Operate), bulk_endpoints::cancel_messages;
            Post "/api/v1/messages/mark-failed",           PerAccount(Operate), bulk_endpoints::mark_messages_failed;
            Post "/api/v1/campaigns",                      PerAccount(Send),    campaign_endpoints::create;
            Get  "/api/v1/campaigns",                      PerAccount(Read),    campaign_endpoints::list;
            Get  "/api/v1/campaigns/{id}",                 PerAccount(Read),    campaign_endpoints::show;
            Post "/api/v1/campaigns/{id}/recipients",      PerAccount(Send),    recipient_endpoints::add;
            Post "/api/v1/campaigns/{id}/start",           PerAccount(Send),    campaign_endpoints::start;
            Post "/api/v1/campaigns/{id}/pause",           PerAccount(Operate), campaign_endpoints::pause;
            Post "/api/v1/campaigns/{id}/resume",          PerAccount(Operate), campaign_endpoints::resume;
            Post "/api/v1/campaigns/{id}/cancel",          PerAccount(Operate), campaign_endpoints::cancel;
            Post "/api/v1/campaigns/{id}/resend",          PerAccount(Operate), bulk_endpoints::resend_campaign;
            Get  "/api/v1/callbacks",                      PerAccount(Read),    callback_endpoints::list;
            Post "/api/v1/callbacks/replay",               PerAccount(Operate), replay_endpoints::run;
            Get  "/api/v1/callbacks/{id}",                 PerAccount(Read),    callback_endpoints::show;
            Get  "/api/v1/callbacks/{id}/raw",             PerAccount(Operate), callback_endpoints::show_raw;
            Post "/api/v1/callbacks/{id}/put-aside",       PerAccount(Operate), action_endpoints::dismiss_callback;
            Get  "/api/v1/orphans",                        PerAccount(Read),    orphan_endpoints::list;
            Post "/api/v1/orphans/put-aside",              PerAccount(Operate), orphan_dismissal_endpoints::run;
            Post "/api/v1/orphans/{id}/match",             PerAccount(Operate), action_endpoints::match_orphan;
            Get  "/api/v1/rejections",                     PerAccount(Read),    rejection_endpoints::list;
            Get  "/api/v1/problems",                       Scoped(Read),        problem_count_endpoints::count;
            Get  "/api/v1/problems/{kind}",                Scoped(Read),        problem_list_endpoints::list;
            Get  "/api/v1/stats",                          PerAccount(Read),    statistics_endpoints::show;
            Get  "/api/v1/reports/messages.csv",           PerAccount(Read),    export_endpoints::csv;
            Get  "/api/v1/reports/messages.ndjson",        PerAccount(Read),    export_endpoints::ndjson;
            Get  "/api/v1/reports/messages.xlsx",          PerAccount(Read),    export_endpoints::xlsx;
            Get  "/api/v1/reports/summary.csv",            PerAccount(Read),    summary_endpoints::csv;
            Get  "/api/v1/reports/summary.json",           PerAccount(Read),    summary_endpoints::json;
            Get  "/api/v1/reports/summary.xlsx",           PerAccount(Read),    summary_endpoints::xlsx;
            Get  "/api/v1/reports/costs.json",             Scoped(Read),        summary_endpoints::costs;
            Get  "/api/v1/accounts",                       PerAccount(Read),    account_endpoints::list;
            Post "/api/v1/accounts/{id}/resume",           PerAccount(Operate), account_action_endpoints::resume;
            Post "/api/v1/accounts/{id}/pause",            PerAccount(Operate), account_action_endpoints::pause;
            Get  "/api/v1/accounts/{id}/events",           PerAccount(Read),    account_event_endpoints::list;
            Get  "/api/v1/alerts",                         Scoped(Read),        alert_endpoints::list;
            Post "/api/v1/alerts/{number}/test",           Scoped(Operate),     alert_endpoints::test;
            Post "/api/v1/people/erase",                   Scoped(Admin),       person_endpoints::erase_person;
            Get  "/api/v1/windows/{account}/{phone}",      PerAccount(Read),    window_endpoints::show;
            Get  "/api/v1/audit",                          Scoped(Admin),       audit_endpoints::list;
            Get  "/api/v1/live",                           PerAccount(Read),    live_endpoints::follow;
        }
        Page {
            Get  "/login",                                 Anyone,              sign_in::show;
            Post "/login",                                 Anyone,              sign_in::sign_in;
            Post "/logout",                                Anyone,              sign_in::sign_out;
            Get  "/",                                      Scoped(Read),        overview_page::show;
            Get  "/messages",                              Scoped(Read),        messages_page::show;
            Get  "/messages/export",                       Scoped(Read),        reports_page::redirect_to_export;
            Get  "/messages/resend",                       Scoped(Operate),     bulk_action_page::preview;
            Post "/messages/resend",                       Scoped(Operate),     bulk_action_page::apply;
            Get  "/messages/cancel",                       Scoped(Operate),     bulk_action_page::preview;
            Post "/messages/cancel",                       Scoped(Operate),     bulk_action_page::apply;
            Get  "/messages/mark-failed",                  Scoped(Operate),     bulk_action_page::preview;
            Post "/messages/mark-failed",                  Scoped(Operate),     bulk_action_page::apply;
            Get  "/messages/{id}",                         Scoped(Read),        message_page::show;
            Post "/messages/{id}/cancel",                  Scoped(Operate),     message_action_forms::cancel;
            Post "/messages/{id}/resend",                  Scoped(Operate),     resend_action::submit;
            Post "/messages/{id}/mark-failed",             Scoped(Operate),     message_action_forms::mark_failed;
            Post "/messages/{id}/unmatch",                 Scoped(Operate),     message_action_forms::unmatch;
            Post "/messages/{id}/put-aside",               Scoped(Operate),     message_action_forms::dismiss_message;
            Get  "/orphans/put-aside",                     Scoped(Operate),     orphan_dismissal_page::preview;
            Post "/orphans/put-aside",                     Scoped(Operate),     orphan_dismissal_page::apply;
            Post "/orphans/{id}/match",                    Scoped(Operate),     match_action::submit;
            Get  "/send",                                  Scoped(Send),        send_page::show;
            Post "/send",                                  Scoped(Send),        send_page::submit;
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
            Post "/problems/callbacks/{id}/put-aside",     Scoped(Operate),     message_action_forms::dismiss_callback;
            Get  "/callbacks",                             Scoped(Read),        callbacks_page::show;
            Get  "/callbacks/replay",                      Scoped(Operate),     replay_page::preview;
            Post "/callbacks/replay",                      Scoped(Operate),     replay_page::apply;
            Get  "/callbacks/{id}",                        Scoped(Read),        callback_page::show;
            Get  "/accounts",                              Scoped(Read),        accounts_page::show;
            Post "/accounts/check",                        Scoped(Operate),     url_check_page::run;
            Post "/accounts/{id}/resume",                  Scoped(Operate),     account_forms::resume;
            Post "/accounts/{id}/pause",                   Scoped(Operate),     account_forms::pause;
            Get  "/reports",                               Scoped(Read),        reports_page::show;
            Get  "/settlement",                            Scoped(Operate),     settlement_page::show;
            Post "/settlement",                            Scoped(Operate),     settlement_page::submit;
            Post "/alerts/{number}/test",                  Scoped(Operate),     alerts_section::send_test;
            Get  "/audit",                                 Scoped(Admin),       audit_page::show;
            Get  "/settings",                              Scoped(Read),        settings_page::show;
            Post "/settings/password",                     Scoped(Read),        settings_forms::set_password;
            Post "/settings/zone",                         Scoped(Read),        settings_forms::set_zone;
            Post "/settings/sessions/end-others",          Scoped(Read),        settings_forms::end_other_sessions;
            Post "/settings/sessions/{id}/end",            Scoped(Read),        settings_forms::end_session;
            Post "/settings/users",                        Scoped(Admin),       user_forms::add_user;
            Post "/settings/users/{id}/role",              Scoped(Admin),       user_forms::change_role;
            Post "/settings/users/{id}/sign-in-link",      Scoped(Admin),       user_forms::create_link;
            Post "/settings/users/{id}/disable",           Scoped(Admin),       user_forms::disable;
            Post "/settings/users/{id}/enable",            Scoped(Admin),       user_forms::enable;
            Post "/settings/tokens",                       Scoped(Admin),       user_forms::create_token;
            Post "/settings/tokens/{id}/revoke",           Scoped(Admin),       user_forms::revoke_token;
        }
    }
}
