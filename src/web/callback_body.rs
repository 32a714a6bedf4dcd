//! Reads the body of a callback as sent: without decompression, with one size limit, within memory
//! that is reserved as the body arrives.

use std::io::ErrorKind;
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::{HttpRequest, http::header, web};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::domain::ids::AccountId;
use crate::journal::MemoryPermit;
use crate::receiving::body_memory::{AccountMemoryPermit, BodyDropped};
use crate::receiving::ingest::Ingest;

/// In bytes, as sent. Meta documents batches of up to 3 MB.
pub const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Memory for the beginning of a body, in bytes: most callbacks are shorter.
const FIRST_RESERVATION: usize = 4 * 1024;
/// How long a body waits for more of the journal's memory. Breaks deadlocks between bodies of several
/// accounts.
const GROWTH_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyError {
    /// More than [`BODY_LIMIT`] bytes.
    TooLarge,
    /// The client disconnected or violated the protocol.
    Incomplete,
    /// The client took too long, or others needed its memory or its connection.
    TooSlow,
    /// The memory for bodies is used up.
    NoMemory,
    /// The journal is closed.
    Stopping,
}

/// The body, with the permits for the memory of all callbacks and for that of the account.
pub(super) async fn read_body<'i>(
    ingest: &'i Ingest,
    account: &AccountId,
    request: &HttpRequest,
    mut payload: web::Payload,
) -> Result<(Vec<u8>, MemoryPermit, AccountMemoryPermit<'i>), BodyError> {
    let announced = announced_length(request);
    if announced.is_some_and(|length| length > BODY_LIMIT as u64) {
        return Err(BodyError::TooLarge);
    }
    // A chunked body may be as long as the limit.
    let max_length = announced
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(if has_body(request) { BODY_LIMIT } else { 0 });
    let head = header_and_query_bytes(request);
    let mut reserved = max_length.min(FIRST_RESERVATION);
    let mut account_permit = ingest
        .body_memory()
        .reserve(account, reserved + head)
        .await
        .ok_or(BodyError::Stopping)?;
    let mut journal_permit = ingest
        .journal()
        .reserve(reserved + head)
        .await
        .map_err(|_| BodyError::Stopping)?;
    let mut body = Vec::with_capacity(announced.map_or(0, |_| reserved));
    loop {
        let chunk = tokio::select! {
            biased;
            chunk = payload.next() => chunk,
            () = account_permit.dropped() => return Err(BodyError::TooSlow),
        };
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|error| reading_error(&error))?;
        let size = body.len() + chunk.len();
        if size > BODY_LIMIT {
            return Err(BodyError::TooLarge);
        }
        if size > reserved {
            reserved = size.max(2 * reserved).min(max_length);
            account_permit
                .grow_to(reserved + head)
                .await
                .map_err(|BodyDropped| BodyError::TooSlow)?;
            tokio::select! {
                grown = timeout(GROWTH_TIMEOUT, journal_permit.grow_to(reserved + head)) => grown
                    .map_err(|_| BodyError::NoMemory)?
                    .map_err(|_| BodyError::Stopping)?,
                () = account_permit.dropped() => return Err(BodyError::TooSlow),
            }
        }
        body.extend_from_slice(&chunk);
    }
    // A chunked body is usually shorter than its reservation.
    journal_permit.shrink_to(body.len() + head);
    account_permit.complete(body.len() + head);
    Ok((body, journal_permit, account_permit))
}

fn reading_error(error: &PayloadError) -> BodyError {
    match error {
        PayloadError::Io(error) if error.kind() == ErrorKind::TimedOut => BodyError::TooSlow,
        _ => BodyError::Incomplete,
    }
}

/// Bytes that are stored besides the body.
fn header_and_query_bytes(request: &HttpRequest) -> usize {
    let headers = request.headers().iter();
    let headers: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    headers + request.query_string().len()
}

fn announced_length(request: &HttpRequest) -> Option<u64> {
    request
        .headers()
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// In HTTP/1.1 a body without a length is chunked.
fn has_body(request: &HttpRequest) -> bool {
    request.headers().contains_key(header::TRANSFER_ENCODING)
}
