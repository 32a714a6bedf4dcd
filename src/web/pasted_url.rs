//! Callback URLs as people paste them at a provider: with what stood around them in a document,
//! doubled slashes or a slash at the end. A mistake in a URL must not lose every callback.
//!
//! One rule: a part of the path may have copied characters (see [`is_copied`]) around it, also
//! percent-encoded again by the provider's console (`%2520`). Anything else in it is refused.

use std::borrow::Cow;

use actix_web::HttpRequest;

use crate::domain::callback_record::UrlMistake;
use crate::domain::invisible_characters::is_blank;

/// How often a console may have encoded the characters behind the URL again.
const ENCODINGS_LIMIT: usize = 3;

/// A pattern for actix that accepts the URL as it was issued.
pub(crate) fn exact_pattern(path: &str) -> String {
    path.replace('}', ":[0-9A-Za-z_-]+}")
}

/// A pattern for actix that accepts any number of slashes wherever `path` has one, and at its end any
/// characters but letters, digits, `_` and `-`, which [`trim_last_part`] examines.
pub(crate) fn tolerant_pattern(path: &str) -> String {
    let segments = path.split('/').skip(1).enumerate();
    let segments: Vec<String> = segments
        .map(|(index, segment)| format!("/{{slashes_{index}:/*}}{segment}"))
        .collect();
    segments.concat() + "{end:(?:%(?:25)*[0-9A-Fa-f][0-9A-Fa-f]|[^0-9A-Za-z_-])*}"
}

/// A part of the path without what was copied with it; empty if other characters are in it.
pub(crate) fn trim_part(part: &str) -> &str {
    let begun = part.trim_start_matches(|c| c == '/' || is_copied(c));
    let end = begun.bytes().position(|byte| !is_of_token(byte));
    // Tokens are of ASCII, so a character begins at their end.
    let (token, rest) = begun.split_at(end.unwrap_or(begun.len()));
    if is_copied_end(rest) { token } else { "" }
}

/// [`trim_part`] for the last part, which is followed by the rest of the path.
pub(crate) fn trim_last_part<'p>(request: &HttpRequest, part: &'p str) -> &'p str {
    if is_copied_end(path_end(request)) {
        trim_part(part)
    } else {
        ""
    }
}

/// `parts` are the variable parts of the path. Slashes at the end are no mistake.
pub(crate) fn find_mistake(request: &HttpRequest, parts: [&str; 2]) -> Option<UrlMistake> {
    let is_mistake = |byte| !is_of_token(byte) && byte != b'/';
    let [account, token] = parts;
    if [account, token, path_end(request)]
        .iter()
        .any(|part| part.bytes().any(is_mistake))
    {
        return Some(UrlMistake::WhiteSpace);
    }
    let path = request.uri().path().trim_end_matches('/');
    path.contains("//").then_some(UrlMistake::DoubledSlash)
}

fn path_end(request: &HttpRequest) -> &str {
    request.match_info().get("end").unwrap_or_default()
}

/// Accounts and tokens consist of these.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Whether only copied characters and slashes follow a part.
fn is_copied_end(end: &str) -> bool {
    let mut end = Cow::Borrowed(end);
    for _ in 0..=ENCODINGS_LIMIT {
        if end.chars().all(|c| c == '/' || is_copied(c)) {
            return true;
        }
        if end.contains(['&', '=']) {
            return false;
        }
        let Some((decoded, _)) = form_urlencoded::parse(end.as_bytes()).next() else {
            return false;
        };
        if decoded == end {
            return false;
        }
        end = Cow::Owned(decoded.into_owned());
    }
    false
}

/// Whether a character is copied together with a URL: white space, invisible characters, and what
/// stands around a URL in a sentence, a list, a table, a chat or source code.
fn is_copied(c: char) -> bool {
    is_blank(c)
        || "\"'`<>()[]{}.,;:!?*|\\+".contains(c)
        || matches!(c,
            // An encoding that was cut or is not UTF-8, such as Latin-1's space.
            char::REPLACEMENT_CHARACTER
            | '«' | '»' | '´' | '·' | '–' | '—' | '‘'..='‟' | '•' | '…' | '‹' | '›'
            // Punctuation and brackets of Chinese and Japanese.
            | '、' | '。' | '〈'..='】' | '！' | '（' | '）' | '，' | '．' | '：' | '；' | '？')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_copied_with_a_part_is_removed() {
        for part in [
            "tok-1_A",
            " tok-1_A",
            "<tok-1_A>",
            "tok-1_A%20",
            "tok-1_A%2520",
            "tok-1_A%0A",
            "tok-1_A%0D%0A",
            "tok-1_A\r\n",
            "tok-1_A%E2%80%8B",
            "tok-1_A%25E2%2580%258B",
            "tok-1_A.",
            "tok-1_A,",
            "tok-1_A;",
            "tok-1_A\"",
            "tok-1_A>",
            "tok-1_A).",
            "tok-1_A”。",
            "tok-1_A\u{fffd}",
            "tok-1_A%A0",
            "/tok-1_A/ ",
        ] {
            assert_eq!(trim_part(part), "tok-1_A", "{part}");
        }
    }

    #[test]
    fn a_part_with_anything_else_is_none() {
        for part in [
            "tok é",
            "toké",
            "tok%C3%A9",
            "tok\0",
            "tok%00",
            "tok%2500",
            "tok x",
            "tok%20x",
            "tok%2520x",
            "tok%41",
            "tok%2541",
            "tok%",
            "tok%2",
            "tok%zz",
            "tok=",
            "tok%3D",
            "tok&",
            "tok%26",
            "tok@",
            "tok$",
            "tok~",
            "tok%252525252520",
            "étok",
            "tok/x",
            "tok%2Fx",
        ] {
            assert_eq!(trim_part(part), "", "{part}");
        }
    }
}
