//! Finds the end of a text, the name before a value and the member `field` in JSON with a mistake.

use crate::providers::json_assignment::assignment_length;
use crate::providers::report_names::report_name;

/// Maximum bytes of a name, and of white space before one.
pub(super) const NAME_LIMIT: usize = 100;
/// A name that could not be read.
pub(super) const UNKNOWN: &str = "";
pub(super) const STATUSES: &str = "statuses";

/// Behind the quote that ends the text at `begin`.
pub(super) fn end_of_text(text: &str, begin: usize) -> Option<usize> {
    let mut at = begin + 1;
    loop {
        at += text[at..].find(['"', '\\'])?;
        if text[at..].starts_with('"') {
            return Some(at + 1);
        }
        at += 1 + text[at + 1..].chars().next()?.len_utf8();
    }
}

/// The name of the member whose value begins at `at`, by what precedes it.
pub(super) fn name_before(text: &str, at: usize) -> Option<&str> {
    let start = text.floor_char_boundary(at.saturating_sub(2 * NAME_LIMIT));
    let before = text[start..at].trim_ascii_end();
    let named = before.trim_end_matches([':', '=', '>']).trim_ascii_end();
    if before.ends_with("\"statuses\"") {
        // Its colon is missing.
        return Some(STATUSES);
    }
    if named.len() == before.len() {
        // After a word, it is a part of a text.
        return follows_word(text, at).then_some(UNKNOWN);
    }
    if let Some(known) = name_with_quotes_inside(named) {
        return Some(known);
    }
    let unquoted = named.trim_end_matches(['"', '\'']);
    let is_in_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '.' | ' ');
    let name = &unquoted[unquoted.trim_end_matches(is_in_name).len()..];
    // Otherwise, the colon is superfluous.
    (!name.is_empty() || unquoted.len() < named.len()).then_some(name)
}

/// The name of reports at the end of a text, if it is one without the quotes inside: `"s"tatuses"`.
fn name_with_quotes_inside(text: &str) -> Option<&'static str> {
    let begin = text.rfind([',', '{', '[']).map_or(0, |mark| mark + 1);
    let member = text[begin..].trim_ascii_start();
    let inner = member.trim_matches('"');
    if !inner.contains('"') || inner.len() + 1 > member.len() {
        return None;
    }
    report_name(&inner.replace('"', ""))
}

/// Whether a word or an apostrophe precedes `at`.
pub(super) fn follows_word(text: &str, at: usize) -> bool {
    let start = text.floor_char_boundary(at.saturating_sub(NAME_LIMIT));
    let before = text[start..at].trim_ascii_end();
    before.ends_with(|c: char| c == '\'' || c.is_alphanumeric())
}

/// The last member `field` in a text without brackets.
pub(super) fn last_field(text: &str) -> Option<&str> {
    let (_, rest) = text.rsplit_once("\"field\"")?;
    let value = rest[assignment_length(rest)?..].strip_prefix('"')?;
    value.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_before_a_value_is_found() {
        for (text, name) in [
            (r#"{"a" : {"#, Some("a")),
            (r#"x, "b"=>["#, Some("b")),
            ("a: {", Some("a")),
            ("\"a:b c: {", Some("b c")),
            ("\"\": {", Some(UNKNOWN)),
            ("'{", Some(UNKNOWN)),
            ("word {", Some(UNKNOWN)),
            (r#"{"s"tatuses":["#, Some("statuses")),
            (r#"{"a":1, "va"l"ue" : {"#, Some("value")),
            (r#"{"a":"x "s"tatuses":["#, Some("tatuses")),
            ("[:{", None),
            ("[{", None),
            ("}, {", None),
            ("{", None),
        ] {
            assert_eq!(name_before(text, text.len() - 1), name, "{text}");
        }
    }

    #[test]
    fn the_last_field_and_the_end_of_a_text_are_found() {
        let text = r#""field":"a", x "field" : "b","y":1"#;
        assert_eq!(last_field(text), Some("b"));
        assert_eq!(last_field("\"field\":1"), None);
        assert_eq!(end_of_text(r#""a\"b"c"#, 0), Some(6));
        assert_eq!(end_of_text("\"a\\", 0), None);
    }
}
