//! Use cases: one verb a file, no HTTP framework.

pub mod export;
