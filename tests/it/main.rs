//! Requirements of the whole, against the real program with real databases.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot continue fails; clippy's own exemption covers test bodies, not the harness"
)]

mod access;
mod account_events;
mod api;
mod api_description;
mod batches;
#[cfg(target_os = "linux")]
mod bounded_reading;
mod callback_formats;
mod callbacks;
mod capacity;
mod chaos;
mod clock_steps;
mod concurrency;
mod configuration;
mod configuration_keys;
mod configuration_reference;
mod crashes;
mod customer_ids;
mod dashboard;
mod dashboard_views;
mod disk_full;
mod durability;
mod explain;
mod exports;
mod harness;
mod house;
mod journal;
mod kills;
mod limits;
mod live_changes;
mod log_output;
mod lost_and_wrong;
mod maintenance;
mod matching;
mod metrics;
mod notices;
mod operations;
mod outages;
mod pasted_input;
mod postgres;
mod privacy;
mod problems;
mod provider_clocks;
mod providers;
mod quarantine;
mod query_plans;
mod rebuilding;
mod recipients;
mod reconciliation;
mod reconciliation_fold;
mod refusals;
mod registration;
mod replaying;
mod replicas;
mod restarts;
mod retention;
mod retries;
mod routes;
mod sending;
mod simulator;
mod statistics;
mod unusable_ids;
mod windows;
