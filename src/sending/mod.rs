//! Messages on their way out: accept, dispatch, one HTTP client, transcripts, uploads.

pub mod accept;
pub mod dispatch;
pub mod pace;
pub mod transcript;
pub mod transport;
pub mod uploads;
