//! `/callbacks/-/{token}`: answers the check of the public URL with what arrived here, so that it can
//! be compared with what was sent. Stores nothing.

use std::fmt::Write as _;

use actix_web::http::header::HOST;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use crate::operating::doctor::{ArrivedRequest, CHECK_HEADER};
use crate::web::callback_body::BODY_LIMIT;
use crate::web::callback_receiver::CallbackState;
use crate::web::client_address::client_address;
use crate::web::error::ApiError;
use crate::web::pasted_url::trim_last_part;

pub(crate) async fn answer(
    request: HttpRequest,
    state: web::Data<CallbackState>,
    token: web::Path<UrlCheckPath>,
    mut body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    if !state
        .keys
        .is_url_check_token(trim_last_part(&request, &token.token))
    {
        return Err(ApiError::NotFound);
    }
    let (mut bytes, mut hash) = (0, Sha256::new());
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| ApiError::MalformedRequest(error.to_string()))?;
        bytes += chunk.len();
        if bytes > BODY_LIMIT {
            return Err(ApiError::TooLarge { limit: BODY_LIMIT });
        }
        hash.update(&chunk);
    }
    let text = |name: &str| {
        let value = request.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let mut sha256 = String::new();
    for byte in hash.finalize() {
        // Writing to a text cannot fail.
        let _ = write!(sha256, "{byte:02x}");
    }
    let names = request.headers().keys();
    Ok(HttpResponse::Ok().json(ArrivedRequest {
        check: text(CHECK_HEADER).unwrap_or_default(),
        http: format!("{:?}", request.version()),
        host: text(HOST.as_str()).unwrap_or_default(),
        headers: names.map(|name| name.as_str().to_owned()).collect(),
        body_bytes: bytes as u64,
        body_sha256: sha256,
        client: client_address(&request).map(|address| address.to_string()),
    }))
}

/// The variable part of the path, without what was pasted around it.
#[derive(serde::Deserialize)]
pub(crate) struct UrlCheckPath {
    token: String,
}
