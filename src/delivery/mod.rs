//! Use cases: what happens to callbacks and messages, between the web, the providers and the store.

pub mod ingest;
pub mod known_accounts;
mod redaction;
