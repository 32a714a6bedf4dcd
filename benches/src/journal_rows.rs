//! The rows of the journal.

use crate::cell::{Cell, TableRows};
use crate::population::{Population, account, delay};

/// Raw callbacks. Their bodies are short because they are not replayed.
pub fn journal(population: &Population) -> TableRows<'_> {
    const BODY: &[u8] = br#"{"note":"loaded for a benchmark and not parsed any more"}"#;
    let row = |number| {
        let at = population.created_at(number) + delay(number);
        vec![
            seq(number),
            Cell::Id(population.callback_id(number).uuid()),
            Cell::Literal(account(number).id),
            Cell::Literal("callback"),
            Cell::Literal("POST"),
            Cell::Literal(""),
            Cell::Literal(r#"[["content-type","application/json"],["user-agent","axios/1.7.9"]]"#),
            Cell::Literal("127.0.0.1"),
            Cell::Number(at.timestamp_millis()),
            Cell::Literal("verified"),
            Cell::Number(57),
            Cell::Bytes(BODY),
        ]
    };
    TableRows {
        name: "journal",
        columns: &[
            "seq",
            "id",
            "account",
            "route",
            "method",
            "query",
            "headers",
            "remote",
            "received_at",
            "authenticity",
            "size",
            "content",
        ],
        rows: Box::new((0..population.size).map(row)),
    }
}

/// Sequence numbers begin with 1.
pub fn seq(number: u64) -> Cell {
    Cell::Number(i64::try_from(number + 1).unwrap_or(i64::MAX))
}
