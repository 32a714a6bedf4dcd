//! Provider protocols as pure functions: no network, database, clock or async.
//!
//! To add a provider, copy the most similar file, add fixtures, one line to [`get`] and one row to
//! the README; `tests/it/house.rs` reports what is missing.

pub mod authenticity;
pub mod cloud_api;
mod flat;
pub mod kaleyra;
pub mod lancepilot;
mod meta_failure;
mod payload;
mod profile;
mod protocol;
mod replies;
pub mod sobot;
pub mod vocabulary;
mod xml;
pub mod zixflow;

use crate::domain::callback_fields::CallbackFields;
use crate::domain::provider::ProviderId;

pub use crate::providers::protocol::{
    CallBody, Callback, CallbackPart, FilePart, Header, HttpCall, HttpReply, Inbound, Provider,
    Report, SendStep,
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
        let payload = payload::parse(callback).ok()?;
        profile::parse(&payload, fields, provider.exceptions())
    };
    let of_the_query = || {
        chosen(&Callback {
            body: Vec::new(),
            ..callback.clone()
        })
    };
    chosen(callback)
        .or_else(of_the_query)
        .unwrap_or_else(|| provider.parse_callback(callback))
}
