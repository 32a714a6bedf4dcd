//! Settlement: a provider's own report or invoice file, compared with our messages.

mod comparison;
mod covered_period;
mod difference_rows;
mod file_header;
mod provider_file;

pub use comparison::{
    CompareError, Comparison, ComparisonRequest, Difference, DifferenceKind, compare,
};
pub use covered_period::{PeriodError, covered_period};
pub use difference_rows::{COLUMN_NAMES, csv_bytes, difference_cells};
pub use file_header::read_header;
pub use provider_file::{
    ColumnMap, FileError, FileField, ProviderFile, known_columns, read_provider_file,
};
