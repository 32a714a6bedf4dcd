//! The public URL as a provider reaches it: name, certificate, and two requests to this program
//! itself.

use std::collections::BTreeSet;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use url::{Host, Url};

use crate::config::Config;
use crate::http_client::address_rules::AddressRules;
use crate::http_client::url_check_client::{UrlCheckClient, UrlCheckFailure};
use crate::operating::doctor::finding::Finding;
use crate::operating::doctor::reply_checks::{
    CHECK_HEADER, SentRequest, body_limit_finding, check_certificate, check_large_reply,
    check_small_reply,
};

/// The largest body that a callback may have.
const LARGE_BODY_BYTES: usize = 3 * 1024 * 1024;
/// Headers that providers send and that proxies may drop.
const COMMON_HEADERS: [&str; 3] = ["Authorization", "X-Hub-Signature-256", "Content-Type"];

/// The public URL to check, and the headers that must arrive through it.
#[derive(Clone, Debug)]
pub struct PublicUrl {
    pub public_url: String,
    pub token: String,
    /// Common headers, and those that `callback_auth` of the accounts needs.
    pub headers: BTreeSet<String>,
    /// The listener that the URL must reach, if callbacks have one of their own.
    pub callback_listen: Option<String>,
}

impl PublicUrl {
    /// `token` is [`Keys::url_check_token`](crate::keys::Keys).
    pub fn new(config: &Config, token: String) -> Self {
        let mut headers: BTreeSet<String> = COMMON_HEADERS.map(String::from).into();
        for account in &config.accounts {
            let auth = &account.callback_auth;
            headers.extend(auth.header.iter().map(|header| header.name.clone()));
            headers.extend(auth.hmac.iter().map(|hmac| hmac.header.clone()));
        }
        Self {
            public_url: config.public_url.clone(),
            token,
            headers,
            callback_listen: config.callback_listen.clone(),
        }
    }
}

pub async fn check_public_url(
    client: &UrlCheckClient,
    target: &PublicUrl,
    now: DateTime<Utc>,
) -> Vec<Finding> {
    let address = format!("{}/callbacks/-/{}", target.public_url, target.token);
    let Ok(url) = Url::parse(&address) else {
        let summary = format!("public_url `{}` is not a URL", target.public_url);
        let fix = "set `public_url` to the address at which providers reach this server";
        return vec![Finding::problem("wrong_public_url", summary, fix)];
    };
    let mut findings = match check_name(&url).await {
        Ok(findings) => findings,
        Err(finding) => return vec![finding],
    };
    let small = sent_request(target, b"{}".to_vec());
    match client.post(&url, &small.headers, small.body.clone()).await {
        Err(failure) => {
            findings.push(describe(&failure, &target.public_url));
            return findings;
        }
        Ok(reply) => {
            let certificate = reply.certificate.as_deref();
            findings.extend(certificate.and_then(|der| check_certificate(der, now)));
            let callback_listen = target.callback_listen.as_deref();
            match check_small_reply(&reply, &small, &url, callback_listen) {
                Ok(found) => findings.extend(found),
                Err(finding) => {
                    findings.push(finding);
                    return findings;
                }
            }
        }
    }
    let large = sent_request(target, vec![b' '; LARGE_BODY_BYTES]);
    match client.post(&url, &large.headers, large.body.clone()).await {
        Ok(reply) => findings.extend(check_large_reply(&reply, &large)),
        Err(failure) => {
            let reason = describe(&failure, &target.public_url).summary;
            let summary = format!("a body of 3 MiB does not arrive: {reason}");
            findings.push(body_limit_finding(summary));
        }
    }
    findings
}

fn sent_request(target: &PublicUrl, body: Vec<u8>) -> SentRequest {
    let check = format!("{:032x}", rand::random::<u128>());
    let mut headers: Vec<(String, String)> = target
        .headers
        .iter()
        .map(|name| (name.clone(), "check".to_owned()))
        .collect();
    headers.push((CHECK_HEADER.to_owned(), check.clone()));
    SentRequest {
        check,
        headers,
        sha256: Sha256::digest(&body).to_vec(),
        body,
    }
}

/// Checks that the name resolves, and to public addresses.
async fn check_name(url: &Url) -> Result<Vec<Finding>, Finding> {
    let port = url.port_or_known_default().unwrap_or(443);
    let (name, addresses): (String, Vec<IpAddr>) = match url.host() {
        Some(Host::Ipv4(address)) => (address.to_string(), vec![address.into()]),
        Some(Host::Ipv6(address)) => (address.to_string(), vec![address.into()]),
        Some(Host::Domain(name)) => match tokio::net::lookup_host((name, port)).await {
            Ok(found) => (name.to_owned(), found.map(|address| address.ip()).collect()),
            Err(error) => {
                let summary = format!("the name {name} of public_url cannot be resolved: {error}");
                let fix = format!("add an A or AAAA record for {name}, or correct `public_url`");
                return Err(Finding::problem("dns", summary, fix));
            }
        },
        None => (String::new(), Vec::new()),
    };
    let rules = AddressRules::new(Vec::new());
    let private = addresses
        .iter()
        .find(|address| rules.check_address(**address).is_err());
    Ok(private
        .map(|address| {
            let summary = if name.parse() == Ok(*address) {
                format!("providers cannot reach {address}")
            } else {
                format!("{name} resolves to {address}, which providers cannot reach")
            };
            let fix =
                "set `public_url` to a name with a public address, and forward it to this server";
            Finding::warning("private_address", summary, fix)
        })
        .into_iter()
        .collect())
}

fn describe(failure: &UrlCheckFailure, public_url: &str) -> Finding {
    match failure {
        UrlCheckFailure::CertificateExpired => Finding::problem(
            "certificate_expired",
            format!("the certificate of {public_url} has expired or is not valid yet"),
            "renew it: `certbot renew`, and reload the proxy; Caddy renews by itself if port 80 or 443 is reachable. Check the clock too",
        ),
        UrlCheckFailure::CertificateName => Finding::problem(
            "certificate_name",
            format!("the certificate of {public_url} is for another name"),
            "get a certificate for the name in `public_url`, or correct `public_url`",
        ),
        UrlCheckFailure::CertificateUnknownIssuer => Finding::problem(
            "certificate_untrusted",
            format!(
                "the certificate of {public_url} is from an issuer that providers do not know, or its chain is incomplete"
            ),
            "use a certificate of a public issuer; nginx: `ssl_certificate` must name the file with the whole chain (fullchain.pem)",
        ),
        UrlCheckFailure::Certificate(reason) => Finding::problem(
            "certificate",
            format!("the certificate of {public_url} is not accepted: {reason}"),
            "use a certificate of a public issuer",
        ),
        UrlCheckFailure::TimedOut => Finding::problem(
            "unreachable",
            format!("{public_url} does not answer in time"),
            "start `serve` and the proxy, and open the port in the firewall",
        ),
        UrlCheckFailure::Unreachable(reason) => Finding::problem(
            "unreachable",
            format!("{public_url} cannot be reached: {reason}"),
            "start `serve` and the proxy, open the port in the firewall, or correct `public_url`",
        ),
    }
}
