//! The path of `public_url`: a proxy may strip it from requests or not; `Location` and the links of
//! pages begin with it.

use std::borrow::Cow;
use std::sync::LazyLock;

use actix_web::body::{self, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use actix_web::http::uri::PathAndQuery;
use actix_web::middleware::Next;
use actix_web::{Error, web};
use regex::bytes::{Captures, Regex};
use url::Url;

/// Without trailing slash; empty if `public_url` has no path. Shared as `web::Data`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct BasePath(String);

impl BasePath {
    pub(super) fn of(public_url: &str) -> Self {
        let url = Url::parse(public_url).ok();
        let path = url.map(|url| url.path().trim_end_matches('/').to_owned());
        Self(path.unwrap_or_default())
    }

    /// The URI without the base path; `None` if it does not begin with that.
    fn strip(&self, uri: &Uri) -> Option<Uri> {
        let whole = uri.path_and_query()?.as_str();
        let rest = whole.strip_prefix(self.0.as_str())?;
        let rest = match rest.chars().next() {
            Some('/') => rest.to_owned(),
            None | Some('?') => format!("/{rest}"),
            Some(_) => return None,
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
        Uri::from_parts(parts).ok()
    }

    /// Prefixes the header `Location` if it is a path.
    fn prefix_location(&self, headers: &mut HeaderMap) {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let is_path = |text: &&str| text.starts_with('/') && !text.starts_with("//");
        let prefixed = location
            .filter(is_path)
            .and_then(|path| HeaderValue::from_str(&format!("{}{path}", self.0)).ok());
        if let Some(prefixed) = prefixed {
            headers.insert(LOCATION, prefixed);
        }
    }

    /// Prefixes paths in attributes. Quotes in texts are escaped, so no text looks like an attribute.
    fn prefix_links<'b>(&self, html: &'b [u8]) -> Cow<'b, [u8]> {
        LINK.replace_all(html, |found: &Captures<'_>| {
            [&found[1], self.0.as_bytes(), &found[2]].concat()
        })
    }
}

/// An attribute with a path of ours.
static LINK: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the pattern is constant")]
    Regex::new(r#"(\s(?:href|src|action|formaction)=")(/(?:[^/"][^"]*)?")"#)
        .expect("a valid pattern")
});

/// Middleware around everything that reads the path of the request.
pub(super) async fn apply(
    base: web::Data<BasePath>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if base.0.is_empty() {
        return next.call(request).await;
    }
    if let Some(uri) = base.strip(request.uri()) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    let mut response = next.call(request).await?;
    base.prefix_location(response.headers_mut());
    let kind = response.headers().get(CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        return Ok(response);
    }
    let (request, response) = response.into_parts();
    let (response, page) = response.into_parts();
    let page = match page.try_into_bytes() {
        Ok(page) => page,
        Err(page) => body::to_bytes(page)
            .await
            .map_err(actix_web::error::ErrorInternalServerError)?,
    };
    let page = base.prefix_links(&page).into_owned();
    Ok(ServiceResponse::new(
        request,
        response.set_body(BoxBody::new(page)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_base_path_is_stripped() {
        let base = BasePath::of("https://example.com/wa/");
        let strip = |path: &str| {
            base.strip(&path.parse().unwrap())
                .map(|uri| uri.to_string())
        };
        assert_eq!(strip("/wa/messages?q=1").as_deref(), Some("/messages?q=1"));
        assert_eq!(strip("/wa").as_deref(), Some("/"));
        assert_eq!(strip("/wa?q=1").as_deref(), Some("/?q=1"));
        assert_eq!(strip("/water"), None);
        assert_eq!(strip("/messages"), None);
        assert_eq!(BasePath::of("https://example.com").0, "");
    }

    #[test]
    fn links_to_our_pages_get_the_base_path_and_others_stay() {
        let base = BasePath::of("https://example.com/wa");
        let html = br#"<a href="/">x</a><a class="y" href="/m?a=b"><form action="/x"><img src="/s"><a href="//evil"><a href="https://o/"><a href="?q"> &quot;/z&quot;"#;
        let expected = r#"<a href="/wa/">x</a><a class="y" href="/wa/m?a=b"><form action="/wa/x"><img src="/wa/s"><a href="//evil"><a href="https://o/"><a href="?q"> &quot;/z&quot;"#;
        assert_eq!(String::from_utf8_lossy(&base.prefix_links(html)), expected);
    }
}
