//! Operator actions and maintenance: actions on messages, campaigns and accounts, users and tokens,
//! alerts, backups, replay, rebuild, retention, erasure, upgrade, verify, explain, doctor.

pub mod account_actions;
pub mod action_context;
pub mod alert_delivery;
pub mod alerting;
pub mod backup;
pub mod bulk_actions;
pub mod bulk_cancel;
pub mod bulk_mark_failed;
pub mod bulk_resend;
mod campaign_pace;
pub mod change_campaign;
pub mod dismiss_orphans;
pub mod doctor;
pub mod erasure;
pub mod explain;
pub mod message_actions;
pub mod rebuild;
pub mod replay;
mod replay_batch;
mod replay_report;
pub mod retention;
pub mod upgrade;
pub mod users_and_tokens;
pub mod verify;
