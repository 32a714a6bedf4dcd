//! What tests stand on: databases of their own, and the whole program around them.

pub(crate) mod app;
pub(crate) mod database;
pub(crate) mod program;
