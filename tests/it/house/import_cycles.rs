//! No two files import each other, directly or through others.
//!
//! An import is any path to an item of another file, re-exports included; `mod child;` alone is none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::paths::paths;
use super::sources::{read, rust_files};

/// Which files each file imports, by index, with one path as the reason.
type Imports = Vec<BTreeMap<usize, String>>;

#[test]
fn no_two_files_import_each_other() {
    let mut found = Vec::new();
    for root in ["src", "benches/src", "migration/src", "tests/fuzz/src"] {
        let files: Vec<(PathBuf, String)> = rust_files(&[root])
            .into_iter()
            .map(|path| (path.clone(), read(&path)))
            .collect();
        found.extend(cycles(Path::new(root), &files));
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

#[test]
fn an_import_cycle_is_found_with_its_imports() {
    let files = [
        ("src/a/b.rs", "use super::c::C; pub struct B(C);"),
        ("src/a/c.rs", "use crate::{a::B, d}; pub struct C(Box<B>);"),
        ("src/a/mod.rs", "mod b; mod c; pub use b::B;"),
        (
            "src/d.rs",
            "#[cfg(test)] mod tests { use crate::a::B; } // crate::a",
        ),
        ("src/lib.rs", "pub mod a; pub mod d; pub use a::B;"),
    ]
    .map(|(path, source)| (PathBuf::from(path), source.to_owned()));
    assert_eq!(
        cycles(Path::new("src"), &files),
        [
            "3 files import each other:\n  src/a/b.rs → src/a/c.rs (super::c::C)\n  \
             src/a/c.rs → src/a/mod.rs (crate::a::B)\n  src/a/mod.rs → src/a/b.rs (b::B)"
        ]
    );
}

/// One text for every group of files of which each reaches each other by imports.
fn cycles(root: &Path, files: &[(PathBuf, String)]) -> Vec<String> {
    let imports = imports(root, files);
    let reachable: Vec<BTreeSet<usize>> = (0..files.len())
        .map(|from| reachable(&imports, from))
        .collect();
    let mut shown = BTreeSet::new();
    let mut found = Vec::new();
    for file in 0..files.len() {
        if !reachable[file].contains(&file) || shown.contains(&file) {
            continue;
        }
        let group: BTreeSet<usize> = reachable[file]
            .iter()
            .copied()
            .filter(|other| reachable[*other].contains(&file))
            .collect();
        let mut text = format!("{} files import each other:", group.len());
        for from in &group {
            for (to, reason) in imports[*from].iter().filter(|(to, _)| group.contains(to)) {
                let (from, to) = (files[*from].0.display(), files[*to].0.display());
                write!(text, "\n  {from} → {to} ({reason})").unwrap();
            }
        }
        found.push(text);
        shown.extend(group);
    }
    found
}

fn reachable(imports: &Imports, from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open: Vec<usize> = imports[from].keys().copied().collect();
    while let Some(file) = open.pop() {
        if found.insert(file) {
            open.extend(imports[file].keys());
        }
    }
    found
}

fn imports(root: &Path, files: &[(PathBuf, String)]) -> Imports {
    let mut modules: BTreeMap<Vec<String>, usize> = files
        .iter()
        .enumerate()
        .map(|(index, (path, _))| (module(root, path), index))
        .collect();
    if let Some(main) = modules.get(["main".to_owned()].as_slice()).copied() {
        // Of a program without a library.
        modules.entry(Vec::new()).or_insert(main);
    }
    files
        .iter()
        .enumerate()
        .map(|(index, (path, source))| {
            let own = module(root, path);
            paths(path, source)
                .into_iter()
                .filter_map(|segments| Some((target(&modules, &own, &segments)?, segments)))
                .filter(|(to, _)| *to != index)
                .map(|(to, segments)| (to, segments.join("::")))
                .collect()
        })
        .collect()
}

/// The file that holds the first item of a path that is not a module.
fn target(
    modules: &BTreeMap<Vec<String>, usize>,
    own: &[String],
    segments: &[String],
) -> Option<usize> {
    let (base, rest): (&[String], &[String]) = match segments.first()?.as_str() {
        "crate" => (&[], &segments[1..]),
        "self" => (own, &segments[1..]),
        "super" => (&own[..own.len().checked_sub(1)?], &segments[1..]),
        first => {
            // A child module of this file, or another crate.
            let child = [own, &[first.to_owned()]].concat();
            modules.get(&child)?;
            (own, segments)
        }
    };
    let path = [base, rest].concat();
    (0..=path.len())
        .rev()
        .find_map(|length| modules.get(&path[..length]).copied())
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are the module `a::b`; the root has no segments.
fn module(root: &Path, file: &Path) -> Vec<String> {
    let below = file.strip_prefix(root).unwrap_or(file).with_extension("");
    let mut module: Vec<String> = below
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}
