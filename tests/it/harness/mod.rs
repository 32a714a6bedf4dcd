//! What tests stand on: databases of their own, and the whole program around them.
//! What tests stand on: databases of their own, and texts approved once.

pub(crate) mod app;
pub(crate) mod database;
pub(crate) mod golden;
pub(crate) mod recount;
