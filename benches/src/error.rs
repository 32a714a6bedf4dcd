//! The error that ends a run.

pub type BenchError = Box<dyn std::error::Error + Send + Sync>;
