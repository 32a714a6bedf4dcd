//! Parses a media URL into a form that a provider can fetch: letters of all scripts
//! percent-encoded, host names in punycode.

use url::Url;

use crate::domain::invisible_characters::{describe, is_invisible, trim};
use crate::sending::accept::media_url_mistakes::find_mistake;

/// Bytes.
const URL_LIMIT: usize = 2048;
/// Invisible, but legitimate inside words and emoji: joiners and variation selectors.
const ALLOWED_INVISIBLE: [char; 4] = ['\u{200c}', '\u{200d}', '\u{fe0e}', '\u{fe0f}'];

/// **Invariant:** a URL that is already encoded is returned byte for byte, since a signature may
/// cover it.
pub(super) fn parse_media_url(text: &str) -> Result<String, String> {
    let text = without_marks(trim(text));
    if let Some(mistake) = find_mistake(text) {
        return Err(mistake);
    }
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "has the scheme `{}`; providers fetch only http and https",
            url.scheme()
        ));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("has no host".to_owned());
    }
    let hidden = |c: &char| is_invisible(*c) && !ALLOWED_INVISIBLE.contains(c);
    if let Some(mark) = text.chars().find(hidden) {
        return Err(format!(
            "has the invisible character {}; remove it",
            describe(mark)
        ));
    }
    let encoded = if text.bytes().all(is_allowed_in_urls) {
        text.to_owned()
    } else {
        url.into()
    };
    if encoded.len() > URL_LIMIT {
        return Err(format!(
            "has {} bytes; at most {URL_LIMIT} are allowed",
            encoded.len()
        ));
    }
    Ok(encoded)
}

/// The URL in `<https://…>` or quotation marks.
fn without_marks(text: &str) -> &str {
    [('<', '>'), ('"', '"'), ('\'', '\''), ('“', '”')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
        .map_or(text, trim)
}

/// RFC 3986, sections 2.1 to 2.3.
fn is_allowed_in_urls(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_of_all_scripts_are_encoded() {
        for (text, encoded) in [
            (
                "https://shop.example/café.jpg",
                "https://shop.example/caf%C3%A9.jpg",
            ),
            (
                "https://shop.example/नमस्ते.jpg?größe=1",
                "https://shop.example/%E0%A4%A8%E0%A4%AE%E0%A4%B8%E0%A5%8D%E0%A4%A4%E0%A5%87.jpg?gr%C3%B6%C3%9Fe=1",
            ),
            (
                "https://bücher.example/caf%C3%A9/é.jpg",
                "https://xn--bcher-kva.example/caf%C3%A9/%C3%A9.jpg",
            ),
            (
                "https://उदाहरण.परीक्षा/a.jpg",
                "https://xn--p1b6ci4b4b3a.xn--11b5bs3a9aj6g/a.jpg",
            ),
            (
                "\u{feff}https://shop.example/a.jpg \u{200b}",
                "https://shop.example/a.jpg",
            ),
            ("<https://shop.example/a.jpg>", "https://shop.example/a.jpg"),
            (
                "“https://shop.example/a.jpg ”",
                "https://shop.example/a.jpg",
            ),
            (r"https:\\shop.example\a.jpg", "https://shop.example/a.jpg"),
            (
                "https://shop.example/\"a\".jpg",
                "https://shop.example/%22a%22.jpg",
            ),
        ] {
            assert_eq!(parse_media_url(text).as_deref(), Ok(encoded), "{text}");
        }
    }

    #[test]
    fn a_hidden_character_is_named() {
        assert_eq!(
            parse_media_url("https://shop.example/a\u{200b}.jpg"),
            Err("has the invisible character U+200B; remove it".to_owned())
        );
    }

    proptest! {
        #[test]
        fn an_encoded_url_stays_byte_for_byte(
            host in "[A-Z]{1,5}\\.example(:443|:8080)?",
            path in "(/([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[013-9A-Fa-f][0-9A-Fa-f]){0,8}){0,4}",
            query in "(\\?([a-zA-Z0-9/?._-]|%[0-9A-F]{2}){0,12})?",
        ) {
            let url = format!("HTTPS://{host}{path}{query}");
            prop_assert_eq!(parse_media_url(&url), Ok(url));
        }

        #[test]
        fn an_encoded_url_is_ascii_and_encoded_once(path in "[a-zé-ỹक-ह가-힣%/]{0,20}") {
            let url = format!("https://shop.example/{path}");
            if let Ok(encoded) = parse_media_url(&url) {
                prop_assert!(encoded.is_ascii());
                prop_assert_eq!(parse_media_url(&encoded), Ok(encoded.clone()));
            }
        }
    }
}
