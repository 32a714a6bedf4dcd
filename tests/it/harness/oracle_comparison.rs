//! Compares what the program shows with the simulator's oracle: every message, every receipt.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::database::TestDatabase;

/// Identifies a message in a run: its provider and its recipient, who gets only one message.
pub(crate) type Name = (String, String);
/// What is known about a message: its state, conflict and failure in one line, and each receipt with its count.
pub(crate) type Known = (String, BTreeMap<String, u64>);

/// What the program shows of the messages that it sent.
pub(crate) async fn known_to_program(database: &TestDatabase) -> BTreeMap<Name, Known> {
    let of = |row: &[&str]| (row[0].to_owned(), row[1].to_owned());
    let key = "m.provider || '|' || COALESCE(m.recipient, '')";
    known(database, key, "=", of).await
}

/// Orphans as the program shows them, by one of their ids.
pub(crate) async fn orphans_known_to_program(database: &TestDatabase) -> BTreeMap<String, Known> {
    let of = |row: &[&str]| row[1].to_owned();
    let key = "m.provider || '|' || COALESCE(m.provider_id, '')";
    known(database, key, "<>", of).await
}

async fn known<K: Ord>(
    database: &TestDatabase,
    key: &str,
    is: &str,
    of: impl Fn(&[&str]) -> K,
) -> BTreeMap<K, Known> {
    let states = format!(
        "SELECT {key} || '|' || m.state || '|' || CASE WHEN m.conflict THEN 'conflict' ELSE '' END \
         || '|' || CASE WHEN m.failed_at IS NULL THEN '' ELSE 'failure ' || COALESCE(m.failure_code, '') END AS line \
         FROM messages m WHERE m.origin {is} 'api'"
    );
    let receipts = format!(
        "SELECT {key} || '|' || r.fact || ' ' || COALESCE(r.stage, r.code, r.word, '') || '|' || CAST(COUNT(*) AS TEXT) AS line \
         FROM messages m JOIN receipts r ON r.message = m.id \
         WHERE m.origin {is} 'api' AND r.source_kind = 'callback' GROUP BY {key}, r.fact, r.stage, r.code, r.word"
    );
    let mut known = BTreeMap::new();
    for line in database.query(&states).await {
        let row: Vec<&str> = line.split('|').collect();
        let before = known.insert(of(&row), (row[2..].join("|"), BTreeMap::new()));
        assert!(before.is_none(), "two messages to one recipient");
    }
    for line in database.query(&receipts).await {
        let row: Vec<&str> = line.split('|').collect();
        let receipts = &mut known.get_mut(&of(&row)).unwrap().1;
        receipts.insert(row[2].to_owned(), row[3].parse().unwrap());
    }
    known
}

/// The message that a line of the oracle is about.
pub(crate) fn name(line: &Value) -> Name {
    (text(&line["provider"]), text(&line["recipient"]))
}

/// A line of the oracle in the form of [`Known`].
pub(crate) fn expected_by_oracle(line: &Value) -> Known {
    let mut receipts = BTreeMap::new();
    for (words, count) in line["facts"].as_object().unwrap() {
        let (word, code) = match words.strip_prefix("not sent ") {
            Some(code) => ("failed", code),
            None => words.split_once(' ').unwrap_or((words, "")),
        };
        let receipt = match word {
            "sent" | "delivered" | "read" | "played" => format!("stage {word}"),
            "failed" => format!("failure {code}"),
            // An echo contributes ids only.
            "outgoing" => continue,
            unknown => format!("other {unknown}"),
        };
        receipts.insert(receipt, count.as_u64().unwrap());
    }
    let conflict = if line["conflict"] == true {
        "conflict"
    } else {
        ""
    };
    let codes = line["failure_codes"].as_array().unwrap();
    let shown = match codes.as_slice() {
        [] => String::new(),
        [code] => format!("failure {}", text(code)),
        several => panic!("expected one failure per message, not {several:?}"),
    };
    let state = text(&line["state"]);
    (format!("{state}|{conflict}|{shown}"), receipts)
}

/// A text in JSON.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Fails with only the messages that differ.
pub(crate) fn assert_same<K: Ord + std::fmt::Debug>(
    expected: &BTreeMap<K, Known>,
    shown: &BTreeMap<K, Known>,
) {
    let names = expected.keys().chain(shown.keys());
    let differing: BTreeMap<&K, _> = names
        .map(|name| (name, (expected.get(name), shown.get(name))))
        .filter(|(_, (expected, shown))| expected != shown)
        .collect();
    assert!(
        differing.is_empty(),
        "{} differ (oracle, shown): {differing:#?}",
        differing.len()
    );
}

/// Counts of a run in which processes were killed.
#[derive(Debug, Default)]
pub(crate) struct KillRunCounts {
    /// Messages that the providers accepted, each once.
    pub(crate) accepted: usize,
    /// Receipts of these messages.
    pub(crate) receipts: u64,
    /// Messages whose reply was lost.
    pub(crate) reply_lost: usize,
    /// Messages with callbacks that got no response and therefore may not be stored.
    pub(crate) unconfirmed: usize,
    /// Messages whose process was killed before the provider received them. They are not sent again automatically.
    pub(crate) never_sent: usize,
}

/// Compares every message with the state that the oracle expects, after a run in which processes were killed.
///
/// Such a run differs from others in three ways: a reply may be lost with its process; a callback without a response is posted again, so
/// that a receipt may be stored more often than it was acknowledged; and one that is not posted again (Sobot's) may or may not have been
/// stored.
pub(crate) async fn compare_after_kills(
    database: &TestDatabase,
    oracle: &[Value],
) -> KillRunCounts {
    let ours = known_to_program(database).await;
    let unmatched = orphans_known_to_program(database).await;
    let replied = with_recorded_reply(database).await;
    let (mut counts, mut wrong) = (KillRunCounts::default(), Vec::new());
    let mut names = BTreeSet::new();
    let nothing = || ("uncertain||".to_owned(), BTreeMap::new());
    for line in oracle {
        let name = name(line);
        assert!(names.insert(name.clone()), "{name:?} was sent twice");
        let mut expected = expected_by_oracle(line);
        counts.receipts += expected.1.values().sum::<u64>();
        let mut pairs = Vec::new();
        let mine = ours.get(&name).cloned();
        if replied.contains(&name) {
            pairs.push((expected, mine));
        } else if name.0 == "sobot" {
            counts.reply_lost += 1;
            pairs.push((nothing(), mine));
            if !expected.1.is_empty() {
                expected.0 = expected.0.replace("submitted|", "uncertain|");
                let id = text(&line["callback_ids"][0]);
                pairs.push((expected, unmatched.get(&id).cloned()));
            }
        } else {
            counts.reply_lost += 1;
            expected.0 = expected.0.replace("submitted|", "uncertain|");
            pairs.push((expected, mine));
        }
        let unconfirmed = line["doubtful"] != 0;
        counts.unconfirmed += usize::from(unconfirmed);
        for (expected, shown) in pairs {
            if !agrees(&expected, shown.as_ref(), unconfirmed) {
                wrong.push((name.clone(), expected, shown));
            }
        }
    }
    counts.accepted = names.len();
    let never_accepted = ours.iter().filter(|(name, _)| !names.contains(name));
    for (name, known) in never_accepted {
        counts.never_sent += 1;
        if *known != nothing() {
            wrong.push((name.clone(), nothing(), Some(known.clone())));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ (oracle, shown): {wrong:#?}",
        wrong.len()
    );
    counts
}

fn agrees((state, receipts): &Known, shown: Option<&Known>, unconfirmed: bool) -> bool {
    let Some((shown_state, shown_receipts)) = shown else {
        return false;
    };
    let none_lost = receipts.iter().all(|(receipt, count)| {
        shown_receipts
            .get(receipt)
            .is_some_and(|shown| shown >= count)
    });
    none_lost && (unconfirmed || (state == shown_state && receipts.len() == shown_receipts.len()))
}

/// Messages whose provider's reply was recorded.
async fn with_recorded_reply(database: &TestDatabase) -> BTreeSet<Name> {
    let replied = "SELECT m.provider || '|' || m.recipient AS line FROM messages m WHERE EXISTS \
                (SELECT 1 FROM attempts a WHERE a.message = m.id AND a.outcome = 'accepted')";
    let lines = database.query(replied).await;
    let name = |line: &String| {
        let (provider, recipient) = line.split_once('|').unwrap();
        (provider.to_owned(), recipient.to_owned())
    };
    lines.iter().map(name).collect()
}
