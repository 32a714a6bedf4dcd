//! Query strings in the URLs of pages: read into a page's state, and written into links.

use form_urlencoded::Serializer;

/// Calls `set` for every pair whose value is not empty; forms send their empty fields too. Returns the
/// pairs that `set` rejects, as `name=value`.
pub(super) fn read_query(
    query: &str,
    mut set: impl FnMut(&str, &str) -> Option<()>,
) -> Vec<String> {
    let mut ignored = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = value.trim();
        if !value.is_empty() && set(&name, value).is_none() {
            ignored.push(format!("{name}={value}"));
        }
    }
    ignored
}

/// Percent-encoded; without `?` if there are no pairs.
pub(super) fn with_query(path: &str, pairs: &[(&'static str, String)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{path}?{query}")
}
