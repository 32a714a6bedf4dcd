//! The only place that knows sea-orm and SQL. Takes and returns domain values; entities never leave it.

pub mod connection;
mod error;
pub mod journal;

pub use error::Error;
