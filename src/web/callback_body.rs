//! Reads the body of a callback as sent: without decompression, with one size limit, after memory
//! was reserved.

use actix_web::{HttpRequest, http::header, web};
use futures_util::StreamExt;

use crate::domain::ids::AccountId;
use crate::journal::MemoryPermit;
use crate::receiving::body_memory::AccountMemoryPermit;
use crate::receiving::ingest::Ingest;

/// In bytes, as sent. Meta documents batches of up to 3 MB.
pub const BODY_LIMIT: usize = 3 * 1024 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyError {
    /// More than [`BODY_LIMIT`] bytes.
    TooLarge,
    /// The client disconnected or violated the protocol.
    Incomplete,
    /// The journal is closed.
    Stopping,
}

/// The body, with its share of the memory for all callbacks and of the memory for the account.
pub(super) async fn read_body<'i>(
    ingest: &'i Ingest,
    account: &AccountId,
    request: &HttpRequest,
    mut payload: web::Payload,
) -> Result<(Vec<u8>, MemoryPermit, Option<AccountMemoryPermit<'i>>), BodyError> {
    let announced = announced_length(request);
    if announced.is_some_and(|length| length > BODY_LIMIT as u64) {
        return Err(BodyError::TooLarge);
    }
    // A chunked body may be as long as the limit.
    let most = announced
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(if has_body(request) { BODY_LIMIT } else { 0 });
    let head = head_bytes(request);
    let whole = most + head;
    let mut account_permit = ingest.body_memory().reserve(account, whole).await;
    let mut room = ingest
        .journal()
        .reserve(whole)
        .await
        .map_err(|_| BodyError::Stopping)?;
    let mut body = Vec::with_capacity(announced.map_or(0, |_| most));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| BodyError::Incomplete)?;
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    // A chunked body is usually shorter than its reservation.
    room.shrink_to(body.len() + head);
    if let Some(account_permit) = &mut account_permit {
        account_permit.shrink_to(body.len() + head);
    }
    Ok((body, room, account_permit))
}

/// Bytes that are stored besides the body.
fn head_bytes(request: &HttpRequest) -> usize {
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
