//! Who may import whom, as a table, and the check that a file keeps to it.
//!
//! Works on tokens, so comments and strings do not count, and macros hide nothing. Unit tests may use anything.

use std::path::Path;

use super::paths::paths;

/// A layer that may use these crates and no others.
struct Pure {
    folder: &'static str,
    crates: &'static [&'static str],
}

const PURE: &[Pure] = &[
    Pure {
        folder: "src/domain",
        // strum only derives conversions between enums and words; rust_decimal is a number.
        crates: &[
            "std",
            "core",
            "chrono",
            "chrono_tz",
            "uuid",
            "thiserror",
            "strum",
            "rust_decimal",
        ],
    },
    Pure {
        folder: "src/providers",
        crates: &[
            "std",
            "core",
            "chrono",
            "chrono_tz",
            "uuid",
            "thiserror",
            "serde",
            "serde_json",
            "hmac",
            "sha2",
            "http",
            "base64",
            "subtle",
            "form_urlencoded",
            "url",
            "quick_xml",
        ],
    },
];

/// Parts of `std` that do IO, which pure layers may not.
const IO: &[&str] = &["env", "fs", "net", "os", "process", "thread"];

/// What use cases may use: each other, and everything below them.
const USE_CASES: &[&str] = &[
    "config",
    "data_dir",
    "db",
    "domain",
    "http_client",
    "journal",
    "keys",
    "operating",
    "providers",
    "receiving",
    "reporting",
    "sending",
    "services",
    "store",
];

/// Parts of this crate that a layer may use, as lists that add up; a layer that is not listed may use all.
const INSIDE: &[(&str, &[&[&str]])] = &[
    ("src/domain", &[&["domain"]]),
    ("src/providers", &[&["domain", "providers"]]),
    ("src/config", &[&["config", "domain"]]),
    ("src/keys", &[&["domain"]]),
    ("src/data_dir.rs", &[&["config", "domain"]]),
    ("src/http_client", &[&["domain", "http_client"]]),
    ("src/telemetry", &[&["config", "domain", "telemetry"]]),
    ("src/db", &[&["db", "domain"]]),
    ("src/journal", &[&["db", "domain", "journal"]]),
    ("src/store", &[&["db", "domain", "store"]]),
    ("src/receiving", &[USE_CASES]),
    ("src/sending", &[USE_CASES]),
    ("src/operating", &[USE_CASES]),
    ("src/reporting", &[USE_CASES, &["telemetry"]]),
    ("src/services.rs", &[USE_CASES]),
    ("src/jobs", &[USE_CASES, &["jobs"]]),
    ("src/web", &[USE_CASES, &["telemetry", "web"]]),
    (
        "src/simulator",
        &[&[
            "config",
            "domain",
            "http_client",
            "keys",
            "providers",
            "simulator",
        ]],
    ),
];

/// Crates that belong to one place, and the only folders and files that may use them.
const CONFINED: &[(&str, &[&str])] = &[
    ("sea_orm", &["src/db", "src/journal", "src/store"]),
    ("sea_orm_migration", &["src/db", "src/journal", "src/store"]),
    ("sqlx", &["src/db", "src/journal", "src/store"]),
    ("migration", &["src/db", "src/journal", "src/store"]),
    ("actix", &["src/web", "src/app", "src/simulator"]),
    (
        "reqwest",
        &["src/http_client", "src/sending", "src/simulator"],
    ),
    ("figment", &["src/config"]),
    ("clap", &["src/cli", "src/main.rs"]),
];

/// One sentence for every path in `source` that its place in the tree forbids.
pub(super) fn violations(path: &Path, source: &str) -> Vec<String> {
    if path.ends_with("tests.rs") {
        return Vec::new();
    }
    paths(path, source)
        .iter()
        .filter_map(|segments| Some((segments, refusal(path, segments)?)))
        .map(|(_, culprit)| format!("{} may not use `{culprit}`", path.display()))
        .collect()
}

/// The forbidden part of a path at this place, if there is one.
fn refusal(path: &Path, segments: &[String]) -> Option<String> {
    let first = segments.first()?.as_str();
    let second = segments.get(1).map(String::as_str);
    let lies_in = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
    match (first, second) {
        ("crate", Some(part)) => {
            let (_, allowed) = INSIDE.iter().find(|(folder, _)| lies_in(&[folder]))?;
            let allowed = allowed.iter().any(|parts| parts.contains(&part));
            return (!allowed).then(|| format!("crate::{part}"));
        }
        ("super", Some("super")) => return Some("super::super".to_owned()),
        ("crate" | "super" | "self" | "Self", _) => return None,
        _ => {}
    }
    let confined = CONFINED
        .iter()
        .find(|(name, _)| first == *name || first.starts_with(&format!("{name}_")));
    if confined.is_some_and(|(_, places)| !lies_in(places)) {
        return Some(first.to_owned());
    }
    let pure = PURE.iter().find(|layer| lies_in(&[layer.folder]))?;
    if first == "std" {
        let part = second.filter(|part| IO.contains(part))?;
        return Some(format!("std::{part}"));
    }
    let foreign = is_dependency(first) && !pure.crates.contains(&first);
    foreign.then(|| first.to_owned())
}

/// Whether a word is the name of a crate that this package could use.
fn is_dependency(name: &str) -> bool {
    include_str!("../../../Cargo.toml")
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .any(|(known, _)| known.trim().replace('-', "_") == name)
}
