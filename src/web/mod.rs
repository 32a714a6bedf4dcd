//! The only place that knows actix: routes, pages and the wire.

pub mod dashboard;
