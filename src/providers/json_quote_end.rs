//! Decides by what is around a quote whether it ends its text, in JSON in which quotes inside of texts
//! are not escaped.

use crate::providers::json_separator::separator_length;

/// Maximum bytes that are searched for the end of the next member's name.
const NAME_LIMIT: usize = 100;

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

/// Whether a quote that does not end its text belongs to another member or object: it would become a part
/// of the text. `begin` is the text before the quote, `rest` what follows it.
pub(super) fn continues_object(begin: &str, rest: &str, role: QuotedText) -> bool {
    ends_inside_object(begin)
        || begins_value(rest)
        || (role == QuotedText::MemberValue && begins_broken_member(rest))
}

/// Whether a quote after this beginning of a text is at the first name of an object, or at a value
/// after an opening brace.
fn ends_inside_object(begin: &str) -> bool {
    let begin = begin.trim_ascii_end();
    begin.ends_with('{') || (begin.ends_with(':') && begin.contains('{'))
}

/// Whether a quote is behind a member's name: a colon and a value follow.
fn begins_value(rest: &str) -> bool {
    let value = rest.trim_ascii_start().strip_prefix(':');
    value.is_some_and(|value| {
        let value = value.trim_ascii_start();
        value.starts_with(['"', '\'', '{', '[', '-'])
            || value.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// Whether a comma, a name and something else than its colon are behind a quote. What follows a quoted
/// word in a text is another word or a punctuation mark. Names of members begin with a small letter, and
/// those of customers rarely do.
fn begins_broken_member(rest: &str) -> bool {
    let start = &rest[..rest.floor_char_boundary(NAME_LIMIT)];
    let name = start.trim_ascii_start().strip_prefix(',');
    let Some(name) = name.and_then(|name| name.trim_ascii_start().strip_prefix(['"', '\''])) else {
        return false;
    };
    let behind = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let value = behind.strip_prefix(['"', '\'']).map(str::trim_ascii_start);
    let begins_text = |value: &str| {
        let text = value.strip_prefix(['"', '\'']);
        text.is_some_and(|text| text.starts_with(char::is_alphanumeric))
    };
    is_name
        && value.is_some_and(|value| {
            begins_text(value)
                || value.starts_with(|c: char| c.is_ascii_digit() || "{[-/=\\>".contains(c))
        })
}

/// Whether a quote ends its text, by what follows it.
pub(super) fn is_end(rest: &str, role: QuotedText) -> bool {
    let rest = rest.trim_ascii_start();
    let mut characters = rest.chars();
    match (characters.next(), role) {
        (None, _)
        | (Some(':' | '='), QuotedText::Name)
        | (Some(',' | ']'), QuotedText::Element) => true,
        (Some('}'), QuotedText::MemberValue) => {
            let after = characters.as_str().trim_ascii_start();
            after.is_empty()
                || after.starts_with(['}', ']', ',', '{', '\u{1e}'])
                || separator_length(after).is_some()
        }
        (Some(','), QuotedText::MemberValue) => {
            begins_member(characters.as_str().trim_ascii_start())
        }
        _ => false,
    }
}

/// Whether a name and a colon follow, or the end of the object or of the text after a comma.
fn begins_member(rest: &str) -> bool {
    let start = &rest[..rest.floor_char_boundary(NAME_LIMIT)];
    if start.is_empty() || start.starts_with('}') {
        return true;
    }
    let name = start.strip_prefix(['u', 'b']).unwrap_or(start);
    let name = name.trim_start_matches(['"', '\'']);
    let end = name.find(['"', '\'', ':', ',', '{', '}']);
    end.is_some_and(|end| {
        let after = name[end..].trim_start_matches(['"', '\'']);
        after.trim_ascii_start().starts_with(':')
    })
}
