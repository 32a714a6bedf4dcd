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
mod payload;
mod payload_format;
mod profile;
mod protocol;
mod reading_budget;
mod replies;
pub mod sobot;
pub mod vocabulary;
mod xml;
pub mod zixflow;

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

/// Parses a callback of an account, with the operator's field names where it uses them.
pub fn parse_callback(
    provider: &dyn Provider,
    fields: &CallbackFields,
    callback: &Callback,
) -> Vec<CallbackPart> {
    if fields.is_empty() {
        return provider.parse_callback(callback);
    }
    let chosen = |callback: &Callback| {
        let payload = payload_format::parse(callback).ok()?;
        profile::parse(&payload, fields, provider.exceptions())
    };
    let of_the_query = || {
        chosen(&Callback {
            method: callback.method.clone(),
            query: callback.query.clone(),
            content_type: callback.content_type.clone(),
            body: Vec::new(),
            received_at: callback.received_at,
        })
    };
    chosen(callback)
        .or_else(of_the_query)
        .unwrap_or_else(|| provider.parse_callback(callback))
}
