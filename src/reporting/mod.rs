//! Read models: statistics, exports, metrics, problems, alarms, account health.

pub mod account_health;
pub mod account_warnings;
pub mod alarms;
pub mod bucketed_statistics;
pub mod budget_watch;
pub mod callback_views;
pub mod campaign_summary;
pub mod costs;
mod database_metrics;
pub mod delivery_summary;
pub mod export;
pub mod filter_fields;
mod gauges;
pub mod message_history;
pub mod message_query;
pub mod metrics;
pub mod orphan_views;
pub mod phone_search;
pub mod problem_items;
pub mod problem_kind;
pub mod query_values;
pub mod search_text;
pub mod settlement;
pub mod summary_report;
