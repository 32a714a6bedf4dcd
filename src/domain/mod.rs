//! What the business means, as pure values: messages, facts about them, and the fold that turns facts into a state.
//!
//! **Invariant:** nothing here does IO, reads a clock, or knows JSON, HTTP or SQL; `tests/it/house.rs` checks the imports.

pub mod access;
pub mod callback;
pub mod callback_fields;
pub mod clock;
pub mod delivery;
pub mod dictionary;
pub mod explain;
pub mod fact_limit;
pub mod failure;
pub mod ids;
pub mod instant;
pub mod latency;
pub mod masking;
pub mod media;
pub mod message;
pub mod phone;
pub mod provider;
pub mod secret;
pub mod tag;
pub mod window;
