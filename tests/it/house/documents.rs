//! Paths and links in documents exist.

use std::path::{Path, PathBuf};

use super::sources::{files, read, root};

/// A code span that starts with one of these is a path.
const PATH_PREFIXES: &[&str] = &[
    "src/",
    "tests/",
    "scripts/",
    "migration/",
    "static/",
    "templates/",
    "benches/",
    "docs/",
    ".ci/",
    "Cargo.",
];

#[test]
fn documents_name_only_paths_and_headings_that_exist() {
    let missing: Vec<String> = documents()
        .into_iter()
        .flat_map(|document| {
            let text = read(&document);
            let paths = paths(&text)
                .into_iter()
                .filter(|path| !root().join(path).exists());
            let links = links(&text)
                .into_iter()
                .filter(|link| !link_resolves(&document, link));
            let missing: Vec<String> = paths.chain(links).collect();
            missing
                .into_iter()
                .map(move |path| format!("{}: {path}", document.display()))
        })
        .collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn paths_are_found_in_code_spans_and_code_blocks() {
    let text = "See `src/domain/` and `cargo test`.\n```text\nsrc/sending/{accept,dispatch}.rs   use cases\n  scripts/test  the tests\n```\n";
    assert_eq!(
        paths(text),
        [
            "src/domain/",
            "src/sending/accept.rs",
            "src/sending/dispatch.rs",
            "scripts/test"
        ]
    );
}

#[test]
fn links_resolve_to_files_and_headings() {
    let text = "[a](docs/api.md#list-messages) `[b](c)` ![d](e.png)\n[f](https://x.example/)\n";
    assert_eq!(links(text), ["docs/api.md#list-messages", "e.png"]);
    assert!(link_resolves("docs/api.md".as_ref(), "../README.md"));
    assert!(!link_resolves("docs/api.md".as_ref(), "README.md"));
    assert!(!link_resolves(
        "README.md".as_ref(),
        "docs/api.md#no-such-heading"
    ));
    assert_eq!(
        anchor("Retention, `purge` and more"),
        "retention-purge-and-more"
    );
}

fn documents() -> Vec<PathBuf> {
    let mut found = files(&["docs", "benches"]);
    found.extend(
        [
            "README.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
            "SECURITY.md",
        ]
        .map(PathBuf::from),
    );
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    found
}

/// Every path in a code span or at the start of a line in a code block, braces expanded.
fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            found.extend(line.split_whitespace().next().into_iter().flat_map(expand));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).flat_map(expand));
        }
    }
    found.retain(|path| PATH_PREFIXES.iter().any(|prefix| path.starts_with(prefix)));
    found.retain(|path| !path.contains([' ', '<', '*', '…']));
    found
}

/// The targets of links within the repository, outside code spans.
fn links(text: &str) -> Vec<String> {
    text.lines()
        .flat_map(|line| line.split('`').step_by(2))
        .flat_map(|prose| prose.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .filter(|target| !target.contains(':'))
        .collect()
}

/// Whether a link from a document names a file, and a heading of it if it has an anchor.
fn link_resolves(document: &Path, link: &str) -> bool {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => document.to_owned(),
        path => document.parent().unwrap_or(Path::new("")).join(path),
    };
    let exists = root().join(&target).exists();
    exists
        && (heading.is_empty()
            || read(&target)
                .lines()
                .filter_map(|line| line.trim_start_matches('#').strip_prefix(' '))
                .any(|title| anchor(title) == heading))
}

/// The anchor that GitHub generates for a heading.
fn anchor(title: &str) -> String {
    title
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

/// `a/{b,c}.rs` is two paths.
fn expand(path: &str) -> Vec<String> {
    let parts = path
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    match parts {
        Some((before, (choices, after))) => choices
            .split(',')
            .map(|choice| format!("{before}{choice}{after}"))
            .collect(),
        None => vec![path.to_owned()],
    }
}
