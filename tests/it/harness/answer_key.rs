//! Compares what the program shows with the simulator's oracle: every message, every receipt.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::harness::database::TestDatabase;

/// Identifies a message in a run: its provider and its customer, who gets no other.
pub(crate) type Name = (String, String);
/// What is known of a message: its state, conflict and failure in a line, and each receipt with its count.
pub(crate) type Known = (String, BTreeMap<String, u64>);

/// What we show of the messages that we sent.
pub(crate) async fn known_by_us(database: &TestDatabase) -> BTreeMap<Name, Known> {
    let of = |row: &[&str]| (row[0].to_owned(), row[1].to_owned());
    let key = "m.provider || '|' || COALESCE(m.recipient, '')";
    known(database, key, "=", of).await
}

/// Orphans as the program shows them, by one of their ids.
pub(crate) async fn orphans_known(database: &TestDatabase) -> BTreeMap<String, Known> {
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
        assert!(before.is_none(), "two messages of one name");
    }
    for line in database.query(&receipts).await {
        let row: Vec<&str> = line.split('|').collect();
        let receipts = &mut known.get_mut(&of(&row)).unwrap().1;
        receipts.insert(row[2].to_owned(), row[3].parse().unwrap());
    }
    known
}

/// Whose line it is.
pub(crate) fn name(line: &Value) -> Name {
    (text(&line["provider"]), text(&line["recipient"]))
}

/// The oracle's words in ours.
pub(crate) fn known_by_the_oracle(line: &Value) -> Known {
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
            strange => format!("other {strange}"),
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

/// Names the differences, not the thousands that agree.
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

/// What came of a run in which processes were killed.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Messages that the providers took, each once.
    pub(crate) taken: usize,
    /// Receipts of these messages.
    pub(crate) receipts: u64,
    /// Messages whose reply was lost.
    pub(crate) untold: usize,
    /// Messages with callbacks that were posted and not answered: they may or may not be known.
    pub(crate) doubtful: usize,
    /// Messages that died with their process before the provider had them; they are not sent again by themselves.
    pub(crate) never_sent: usize,
}

/// Compares every message with the oracle's word on it, after a run in which processes were killed.
///
/// Such a run differs from an orderly one in three ways: a reply may have come to a dead process; a callback that was not answered is
/// posted again, so that a receipt may be there more often than it was acknowledged; and one that is not posted again (Sobot's) may or may
/// not have been taken.
pub(crate) async fn survey(database: &TestDatabase, oracle: &[Value]) -> Survey {
    let ours = known_by_us(database).await;
    let unmatched = orphans_known(database).await;
    let reported = reported(database).await;
    let (mut survey, mut wrong) = (Survey::default(), Vec::new());
    let mut names = BTreeSet::new();
    let nothing = || ("uncertain||".to_owned(), BTreeMap::new());
    for line in oracle {
        let name = name(line);
        assert!(names.insert(name.clone()), "{name:?} was sent twice");
        let mut expected = known_by_the_oracle(line);
        survey.receipts += expected.1.values().sum::<u64>();
        let mut pairs = Vec::new();
        let mine = ours.get(&name).cloned();
        if reported.contains(&name) {
            pairs.push((expected, mine));
        } else if name.0 == "sobot" {
            survey.untold += 1;
            pairs.push((nothing(), mine));
            if !expected.1.is_empty() {
                expected.0 = expected.0.replace("submitted|", "uncertain|");
                let id = text(&line["callback_ids"][0]);
                pairs.push((expected, unmatched.get(&id).cloned()));
            }
        } else {
            survey.untold += 1;
            expected.0 = expected.0.replace("submitted|", "uncertain|");
            pairs.push((expected, mine));
        }
        let doubtful = line["doubtful"] != 0;
        survey.doubtful += usize::from(doubtful);
        for (expected, shown) in pairs {
            if !agrees(&expected, shown.as_ref(), doubtful) {
                wrong.push((name.clone(), expected, shown));
            }
        }
    }
    survey.taken = names.len();
    let never_taken = ours.iter().filter(|(name, _)| !names.contains(name));
    for (name, known) in never_taken {
        survey.never_sent += 1;
        if *known != nothing() {
            wrong.push((name.clone(), nothing(), Some(known.clone())));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ (oracle, shown): {wrong:#?}",
        wrong.len()
    );
    survey
}

fn agrees((state, receipts): &Known, shown: Option<&Known>, doubtful: bool) -> bool {
    let Some((shown_state, shown_receipts)) = shown else {
        return false;
    };
    let none_lost = receipts.iter().all(|(receipt, count)| {
        shown_receipts
            .get(receipt)
            .is_some_and(|shown| shown >= count)
    });
    none_lost && (doubtful || (state == shown_state && receipts.len() == shown_receipts.len()))
}

/// Messages whose provider's reply was recorded.
async fn reported(database: &TestDatabase) -> BTreeSet<Name> {
    let reported = "SELECT m.provider || '|' || m.recipient AS line FROM messages m WHERE EXISTS \
                (SELECT 1 FROM attempts a WHERE a.message = m.id AND a.outcome = 'accepted')";
    let lines = database.query(reported).await;
    let name = |line: &String| {
        let (provider, recipient) = line.split_once('|').unwrap();
        (provider.to_owned(), recipient.to_owned())
    };
    lines.iter().map(name).collect()
}
