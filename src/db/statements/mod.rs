//! Statements over many rows. Constant texts for 1, 2, 4 … rows, so that statement caches hit;
//! missing rows are padding without effect. Building and preparing a text for every batch cost more
//! than writing its rows.

mod read_rows;
mod write_rows;

pub(crate) use read_rows::{
    EncodedRows, IDS_PER_QUERY, decode_row, find_by, list_as, padded, row_json, text_aggregate,
};
pub(crate) use write_rows::{insert, insert_columns, pad, placeholders, update};
