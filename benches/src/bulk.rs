//! Fills databases with a population directly, with indexes built last. Through callbacks it would
//! take hours.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use bluetick::domain::delivery::fold;
use bluetick::domain::delivery_state::{QueueState, Stage};
use bluetick::domain::failure::Failure;
use bluetick::domain::latency::LatencyBucket;
use bluetick::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use chrono::TimeDelta;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql};
use uuid::Uuid;

use crate::error::BenchError;
use crate::population::{
    ACCOUNTS, BUCKET, InitialState, Population, account, recipient, scatter, second_id, wamid,
};
use crate::server::Installation;

#[derive(Clone, Debug)]
enum Cell {
    Null,
    Number(i64),
    Word(&'static str),
    Text(String),
    Id(Uuid),
    Flag(bool),
    Bytes(&'static [u8]),
}

struct Load<'a> {
    table: &'static str,
    columns: &'static [&'static str],
    rows: Box<dyn Iterator<Item = Vec<Cell>> + 'a>,
}

/// The installation must be new and migrated.
pub fn fill(installation: &Installation, population: &Population) -> Result<(), BenchError> {
    let began = Instant::now();
    if installation.database_url.starts_with("sqlite:") {
        std::thread::scope(|scope| {
            let journal =
                scope.spawn(|| fill_file(installation, "journal.db", vec![journal(population)]));
            fill_file(installation, "bluetick.db", main(population))?;
            journal.join().map_err(|_| "loading the journal panicked")?
        })?;
    } else {
        let mut loads = main(population);
        loads.push(journal(population));
        fill_server(&installation.database_url, population, loads)?;
    }
    eprintln!(
        "  {} messages loaded in {:.0} s",
        population.size,
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

fn main(population: &Population) -> Vec<Load<'_>> {
    let mut loads = vec![
        messages(population),
        receipts(population),
        outcomes(population),
        provider_ids(population),
    ];
    loads.extend(counts(population));
    loads.push(position(population));
    loads
}

fn fill_file(
    installation: &Installation,
    file: &str,
    loads: Vec<Load<'_>>,
) -> Result<(), BenchError> {
    let mut database = Connection::open(installation.folder.join(file))?;
    database.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA locking_mode = EXCLUSIVE; PRAGMA threads = 2",
    )?;
    let indexes = drop_indexes(&database)?;
    let transaction = database.transaction()?;
    for load in loads {
        let marks = vec!["?"; load.columns.len()].join(", ");
        let text = format!(
            "INSERT OR REPLACE INTO {} ({}) VALUES ({marks})",
            load.table,
            load.columns.join(", ")
        );
        let mut insert = transaction.prepare(&text)?;
        for row in load.rows {
            insert.execute(rusqlite::params_from_iter(row))?;
        }
    }
    transaction.commit()?;
    for index in indexes {
        database.execute_batch(&index)?;
    }
    database.execute_batch("PRAGMA locking_mode = NORMAL; PRAGMA journal_mode = WAL")?;
    Ok(())
}

/// Drops the indexes that belong to no constraint; returns the statements that create them.
fn drop_indexes(database: &Connection) -> Result<Vec<String>, BenchError> {
    let mut find = database
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")?;
    let found: Vec<(String, String)> = find
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (name, _) in &found {
        database.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    Ok(found.into_iter().map(|(_, text)| text).collect())
}

/// By `COPY` in `psql`.
fn fill_server(url: &str, population: &Population, loads: Vec<Load<'_>>) -> Result<(), BenchError> {
    let mut client = Command::new("psql")
        .args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", url])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut script = BufWriter::new(client.stdin.take().ok_or("no standard input")?);
    writeln!(
        script,
        "BEGIN;\nDELETE FROM settings WHERE name = 'reconcile_position';"
    )?;
    for load in loads {
        let columns = load.columns.join(", ");
        writeln!(script, "COPY {} ({columns}) FROM STDIN;", load.table)?;
        for row in load.rows {
            let cells: Vec<String> = row.iter().map(Cell::copy_text).collect();
            writeln!(script, "{}", cells.join("\t"))?;
        }
        writeln!(script, "\\.")?;
    }
    writeln!(
        script,
        "SELECT setval('journal_seq', {});\nCOMMIT;\nVACUUM ANALYZE;",
        population.size
    )?;
    drop(script);
    if client.wait()?.success() {
        Ok(())
    } else {
        Err("psql failed".into())
    }
}

impl Cell {
    /// In PostgreSQL's text format. No value here needs escapes.
    fn copy_text(&self) -> String {
        match self {
            Self::Null => "\\N".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Word(text) => (*text).to_owned(),
            Self::Text(text) => text.clone(),
            Self::Id(id) => id.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Bytes(bytes) => {
                let mut hex = "\\\\x".to_owned();
                for byte in *bytes {
                    // Writing to a `String` cannot fail.
                    let _ = write!(hex, "{byte:02x}");
                }
                hex
            }
        }
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Number(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Word(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Id(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
            Self::Flag(flag) => ToSqlOutput::Owned(Value::Integer((*flag).into())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// Time from a message to its report: one second to about two minutes.
fn delay(number: u64) -> TimeDelta {
    TimeDelta::milliseconds(i64::try_from(1000 + scatter(number) % 125_000).unwrap_or(1000))
}

/// The only receipt of a message.
fn receipt(population: &Population, number: u64) -> Receipt {
    let at = population.created_at(number) + delay(number);
    let event = match population.initial_state(number) {
        InitialState::Sent => ReceiptEvent::Stage(Stage::Sent),
        InitialState::Delivered => ReceiptEvent::Stage(Stage::Delivered),
        InitialState::Read => ReceiptEvent::Stage(Stage::Read),
        InitialState::Failed => ReceiptEvent::Failure(Failure {
            code: Some("131026".to_owned()),
            title: Some("Message undeliverable".to_owned()),
            detail: None,
            key: None,
        }),
    };
    Receipt {
        source_kind: SourceKind::Callback,
        source: population.callback_id(number).uuid(),
        part: 0,
        event,
        occurred_at: Some(at),
        received_at: at,
        recipient: None,
        pricing: Pricing::default(),
    }
}

fn messages(population: &Population) -> Load<'_> {
    Load {
        table: "messages",
        columns: &[
            "id",
            "account",
            "provider",
            "origin",
            "sender",
            "recipient",
            "recipient_reversed",
            "recipient_name",
            "kind",
            "media_url",
            "mime_type",
            "caption",
            "reference",
            "client_reference",
            "queue",
            "tries",
            "handed_over_at",
            "state",
            "conflict",
            "silence_limit",
            "due_at",
            "submitted_at",
            "sent_at",
            "delivered_at",
            "read_at",
            "implied_stages",
            "failed_at",
            "failure_code",
            "failure_title",
            "failure_class",
            "provider_id",
            "created_at",
            "updated_at",
        ],
        rows: Box::new((0..population.size).map(|number| message(population, number))),
    }
}

fn message(population: &Population, number: u64) -> Vec<Cell> {
    let created_at = population.created_at(number);
    let receipt = receipt(population, number);
    let delivery = fold(
        QueueState::Done,
        Some(created_at),
        std::slice::from_ref(&receipt),
    );
    let stage = |stage| match delivery.stage(stage) {
        Some(reached) => Cell::Number(reached.at.timestamp_millis()),
        None => Cell::Null,
    };
    let implied = Stage::ALL
        .into_iter()
        .filter(|stage| {
            delivery
                .stage(*stage)
                .is_some_and(|reached| reached.implied)
        })
        .fold(0, |bits, stage| bits | 1 << stage.index());
    let to = recipient(number);
    let reported_at = receipt.received_at.timestamp_millis();
    let is_failed = delivery.failure.is_some();
    let failed = |cell: Cell| if is_failed { cell } else { Cell::Null };
    let due_at = match population.initial_state(number) {
        InitialState::Sent => Cell::Number(reported_at + 86_400_000),
        _ => Cell::Null,
    };
    let account = account(number);
    vec![
        Cell::Id(population.message_id(number).uuid()),
        Cell::Word(account.id),
        Cell::Word(account.provider),
        Cell::Word("api"),
        Cell::Word("918600000001"),
        Cell::Text(to.clone()),
        Cell::Text(to.chars().rev().collect()),
        Cell::Word("A Customer"),
        Cell::Word(kind(number)),
        Cell::Word("https://shop.example/pictures/card.jpg"),
        Cell::Word("image/jpeg"),
        Cell::Word("Your order is on its way."),
        Cell::Word("autumn"),
        Cell::Text(format!("order-{number}")),
        Cell::Word("done"),
        Cell::Number(1),
        Cell::Number(created_at.timestamp_millis() + 200),
        Cell::Word(delivery.state.as_str()),
        Cell::Flag(false),
        Cell::Number(86_400_000),
        due_at,
        stage(Stage::Submitted),
        stage(Stage::Sent),
        stage(Stage::Delivered),
        stage(Stage::Read),
        Cell::Number(implied),
        failed(Cell::Number(reported_at)),
        failed(Cell::Word("131026")),
        failed(Cell::Word("Message undeliverable")),
        failed(Cell::Word("recipient")),
        Cell::Text(wamid(number)),
        Cell::Number(created_at.timestamp_millis()),
        Cell::Number(reported_at),
    ]
}

fn kind(number: u64) -> &'static str {
    if number.is_multiple_of(3) {
        "video"
    } else {
        "image"
    }
}

fn receipts(population: &Population) -> Load<'_> {
    let row = |number| {
        let receipt = receipt(population, number);
        let at = Cell::Number(receipt.received_at.timestamp_millis());
        let mut row = vec![
            Cell::Id(receipt.source),
            Cell::Number(0),
            Cell::Word("callback"),
            Cell::Id(population.message_id(number).uuid()),
            at.clone(),
            at,
        ];
        row.extend(match receipt.event {
            ReceiptEvent::Stage(stage) => [
                Cell::Word("stage"),
                Cell::Word(stage.as_str()),
                Cell::Null,
                Cell::Null,
            ],
            _ => [
                Cell::Word("failure"),
                Cell::Null,
                Cell::Word("131026"),
                Cell::Word("Message undeliverable"),
            ],
        });
        row
    };
    Load {
        table: "receipts",
        columns: &[
            "source",
            "part",
            "source_kind",
            "message",
            "occurred_at",
            "received_at",
            "fact",
            "stage",
            "code",
            "title",
        ],
        rows: Box::new((0..population.size).map(row)),
    }
}

fn outcomes(population: &Population) -> Load<'_> {
    let row = |number| {
        let at = population.created_at(number) + delay(number);
        vec![
            Cell::Id(population.callback_id(number).uuid()),
            seq(number),
            Cell::Word(account(number).id),
            Cell::Number(at.timestamp_millis()),
            Cell::Word("receipts"),
        ]
    };
    Load {
        table: "callback_outcomes",
        columns: &["callback", "seq", "account", "received_at", "outcome"],
        rows: Box::new((0..population.size).map(row)),
    }
}

/// In the order of the primary key.
fn provider_ids(population: &Population) -> Load<'_> {
    let of_account = |place: u64| {
        let mut numbers: Vec<u64> = (0..population.size)
            .filter(|number| number % 4 == place)
            .collect();
        numbers.sort_unstable_by_key(|number| scatter(*number));
        let second = numbers.clone();
        let row = |number: u64, id: String, learned_from| {
            vec![
                Cell::Word(account(number).id),
                Cell::Text(id),
                Cell::Id(population.message_id(number).uuid()),
                Cell::Word(learned_from),
                Cell::Number(population.created_at(number).timestamp_millis() + 300),
            ]
        };
        let second = second
            .into_iter()
            .filter_map(move |number| Some(row(number, second_id(number)?, "callback")));
        let first = numbers
            .into_iter()
            .map(move |number| row(number, wamid(number), "reply"));
        // Hexadecimal digits sort before `wamid.`.
        second.chain(first)
    };
    Load {
        table: "provider_ids",
        columns: &[
            "account",
            "provider_id",
            "message",
            "learned_from",
            "learned_at",
        ],
        rows: Box::new((0..ACCOUNTS.len() as u64).flat_map(of_account)),
    }
}

/// Both count tables.
fn counts(population: &Population) -> [Load<'_>; 2] {
    let mut states: BTreeMap<_, i64> = BTreeMap::new();
    let mut latencies: BTreeMap<_, i64> = BTreeMap::new();
    for number in 0..population.size {
        let created_at = population.created_at(number).timestamp_millis();
        let cohort = (
            created_at.div_euclid(BUCKET) * BUCKET,
            account(number).id,
            kind(number),
        );
        let took = LatencyBucket::of(delay(number)).number();
        let (state, reached) = match population.initial_state(number) {
            InitialState::Sent => ("sent", Some("sent")),
            InitialState::Delivered => ("delivered", Some("delivered")),
            InitialState::Read => ("read", Some("read")),
            InitialState::Failed => ("failed", None),
        };
        *states.entry((cohort, state)).or_default() += 1;
        if let Some(stage) = reached {
            *latencies.entry((cohort, stage, took)).or_default() += 1;
        }
    }
    let state_row = |(((bucket, account, kind), state), messages)| {
        let (code, class) = if state == "failed" {
            ("131026", "recipient")
        } else {
            ("", "")
        };
        vec![
            Cell::Number(bucket),
            Cell::Word(account),
            Cell::Word(kind),
            Cell::Word("api"),
            Cell::Word(state),
            Cell::Word(code),
            Cell::Word(class),
            Cell::Number(messages),
        ]
    };
    let latency = |(((bucket, account, kind), stage, took), messages)| {
        vec![
            Cell::Number(bucket),
            Cell::Word(account),
            Cell::Word(kind),
            Cell::Word(stage),
            Cell::Number(took),
            Cell::Number(messages),
        ]
    };
    [
        Load {
            table: "message_counts",
            columns: &[
                "bucket", "account", "kind", "origin", "state", "code", "class", "messages",
            ],
            rows: Box::new(states.into_iter().map(state_row)),
        },
        Load {
            table: "latency_counts",
            columns: &["bucket", "account", "kind", "stage", "latency", "messages"],
            rows: Box::new(latencies.into_iter().map(latency)),
        },
    ]
}

/// Everything loaded counts as applied.
fn position(population: &Population) -> Load<'_> {
    let row = vec![
        Cell::Word("reconcile_position"),
        Cell::Text(population.size.to_string()),
    ];
    Load {
        table: "settings",
        columns: &["name", "value"],
        rows: Box::new(std::iter::once(row)),
    }
}

/// Raw callbacks. Their bodies are short because they are not replayed.
fn journal(population: &Population) -> Load<'_> {
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
fn seq(number: u64) -> Cell {
    Cell::Number(i64::try_from(number + 1).unwrap_or(i64::MAX))
}
