//! Calls the public URL of this server as a provider would: no redirects, certificates verified.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::tls::TlsInfo;
use reqwest::{Client, redirect};
use rustls::CertificateError;
use url::Url;

use crate::http_client;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than providers wait for a response, and enough for 3 MiB over a slow uplink.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest reply that is read, in bytes; our own are shorter.
const REPLY_LIMIT: usize = 64 * 1024;

#[derive(Clone, Debug)]
pub struct UrlCheckClient(Client);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UrlCheckReply {
    pub status: u16,
    pub location: Option<String>,
    pub body: Vec<u8>,
    /// In DER; absent over HTTP.
    pub certificate: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UrlCheckFailure {
    CertificateExpired,
    /// The certificate is for other names.
    CertificateName,
    CertificateUnknownIssuer,
    Certificate(String),
    TimedOut,
    /// The text does not contain the URL.
    Unreachable(String),
}

impl UrlCheckClient {
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = http_client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .tls_info(true)
            // Providers use HTTP/1.1.
            .http1_only()
            .user_agent(concat!("bluetick/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    pub async fn post(
        &self,
        url: &Url,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<UrlCheckReply, UrlCheckFailure> {
        let mut request = self.0.post(url.clone()).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| failure(&error))?;
        let certificate = response.extensions().get::<TlsInfo>();
        let certificate = certificate.and_then(|tls| tls.peer_certificate().map(<[u8]>::to_vec));
        let location = response.headers().get("location");
        let location = location.and_then(|value| value.to_str().ok().map(str::to_owned));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(|error| failure(&error))?);
            if body.len() > REPLY_LIMIT {
                break;
            }
        }
        Ok(UrlCheckReply {
            status,
            location,
            body,
            certificate,
        })
    }
}

/// A certificate error, else the innermost cause: the outer ones contain the URL.
fn failure(error: &reqwest::Error) -> UrlCheckFailure {
    if error.is_timeout() {
        return UrlCheckFailure::TimedOut;
    }
    let mut cause: &(dyn StdError + 'static) = error;
    loop {
        if let Some(found) = certificate_error(cause) {
            return found;
        }
        match cause.source() {
            Some(inner) => cause = inner,
            None => return UrlCheckFailure::Unreachable(cause.to_string()),
        }
    }
}

/// Unwraps nested I/O errors first, since `source` skips a TLS error inside them.
fn certificate_error(cause: &(dyn StdError + 'static)) -> Option<UrlCheckFailure> {
    let mut hidden = cause;
    while let Some(inner) = hidden
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        hidden = inner;
    }
    let found = hidden.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(certificate) = found else {
        return None;
    };
    Some(match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            UrlCheckFailure::CertificateExpired
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            UrlCheckFailure::CertificateName
        }
        CertificateError::UnknownIssuer => UrlCheckFailure::CertificateUnknownIssuer,
        other => UrlCheckFailure::Certificate(other.to_string()),
    })
}
