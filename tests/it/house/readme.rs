//! The paths that the README names.

const FOLDERS: &[&str] = &[
    "src/",
    "tests/",
    "scripts/",
    "migration/",
    "static/",
    "templates/",
    "benches/",
    ".ci/",
    "Cargo.",
];

/// Every path in a code span or at the start of a line in a code block, braces spelt out.
pub(super) fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            found.extend(
                line.split_whitespace()
                    .next()
                    .into_iter()
                    .flat_map(spell_out),
            );
        } else {
            found.extend(line.split('`').skip(1).step_by(2).flat_map(spell_out));
        }
    }
    found.retain(|path| FOLDERS.iter().any(|folder| path.starts_with(folder)));
    found.retain(|path| !path.contains([' ', '<', '*']));
    found
}

/// `a/{b,c}.rs` is two paths.
fn spell_out(path: &str) -> Vec<String> {
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
