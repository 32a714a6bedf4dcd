//! The HTTP API: what its calls read and answer.

pub mod exports;
pub mod filter;
pub mod search;
