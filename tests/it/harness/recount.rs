//! Compares the count tables with a recount of messages and receipts in plain SQL.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::database::TestDatabase;

/// The time that one row of the count tables covers.
const PERIOD_MILLIS: i64 = 15 * 60 * 1000;
/// Of sums.
const WIDTHS: [i64; 2] = [60 * 60 * 1000, 24 * 60 * 60 * 1000];

/// Fails unless counts and histograms equal a recount; returns how many messages are counted.
pub(crate) async fn assert_counts_match_recount(database: &TestDatabase) -> i64 {
    check_latencies(database).await;
    check_sums(database).await;
    let counted = database
        .query(&format!(
            "SELECT CAST(bucket / {PERIOD_MILLIS} AS TEXT) || '|' || account || '|' || kind || '|' || origin || '|' || state \
             || '|' || code || '|' || class || '|' || campaign || '|' || CAST(messages AS TEXT) AS line FROM message_counts WHERE messages <> 0",
        ))
        .await;
    // `provisional` is the stored word of an orphan.
    let recounted = database
        .query(&format!(
            "SELECT names || '|' || CAST(COUNT(*) AS TEXT) AS line FROM (\
             SELECT CAST(COALESCE(counted_at, created_at) / {PERIOD_MILLIS} AS TEXT) || '|' || account || '|' || COALESCE(kind, '') || '|' || origin \
             || '|' || state || '|' || CASE WHEN failed_at IS NULL THEN '' ELSE COALESCE(failure_code, '') END \
             || '|' || COALESCE(failure_class, '') || '|' || COALESCE(campaign, '') AS names \
             FROM messages WHERE origin <> 'provisional') AS named GROUP BY names",
        ))
        .await;
    let sorted = |lines: Vec<String>| lines.into_iter().collect::<BTreeSet<_>>();
    let recounted = sorted(recounted);
    assert_eq!(sorted(counted), recounted, "counts differ from a recount");
    let numbers = recounted.iter().map(|line| {
        let (_, number) = line.rsplit_once('|').unwrap();
        number.parse::<i64>().unwrap()
    });
    numbers.sum()
}

/// Only stages that a receipt reports have a latency. The bucket is computed independently of `LatencyBucket`.
async fn check_latencies(database: &TestDatabase) {
    let counted = list_latencies(database, PERIOD_MILLIS).await;
    let mut recounted: BTreeMap<String, i64> = BTreeMap::new();
    for (span, begin, first, stage) in [
        ("sent", "created_at", "sent", "sent"),
        ("delivered", "created_at", "delivered", "delivered"),
        ("read", "created_at", "read", "read"),
        (
            "submitted_to_delivered",
            "submitted_at",
            "submitted",
            "delivered",
        ),
    ] {
        let reported = database
            .query(&format!(
                "SELECT CAST(COALESCE(counted_at, created_at) / {PERIOD_MILLIS} * {PERIOD_MILLIS} AS TEXT) || '|' || account || '|' || COALESCE(kind, '') || '|{span}|' \
                 || CAST({stage}_at - {begin} AS TEXT) AS line FROM messages \
                 WHERE origin = 'api' AND EXISTS (SELECT 1 FROM receipts \
                 WHERE receipts.message = messages.id AND receipts.stage = '{stage}') \
                 AND EXISTS (SELECT 1 FROM receipts WHERE receipts.message = messages.id AND receipts.stage = '{first}')",
            ))
            .await;
        for line in reported {
            let (names, millis) = line.rsplit_once('|').unwrap();
            let bucket = latency_bucket(millis.parse().unwrap());
            *recounted.entry(format!("{names}|{bucket}")).or_default() += 1;
        }
    }
    assert_eq!(counted, recounted, "histograms differ from a recount");
}

/// The histograms of one width: messages by start, account, kind, what was timed, and bucket.
async fn list_latencies(database: &TestDatabase, width: i64) -> BTreeMap<String, i64> {
    let stored = format!(
        "SELECT CAST(start AS TEXT) || '|' || account || '|' || kind || '|' || stage || '|' || histogram AS line \
         FROM latency_sums WHERE width = {width}"
    );
    let mut messages = BTreeMap::new();
    for line in database.query(&stored).await {
        let (name, histogram) = line.rsplit_once('|').unwrap();
        for step in histogram.split_whitespace() {
            let (latency, count) = step.split_once(':').unwrap();
            let earlier = messages.insert(format!("{name}|{latency}"), count.parse().unwrap());
            assert_eq!(earlier, None, "{name}: a bucket is stored twice");
        }
    }
    messages
}

/// Sums by hour and day equal those of their quarter hours.
async fn check_sums(database: &TestDatabase) {
    let sorted = |lines: Vec<String>| lines.into_iter().collect::<BTreeSet<_>>();
    for (table, names, number) in [
        (
            "message",
            "account || '|' || kind || '|' || origin || '|' || state || '|' || code || '|' || class || '|' || campaign",
            "messages",
        ),
        (
            "charge",
            "account || '|' || kind || '|' || campaign || '|' || sender || '|' || country || '|' || category || '|' || pricing_type \
             || '|' || CAST(free AS TEXT) || '|' || price || '|' || currency",
            "deliveries",
        ),
    ] {
        for width in WIDTHS {
            let stored = format!(
                "SELECT CAST(start AS TEXT) || '|' || {names} || '|' || CAST({number} AS TEXT) AS line \
                 FROM {table}_sums WHERE width = {width} AND {number} <> 0"
            );
            let summed = format!(
                "SELECT name || '|' || CAST(SUM(number) AS TEXT) AS line FROM (\
                 SELECT CAST(bucket / {width} * {width} AS TEXT) || '|' || {names} AS name, {number} AS number \
                 FROM {table}_counts) AS named GROUP BY name HAVING SUM(number) <> 0"
            );
            assert_eq!(
                sorted(database.query(&stored).await),
                sorted(database.query(&summed).await),
                "{table}_sums of {width} ms differ from their quarter hours"
            );
        }
    }
    let quarter_hours = list_latencies(database, PERIOD_MILLIS).await;
    for width in WIDTHS {
        let mut summed: BTreeMap<String, i64> = BTreeMap::new();
        for (name, messages) in &quarter_hours {
            let (start, rest) = name.split_once('|').unwrap();
            let start = start.parse::<i64>().unwrap() / width * width;
            *summed.entry(format!("{start}|{rest}")).or_default() += messages;
        }
        assert_eq!(
            list_latencies(database, width).await,
            summed,
            "latency_sums of {width} ms differ from their quarter hours"
        );
    }
}

/// Eight equal buckets per doubling.
fn latency_bucket(millis: i64) -> i64 {
    let (mut doublings, mut low) = (0, 1);
    while low * 2 <= millis.max(1) {
        low *= 2;
        doublings += 1;
    }
    doublings * 8 + (millis.max(1) - low) * 8 / low
}
