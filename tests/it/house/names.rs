//! One name for one thing: every file name and every type name occurs once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::paths::{tokens, unit_tests};
use super::sources::{read, rust_files};

/// File names that may repeat.
const REPEATED_FILES: &[&str] = &["mod.rs", "error.rs", "tests.rs"];

/// Type names that may repeat: every entity has its own, as sea-orm's derives expect.
const REPEATED_TYPES: &[&str] = &["Model", "Column", "Relation", "Entity", "ActiveModel"];

#[test]
fn every_file_name_occurs_once() {
    let found = repeated_files(&rust_files(&["src"]));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_subcommand_and_a_simulated_provider_may_be_named_like_what_they_use() {
    let files = [
        "src/cli/replay.rs",
        "src/operating/replay.rs",
        "src/providers/kaleyra/mod.rs",
        "src/providers/sobot.rs",
        "src/simulator/sobot.rs",
        "src/store/mod.rs",
        "src/store/queue.rs",
        "src/sending/queue.rs",
    ]
    .map(PathBuf::from);
    assert_eq!(
        repeated_files(&files),
        ["queue.rs: src/store/queue.rs, src/sending/queue.rs"]
    );
}

#[test]
fn a_module_with_a_folder_is_the_mod_rs_in_it() {
    let files = rust_files(&["src"]);
    let beside: Vec<&PathBuf> = files
        .iter()
        .filter(|file| {
            let folder = file.with_extension("");
            files.iter().any(|other| other.starts_with(&folder))
        })
        .collect();
    assert!(beside.is_empty(), "{beside:?}");
}

#[test]
fn every_type_name_is_defined_once() {
    let files: Vec<(PathBuf, String)> = rust_files(&["src"])
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect();
    let found = repeated_types(&files);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn type_names_are_those_of_items() {
    let files = [
        ("src/a.rs", "struct Claim; // struct Shown;\nenum Shown {}"),
        (
            "src/b.rs",
            "mod inner { pub trait Claim {} } type Other<T> = T;",
        ),
        (
            "src/c.rs",
            "impl Iterator for Claims { type Other = u8; fn f() { struct Shown; } }",
        ),
        (
            "src/d.rs",
            "#[cfg(test)] mod tests { struct Claim; } trait T { type Other; }",
        ),
        ("src/store/a_row.rs", "struct Model; struct Entity;"),
        ("src/store/b_row.rs", "struct Model; enum Entity {}"),
    ]
    .map(|(path, source)| (PathBuf::from(path), source.to_owned()));
    assert_eq!(
        repeated_types(&files),
        ["Claim: src/a.rs, src/b.rs", "Shown: src/a.rs, src/c.rs"]
    );
}

fn repeated_files(files: &[PathBuf]) -> Vec<String> {
    let mut named: BTreeMap<&str, Vec<&Path>> = BTreeMap::new();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or_default();
        let beside = file.starts_with("src/cli") || file.starts_with("src/simulator");
        if !beside && !REPEATED_FILES.contains(&name) {
            named.entry(name).or_default().push(file);
        }
    }
    repeated(named)
}

fn repeated_types(files: &[(PathBuf, String)]) -> Vec<String> {
    let mut named: BTreeMap<String, Vec<&Path>> = BTreeMap::new();
    for (path, source) in files {
        let mut defined = Vec::new();
        collect(tokens(path, source), Types::Items, &mut defined);
        defined.retain(|name| !REPEATED_TYPES.contains(&name.as_str()));
        for name in defined {
            named.entry(name).or_default().push(path);
        }
    }
    repeated(named)
}

fn repeated<Name: std::fmt::Display>(named: BTreeMap<Name, Vec<&Path>>) -> Vec<String> {
    named
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .map(|(name, places)| {
            let places: Vec<String> = places
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            format!("{name}: {}", places.join(", "))
        })
        .collect()
}

/// What `type` means at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Types {
    Items,
    /// In an `impl` or a trait: types that belong to another.
    Associated,
}

fn collect(tokens: TokenStream, types: Types, names: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut within = types;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Some(length) = unit_tests(&tokens[at..]) {
            at += length;
            continue;
        }
        match token {
            TokenTree::Ident(keyword) => {
                let keyword = keyword.to_string();
                let names_one = match keyword.as_str() {
                    "struct" | "enum" | "union" | "trait" => true,
                    "type" => types == Types::Items,
                    _ => false,
                };
                if let (true, Some(TokenTree::Ident(name))) = (names_one, tokens.get(at + 1)) {
                    names.push(name.to_string());
                }
                if keyword == "impl" || keyword == "trait" {
                    within = Types::Associated;
                }
            }
            TokenTree::Group(group) => {
                let braces = group.delimiter() == Delimiter::Brace;
                collect(group.stream(), if braces { within } else { types }, names);
                if braces {
                    within = types;
                }
            }
            TokenTree::Punct(end) if end.as_char() == ';' => within = types,
            _ => {}
        }
        at += 1;
    }
}
