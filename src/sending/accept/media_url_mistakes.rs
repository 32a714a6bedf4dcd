//! Mistakes of callers in a media URL that a URL parser accepts or repairs by guessing: each is
//! named, with what to write instead.

use crate::domain::invisible_characters::describe;

/// Marks around the name of a template variable, also percent-encoded. In lower case.
const VARIABLE_MARKS: [(&str, &str); 8] = [
    ("{{", "}}"),
    ("${", "}"),
    ("#{", "}"),
    ("<%", "%>"),
    ("[[", "]]"),
    ("%7b%7b", "%7d%7d"),
    ("$%7b", "%7d"),
    ("%24%7b", "%7d"),
];

/// The first mistake in a URL without white space around it.
pub(super) fn find_mistake(text: &str) -> Option<String> {
    if let Some(variable) = find_variable(text) {
        return Some(format!(
            "has `{variable}`, a variable that was not replaced; write its value"
        ));
    }
    find_white_space(text)
        .or_else(|| find_wrong_beginning(text))
        .or_else(|| find_double_encoding(text))
}

fn find_variable(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let marked = VARIABLE_MARKS.iter().find_map(|(open, close)| {
        let begin = lower.find(open)?;
        let length = lower[begin + open.len()..].find(close)?;
        text.get(begin..begin + open.len() + length + close.len())
    });
    marked.or_else(|| {
        [('{', '}'), ('<', '>')]
            .into_iter()
            .find_map(|marks| find_name(text, marks))
    })
}

/// A name between two marks, such as `{id}`; not a GUID, which is written in braces, too.
fn find_name(text: &str, (open, close): (char, char)) -> Option<&str> {
    text.match_indices(open).find_map(|(begin, _)| {
        let length = text[begin + 1..].find(close)?;
        let name = &text[begin + 1..=begin + length];
        let is_guid = name.len() >= 32 && name.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        let is_name = name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '$'));
        (is_name && !is_guid).then(|| &text[begin..=begin + 1 + length])
    })
}

fn find_white_space(text: &str) -> Option<String> {
    let (index, found) = text
        .char_indices()
        .find(|(_, c)| c.is_control() || c.is_whitespace())?;
    let before: String = text[..index].chars().rev().take(40).collect();
    let before: String = before.chars().rev().collect();
    Some(match found {
        '\n' | '\r' => format!("has a line break after `{before}`; write the URL in one line"),
        ' ' => format!("has a space after `{before}`; write `%20`, or remove it"),
        other => format!(
            "has the character {} after `{before}`; percent-encode it, or remove it",
            describe(other)
        ),
    })
}

/// Parsers take the first name after the scheme for the host, however many slashes there are.
fn find_wrong_beginning(text: &str) -> Option<String> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Some("is not a URL; it must begin with `https://`".to_owned());
    };
    let is_scheme = |name: &str| matches!(name.to_ascii_lowercase().as_str(), "http" | "https");
    if !is_scheme(scheme) {
        // A scheme has no dot, and no port is written with a name.
        let is_host = scheme.contains('.') || rest.starts_with(|c: char| c.is_ascii_digit());
        return is_host.then(|| format!("has no scheme; write `https://` before `{scheme}`"));
    }
    let slashes = rest.len() - rest.trim_start_matches(['/', '\\']).len();
    let after = &rest[slashes..];
    if slashes != 2 {
        let count = match slashes {
            0 => "no slash".to_owned(),
            1 => "one slash".to_owned(),
            more => format!("{more} slashes"),
        };
        return Some(format!(
            "has {count} after `{scheme}:`; write `{scheme}://` and then the host"
        ));
    }
    let again = after.split_once("//").map(|(name, _)| name);
    let repeated = again.filter(|name| is_scheme(name.trim_end_matches(':')))?;
    Some(format!(
        "has a scheme twice; remove `{scheme}://` before `{repeated}`"
    ))
}

/// The path of a file whose name was percent-encoded, and then encoded as a part of the URL. In a
/// query this is correct for a URL inside of the URL.
fn find_double_encoding(text: &str) -> Option<String> {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let mut rest = path;
    while let Some(begin) = rest.find("%25") {
        let length = escapes_length(&rest[begin..]);
        let encoded = &rest[begin..begin + length];
        let once = encoded.replace("%25", "%");
        if is_encoded_text(&once) {
            return Some(format!(
                "has `{encoded}`, which is encoded twice; write `{once}`"
            ));
        }
        rest = &rest[begin + 3..];
    }
    None
}

/// The length of the escapes `%25HH` at the beginning.
fn escapes_length(text: &str) -> usize {
    let is_escape =
        |bytes: &[u8]| bytes.starts_with(b"%25") && bytes[3..].iter().all(u8::is_ascii_hexdigit);
    text.as_bytes()
        .chunks_exact(5)
        .take_while(|chunk| is_escape(chunk))
        .count()
        * 5
}

/// Whether escapes stand for characters that have to be encoded in a path. `%25ab` is `%ab`: a
/// percent sign and letters.
fn is_encoded_text(escapes: &str) -> bool {
    let bytes: Option<Vec<u8>> = escapes
        .split('%')
        .skip(1)
        .map(|digits| u8::from_str_radix(digits, 16).ok())
        .collect();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.is_some_and(|text| !text.is_empty() && text.chars().all(|c| !c.is_ascii() || c == ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_is_named_with_what_to_write() {
        for (text, mistake) in [
            (
                "https:/shop.example/a.jpg",
                "has one slash after `https:`; write `https://` and then the host",
            ),
            (
                "https:shop.example/a.jpg",
                "has no slash after `https:`; write `https://` and then the host",
            ),
            (
                "https:///a.jpg",
                "has 3 slashes after `https:`; write `https://` and then the host",
            ),
            (
                "https://http://shop.example/a.jpg",
                "has a scheme twice; remove `https://` before `http:`",
            ),
            (
                "https://https//shop.example/a.jpg",
                "has a scheme twice; remove `https://` before `https`",
            ),
            (
                "shop.example/a.jpg",
                "is not a URL; it must begin with `https://`",
            ),
            (
                "shop.example:8443/a.jpg",
                "has no scheme; write `https://` before `shop.example`",
            ),
            (
                "https://shop.example/{{ id }}.jpg",
                "has `{{ id }}`, a variable that was not replaced; write its value",
            ),
            (
                "https://shop.example/${order.id}.jpg",
                "has `${order.id}`, a variable that was not replaced; write its value",
            ),
            (
                "https://{host}/a.jpg",
                "has `{host}`, a variable that was not replaced; write its value",
            ),
            (
                "https://shop.example/<id>.jpg",
                "has `<id>`, a variable that was not replaced; write its value",
            ),
            (
                "https://shop.example/%7B%7Bid%7D%7D.jpg",
                "has `%7B%7Bid%7D%7D`, a variable that was not replaced; write its value",
            ),
            (
                "https://shop.example/a b.jpg",
                "has a space after `https://shop.example/a`; write `%20`, or remove it",
            ),
            (
                "https://shop.example/a\r\n.jpg",
                "has a line break after `https://shop.example/a`; write the URL in one line",
            ),
            (
                "https://shop.example/a\u{a0}b.jpg",
                "has the character U+00A0 after `https://shop.example/a`; percent-encode it, or remove it",
            ),
            (
                "https://shop.example/my%2520photo.jpg",
                "has `%2520`, which is encoded twice; write `%20`",
            ),
            (
                "https://shop.example/caf%25C3%25A9.jpg?w=1",
                "has `%25C3%25A9`, which is encoded twice; write `%C3%A9`",
            ),
        ] {
            assert_eq!(find_mistake(text).as_deref(), Some(mistake), "{text}");
        }
    }

    #[test]
    fn an_unusual_url_is_no_mistake() {
        for text in [
            "https://shop.example/a.jpg",
            "HTTPS://SHOP.example:443/a.jpg",
            r"https:\\shop.example\a.jpg",
            "https://shop.example//a.jpg",
            "https://shop.example/{6F9619FF-8B86-D011-B42D-00CF4FC964FF}/a.jpg",
            "https://shop.example/%7B6F9619FF-8B86-D011-B42D-00CF4FC964FF%7D/a.jpg",
            "https://shop.example/100%25.jpg",
            "https://shop.example/100%25ab.jpg",
            "https://shop.example/100%2525.jpg",
            "https://shop.example/fetch?url=https%3A%2F%2Fcdn.example%2Fmy%2520photo.jpg",
            "https://cdn.example/https://shop.example/a.jpg",
            "https://shop.example/a[1].jpg",
            "https://shop.example/$a$/b.jpg?q={",
            "ftp://shop.example/a.jpg",
            "data:image/png,x",
        ] {
            assert_eq!(find_mistake(text), None, "{text}");
        }
    }
}
