//! Who may import whom, as a table, and the check that a file keeps to it.
//!
//! Reads tokens rather than text, so comments and strings say what they like, and macros hide nothing. Unit tests may use anything.

use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A layer that may use these crates and no others.
struct Pure {
    folder: &'static str,
    crates: &'static [&'static str],
}

const PURE: &[Pure] = &[
    Pure {
        folder: "src/domain",
        // strum only derives conversions between enums and words.
        crates: &["std", "core", "chrono", "uuid", "thiserror", "strum"],
    },
    Pure {
        folder: "src/providers",
        crates: &[
            "std",
            "core",
            "chrono",
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

/// Parts of this crate that a layer may use; a layer that is not listed may use all.
const INSIDE: &[(&str, &[&str])] = &[
    ("src/domain", &["domain"]),
    ("src/providers", &["domain", "providers"]),
    ("src/config", &["config", "domain"]),
    ("src/keys.rs", &["domain"]),
    ("src/data_dir.rs", &["config", "domain"]),
    ("src/telemetry.rs", &["config"]),
    ("src/db", &["db", "domain"]),
    ("src/journal", &["db", "domain", "journal"]),
    ("src/store", &["db", "domain", "store"]),
    (
        "src/receiving",
        &[
            "config",
            "data_dir",
            "db",
            "domain",
            "journal",
            "keys",
            "operating",
            "providers",
            "receiving",
            "reporting",
            "sending",
            "services",
            "store",
        ],
    ),
    (
        "src/sending",
        &[
            "http_client",
            "config",
            "data_dir",
            "db",
            "domain",
            "journal",
            "keys",
            "operating",
            "providers",
            "receiving",
            "reporting",
            "sending",
            "services",
            "store",
        ],
    ),
    (
        "src/operating",
        &[
            "config",
            "data_dir",
            "db",
            "domain",
            "journal",
            "keys",
            "operating",
            "providers",
            "receiving",
            "reporting",
            "sending",
            "services",
            "store",
        ],
    ),
    (
        "src/reporting",
        &[
            "config",
            "data_dir",
            "db",
            "domain",
            "journal",
            "keys",
            "operating",
            "providers",
            "receiving",
            "reporting",
            "sending",
            "services",
            "store",
        ],
    ),
    (
        "src/services.rs",
        &[
            "config",
            "data_dir",
            "db",
            "domain",
            "journal",
            "keys",
            "operating",
            "providers",
            "receiving",
            "reporting",
            "sending",
            "services",
            "store",
        ],
    ),
    (
        "src/web",
        &[
            "config",
            "data_dir",
            "db",
            "domain",
            "journal",
            "keys",
            "operating",
            "providers",
            "receiving",
            "reporting",
            "sending",
            "services",
            "store",
            "telemetry",
            "web",
        ],
    ),
    (
        "src/simulator",
        &[
            "http_client",
            "config",
            "domain",
            "keys",
            "providers",
            "simulator",
        ],
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
        &["src/http_client.rs", "src/sending", "src/simulator"],
    ),
    ("figment", &["src/config"]),
    ("clap", &["src/cli", "src/main.rs"]),
];

/// Every path in `source` that its place in the tree forbids, in words.
pub(super) fn violations(path: &Path, source: &str) -> Vec<String> {
    if path.ends_with("tests.rs") {
        return Vec::new();
    }
    let tokens: TokenStream = source
        .parse()
        .unwrap_or_else(|error| panic!("{} is no Rust: {error}", path.display()));
    let mut used = Vec::new();
    collect(&mut Vec::new(), tokens, &mut used);
    used.sort();
    used.dedup();
    used.iter()
        .filter_map(|segments| Some((segments, refusal(path, segments)?)))
        .map(|(_, culprit)| format!("{} may not use `{culprit}`", path.display()))
        .collect()
}

/// What of a path is forbidden at this place, if anything.
fn refusal(path: &Path, segments: &[String]) -> Option<String> {
    let first = segments.first()?.as_str();
    let second = segments.get(1).map(String::as_str);
    let lies_in = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
    match (first, second) {
        ("crate", Some(part)) => {
            let (_, allowed) = INSIDE.iter().find(|(folder, _)| lies_in(&[folder]))?;
            return (!allowed.contains(&part)).then(|| format!("crate::{part}"));
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

/// Adds every path of at least two segments to `used`, and every tree of a `use`; `prefix` is what braces stand behind.
fn collect(prefix: &mut Vec<String>, tokens: TokenStream, used: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut path = prefix.clone();
    let mut joined = true;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Some(length) = unit_tests(&tokens[at..]) {
            at += length;
            continue;
        }
        match token {
            TokenTree::Ident(word) => {
                let imported = path == ["use"];
                if !joined {
                    finish(&mut path, prefix, used);
                }
                path.push(word.to_string());
                if imported && !is_path_separator(tokens.get(at + 1..).unwrap_or_default()) {
                    used.push(path.clone());
                }
                joined = false;
            }
            TokenTree::Punct(_) if is_path_separator(&tokens[at..]) => {
                joined = true;
                at += 1;
            }
            TokenTree::Group(group) => {
                let inside_use = joined && group.delimiter() == Delimiter::Brace;
                if inside_use {
                    collect(&mut path, group.stream(), used);
                    path.clone_from(prefix);
                } else {
                    finish(&mut path, prefix, used);
                    collect(&mut Vec::new(), group.stream(), used);
                }
                joined = true;
            }
            _ => {
                finish(&mut path, prefix, used);
                joined = true;
            }
        }
        at += 1;
    }
    finish(&mut path, prefix, used);
}

/// Ends a path, keeping it when it says more than its prefix.
fn finish(path: &mut Vec<String>, prefix: &[String], used: &mut Vec<Vec<String>>) {
    if path.len() > prefix.len() && path.len() > 1 {
        used.push(path.clone());
    }
    path.clear();
    path.extend_from_slice(prefix);
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    matches!(
        tokens,
        [TokenTree::Punct(first), TokenTree::Punct(second), ..]
            if first.as_char() == ':' && second.as_char() == ':'
    )
}

/// The length of `#[cfg(test)] mod name { … }` at the beginning of `tokens`, if it is there.
fn unit_tests(tokens: &[TokenTree]) -> Option<usize> {
    match tokens {
        [
            TokenTree::Punct(hash),
            TokenTree::Group(condition),
            TokenTree::Ident(word),
            TokenTree::Ident(_),
            _,
            ..,
        ] if hash.as_char() == '#'
            && condition.stream().to_string().replace(' ', "") == "cfg(test)"
            && word == "mod" =>
        {
            Some(5)
        }
        _ => None,
    }
}
