//! The only place that knows actix: addresses, requests, replies.

mod callback_body;
pub mod callbacks;
pub mod dashboard;
