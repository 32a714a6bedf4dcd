//! The only place that knows actix: routes, pages and the wire.

pub mod api;
pub mod auth;
pub mod dashboard;
pub mod error;
pub mod login;
pub mod page_errors;
