//! The one outbound HTTP client: time-outs, size caps, no redirects, and a clear line between "never left" and "nobody knows".

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, redirect};
use thiserror::Error;
use tokio_util::io::ReaderStream;

use crate::domain::send_error::SendError;
use crate::providers::{CallBody, FilePart, HttpCall, HttpReply};

/// Time for DNS, TCP and TLS; nothing of the request has left before they are done.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest reply body that is read, in bytes.
const REPLY_LIMIT: usize = 1024 * 1024;
/// Reply headers that providers look at.
const HEADERS: [&str; 3] = ["retry-after", "location", "content-type"];

/// The client could not be made.
#[derive(Debug, Error)]
#[error("the HTTP client could not be made: {0}")]
pub struct TransportError(#[source] reqwest::Error);

/// Makes calls to providers. It connects directly: no proxy, so that what is sent does not depend on the environment.
#[derive(Clone, Debug)]
pub struct Transport(Client);

impl Transport {
    /// Builds the client.
    pub fn new() -> Result<Self, TransportError> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            // A request that may have been read must never be repeated by the client itself.
            .retry(reqwest::retry::never())
            .no_proxy()
            .user_agent(concat!("bluetick/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(TransportError)?;
        Ok(Self(client))
    }

    /// Makes one call within `timeout`.
    pub async fn exchange(
        &self,
        call: &HttpCall,
        timeout: Duration,
    ) -> Result<HttpReply, SendError> {
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
            CallBody::Multipart { fields, file } => request.multipart(form(fields, file).await?),
        };
        let response = request.send().await.map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let headers = HEADERS
            .into_iter()
            .filter_map(|name| Some((name, response.headers().get(name)?.to_str().ok()?)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| failed(&error))?;
            if body.len() + chunk.len() > REPLY_LIMIT {
                return Err(SendError::Unclear(format!(
                    "the answer is longer than {REPLY_LIMIT} bytes"
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

async fn form(fields: &[(&'static str, String)], file: &FilePart) -> Result<Form, SendError> {
    let opened = tokio::fs::File::open(&file.upload.path)
        .await
        .map_err(|error| {
            SendError::NotReached(format!("the uploaded file cannot be read: {error}"))
        })?;
    let body = reqwest::Body::wrap_stream(ReaderStream::new(opened));
    let part = Part::stream_with_length(body, file.upload.size)
        .file_name(file.file_name.clone())
        .mime_str(&file.mime_type)
        .map_err(|_| {
            SendError::NotReached("the uploaded file's type cannot be written".to_owned())
        })?;
    let form = fields.iter().fold(Form::new(), |form, (name, value)| {
        form.text(*name, value.clone())
    });
    Ok(form.part(file.field, part))
}

/// A failure to connect is certain: nothing left. Everything after it is not.
fn failed(error: &reqwest::Error) -> SendError {
    let reason = words(error);
    if error.is_connect() || error.is_builder() {
        SendError::NotReached(reason)
    } else {
        SendError::Unclear(reason)
    }
}

/// The innermost cause; the outer ones repeat the address.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() {
            "connecting took too long".to_owned()
        } else {
            "no answer in time".to_owned()
        };
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
