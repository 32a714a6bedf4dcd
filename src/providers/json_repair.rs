//! Rewrites JSON with mistakes that senders make, so that one bad value does not make the whole
//! document unreadable.

use crate::providers::json_separator::separator_length;
use crate::providers::reading_budget::{ReadingLimit, VALUES_LIMIT};

/// Maximum bytes of the rewritten text.
const REPAIRED_LIMIT: usize = 32 * 1024 * 1024;
/// Maximum number of names and values: each value may have a name.
const TOKENS_LIMIT: usize = 2 * VALUES_LIMIT + 2;

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

/// Rewrites these mistakes, and leaves all others:
/// - Lone surrogates become U+FFFD.
/// - Backslashes without meaning and control characters are escaped.
/// - Words and numbers that JSON does not have become true, false, null or a string.
/// - Template variables without quotes become strings.
/// - A missing value becomes null.
/// - A comma before a closing bracket or between two documents is removed.
/// - What else is between two objects or lists becomes a comma, or a space between documents.
pub(super) fn repair(text: &str) -> Result<String, ReadingLimit> {
    let mut repair = Repair {
        rest: text,
        kept: String::with_capacity(text.len()),
        depth: 0,
        tokens: 0,
        expects_value: false,
    };
    while let Some(next) = repair.rest.chars().next() {
        if next.is_ascii_whitespace() {
            repair.copy(1);
            continue;
        }
        let expects_value = std::mem::replace(&mut repair.expects_value, next == ':');
        match next {
            ',' | '}' if expects_value => repair.insert_null()?,
            _ if expects_value && repair.copy_variable()? => {}
            _ if expects_value && !matches!(next, '"' | '{' | '[' | ']') => {
                repair.copy_word(VALUE_ENDS)?;
            }
            '"' => repair.copy_string()?,
            '{' | '[' => {
                repair.depth += 1;
                repair.count_token()?;
                repair.copy(1);
            }
            '}' | ']' => {
                repair.depth = repair.depth.saturating_sub(1);
                repair.copy(1);
                repair.replace_separator();
            }
            ',' if repair.is_superfluous_comma() => repair.replace(1, " "),
            ',' | ':' => repair.copy(1),
            // Record separators of JSON text sequences.
            '\0' | '\u{1e}' | '\u{feff}' if repair.depth == 0 => {
                repair.replace(next.len_utf8(), " ");
            }
            _ => repair.copy_word(WORD_ENDS)?,
        }
        if repair.kept.len() > REPAIRED_LIMIT {
            return Err(ReadingLimit::Unrepairable);
        }
    }
    Ok(repair.kept)
}

/// End a word that may be a name or a value.
const WORD_ENDS: &[char] = &[
    '"', '{', '}', '[', ']', ',', ':', ' ', '\t', '\r', '\n', '\u{c}',
];
/// End a value after a colon, which may be a time or several words.
const VALUE_ENDS: &[char] = &['"', '{', '}', '[', ']', ',', '\r', '\n'];
/// How template variables begin and end.
const VARIABLES: &[(&str, &str)] = &[("{{", "}}"), ("${", "}"), ("#{", "}"), ("<%", "%>")];
/// Maximum bytes of a variable.
const VARIABLE_LIMIT: usize = 200;

struct Repair<'t> {
    rest: &'t str,
    kept: String,
    depth: usize,
    tokens: usize,
    /// Directly after a colon.
    expects_value: bool,
}

impl<'t> Repair<'t> {
    fn count_token(&mut self) -> Result<(), ReadingLimit> {
        self.tokens += 1;
        if self.tokens > TOKENS_LIMIT {
            return Err(ReadingLimit::TooManyValues);
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn copy(&mut self, length: usize) {
        let taken = self.take(length);
        self.kept.push_str(taken);
    }

    fn replace(&mut self, length: usize, by: &str) {
        self.take(length);
        self.kept.push_str(by);
    }

    /// After an object or list: replaces what separates it from the next one.
    fn replace_separator(&mut self) {
        let Some(length) = separator_length(self.rest) else {
            return;
        };
        match (self.depth, self.rest[..length].trim_ascii()) {
            (0, "") | (1.., ",") => {}
            (0, _) => self.replace(length, " "),
            (1.., _) => self.replace(length, ","),
        }
    }

    fn is_superfluous_comma(&self) -> bool {
        self.depth == 0 || self.rest[1..].trim_ascii_start().starts_with(['}', ']'])
    }

    /// Copies a string with its quotes, or up to the end of the text if it is not closed.
    fn copy_string(&mut self) -> Result<(), ReadingLimit> {
        self.count_token()?;
        self.copy(1);
        loop {
            let is_special = |c: char| matches!(c, '"' | '\\') || c < ' ';
            let plain = self.rest.find(is_special).unwrap_or(self.rest.len());
            self.copy(plain);
            match self.rest.chars().next() {
                None => return Ok(()),
                Some('"') => {
                    self.copy(1);
                    return Ok(());
                }
                Some('\\') => self.copy_escape(),
                Some('\n') => self.replace(1, "\\n"),
                Some('\t') => self.replace(1, "\\t"),
                Some('\r') => self.replace(1, "\\r"),
                Some(_) => self.replace(1, "\u{fffd}"),
            }
            if self.kept.len() > REPAIRED_LIMIT {
                return Err(ReadingLimit::Unrepairable);
            }
        }
    }

    /// Copies an escape sequence.
    fn copy_escape(&mut self) {
        let unit = |at: usize| {
            let digits = self.rest.get(at..)?.strip_prefix("\\u")?.get(..4)?;
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
        };
        match (unit(0), self.rest.as_bytes().get(1)) {
            (Some(0xd800..0xdc00), _) if matches!(unit(6), Some(0xdc00..0xe000)) => self.copy(12),
            (Some(0xd800..0xe000), _) => self.replace(6, "\u{fffd}"),
            (Some(_), _) => self.copy(6),
            (None, Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => self.copy(2),
            // JavaScript's, PHP's and Python's escaped apostrophe.
            (None, Some(b'\'')) => self.replace(2, "'"),
            (None, _) => self.replace(1, "\\\\"),
        }
    }

    /// Adds the value that is missing in `"price":,`.
    fn insert_null(&mut self) -> Result<(), ReadingLimit> {
        self.count_token()?;
        self.kept.push_str("null");
        Ok(())
    }

    /// Copies a variable that was not filled, such as `{{timestamp}}`, as a string.
    fn copy_variable(&mut self) -> Result<bool, ReadingLimit> {
        let Some(length) = VARIABLES.iter().find_map(|(begin, end)| {
            let rest = self.rest.strip_prefix(begin)?;
            let name = &rest[..rest.floor_char_boundary(VARIABLE_LIMIT)];
            let length = name.find(end)?;
            let is_name = |c: char| c != '"' && c != ':' && c != '\\' && c >= ' ';
            let is_variable = name[..length].chars().all(is_name);
            is_variable.then_some(begin.len() + length + end.len())
        }) else {
            return Ok(false);
        };
        self.count_token()?;
        self.kept.push('"');
        self.copy(length);
        self.kept.push('"');
        Ok(true)
    }

    /// Copies a word or a number outside strings, up to one of `ends`.
    fn copy_word(&mut self, ends: &[char]) -> Result<(), ReadingLimit> {
        self.count_token()?;
        let word = self.take(self.rest.find(ends).unwrap_or(self.rest.len()));
        let word = word.trim_ascii_end();
        if self.depth == 0 || matches!(word, "true" | "false" | "null") || is_number(word) {
            self.kept.push_str(word);
            return Ok(());
        }
        let is = |known: &&str| word.eq_ignore_ascii_case(known);
        if let Some(known) = ["true", "false"].iter().find(|known| is(known)) {
            self.kept.push_str(known);
        } else if NULLS.iter().any(is) || is_huge(word) {
            self.kept.push_str("null");
        } else {
            self.kept.push('"');
            let word = word.replace('\\', "\\\\");
            self.kept.push_str(&word.replace(|c| c < ' ', " "));
            self.kept.push('"');
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_repaired_and_the_rest_is_unchanged() {
        for (text, repaired) in [
            (
                r#"{"a":"x,]\",}","b":[1,2, ],}"#,
                r#"{"a":"x,]\",}","b":[1,2  ] }"#,
            ),
            (
                r#"["\ud83d","\ude00\ud83d\ude00","\u00e4"]"#,
                "[\"\u{fffd}\",\"\u{fffd}\\ud83d\\ude00\",\"\\u00e4\"]",
            ),
            (
                r#"["\ud83dx","C:\media","\u12","it\'s"]"#,
                "[\"\u{fffd}x\",\"C:\\\\media\",\"\\\\u12\",\"it's\"]",
            ),
            ("[\"a\nb\tc\u{1}\"]", "[\"a\\nb\\tc\u{fffd}\"]"),
            (
                "[NaN,-Infinity,None,True,1e999,1.5,007,.5,wamid.1]",
                r#"[null,null,null,true,null,1.5,"007",".5","wamid.1"]"#,
            ),
            (
                r#"{"a":,"b":{{time}},"c":${x.y} ,"d":[{"e":}],"f":{"g":1}}"#,
                r#"{"a":null,"b":"{{time}}","c":"${x.y}" ,"d":[{"e":null}],"f":{"g":1}}"#,
            ),
            (
                r#"{"at":2026-11-28 03:50:50,"b":<no value>,"c": 1 ,"d": tr ue}"#,
                r#"{"at":"2026-11-28 03:50:50","b":"<no value>","c": 1,"d": "tr ue"}"#,
            ),
            // Objects that only begin like a variable.
            (r#"{"a":{{"b":1}}}"#, r#"{"a":{{"b":1}}}"#),
            ("{id:1},{\"a\":2}\u{1e}[3]", r#"{"id":1} {"a":2} [3]"#),
            (
                "[{id:1};{\"a\":2}{\"b\":3} , ,[4]\u{a0}|[\"x\"], \"[y]\"]\\n{}",
                "[{\"id\":1},{\"a\":2},{\"b\":3},[4],[\"x\"], \"[y]\"] {}",
            ),
            (r#"{"a" 1} rest \"#, r#"{"a" 1} rest \"#),
            (r#"{"a":"\"#, r#"{"a":"\\"#),
        ] {
            assert_eq!(repair(text).as_deref(), Ok(repaired), "{text}");
        }
    }

    #[test]
    fn repairing_ends_at_the_limits() {
        let numbers = format!("[NaN{}]", ",1".repeat(500_000));
        assert_eq!(repair(&numbers), Err(ReadingLimit::TooManyValues));
        let breaks = format!("[\"{}\"]", "\n".repeat(REPAIRED_LIMIT * 3 / 4));
        assert_eq!(repair(&breaks), Err(ReadingLimit::Unrepairable));
    }
}
