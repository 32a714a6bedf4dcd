//! The rows of the journal.

use crate::cell::{Cell, Load};
use crate::population::{Population, account, delay};

/// Raw callbacks. Their bodies are short because they are not replayed.
pub fn journal(population: &Population) -> Load<'_> {
    const BODY: &[u8] = br#"{"note":"loaded for a benchmark and not parsed any more"}"#;
    let row = |number| {
        let at = population.created_at(number) + delay(number);
        vec![
            seq(number),
            Cell::Id(population.callback_id(number).uuid()),
            Cell::Word(account(number).id),
            Cell::Word("callback"),
            Cell::Word("POST"),
            Cell::Word(""),
            Cell::Word(r#"[["content-type","application/json"],["user-agent","axios/1.7.9"]]"#),
            Cell::Word("127.0.0.1"),
            Cell::Number(at.timestamp_millis()),
            Cell::Word("verified"),
            Cell::Number(57),
            Cell::Bytes(BODY),
        ]
    };
    Load {
        table: "journal",
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
