//! The rows of a population, table by table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bluetick::domain::delivery::fold;
use bluetick::domain::delivery_state::{QueueState, Stage};
use bluetick::domain::failure::Failure;
use bluetick::domain::latency::LatencyBucket;
use bluetick::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};

use crate::cell::{Cell, TableRows};
use crate::journal_rows::seq;
use crate::population::{
    ACCOUNTS, BUCKET, InitialState, Population, account, delay, recipient, scatter, second_id,
    wamid,
};

/// Lengths of the periods that the sum tables sum up, in milliseconds.
const WIDTHS: [i64; 2] = [60 * 60 * 1000, 24 * 60 * 60 * 1000];
/// The business number of every message.
const SENDER: &str = "918600000001";

/// All tables of the main database.
pub fn main_database(population: &Population) -> Vec<TableRows<'_>> {
    let mut tables = vec![
        messages(population),
        receipts(population),
        outcomes(population),
        provider_ids(population),
    ];
    tables.extend(counts(population));
    tables.push(settings(population));
    tables
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
        zone_assumed: false,
        received_at: at,
        recipient: None,
        pricing: Pricing::default(),
    }
}

fn messages(population: &Population) -> TableRows<'_> {
    TableRows {
        name: "messages",
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
            "deliveries",
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
        Cell::Literal(account.id),
        Cell::Literal(account.provider),
        Cell::Literal("api"),
        Cell::Literal(SENDER),
        Cell::Text(to.clone()),
        Cell::Text(to.chars().rev().collect()),
        Cell::Literal("A Customer"),
        Cell::Literal(kind(number)),
        Cell::Literal("https://shop.example/pictures/card.jpg"),
        Cell::Literal("image/jpeg"),
        Cell::Literal("Your order is on its way."),
        Cell::Literal("autumn"),
        Cell::Text(format!("order-{number}")),
        Cell::Literal("done"),
        Cell::Number(1),
        Cell::Number(created_at.timestamp_millis() + 200),
        Cell::Literal(delivery.state.as_str()),
        Cell::Number(i64::from(population.initial_state(number).is_delivered())),
        Cell::Flag(false),
        Cell::Number(86_400_000),
        due_at,
        stage(Stage::Submitted),
        stage(Stage::Sent),
        stage(Stage::Delivered),
        stage(Stage::Read),
        Cell::Number(implied),
        failed(Cell::Number(reported_at)),
        failed(Cell::Literal("131026")),
        failed(Cell::Literal("Message undeliverable")),
        failed(Cell::Literal("recipient")),
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

fn receipts(population: &Population) -> TableRows<'_> {
    let row = |number| {
        let receipt = receipt(population, number);
        let at = Cell::Number(receipt.received_at.timestamp_millis());
        let mut row = vec![
            Cell::Id(receipt.source),
            Cell::Number(0),
            Cell::Literal("callback"),
            Cell::Id(population.message_id(number).uuid()),
            at.clone(),
            at,
        ];
        row.extend(match receipt.event {
            ReceiptEvent::Stage(stage) => [
                Cell::Literal("stage"),
                Cell::Literal(stage.as_str()),
                Cell::Null,
                Cell::Null,
            ],
            _ => [
                Cell::Literal("failure"),
                Cell::Null,
                Cell::Literal("131026"),
                Cell::Literal("Message undeliverable"),
            ],
        });
        row
    };
    TableRows {
        name: "receipts",
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

fn outcomes(population: &Population) -> TableRows<'_> {
    let row = |number| {
        let at = population.created_at(number) + delay(number);
        vec![
            Cell::Id(population.callback_id(number).uuid()),
            seq(number),
            Cell::Literal(account(number).id),
            Cell::Number(at.timestamp_millis()),
            Cell::Literal("receipts"),
        ]
    };
    TableRows {
        name: "callback_outcomes",
        columns: &["callback", "seq", "account", "received_at", "outcome"],
        rows: Box::new((0..population.size).map(row)),
    }
}

/// In the order of the primary key.
fn provider_ids(population: &Population) -> TableRows<'_> {
    let of_account = |place: u64| {
        let mut numbers: Vec<u64> = (0..population.size)
            .filter(|number| number % 4 == place)
            .collect();
        numbers.sort_unstable_by_key(|number| scatter(*number));
        let second = numbers.clone();
        let row = |number: u64, id: String, learned_from| {
            vec![
                Cell::Literal(account(number).id),
                Cell::Text(id),
                Cell::Id(population.message_id(number).uuid()),
                Cell::Literal(learned_from),
                Cell::Number(population.created_at(number).timestamp_millis() + 300),
                // `certain`: from the reply, or from a callback with a tag or a report URL.
                Cell::Flag(true),
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
    TableRows {
        name: "provider_ids",
        columns: &[
            "account",
            "provider_id",
            "message",
            "learned_from",
            "learned_at",
            "certain",
        ],
        rows: Box::new((0..ACCOUNTS.len() as u64).flat_map(of_account)),
    }
}

/// Start of the quarter hour or of the sum, account, kind.
type Cohort = (i64, &'static str, &'static str);

#[derive(Default)]
struct Counts {
    /// Messages by cohort and state.
    states: BTreeMap<(Cohort, &'static str), i64>,
    /// Messages by cohort, stage and latency bucket.
    latencies: BTreeMap<(Cohort, (&'static str, i64)), i64>,
    /// Deliveries by cohort.
    charges: BTreeMap<(Cohort, ()), i64>,
}

/// The count tables and their sums.
fn counts(population: &Population) -> [TableRows<'_>; 5] {
    let mut counts = Counts::default();
    for number in 0..population.size {
        let created_at = population.created_at(number).timestamp_millis();
        let cohort: Cohort = (
            created_at.div_euclid(BUCKET) * BUCKET,
            account(number).id,
            kind(number),
        );
        let latency = LatencyBucket::of(delay(number)).number();
        let (state, reached) = match population.initial_state(number) {
            InitialState::Sent => ("sent", Some("sent")),
            InitialState::Delivered => ("delivered", Some("delivered")),
            InitialState::Read => ("read", Some("read")),
            InitialState::Failed => ("failed", None),
        };
        *counts.states.entry((cohort, state)).or_default() += 1;
        if population.initial_state(number).is_delivered() {
            *counts.charges.entry((cohort, ())).or_default() += 1;
        }
        if let Some(stage) = reached {
            let key = (cohort, (stage, latency));
            *counts.latencies.entry(key).or_default() += 1;
        }
    }
    let [messages, message_sums] = state_tables(counts.states);
    let latency_sums = latency_table(&counts.latencies);
    let [charges, charge_sums] = charge_tables(counts.charges);
    [messages, message_sums, latency_sums, charges, charge_sums]
}

fn state_tables<'p>(states: BTreeMap<(Cohort, &'static str), i64>) -> [TableRows<'p>; 2] {
    let sums = sum_up(&states, &WIDTHS);
    [
        TableRows {
            name: "message_counts",
            columns: &[
                "bucket", "account", "kind", "origin", "state", "code", "class", "campaign",
                "messages",
            ],
            rows: Box::new(states.into_iter().map(state_row)),
        },
        TableRows {
            name: "message_sums",
            columns: &[
                "width", "start", "account", "kind", "origin", "state", "code", "class",
                "campaign", "messages",
            ],
            rows: Box::new(sums.into_iter().map(|row| with_width(row, state_row))),
        },
    ]
}

fn latency_table<'p>(latencies: &BTreeMap<(Cohort, (&'static str, i64)), i64>) -> TableRows<'p> {
    let mut histograms: BTreeMap<_, String> = BTreeMap::new();
    for ((width, (cohort, (stage, latency))), messages) in
        sum_up(latencies, &[BUCKET, WIDTHS[0], WIDTHS[1]])
    {
        let histogram = histograms.entry((width, (cohort, stage))).or_default();
        // Writing to a `String` cannot fail.
        let _ = write!(histogram, "{latency}:{messages} ");
    }
    let histogram = |((width, (cohort, stage)), histogram)| {
        let mut row = vec![Cell::Number(width)];
        row.extend(cohort_cells(cohort));
        row.extend([Cell::Literal(stage), Cell::Text(histogram)]);
        row
    };
    TableRows {
        name: "latency_sums",
        columns: &["width", "start", "account", "kind", "stage", "histogram"],
        rows: Box::new(histograms.into_iter().map(histogram)),
    }
}

fn charge_tables<'p>(charges: BTreeMap<(Cohort, ()), i64>) -> [TableRows<'p>; 2] {
    let sums = sum_up(&charges, &WIDTHS);
    [
        TableRows {
            name: "charge_counts",
            columns: &[
                "bucket",
                "account",
                "kind",
                "campaign",
                "sender",
                "country",
                "category",
                "pricing_type",
                "free",
                "price",
                "currency",
                "deliveries",
            ],
            rows: Box::new(charges.into_iter().map(charge_row)),
        },
        TableRows {
            name: "charge_sums",
            columns: &[
                "width",
                "start",
                "account",
                "kind",
                "campaign",
                "sender",
                "country",
                "category",
                "pricing_type",
                "free",
                "price",
                "currency",
                "deliveries",
            ],
            rows: Box::new(sums.into_iter().map(|row| with_width(row, charge_row))),
        },
    ]
}

/// Sums of the counts by width.
fn sum_up<K: Ord + Clone>(
    counts: &BTreeMap<(Cohort, K), i64>,
    widths: &[i64],
) -> BTreeMap<(i64, (Cohort, K)), i64> {
    let mut sums = BTreeMap::new();
    for width in widths.iter().copied() {
        for (((bucket, account, kind), key), number) in counts {
            let cohort = (bucket.div_euclid(width) * width, *account, *kind);
            *sums.entry((width, (cohort, key.clone()))).or_default() += number;
        }
    }
    sums
}

fn with_width<K>(
    ((width, key), number): ((i64, K), i64),
    row: impl Fn((K, i64)) -> Vec<Cell>,
) -> Vec<Cell> {
    let mut cells = vec![Cell::Number(width)];
    cells.extend(row((key, number)));
    cells
}

fn cohort_cells((start, account, kind): Cohort) -> [Cell; 3] {
    [
        Cell::Number(start),
        Cell::Literal(account),
        Cell::Literal(kind),
    ]
}

fn state_row(((cohort, state), messages): ((Cohort, &'static str), i64)) -> Vec<Cell> {
    let (code, class) = if state == "failed" {
        ("131026", "recipient")
    } else {
        ("", "")
    };
    let mut row = cohort_cells(cohort).to_vec();
    row.extend(["api", state, code, class, ""].map(Cell::Literal));
    row.push(Cell::Number(messages));
    row
}

fn charge_row(((cohort, ()), deliveries): ((Cohort, ()), i64)) -> Vec<Cell> {
    let mut row = cohort_cells(cohort).to_vec();
    row.extend(["", SENDER, "IN", "", ""].map(Cell::Literal));
    row.push(Cell::Flag(false));
    row.extend(["", ""].map(Cell::Literal));
    row.push(Cell::Number(deliveries));
    row
}

/// Marks all loaded callbacks as applied and all charges as counted.
fn settings(population: &Population) -> TableRows<'_> {
    let rows = [
        ("reconcile_position", population.size.to_string()),
        ("charges_counted", "1".to_owned()),
    ];
    TableRows {
        name: "settings",
        columns: &["name", "value"],
        rows: Box::new(
            rows.into_iter()
                .map(|(name, value)| vec![Cell::Literal(name), Cell::Text(value)]),
        ),
    }
}
