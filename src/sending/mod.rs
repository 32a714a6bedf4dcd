//! Sending messages: accept, dispatch, the HTTP client for providers, transcripts, uploaded files.

pub mod accept;
pub mod campaign;
pub mod dispatch;
mod expiry_text;
pub mod in_flight_limit;
pub mod known_flows;
pub mod media_check;
pub mod numbering_plan;
pub mod queue_warnings;
pub mod recipient_number;
mod submission_window;
pub mod transcript;
pub mod transport;
pub mod upload_storage;
