//! Compares a request that arrived through the public URL with the one that was sent.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use url::Url;
use x509_parser::parse_x509_certificate;

use crate::http_client::url_check_client::UrlCheckReply;
use crate::operating::doctor::finding::Finding;

/// A header with a random value. A reply that repeats it comes from this installation.
pub const CHECK_HEADER: &str = "x-bluetick-check";
/// Most certificates are renewed 30 days before they expire, so renewal is overdue by then.
const EXPIRES_SOON: TimeDelta = TimeDelta::days(14);

/// A request to this program itself, as it arrived.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ArrivedRequest {
    pub check: String,
    /// The HTTP version, such as `HTTP/1.1`.
    pub http: String,
    pub host: String,
    /// Names in lower case.
    pub headers: Vec<String>,
    pub body_bytes: u64,
    /// In hexadecimal digits.
    pub body_sha256: String,
    /// The address of the client, as far as trusted proxies name it.
    pub client: Option<String>,
}

pub(super) struct SentRequest {
    pub(super) check: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) sha256: Vec<u8>,
}

impl SentRequest {
    fn received(&self, reply: &UrlCheckReply) -> Option<ArrivedRequest> {
        let received: ArrivedRequest = serde_json::from_slice(&reply.body).ok()?;
        (reply.status == 200 && received.check == self.check).then_some(received)
    }
}

/// Checks the reply to the request with a small body. `Err` if nothing further can be checked.
pub(super) fn check_small_reply(
    reply: &UrlCheckReply,
    sent: &SentRequest,
    url: &Url,
    callback_listen: Option<&str>,
) -> Result<Vec<Finding>, Finding> {
    if let Some(location) = reply
        .location
        .as_ref()
        .filter(|_| (300..400).contains(&reply.status))
    {
        let summary = format!("public_url redirects to {location}; providers do not follow that");
        let fix = "set `public_url` to the address that it redirects to, or end the redirect for /callbacks, /reports and /media";
        return Err(Finding::problem("redirect", summary, fix));
    }
    let Some(received) = sent.received(reply) else {
        return Err(wrong_server_finding(reply.status, callback_listen));
    };
    let mut findings = Vec::new();
    if received.http == "HTTP/1.0" {
        let summary = "the proxy uses HTTP/1.0 to this server: every callback takes a new connection, and live updates do not work";
        let fix = "nginx: `proxy_http_version 1.1;` and `proxy_set_header Connection \"\";`";
        findings.push(Finding::problem("http_version", summary, fix));
    }
    let has_arrived = |name: &str| {
        received
            .headers
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    let dropped = sent.headers.iter().map(|(name, _)| name.as_str());
    let dropped: Vec<&str> = dropped.filter(|name| !has_arrived(name)).collect();
    if !dropped.is_empty() {
        let summary = format!(
            "the proxy drops {}; callbacks would fail their authentication",
            dropped.join(", ")
        );
        let fix = "nginx: remove `proxy_set_header … \"\"` for it, and set `underscores_in_headers on;` for names with `_`; Caddy: remove `header_up -…`";
        findings.push(Finding::problem("header_dropped", summary, fix));
    }
    findings.extend(check_host(&received.host, url));
    findings.extend(check_body(&received, sent));
    Ok(findings)
}

/// With `callback_listen`, the wrong server may also be `listen`, which does not serve callbacks.
fn wrong_server_finding(status: u16, callback_listen: Option<&str>) -> Finding {
    let (summary, fix) = match callback_listen {
        None => (
            format!(
                "public_url leads to another server: it answered {status} and is not this installation"
            ),
            "correct `public_url`, or let the proxy pass /callbacks/ to this server; a path in `public_url` needs `proxy_pass http://127.0.0.1:8080/;` with its last slash".to_owned(),
        ),
        Some(address) => (
            format!(
                "public_url does not lead to `callback_listen` ({address}): what it reaches, such as `listen` or another server, answered {status}"
            ),
            format!(
                "let `public_url` or the proxy pass /callbacks, /reports and /media to {address}, the only address that serves them; or remove `callback_listen`"
            ),
        ),
    };
    Finding::problem("wrong_public_url", summary, fix)
}

/// The dashboard refuses requests for other host names. The port does not matter.
fn check_host(host: &str, url: &Url) -> Option<Finding> {
    let expected = url.host_str().unwrap_or_default();
    let arrived = Url::parse(&format!("http://{host}/")).ok();
    let arrived = arrived.as_ref().and_then(Url::host_str).unwrap_or(host);
    (!arrived.eq_ignore_ascii_case(expected)).then(|| {
        let summary =
            format!("the proxy replaces the header Host: `{host}` arrives instead of `{expected}`");
        let fix = "nginx: `proxy_set_header Host $host;`; Caddy passes it on by itself";
        Finding::warning("host_header", summary, fix)
    })
}

/// Used also without a reply: a proxy that refuses a body may close the connection before the body
/// is sent completely.
pub(super) fn body_limit_finding(summary: String) -> Finding {
    let fix = "nginx: `client_max_body_size 4m;` in the `server` block; Caddy: `request_body { max_size 4MB }`";
    Finding::problem("body_limit", summary, fix)
}

/// Checks the reply to the request with the largest body.
pub(super) fn check_large_reply(reply: &UrlCheckReply, sent: &SentRequest) -> Option<Finding> {
    if reply.status == 413 {
        let summary = "a body of 3 MiB is refused with 413; providers send batches of up to 3 MB";
        return Some(body_limit_finding(summary.to_owned()));
    }
    match sent.received(reply) {
        Some(received) => check_body(&received, sent),
        None => Some(body_limit_finding(format!(
            "a body of 3 MiB is answered with {} before it arrives here",
            reply.status
        ))),
    }
}

fn check_body(received: &ArrivedRequest, sent: &SentRequest) -> Option<Finding> {
    let mut sha256 = String::new();
    for byte in &sent.sha256 {
        // Writing to a string cannot fail.
        let _ = write!(sha256, "{byte:02x}");
    }
    let is_same = received.body_bytes == sent.body.len() as u64 && received.body_sha256 == sha256;
    (!is_same).then(|| {
        let summary =
            "the proxy changes bodies: other bytes arrive than were sent, so that signatures fail";
        let fix =
            "turn off the settings that rewrite or decompress requests to /callbacks and /reports";
        Finding::problem("body_changed", summary, fix)
    })
}

pub(super) fn check_certificate(der: &[u8], now: DateTime<Utc>) -> Option<Finding> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let expires_at = certificate.validity().not_after.timestamp();
    let expires_at = DateTime::from_timestamp(expires_at, 0)?;
    (expires_at - now < EXPIRES_SOON).then(|| {
        let summary = format!("the certificate expires on {}", expires_at.format("%Y-%m-%d %H:%M UTC"));
        let fix = "renew it: `certbot renew`, and reload the proxy; find out why it was not renewed automatically";
        Finding::warning("certificate_expires", summary, fix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> SentRequest {
        SentRequest {
            check: "7".to_owned(),
            headers: vec![
                (CHECK_HEADER.to_owned(), "7".to_owned()),
                ("X_Key".to_owned(), "k".to_owned()),
            ],
            body: Vec::new(),
            sha256: vec![0xe3],
        }
    }

    fn received() -> ArrivedRequest {
        ArrivedRequest {
            check: "7".to_owned(),
            http: "HTTP/1.1".to_owned(),
            host: "hooks.example.com".to_owned(),
            headers: vec![CHECK_HEADER.to_owned(), "x_key".to_owned()],
            body_bytes: 0,
            body_sha256: "e3".to_owned(),
            client: None,
        }
    }

    fn found(status: u16, received: &ArrivedRequest) -> Vec<&'static str> {
        let reply = UrlCheckReply {
            status,
            location: Some("https://x/".to_owned()),
            body: serde_json::to_vec(received).unwrap(),
            certificate: None,
        };
        let url = "https://hooks.example.com/callbacks/t".parse().unwrap();
        match check_small_reply(&reply, &sent(), &url, None) {
            Ok(findings) => findings.iter().map(|found| found.check).collect(),
            Err(finding) => vec![finding.check],
        }
    }

    #[test]
    fn each_difference_has_its_own_finding() {
        assert_eq!(found(200, &received()), Vec::<&str>::new());
        assert_eq!(found(301, &received()), ["redirect"]);
        assert_eq!(found(404, &received()), ["wrong_public_url"]);
        let other = |change: fn(&mut ArrivedRequest)| {
            let mut received = received();
            change(&mut received);
            found(200, &received)
        };
        assert_eq!(other(|it| it.check = "8".to_owned()), ["wrong_public_url"]);
        assert_eq!(
            other(|it| it.http = "HTTP/1.0".to_owned()),
            ["http_version"]
        );
        assert_eq!(other(|it| it.headers.truncate(1)), ["header_dropped"]);
        assert_eq!(
            other(|it| it.host = "127.0.0.1:8080".to_owned()),
            ["host_header"]
        );
        assert_eq!(other(|it| it.body_bytes = 1), ["body_changed"]);
    }
}
