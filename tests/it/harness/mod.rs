//! What the tests share: a database for each, the whole program, the real binary, and approved texts.

pub(crate) mod addresses;
pub(crate) mod app;
pub(crate) mod callback_records;
pub(crate) mod capacity_trial;
pub(crate) mod database;
pub(crate) mod dump;
pub(crate) mod fleet;
pub(crate) mod generator;
pub(crate) mod golden;
#[cfg(target_os = "linux")]
pub(crate) mod hostile_callbacks;
pub(crate) mod oracle_comparison;
pub(crate) mod people;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod recount;
pub(crate) mod relay;
pub(crate) mod seeded_messages;
pub(crate) mod slow_clients;
pub(crate) mod trial;
pub(crate) mod waiting;
