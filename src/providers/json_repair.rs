//! Rewrites JSON with mistakes that senders make, so that one bad value does not make the whole
//! document unreadable.

use crate::providers::json_assignment::assignment_length;
use crate::providers::json_bare_value::{BareValue, find_call, find_member_value, has_prefix};
use crate::providers::json_separator::separator_length;
use crate::providers::json_word::{push_text, push_word};
use crate::providers::reading_budget::{ReadingLimit, VALUES_LIMIT};

/// Maximum bytes of the rewritten text.
const REPAIRED_LIMIT: usize = 32 * 1024 * 1024;
/// Maximum number of names and values: each value may have a name.
const TOKENS_LIMIT: usize = 2 * VALUES_LIMIT + 2;

/// Rewrites these mistakes, and leaves all others:
/// - Lone surrogates become U+FFFD.
/// - Backslashes without meaning and control characters are escaped.
/// - Words, numbers and calls that JSON does not have become true, false, null or a string.
/// - Template variables without quotes become strings.
/// - A missing value becomes null.
/// - `=`, `=>` or `::` behind a name becomes a colon.
/// - A comma beside a bracket, another comma, or between two documents is removed.
/// - What else is between two objects or lists becomes a comma, or a space between documents.
pub(super) fn repair(text: &str) -> Result<String, ReadingLimit> {
    let mut repair = Repair {
        rest: text,
        kept: String::with_capacity(text.len()),
        depth: 0,
        objects: 0,
        tokens: 0,
        place: TokenPlace::Begin,
    };
    while let Some(next) = repair.rest.chars().next() {
        if next.is_ascii_whitespace() {
            repair.copy(1);
            continue;
        }
        repair.copy_token(next)?;
        if repair.kept.len() > REPAIRED_LIMIT {
            return Err(ReadingLimit::Unrepairable);
        }
    }
    Ok(repair.kept)
}

/// End a word that is an element of a list or the name of a member.
const WORD_ENDS: &[char] = &[
    '"', '{', '}', '[', ']', ',', ':', ' ', '\t', '\r', '\n', '\u{c}',
];
/// How template variables begin and end.
const VARIABLES: &[(&str, &str)] = &[("{{", "}}"), ("${", "}"), ("#{", "}"), ("<%", "%>")];
/// Maximum bytes of a variable.
const VARIABLE_LIMIT: usize = 200;

/// What precedes a token, apart from white space.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenPlace {
    /// An opening bracket, a comma, or nothing: an object continues with a name.
    Begin,
    /// What assigns a value to a name.
    Name,
    /// A name without it, or a value.
    Other,
}

struct Repair<'t> {
    rest: &'t str,
    kept: String,
    depth: usize,
    /// Which of the open brackets are braces, the innermost in the lowest bit. Readable JSON has at
    /// most 64 levels.
    objects: u128,
    tokens: usize,
    place: TokenPlace,
}

impl<'t> Repair<'t> {
    fn copy_token(&mut self, next: char) -> Result<(), ReadingLimit> {
        let place = std::mem::replace(&mut self.place, TokenPlace::Other);
        let is_value = place == TokenPlace::Name;
        let is_name = place == TokenPlace::Begin && self.depth > 0 && self.objects & 1 == 1;
        match next {
            ',' | '}' if is_value => self.insert_null()?,
            _ if is_value && self.copy_variable()? => {}
            _ if is_value && !matches!(next, '"' | '{' | '[' | ']') => self.copy_value()?,
            '"' => {
                self.copy_string()?;
                if is_name {
                    self.copy_assignment();
                }
            }
            '{' | '[' => self.open(next)?,
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                self.objects >>= 1;
                self.copy(1);
                self.replace_separator();
            }
            ',' => self.copy_commas(place),
            // Ruby's names: `:id=>"x"`.
            ':' if is_name => {
                self.replace(1, "");
                self.place = TokenPlace::Begin;
            }
            ':' => {
                self.copy(1);
                self.place = TokenPlace::Name;
            }
            // Record separators of JSON text sequences.
            '\0' | '\u{1e}' | '\u{feff}' if self.depth == 0 => self.replace(next.len_utf8(), " "),
            _ if is_name => {
                self.copy_word(|c| c == '=' || WORD_ENDS.contains(&c))?;
                self.copy_assignment();
            }
            _ => self.copy_element()?,
        }
        Ok(())
    }

    fn open(&mut self, bracket: char) -> Result<(), ReadingLimit> {
        self.count_token()?;
        self.depth += 1;
        self.objects = (self.objects << 1) | u128::from(bracket == '{');
        self.place = TokenPlace::Begin;
        self.copy(1);
        Ok(())
    }

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
            (1.., _) => {
                self.replace(length, ",");
                self.place = TokenPlace::Begin;
            }
        }
    }

    /// Copies one of several commas, and none beside a bracket or outside of all.
    fn copy_commas(&mut self, place: TokenPlace) {
        let next = self
            .rest
            .trim_start_matches(|c: char| c == ',' || c.is_ascii_whitespace());
        let length = self.rest.len() - next.len();
        let is_superfluous =
            self.depth == 0 || place == TokenPlace::Begin || next.starts_with(['}', ']']);
        if is_superfluous {
            self.replace(length, " ");
            self.place = place;
            return;
        }
        if self.rest[1..length].contains(',') {
            self.replace(length, ",");
        } else {
            self.copy(1);
        }
        self.place = TokenPlace::Begin;
    }

    /// Copies what assigns a value to a name as a colon.
    fn copy_assignment(&mut self) {
        let Some(length) = assignment_length(self.rest) else {
            return;
        };
        if self.rest[..length].trim_ascii() == ":" {
            self.copy(length);
        } else {
            self.replace(length, ":");
        }
        self.place = TokenPlace::Name;
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

    /// Copies a value after a name that is no string, object or list.
    fn copy_value(&mut self) -> Result<(), ReadingLimit> {
        if has_prefix(self.rest) && self.rest[1..].starts_with('"') {
            self.replace(1, "");
            self.place = TokenPlace::Name;
            return Ok(());
        }
        // Ruby's `:delivered`.
        let symbol = self.rest.strip_prefix(':');
        if symbol.is_some_and(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())) {
            self.replace(1, "");
        }
        self.count_token()?;
        let (value, length) = find_member_value(self.rest);
        self.take(length);
        self.push_value(value);
        Ok(())
    }

    /// Copies an element of a list, or a name without quotes.
    fn copy_element(&mut self) -> Result<(), ReadingLimit> {
        if self.depth > 0
            && let Some((value, length)) = find_call(self.rest)
        {
            self.count_token()?;
            self.take(length);
            self.push_value(value);
            return Ok(());
        }
        if self.depth > 0 && self.objects & 1 == 0 {
            // Several words, as in `[object Object]`.
            return self.copy_word(|c| c != ' ' && WORD_ENDS.contains(&c));
        }
        self.copy_word(|c| WORD_ENDS.contains(&c))
    }

    /// Copies a word or a number outside strings.
    fn copy_word(&mut self, is_end: impl Fn(char) -> bool) -> Result<(), ReadingLimit> {
        self.count_token()?;
        let word = self.take(self.rest.find(is_end).unwrap_or(self.rest.len()));
        self.push_value(BareValue::Word(word));
        Ok(())
    }

    fn push_value(&mut self, value: BareValue<'_>) {
        match value {
            BareValue::Quoted(text) => push_text(&mut self.kept, &text.replace("\\'", "'")),
            BareValue::Word(word) if self.depth == 0 => self.kept.push_str(word.trim_ascii_end()),
            BareValue::Word(word) => push_word(&mut self.kept, word.trim_ascii_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_repaired_and_the_rest_is_unchanged() {
        for (text, repaired) in [
            (
                r#"{"a":"x,]\",}","b":[1,2, ],}"#,
                r#"{"a":"x,]\",}","b":[1,2 ] }"#,
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
            (
                r#"{,"price":1,234.50,"id"::ObjectId("65f"), "b" => b'x', c=1,,"d":u"y","e":12, Main St}"#,
                r#"{ "price":"1,234.50","id":"65f", "b": "x", "c":1,"d":"y","e":"12, Main St"}"#,
            ),
            (
                r#"[,{:id=>:sent, "n":Meera [VIP] },,{"a":1}, ISODate('x')]"#,
                r#"[ {"id":"sent", "n":"Meera [VIP]"},{"a":1}, "x"]"#,
            ),
            // Objects that only begin like a variable.
            (r#"{"a":{{"b":1}}}"#, r#"{"a":{{"b":1}}}"#),
            ("{id:1},{\"a\":2}\u{1e}[3]", r#"{"id":1} {"a":2} [3]"#),
            (
                "[{id:1};{\"a\":2}{\"b\":3} , ,[4]\u{a0}|[\"x\"], \"[y]\"]\\n{}",
                "[{\"id\":1},{\"a\":2},{\"b\":3},[4],[\"x\"], \"[y]\"] {}",
            ),
            (
                r#"{"a":[object Object], "b":[ 1 , x y ]}"#,
                r#"{"a":["object Object"], "b":[ 1, "x y"]}"#,
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
