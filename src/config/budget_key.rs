//! The key `monthly_budget`, at the top level and in an account.

use figment::value::Value;

use crate::config::table_reader::TableReader;
use crate::domain::budget::Budget;

/// Reads a text such as `5000 INR`, or a whole number.
pub(super) fn read_budget(table: &mut TableReader<'_, '_>) -> Option<Budget> {
    const NAME: &str = "monthly_budget";
    let text = match table.take(NAME)? {
        Value::String(_, text) => text,
        Value::Num(_, number) => {
            let Some(whole) = number.to_i128() else {
                // A float may differ from the decimals in the file.
                table.problem(
                    NAME,
                    "must be a whole number, or a text such as \"5000.50 INR\"",
                );
                return None;
            };
            whole.to_string()
        }
        _ => {
            table.problem(NAME, "must be a text such as \"5000 INR\"");
            return None;
        }
    };
    Budget::parse(&text)
        .map_err(|error| table.problem(NAME, error))
        .ok()
}
