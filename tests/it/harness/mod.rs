//! What tests stand on: databases of their own, and texts approved once.

pub(crate) mod database;
pub(crate) mod golden;
