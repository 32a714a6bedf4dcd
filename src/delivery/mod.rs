//! Use cases, one verb a file: accept a message, hand it over, take a callback in, reconcile what it says. No HTTP framework types.

pub mod accept;
pub mod callbacks;
pub mod correlate;
pub mod dispatch;
pub mod explain;
pub mod export;
pub mod ingest;
pub mod known_accounts;
pub mod operate;
pub mod pace;
pub mod precedents;
pub mod problems;
mod reading;
pub mod rebuild;
pub mod reconcile;
pub mod redaction;
pub mod replay;
pub mod retention;
pub mod services;
pub mod standing;
pub mod statistics;
pub mod transcript;
pub mod transport;
pub mod unmatch;
pub mod unpack;
pub mod uploads;
pub mod verify;
