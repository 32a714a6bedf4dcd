//! Decides by what is around a quote whether it ends its text, in JSON in which quotes inside of texts
//! are not escaped.

use crate::providers::json_separator::separator_length;

/// Maximum bytes that are searched for the end of the next member's name.
const NAME_LIMIT: usize = 100;

/// Names that are recognised also if they begin with a capital; in lower case, without `_`.
const CAPITALISED_NAMES: [&str; 24] = [
    "code",
    "createdat",
    "error",
    "errors",
    "event",
    "id",
    "messageid",
    "messages",
    "messagestatus",
    "mid",
    "mobile",
    "msgid",
    "phone",
    "recipient",
    "recipientid",
    "state",
    "status",
    "statuses",
    "time",
    "timestamp",
    "to",
    "type",
    "waid",
    "wamid",
];

/// What a quoted text is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum QuotedText {
    /// The name of an object's member.
    Name,
    /// The value of an object's member.
    MemberValue,
    /// An element of a list.
    Element,
}

/// Separates JSON documents in a sequence (RFC 7464).
const RECORD_SEPARATOR: char = '\u{1e}';
/// Python's prefixes of texts and bytes.
const PYTHON_PREFIXES: [char; 2] = ['u', 'b'];
/// What begins after the name of a member whose colon is missing or wrong: an object, a list, a
/// negative number, a comment, `=`, `=>`, `->` or `\:`.
const AFTER_BROKEN_NAME: &str = "{[-/=\\>";

/// Whether a quote that does not pass [`ends_text`] shows that another member or object begins here.
/// The caller then reads nothing, because the member would become a part of the text.
/// `text_so_far` is the text before the quote, `has_brace` whether it has an opening brace, `rest`
/// what follows the quote.
pub(super) fn begins_other_member(
    text_so_far: &str,
    has_brace: bool,
    rest: &str,
    role: QuotedText,
) -> bool {
    ends_inside_object(text_so_far, has_brace)
        || begins_value(rest)
        || (role == QuotedText::MemberValue && begins_broken_member(rest))
}

/// Whether the text ends where an object has its first name, or a value after an opening brace.
fn ends_inside_object(text_so_far: &str, has_brace: bool) -> bool {
    let text = text_so_far.trim_ascii_end();
    text.ends_with('{') || (text.ends_with(':') && has_brace)
}

/// Whether a colon and a value follow, so that the quote closed a name. Words such as `true` are not
/// looked for: they may be a customer's.
fn begins_value(rest: &str) -> bool {
    let value = rest.trim_ascii_start().strip_prefix(':');
    value.is_some_and(|value| {
        let value = value.trim_ascii_start();
        value.starts_with(['"', '\'', '{', '[', '-'])
            || value.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// Whether a comma, a name and something other than a colon follow, such as in `, "id" "x"`. Quoted
/// words in a customer's text look like names, too, but are followed by other words or punctuation
/// marks. Capitalised words such as `"Raj""Raj"` are names only if documents of messages have them.
fn begins_broken_member(rest: &str) -> bool {
    let start = &rest[..rest.floor_char_boundary(NAME_LIMIT)];
    let after_comma = start.trim_ascii_start().strip_prefix(',');
    let after_comma = after_comma.unwrap_or_default().trim_ascii_start();
    let Some(name) = after_comma.strip_prefix(['"', '\'']) else {
        return false;
    };
    let after_name = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let Some(after_quote) = after_name.strip_prefix(['"', '\'']) else {
        return false;
    };
    let next = after_quote.trim_ascii_start();
    let begins_text = next
        .strip_prefix(['"', '\''])
        .is_some_and(|text| text.starts_with(char::is_alphanumeric));
    let begins_other = |c: char| c.is_ascii_digit() || AFTER_BROKEN_NAME.contains(c);
    let word = &name[..name.len() - after_name.len()];
    is_member_name(word) && (begins_text || next.starts_with(begins_other))
}

fn is_member_name(word: &str) -> bool {
    let folded = || word.replace('_', "").to_ascii_lowercase();
    word.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        || CAPITALISED_NAMES.contains(&folded().as_str())
}

/// Whether a quote ends its text, by what follows it.
pub(super) fn ends_text(rest: &str, role: QuotedText) -> bool {
    let rest = rest.trim_ascii_start();
    let mut characters = rest.chars();
    match (characters.next(), role) {
        (None, _)
        | (Some(':' | '='), QuotedText::Name)
        | (Some(',' | ']'), QuotedText::Element) => true,
        (Some('}'), QuotedText::MemberValue) => {
            let after = characters.as_str().trim_ascii_start();
            after.is_empty()
                || after.starts_with(['}', ']', ',', '{', RECORD_SEPARATOR])
                || separator_length(after).is_some()
        }
        (Some(','), QuotedText::MemberValue) => {
            begins_member(characters.as_str().trim_ascii_start())
        }
        _ => false,
    }
}

/// Whether a name and a colon follow, or the end of the object or of the text after a comma or a name.
fn begins_member(rest: &str) -> bool {
    let start = &rest[..rest.floor_char_boundary(NAME_LIMIT)];
    if start.is_empty() || start.starts_with('}') {
        return true;
    }
    let name = start.strip_prefix(PYTHON_PREFIXES).unwrap_or(start);
    let name = name.trim_start_matches(['"', '\'']);
    let after_name = name.trim_start_matches(|c: char| !"\"':,{}".contains(c));
    let next = after_name
        .trim_start_matches(['"', '\''])
        .trim_ascii_start();
    // Truncated in the name or behind it: what was complete before it is kept.
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = &name[..name.len() - after_name.len()];
    let is_truncated = next.is_empty() && start.len() == rest.len() && name.chars().all(is_name);
    next.starts_with(':') || is_truncated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_ends_a_value_before_the_next_member_or_the_end_of_the_object() {
        for rest in [
            r#","id":1}"#,
            r#" , "id" : 1}"#,
            ",id:1}",
            ",}",
            "}",
            "}]}",
            "}, {",
            "",
            ", \"",
            ",\"nam",
            ",\"name\" ",
        ] {
            assert!(ends_text(rest, QuotedText::MemberValue), "{rest}");
        }
        for rest in [
            r#", you", then"#,
            " the boss",
            "} he said",
            r#","Raj""Raj"","id":1}"#,
        ] {
            assert!(!ends_text(rest, QuotedText::MemberValue), "{rest}");
        }
    }

    #[test]
    fn a_quote_before_a_member_without_its_colon_begins_another_member() {
        for rest in [
            r#","id""x"}"#,
            r#","id"=>"x"}"#,
            r#","id" 17}"#,
            r#","ids"["x"]}"#,
            r#": "x"}"#,
            r#", "Id" "B","Status":"failed"}"#,
            r#","Time""1763600000"}"#,
        ] {
            assert!(
                begins_other_member("sent", false, rest, QuotedText::MemberValue),
                "{rest}"
            );
        }
        for rest in [
            r#","Raj""Raj"","id":1}"#,
            r#", "you", then"#,
            ": see",
            " the boss",
        ] {
            assert!(
                !begins_other_member("Raj", false, rest, QuotedText::MemberValue),
                "{rest}"
            );
        }
        assert!(begins_other_member("x {", true, "id", QuotedText::Element));
        assert!(begins_other_member(
            r#"x {"id":"#,
            true,
            "1",
            QuotedText::Element
        ));
    }
}
