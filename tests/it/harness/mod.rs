//! What tests stand on: databases of their own, the whole program around them, and texts approved once.

pub(crate) mod answer_key;
pub(crate) mod app;
pub(crate) mod cable;
pub(crate) mod capacity_trial;
pub(crate) mod database;
pub(crate) mod dump;
pub(crate) mod fleet;
pub(crate) mod golden;
#[cfg(target_os = "linux")]
pub(crate) mod hostile_callbacks;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod recount;
pub(crate) mod slow_clients;
pub(crate) mod trial;
