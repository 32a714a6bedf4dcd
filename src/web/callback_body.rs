//! Reads a callback's body exactly as it comes over the wire: no unpacking, one limit, room in memory asked for first.

use actix_web::{HttpRequest, http::header, web};
use futures_util::StreamExt;

use crate::domain::ids::AccountId;
use crate::journal::MemoryPermit;
use crate::receiving::body_memory::AccountMemoryPermit;
use crate::receiving::ingest::Ingest;

/// Bytes of a body as sent; Meta documents batches of up to 3 MB.
pub const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Why there is no body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyError {
    /// More than [`BODY_LIMIT`] bytes.
    TooLarge,
    /// The client went away or broke the protocol.
    BrokenOff,
    /// The journal takes nothing more.
    Stopping,
}

/// The body and the leave to hold it; the second one is the account's own share.
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
    // Of a body in chunks nothing is known, so it may become as large as any.
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
        let chunk = chunk.map_err(|_| BodyError::BrokenOff)?;
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    // Of a body in chunks the most was asked for.
    room.shrink_to(body.len() + head);
    if let Some(account_permit) = &mut account_permit {
        account_permit.shrink_to(body.len() + head);
    }
    Ok((body, room, account_permit))
}

/// What is kept of a request beside its body.
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

/// Over HTTP/1.1 a body without a length comes in chunks.
fn has_body(request: &HttpRequest) -> bool {
    request.headers().contains_key(header::TRANSFER_ENCODING)
}
