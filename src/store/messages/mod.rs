//! Finds and lists messages.

mod export_page;
pub(super) mod fold_columns;
mod index_choice;
mod index_hint;
pub(super) mod keyset_page;
pub(super) mod list_query;
pub(super) mod message_filter;
mod message_from_row;
pub(super) mod message_lookup;
pub(super) mod new_message;
mod other_ids;
pub(super) mod search_conditions;
pub(super) mod template_values;
#[cfg(test)]
mod tests;

pub use export_page::{ExportPage, ExportedFailure, ExportedMessage};
pub use keyset_page::Page;
pub use message_filter::{Cursor, MessageFilter, MessageOrder, Search};
pub use message_lookup::Found;
