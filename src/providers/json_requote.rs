//! Rewrites JSON whose quotes are wrong: a template inserted a text that contains quotes, a program
//! printed objects in the syntax of its language, or the whole document was escaped again. Closes
//! truncated JSON after its last complete object.

use crate::providers::json_bare_value::has_prefix;
use crate::providers::json_quote_end::{QuotedText, begins_other_member, ends_text};

/// Maximum bytes of a text that is rewritten.
const TEXT_LIMIT: usize = 8 * 1024 * 1024;
/// Maximum depth of objects and lists.
const DEPTH_LIMIT: usize = 64;
/// Maximum bytes of the first name.
const NAME_LIMIT: usize = 100;

/// `None` if there is nothing to rewrite.
pub(super) fn requote(text: &str) -> Option<String> {
    if text.len() > TEXT_LIMIT {
        return None;
    }
    let unescaped = unescape(text);
    let text = unescaped.as_deref().unwrap_or(text);
    let requoted = Requoting::new(text).finish()?;
    (unescaped.is_some() || requoted != text).then_some(requoted)
}

/// Whether the first name or its value has quotes that JSON does not have, which a repair would
/// keep as a part of it.
pub(super) fn is_misquoted(text: &str) -> bool {
    let first = skip_brackets(text);
    let start = &first[..first.floor_char_boundary(NAME_LIMIT)];
    let begins_value = |(name, value): (&str, &str)| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let value = skip_brackets(value);
        name.chars().all(is_plain) && (value.starts_with('\'') || has_prefix(value))
    };
    first.starts_with('\'')
        || first.starts_with("\\\"")
        || first.starts_with("\\'")
        || has_prefix(first)
        || begins_with_html_quote(first)
        || start.split_once(':').is_some_and(begins_value)
}

pub(super) fn skip_brackets(text: &str) -> &str {
    text.trim_start_matches(|c: char| matches!(c, '{' | '[') || c.is_ascii_whitespace())
}

/// HTML entities. `&amp;` is last, because its replacement may begin any of the others.
const HTML_ENTITIES: &[(&str, &str)] = &[
    ("&quot;", "\""),
    ("&#34;", "\""),
    ("&#034;", "\""),
    ("&#x22;", "\""),
    ("&#X22;", "\""),
    ("&apos;", "'"),
    ("&#39;", "'"),
    ("&#039;", "'"),
    ("&#x27;", "'"),
    ("&#X27;", "'"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&amp;", "&"),
];

fn begins_with_html_quote(text: &str) -> bool {
    let mut quotes = HTML_ENTITIES
        .iter()
        .filter(|(_, character)| matches!(*character, "\"" | "'"));
    quotes.any(|(quote, _)| text.starts_with(quote))
}

/// Turns `{\"id\":\"x\"}` or `{&quot;id&quot;:&quot;x&quot;}` into plain JSON; `None` for any other
/// text.
fn unescape(text: &str) -> Option<String> {
    let first = skip_brackets(text);
    if first.starts_with("\\\"") {
        let mut plain = String::with_capacity(text.len());
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            // Truncated inside an escape.
            if c == '\\' && characters.peek().is_none() {
                break;
            }
            let escaped = characters.next_if(|next| c == '\\' && matches!(next, '"' | '\\'));
            plain.push(escaped.unwrap_or(c));
        }
        return Some(plain);
    }
    begins_with_html_quote(first).then(|| {
        HTML_ENTITIES.iter().fold(
            without_partial_entity(text).to_owned(),
            |text, (entity, character)| text.replace(entity, character),
        )
    })
}

/// The text without an entity in which it was truncated.
fn without_partial_entity(text: &str) -> &str {
    let is_in_entity = |c: char| c.is_ascii_alphanumeric() || c == '#';
    let begin = text.trim_end_matches(is_in_entity);
    begin.strip_suffix('&').unwrap_or(text)
}

/// The text up to the end of the last complete object or list, with the enclosing ones closed;
/// `None` if there is no complete one inside another.
pub(super) fn close_truncated(text: &str) -> Option<String> {
    let mut open = Vec::new();
    let mut last = None;
    let mut in_text = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' => open.push('}'),
            b'[' => open.push(']'),
            b'}' | b']' => {
                open.pop()?;
                last = Some((at + 1, open.len()));
            }
            _ => {}
        }
        if open.len() > DEPTH_LIMIT {
            return None;
        }
    }
    // Since then, objects and lists were only opened.
    let (end, depth) = last.filter(|(_, depth)| *depth > 0)?;
    let closing = open.get(..depth)?.iter().rev();
    Some(text.get(..end)?.chars().chain(closing.copied()).collect())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    List,
}

struct Requoting<'t> {
    rest: &'t str,
    written: String,
    open: Vec<Container>,
    after_colon: bool,
}

impl<'t> Requoting<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            rest: text,
            written: String::with_capacity(text.len()),
            open: Vec::new(),
            after_colon: false,
        }
    }

    /// `None` if it is nested too deeply, or if the end of a text is unclear.
    fn finish(mut self) -> Option<String> {
        while let Some(next) = self.take() {
            match (next, self.open.last()) {
                ('"' | '\'', Some(container)) => {
                    let role = match container {
                        Container::List => QuotedText::Element,
                        Container::Object if self.after_colon => QuotedText::MemberValue,
                        Container::Object => QuotedText::Name,
                    };
                    self.copy_text(next, role)?;
                    continue;
                }
                // Python's prefix of bytes or a text.
                ('u' | 'b', Some(_)) if self.rest.starts_with(['"', '\'']) => continue,
                ('{', _) => self.open.push(Container::Object),
                ('[', _) => self.open.push(Container::List),
                ('}' | ']', _) => {
                    self.open.pop();
                }
                _ => {}
            }
            if self.open.len() > DEPTH_LIMIT {
                return None;
            }
            if !next.is_whitespace() {
                self.after_colon = next == ':';
            }
            self.written.push(next);
        }
        Some(self.written)
    }

    fn take(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next()?;
        self.rest = characters.as_str();
        Some(next)
    }

    /// `None` if another member or object begins before the end of the text: it would become a part
    /// of the text, and the members behind it a part of this object.
    fn copy_text(&mut self, quote: char, role: QuotedText) -> Option<()> {
        self.written.push('"');
        let begin = self.written.len();
        let mut has_brace = false;
        while let Some(next) = self.take() {
            match next {
                '\\' => {
                    let escaped = self.take();
                    if escaped != Some('\'') {
                        self.written.push('\\');
                    }
                    self.written.extend(escaped);
                }
                _ if next == quote && ends_text(self.rest, role) => break,
                _ if next == quote && role == QuotedText::Name => return None,
                _ if next == quote
                    && begins_other_member(&self.written[begin..], has_brace, self.rest, role) =>
                {
                    return None;
                }
                '{' | '}' if role == QuotedText::Name => return None,
                '"' => self.written.push_str("\\\""),
                other => {
                    has_brace |= other == '{';
                    self.written.push(other);
                }
            }
        }
        self.written.push('"');
        self.after_colon = false;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> Option<Value> {
        serde_json::from_str(&requote(text)?).ok()
    }

    #[test]
    fn quotes_inside_a_text_do_not_end_it() {
        for (text, expected) in [
            (
                r#"{"name":"Raj "the boss" Rao","id":"x"}"#,
                json!({"name": "Raj \"the boss\" Rao", "id": "x"}),
            ),
            (
                r#"{"name":""Raj"","id":"x"}"#,
                json!({"name": "\"Raj\"", "id": "x"}),
            ),
            (
                r#"{"body":"say "hi", "you", then","id":"x" , "n":1}"#,
                json!({"body": "say \"hi\", \"you\", then", "id": "x", "n": 1}),
            ),
            (r#"["a "b" c","d"]"#, json!(["a \"b\" c", "d"])),
            (
                r#"{'id': 'x', 'name': "D'Souza", 'note': 'it\'s "so"', 'l': ['a', 'b']}"#,
                json!({"id": "x", "name": "D'Souza", "note": "it's \"so\"", "l": ["a", "b"]}),
            ),
            (r#"{\"id\":\"a \\\"b\\\"\"}"#, json!({"id": "a \"b\""})),
            (
                "[{&quot;id&quot;:&quot;x&quot;,&quot;n&quot;:&quot;A &amp; B&quot;}]",
                json!([{"id": "x", "n": "A & B"}]),
            ),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_next_member_is_never_a_part_of_a_text() {
        for text in [
            r#"{"id":"A","name":"M" "id":"B","status":"failed"}"#,
            r#"{"id":"A","name":"M, "id":"B","status":"failed"}"#,
            "{'id':'A','name':'M 'id':'B','status':'failed'}",
            r#"{"id":"A","name":"M "x" y, "errors" : [],"status":"failed"}"#,
            r#"{"id":"A","status":"sent","time""1763600000"}"#,
            r#"{"Id":"A","Status":"sent","Time""1763600000"}"#,
            r#"{"Id":"A","Name":"M", "Id" "B","Status":"failed"}"#,
            r#"{"id":"A","time" 1763600000,"status":"sent"}"#,
            r#"{"id":"A","status":"sent","time"//"1763600000"}"#,
            "{'id':'A','status':'sent','time'-'1763600000'}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn truncated_json_is_closed_after_its_last_complete_object() {
        for (text, closed) in [
            (
                r#"{"a":[{"id":"x"},{"id":"y"#,
                Some(r#"{"a":[{"id":"x"}]}"#),
            ),
            (r#"{"a":{"b":"}"},"c":["#, Some(r#"{"a":{"b":"}"}}"#)),
            (r#"{"id":"x","status":"#, None),
            ("[[]", Some("[[]]")),
            ("[]", None),
        ] {
            assert_eq!(close_truncated(text).as_deref(), closed, "{text}");
        }
    }

    #[test]
    fn what_is_complete_is_kept_wherever_the_text_is_truncated() {
        for (name, quote) in ["{", "x {", "{ a: ", "a, b", "}"]
            .iter()
            .flat_map(|name| ["'", "&quot;", "\\\""].map(|quote| (name, quote)))
        {
            let written =
                json!([{"id": "A", "status": "sent"}, {"id": "B", "name": name, "status": "read"}])
                    .to_string()
                    .replace('"', quote);
            let first_end = written.find('}').unwrap() + 1;
            for end in first_end..written.len() {
                let text = &written[..end];
                let closed = requote(text).and_then(|text| close_truncated(&text));
                let value: Option<Value> = closed.and_then(|text| serde_json::from_str(&text).ok());
                let expected = json!({"id": "A", "status": "sent"});
                assert_eq!(
                    value.map(|value| value[0].clone()),
                    Some(expected),
                    "{text}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn valid_json_keeps_its_value(name in "[a-z]{1,8}", text in "\\PC{0,30}", list in prop::collection::vec("\\PC{0,9}", 0..4)) {
            let value = json!({ &name: text, "list": list, "in": { "n": 1, "t": text } });
            let requoted = requote(&value.to_string()).unwrap_or_else(|| value.to_string());
            prop_assert_eq!(serde_json::from_str::<Value>(&requoted).ok(), Some(value));
        }

        #[test]
        fn any_text_is_handled_without_panic(text in "[{}\\[\\],:\"'\\\\a& ]{0,60}") {
            let _ = (requote(&text), close_truncated(&text));
        }
    }
}
