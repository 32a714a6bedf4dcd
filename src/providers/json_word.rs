//! Writes a word or a number that stands without quotes as a JSON value.

/// Words for `null` in other languages, and numbers that JSON does not have.
const NULLS: &[&str] = &[
    "null",
    "none",
    "nil",
    "undefined",
    "nan",
    "+nan",
    "-nan",
    "inf",
    "-inf",
    "infinity",
    "-infinity",
    "+infinity",
];

/// Adds true, false, null, a number, or else a string.
pub(super) fn push_word(json: &mut String, word: &str) {
    if matches!(word, "true" | "false" | "null") || is_number(word) {
        json.push_str(word);
        return;
    }
    let is = |known: &&str| word.eq_ignore_ascii_case(known);
    if let Some(known) = ["true", "false"].iter().find(|known| is(known)) {
        json.push_str(known);
    } else if NULLS.iter().any(is) || is_huge(word) {
        json.push_str("null");
    } else {
        push_text(json, word);
    }
}

/// Adds a string. The text has no double quotes.
pub(super) fn push_text(json: &mut String, text: &str) {
    json.push('"');
    let text = text.replace('\\', "\\\\");
    json.push_str(&text.replace(|c| c < ' ', " "));
    json.push('"');
}

/// Whether it is a valid JSON number that a double can hold.
fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && serde_json::from_str::<serde_json::Number>(word).is_ok()
}

/// Whether it is a number that no double can hold.
fn is_huge(word: &str) -> bool {
    word.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        && word.parse::<f64>().is_ok_and(f64::is_infinite)
}
