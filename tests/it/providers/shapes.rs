//! The tables of `tests/fixtures/INDEX.md`: each provider × callback shape × status is parsed, and
//! no fixture is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use bluetick::domain::callback_fields::CallbackFields;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::receipt::ReceiptEvent;
use bluetick::providers::{Callback, CallbackPart, get, parse_callback};

use super::{callback_of_fixture, fixture, fixtures};

/// The statuses of every shape, unless its row has `only`.
const USUAL: [&str; 4] = ["sent", "delivered", "read", "failed"];

/// The rows of the table under a heading, cell by cell.
fn table(heading: &str) -> Vec<Vec<String>> {
    let index = String::from_utf8(fixture("INDEX.md")).unwrap();
    let section = index.split("\n## ").find(|part| part.starts_with(heading));
    let rows: Vec<Vec<String>> = section
        .unwrap()
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect();
    assert!(!rows.is_empty(), "{heading}");
    rows
}

fn list(cell: &str) -> Vec<&str> {
    cell.split(',').map(str::trim).collect()
}

/// The expected event of a status word of the table.
fn meaning(word: &str) -> &str {
    match word.to_lowercase().as_str() {
        "submitted" | "submit-success" => "submitted",
        "sent" => "sent",
        "delivered" => "delivered",
        "read" => "read",
        "played" => "played",
        "failed" | "not sent" | "notsent" | "not-sent" | "0" | "submit-failure" => "failed",
        "deleted" | "sent manually" | "a word we do not know" => "other",
        _ => panic!("{word} is no status of the table"),
    }
}

/// The events of a callback's reports, in order; an echo has none.
fn said(provider: ProviderId, callback: &Callback) -> Vec<&'static str> {
    let parts = parse_callback(get(provider), &CallbackFields::default(), callback).parts;
    let events = parts.iter().filter_map(|part| match part {
        CallbackPart::Report(report) => report.event.as_ref(),
        _ => None,
    });
    events
        .map(|event| match event {
            ReceiptEvent::Stage(stage) => stage.as_str(),
            ReceiptEvent::Failure(_) => "failed",
            ReceiptEvent::Other(_) => "other",
            ReceiptEvent::Notice(_) => "notice",
        })
        .collect()
}

/// The callback with the word `old` replaced by `new`.
fn reworded(callback: &Callback, old: &str, new: &str) -> Callback {
    let replace = |text: &str| {
        let stands_alone = |at: usize| {
            let before = text[..at].chars().next_back();
            let after = text[at + old.len()..].chars().next();
            let is_edge =
                |edge: Option<char>| edge.is_none_or(|edge| !edge.is_alphanumeric() && edge != '_');
            is_edge(before) && is_edge(after)
        };
        let mut written = String::new();
        let mut from = 0;
        for (at, _) in text.match_indices(old).filter(|(at, _)| stands_alone(*at)) {
            written.push_str(&text[from..at]);
            written.push_str(new);
            from = at + old.len();
        }
        written.push_str(&text[from..]);
        written
    };
    Callback {
        query: replace(&callback.query),
        body: replace(std::str::from_utf8(&callback.body).unwrap()).into_bytes(),
        ..callback.clone()
    }
}

#[test]
fn every_provider_parses_every_status_in_every_shape() {
    let mut covered: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for row in &table("shapes") {
        let [providers, shape, file, word, statuses, source] = row.as_slice() else {
            panic!("six cells: {row:?}");
        };
        assert!(!source.is_empty(), "{shape}: where is it from?");
        let only = statuses.strip_prefix("only ");
        let statuses = only.unwrap_or(statuses).split(':').next().unwrap();
        let says: BTreeSet<&str> = list(statuses).into_iter().map(meaning).collect();
        if only.is_none() {
            for usual in USUAL {
                assert!(says.contains(usual), "{shape} lacks {usual}");
            }
        }
        for provider in list(providers) {
            let provider: ProviderId = provider.parse().unwrap();
            let callback = callback_of_fixture(file);
            let before = said(provider, &callback);
            for status in list(statuses) {
                let expected: Vec<&str> = before
                    .iter()
                    .map(|event| {
                        if *event == meaning(word) {
                            meaning(status)
                        } else {
                            event
                        }
                    })
                    .collect();
                assert!(!expected.is_empty(), "{provider} {shape}: no report");
                let read = said(provider, &reworded(&callback, word, status));
                assert_eq!(read, expected, "{provider} {shape} {status}");
            }
            let entry = covered.entry(provider.as_str()).or_default();
            entry.extend(says.iter().map(|&says| says.to_owned()));
        }
    }
    for provider in ProviderId::ALL {
        let covered = &covered[provider.as_str()];
        assert!(
            USUAL.iter().all(|usual| covered.contains(*usual)),
            "{provider}"
        );
    }
}

#[test]
fn the_index_lists_every_callback_fixture_with_its_statuses() {
    let mut named = BTreeSet::new();
    for row in &table("callbacks") {
        let [folder, files, _, statuses, source] = row.as_slice() else {
            panic!("five cells: {row:?}");
        };
        assert!(!source.is_empty(), "{files}: where is it from?");
        let expected: BTreeSet<&str> = list(statuses)
            .into_iter()
            .filter(|status| *status != "–")
            .map(meaning)
            .collect();
        // Meta's shapes are parsed identically for every provider.
        let provider = folder.parse().unwrap_or(ProviderId::Sobot);
        let mut found = BTreeSet::new();
        for file in list(files) {
            let path = path_of(folder, file);
            found.extend(said(provider, &callback_of_fixture(&path)));
            named.insert(path);
        }
        assert_eq!(found, expected, "{folder}: {files}");
    }
    for folder in ["meta", "sobot", "kaleyra", "zixflow", "lancepilot"] {
        for path in list_fixtures(folder) {
            assert!(named.contains(&path), "{path} has no row in the index");
        }
    }
}

#[test]
fn every_fixture_with_a_status_has_a_shape_in_the_index() {
    let rows = table("shapes");
    let samples: BTreeSet<&str> = rows.iter().map(|row| row[2].as_str()).collect();
    let is_sample = |file: &str| {
        samples
            .iter()
            .any(|sample| sample.rsplit('/').next() == Some(file))
    };
    for row in &table("callbacks") {
        let says_nothing =
            ["–", "sent manually", "a word we do not know"].contains(&row[3].as_str());
        // Meta's are variations of one envelope.
        if says_nothing || row[0] == "meta" {
            continue;
        }
        let files = list_fixtures(&row[0]);
        let named = list(&row[1]);
        let of_the_row = files.iter().filter_map(|path| {
            let name = path.rsplit('/').next()?;
            named.contains(&name.split('.').next()?).then_some(name)
        });
        let of_the_row: Vec<&str> = of_the_row.collect();
        let is_variation = row[2].starts_with("(D)");
        assert!(
            is_variation || of_the_row.iter().any(|name| is_sample(name)),
            "{}: no shape has {of_the_row:?}",
            row[0]
        );
    }
}

fn list_fixtures(folder: &str) -> Vec<String> {
    fs::read_dir(fixtures().join(folder).join("callbacks"))
        .unwrap()
        .map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            format!("{folder}/callbacks/{name}")
        })
        .collect()
}

fn path_of(folder: &str, stem: &str) -> String {
    let found = list_fixtures(folder).into_iter().find(|path| {
        path.rsplit('/')
            .next()
            .and_then(|name| name.split('.').next())
            == Some(stem)
    });
    found.unwrap_or_else(|| panic!("{folder}/{stem} is gone"))
}
