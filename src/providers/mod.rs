//! Provider protocols as pure functions: no network, database, clock or async.
//!
//! To add a provider, copy the most similar file, add fixtures, one line to [`get`] and one row to
//! `docs/providers.md`; `tests/it/house.rs` reports what is missing.

mod account_event_fields;
mod account_event_parser;
pub mod authenticity;
mod bounded_name;
mod callback_parser;
pub mod cloud_api;
mod configured_fields;
mod customer_id_links;
mod envelope;
mod failure_code;
mod failure_detail;
mod flat;
mod form;
mod form_or_lines;
mod grouped_number;
mod json;
mod json_assignment;
mod json_bare_value;
mod json_fragment_scan;
mod json_fragments;
mod json_frame;
mod json_in_text;
mod json_lookaround;
mod json_member;
mod json_quote_end;
mod json_repair;
mod json_requote;
mod json_separator;
mod json_value;
mod json_word;
pub mod kaleyra;
pub mod lancepilot;
mod meta_failure;
mod mixed_forms;
mod multipart;
mod nested_names;
mod notice;
mod payload;
mod payload_format;
mod placeholder_id;
mod probe;
mod protocol;
mod reading_budget;
mod recased_names;
mod repeated_names;
mod replies;
pub mod reply_class;
mod reply_word;
mod report_names;
pub(crate) mod retry_after;
pub mod sobot;
mod template_components;
mod text_decoding;
pub mod vocabulary;
mod written_time;
mod xml;
pub mod zixflow;

use crate::domain::provider::ProviderId;

pub use crate::providers::callback_parser::{ParsedContent, parse_callback};
pub use crate::providers::customer_id_links::CustomerIdLink;
pub use crate::providers::payload_format::read_documents;
pub use crate::providers::protocol::{
    CallBody, Callback, CallbackPart, FilePart, Header, HttpCall, HttpReply, Inbound, PARTS_LIMIT,
    Provider, Report, ReportedKind, SendStep,
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
