//! Read models: statistics, exports, metrics, problems, alarms, account health.

pub mod account_health;
pub mod alarms;
pub mod bucketed_statistics;
pub mod callback_views;
pub mod export;
pub mod message_history;
pub mod metrics;
pub mod orphan_views;
pub mod problem_items;
pub mod problem_kind;
pub mod search_text;
