//! Callback URLs as people paste them at a provider: with white space, quotes or the end of a sentence,
//! doubled slashes or a slash at the end. A mistake in a URL must not lose every callback.

use actix_web::HttpRequest;

use crate::domain::callback_record::UrlMistake;

/// A pattern for actix that accepts any number of slashes wherever `path` has one, and at its end any
/// characters but letters, digits, `_` and `-`.
pub(crate) fn pattern(path: &str) -> String {
    let segments = path.split('/').skip(1).enumerate();
    let segments: Vec<String> = segments
        .map(|(index, segment)| format!("/{{slashes_{index}:/*}}{segment}"))
        .collect();
    segments.concat() + "{end:[^0-9A-Za-z_-]*}"
}

/// A part of the path without what was pasted around it.
pub(crate) fn trim_part(part: &str) -> &str {
    part.trim_matches(|c| c == '/' || is_pasted(c))
}

/// `parts` are the variable parts of the path. Slashes at the end are no mistake.
pub(crate) fn find_mistake(request: &HttpRequest, parts: [&str; 2]) -> Option<UrlMistake> {
    if parts.iter().any(|part| part.contains(is_pasted)) {
        return Some(UrlMistake::WhiteSpace);
    }
    let end = request.match_info().get("end").unwrap_or_default();
    if end.contains(is_pasted) {
        return Some(UrlMistake::WhiteSpace);
    }
    let path = request.uri().path().trim_end_matches('/');
    path.contains("//").then_some(UrlMistake::DoubledSlash)
}

/// Accounts and tokens consist of letters, digits, `_` and `-`.
fn is_pasted(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/'))
}
