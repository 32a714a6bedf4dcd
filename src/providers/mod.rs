//! Provider protocols as pure functions: no network, database, clock or async.
//!
//! To add a provider, copy the most similar file, add fixtures, one line to [`get`] and one row to
//! the README; `tests/it/house.rs` reports what is missing.

pub mod authenticity;
pub mod cloud_api;
mod flat;
mod form;
mod json;
pub mod kaleyra;
pub mod lancepilot;
mod meta_failure;
mod notice;
mod payload;
mod payload_format;
mod placeholder_id;
mod profile;
mod protocol;
mod reading_budget;
mod replies;
pub mod sobot;
pub mod vocabulary;
mod xml;
pub mod zixflow;

use serde_json::Value;

use crate::domain::callback_fields::CallbackFields;
use crate::domain::provider::ProviderId;

pub use crate::providers::protocol::{
    CallBody, Callback, CallbackPart, FilePart, Header, HttpCall, HttpReply, Inbound, PARTS_LIMIT,
    Provider, Report, SendStep,
};

/// The list of providers.
pub fn get(id: ProviderId) -> &'static dyn Provider {
    match id {
        ProviderId::Sobot => &sobot::Sobot,
        ProviderId::Kaleyra => &kaleyra::Kaleyra,
        ProviderId::Zixflow => &zixflow::Zixflow,
        ProviderId::LancePilot => &lancepilot::LancePilot,
    }
}

/// The placeholder that stands in the place of a message id, if there is one.
pub fn find_placeholder_id(fields: &CallbackFields, callback: &Callback) -> Option<String> {
    let payload = payload_format::parse(callback).ok()?;
    placeholder_id::find(&payload, fields)
}

/// Parses a callback of an account, with the operator's field names where it uses them: in the body,
/// or else in the query string.
pub fn parse_callback(
    provider: &dyn Provider,
    fields: &CallbackFields,
    callback: &Callback,
) -> Vec<CallbackPart> {
    let payload = payload_format::parse(callback);
    if !fields.is_empty() {
        let chosen = |payload: &Value| profile::parse(payload, fields, provider.exceptions());
        let of_the_query = || chosen(&payload_format::parse_query(&callback.query).ok()?);
        let parts = payload.as_ref().ok().and_then(chosen);
        if let Some(parts) = parts.or_else(of_the_query) {
            return parts;
        }
    }
    match payload {
        Ok(payload) => provider.parse_payload(&payload),
        Err(reason) => vec![CallbackPart::Unparseable(reason)],
    }
}
