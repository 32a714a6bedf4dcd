//! Settlement: a provider's own report or invoice file, compared with our messages.

mod comparison;
mod provider_file;

pub use comparison::{Comparison, ComparisonRequest, Difference, DifferenceKind, compare};
pub use provider_file::{ColumnMap, FileError, FileField, ProviderFile, read};
