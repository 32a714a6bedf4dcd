//! Business rules as pure values: messages, receipts, and the fold from receipts to a state.
//!
//! **Invariant:** nothing here does IO, reads a clock, or knows JSON, HTTP or SQL;
//! `tests/it/house.rs` checks the imports.

pub mod account_event;
pub mod api_token;
pub mod attempt_outcome;
pub mod audit_action;
pub mod callback_fields;
pub mod callback_outcome;
pub mod callback_record;
pub mod clock;
pub mod correlation_tag;
pub mod delivery;
pub mod delivery_state;
pub mod enum_words;
pub mod explanation;
pub mod failure;
mod failure_code_table;
pub mod failure_codes;
pub mod ids;
pub mod invisible_characters;
pub mod latency;
pub mod masking;
pub mod media;
pub mod message;
pub mod person;
pub mod phone;
pub mod phone_text;
pub mod placeholder;
pub mod provider;
pub mod provider_account;
pub mod receipt;
pub mod receipt_limit;
pub mod reported_time;
pub mod rfc3339;
pub mod scope;
pub mod secret;
pub mod send_error;
pub mod steady_clock;
pub mod window;
