//! The only place that knows actix: addresses, requests, replies.

mod callback_body;
pub mod callbacks;
//! The only place that knows actix: routes, pages and the wire.
pub mod dashboard;
