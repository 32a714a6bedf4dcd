//! The HTTP client for providers: timeouts, size limits, no redirects. Distinguishes requests that
//! were certainly not sent from those with an unknown outcome.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, redirect};
use thiserror::Error;
use tokio_util::io::ReaderStream;

use crate::domain::failure::Failure;
use crate::domain::send_error::SendError;
use crate::http_client;
use crate::providers::retry_after;
use crate::providers::{CallBody, FilePart, HttpCall, HttpReply};

/// For DNS, TCP and TLS; no part of the request is sent before they complete.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers close idle connections, some after five seconds. If a request is written to a connection
/// that is being closed, its outcome is unknown.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes.
const REPLY_LIMIT: usize = 1024 * 1024;
/// Reply headers that provider modules use.
const KEPT_HEADERS: [&str; 3] = [RETRY_AFTER, "location", "content-type"];
const RETRY_AFTER: &str = "retry-after";

#[derive(Debug, Error)]
#[error("cannot create the HTTP client: {0}")]
pub struct TransportError(#[source] pub(crate) reqwest::Error);

/// Connects directly, without a proxy, so that the environment does not change what is sent.
#[derive(Clone, Debug)]
pub struct Transport(Client);

impl Transport {
    pub fn new() -> Result<Self, TransportError> {
        let client = http_client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(redirect::Policy::none())
            // The client must never repeat a request that the provider may have processed.
            .retry(reqwest::retry::never())
            .user_agent(concat!("bluetick/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(TransportError)?;
        Ok(Self(client))
    }

    pub async fn call(&self, call: &HttpCall, timeout: Duration) -> Result<HttpReply, SendError> {
        let mut request = self
            .0
            .request(call.method.clone(), &call.url)
            .timeout(timeout);
        for header in &call.headers {
            request = request.header(header.name, &header.value);
        }
        request = match &call.body {
            CallBody::Empty => request,
            CallBody::Json(json) => request.body(json.clone()),
            CallBody::Multipart { fields, file } => {
                request.multipart(multipart_form(fields, file).await?)
            }
        };
        let response = request
            .send()
            .await
            .map_err(|error| classify_error(&error))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let date = header("date");
        let headers = KEPT_HEADERS
            .into_iter()
            .filter_map(|name| Some((name, header(name)?)))
            .map(|(name, value)| match name {
                RETRY_AFTER => (name.to_owned(), retry_after::in_seconds(value, date)),
                _ => (name.to_owned(), value.to_owned()),
            })
            .collect();
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| classify_error(&error))?;
            if body.len() + chunk.len() > REPLY_LIMIT {
                return Err(SendError::Unclear(format!(
                    "the reply is longer than {REPLY_LIMIT} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpReply {
            status,
            headers,
            body,
        })
    }
}

async fn multipart_form(
    fields: &[(&'static str, String)],
    file: &FilePart,
) -> Result<Form, SendError> {
    let opened = tokio::fs::File::open(&file.upload.path)
        .await
        .map_err(|error| invalid_file(format!("the uploaded file cannot be read: {error}")))?;
    let body = reqwest::Body::wrap_stream(ReaderStream::new(opened));
    let part = Part::stream_with_length(body, file.upload.size)
        .file_name(file.file_name.clone())
        .mime_str(&file.mime_type)
        .map_err(|_| invalid_file("the uploaded file has an invalid MIME type".to_owned()))?;
    let form = fields.iter().fold(Form::new(), |form, (name, value)| {
        form.text(*name, value.clone())
    });
    Ok(form.part(file.field, part))
}

/// Nothing was sent; the error is local, not on the way to the provider.
fn invalid_file(reason: String) -> SendError {
    SendError::TryLater {
        failure: Failure {
            title: Some(reason),
            ..Failure::default()
        },
        after: None,
    }
}

/// Nothing was sent if connecting failed, or if the connection closed before it took the request.
/// After any other error the outcome is unknown.
fn classify_error(error: &reqwest::Error) -> SendError {
    let reason = describe_cause(error);
    if error.is_connect() || error.is_builder() || was_never_written(error) {
        SendError::NotReached(reason)
    } else {
        SendError::Unclear(reason)
    }
}

/// Whether the connection ended before it took the request.
fn was_never_written(error: &reqwest::Error) -> bool {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
        .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_canceled)
}

/// The innermost cause; the outer ones contain the URL.
fn describe_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() {
            "connection timed out".to_owned()
        } else {
            "no reply before the timeout".to_owned()
        };
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
