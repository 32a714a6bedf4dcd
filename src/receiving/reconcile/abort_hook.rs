//! Aborts or panics while one chosen callback is processed, so that tests can see what the next
//! start does.
//!
//! Compiled with `debug_assertions` only, which the release profile does not have: a release binary
//! contains neither this file nor the name of the variable.

use std::sync::OnceLock;

/// `parse:TEXT` aborts on a callback whose body contains TEXT when it is parsed, `apply:TEXT` when
/// it is applied; `panic:TEXT` panics when it is applied.
const VARIABLE: &str = "TEST_ABORT_ON_CALLBACK";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessingStage {
    Parse,
    Apply,
}

pub(super) fn crash_if_chosen(stage: ProcessingStage, body: &[u8]) {
    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| std::env::var(VARIABLE).ok());
    let Some((action, text)) = chosen.as_deref().and_then(|chosen| chosen.split_once(':')) else {
        return;
    };
    let contains = |text: &str| {
        body.windows(text.len())
            .any(|found| found == text.as_bytes())
    };
    match (action, stage) {
        ("parse", ProcessingStage::Parse) | ("apply", ProcessingStage::Apply) if contains(text) => {
            std::process::abort()
        }
        ("panic", ProcessingStage::Apply) => {
            assert!(!contains(text), "{VARIABLE} asks for a panic");
        }
        _ => {}
    }
}
