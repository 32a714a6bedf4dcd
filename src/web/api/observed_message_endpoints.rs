//! `/api/v1/messages/observed`: register a message that was sent by other means.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::scope::Caller;
use crate::sending::accept::register_observed::{self, ListingStatus, RegistrationRequest};
use crate::services::Services;
use crate::store::messages::FoundMessage;
use crate::web::api::account_check::require_account;
use crate::web::api::wire;
use crate::web::api::wire::send_request::{ReferencesBody, StoredMessageResponse};
use crate::web::error::ApiError;
use crate::web::request_parsing::parse_json;

/// A message sent by other means.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObservedRequest {
    /// Account id.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    pub(crate) account: String,
    /// The id that the provider gave it, as in its reports.
    #[schema(
        max_length = 512,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"
    )]
    pub(crate) provider_id: String,
    /// The customer's number, as in `POST /messages`.
    #[schema(min_length = 7, pattern = "[0-9]")]
    pub(crate) to: Option<String>,
    /// `image` or `video`.
    #[schema(pattern = "^(image|video)$")]
    pub(crate) kind: Option<String>,
    /// Your references, at most 255 characters each.
    #[serde(default)]
    pub(crate) refs: ReferencesBody,
    /// Your own reference, never sent to the provider; at most 255 characters.
    #[schema(max_length = 255, pattern = "^[^\\x00]*$")]
    pub(crate) client_reference: Option<String>,
    /// When it was sent, RFC 3339. If absent, times come from reports, or from the registration,
    /// marked as inferred.
    pub(crate) sent_at: Option<String>,
}

/// Register a message that was sent by other means
///
/// Reports with its id are matched with it; an orphan with that id is adopted.
#[utoipa::path(
    post,
    path = "/api/v1/messages/observed",
    operation_id = "registerMessage",
    request_body = ObservedRequest,
    responses(
        (status = 201, body = StoredMessageResponse, description = "Listed from now on."),
        (status = 200, body = StoredMessageResponse, description = "Was known before."),
    ),
)]
pub(crate) async fn register(
    services: web::Data<Services>,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let registration = registration(parse_json(&body)?);
    require_account(&caller, &registration.account)?;
    let now = services.clock.now();
    let registered =
        register_observed::register(&services.store, &services.accounts, &registration, now)
            .await?;
    let status = match registered.listing {
        ListingStatus::New => StatusCode::CREATED,
        ListingStatus::AlreadyListed => StatusCode::OK,
    };
    let id = registered.id;
    let Some(FoundMessage::Message(message)) = services.store.find_message(id).await? else {
        return Err(ApiError::NotFound);
    };
    Ok(HttpResponse::build(status)
        .insert_header(("Location", format!("/api/v1/messages/{id}")))
        .json(StoredMessageResponse {
            id: id.uuid(),
            state: message.state.as_str(),
            account: message.account.to_string(),
            created_at: wire::time(message.created_at),
            // The caller may not be allowed to read messages.
            failure: None,
            warnings: registered.warnings.into_iter().map(Into::into).collect(),
        }))
}

fn registration(request: ObservedRequest) -> RegistrationRequest {
    RegistrationRequest {
        account: request.account,
        provider_id: request.provider_id,
        to: request.to,
        kind: request.kind,
        references: request.refs.into(),
        client_reference: request.client_reference,
        sent_at: request.sent_at,
    }
}
