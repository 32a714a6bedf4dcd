//! The HTTP API under `/api/v1`. The routes are in `web/mod.rs`; each handler describes itself for
//! the OpenAPI document.

pub(crate) mod account_action_endpoints;
pub(crate) mod account_endpoints;
pub(crate) mod account_event_endpoints;
pub(crate) mod action_endpoints;
pub mod api_operation;
pub(crate) mod bulk_endpoints;
pub(crate) mod callback_endpoints;
pub(crate) mod campaign_endpoints;
mod documented_responses;
pub(crate) mod explanation_endpoints;
pub(crate) mod export_endpoints;
pub mod filter;
pub(crate) mod find_message;
mod list_response;
pub(crate) mod live_endpoints;
mod message_cursor;
pub(crate) mod message_endpoints;
pub(crate) mod observed_message_endpoints;
pub mod openapi;
pub(crate) mod orphan_dismissal_endpoints;
pub(crate) mod orphan_endpoints;
pub mod parameters;
mod path_parameters;
pub(crate) mod problem_count_endpoints;
pub(crate) mod problem_list_endpoints;
mod query_parameter;
pub(crate) mod recipient_endpoints;
pub(crate) mod rejection_endpoints;
pub(crate) mod replay_endpoints;
mod send_body;
pub(crate) mod send_endpoint;
pub(crate) mod statistics_endpoints;
mod statistics_query;
pub(crate) mod timeline_endpoints;
pub(crate) mod window_endpoints;
pub mod wire;
