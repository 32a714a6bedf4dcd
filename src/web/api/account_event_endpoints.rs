//! `/api/v1/accounts/{id}/events`: what providers report about an account.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::DateTime;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::account_event::{AccountEvent, AccountEventKind};
use crate::domain::ids::AccountId;
use crate::domain::scope::{Caller, Visibility};
use crate::reporting::query_values::{parse_instant, parse_phone, parse_word};
use crate::reporting::value_shape::ValueShape;
use crate::services::Services;
use crate::store::account_events::{EventCursor, EventFilter};
use crate::web::api::list_response::list_response;
use crate::web::api::parameters::{Parameters, pairs};
use crate::web::api::path_parameters::AccountPath;
use crate::web::api::query_parameter::{PageParameters, QueryParameter, query_parameters};
use crate::web::api::wire;
use crate::web::error::ApiError;

query_parameters!(
    EventListParameters,
    [
        QueryParameter::new(
            "kind",
            "quality, limit, template, account, phone_number, error or other.",
            ValueShape::Word(|| AccountEventKind::ALL.map(AccountEventKind::as_str).to_vec())
        ),
        QueryParameter::new(
            "from",
            "Happened at or after this RFC 3339 instant.",
            ValueShape::Instant
        ),
        QueryParameter::new(
            "to",
            "Happened before this RFC 3339 instant.",
            ValueShape::Instant
        ),
        QueryParameter::new(
            "template",
            "The whole name of a template.",
            ValueShape::Text
        ),
        QueryParameter::new("sender", "The whole business number.", ValueShape::Phone),
    ]
);

/// What a provider reports about an account: its quality, limits, templates, restrictions.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AccountEventResponse {
    /// By the provider's clock, else when the callback was received.
    pub(crate) at: String,
    /// `quality`, `limit`, `template`, `account`, `phone_number`, `error` or `other`.
    pub(crate) kind: &'static str,
    /// What changed.
    pub(crate) title: String,
    /// The value before, in the provider's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<String>,
    /// The value now, in the provider's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// The name of the template, else its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template: Option<String>,
    /// The business number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sender: Option<String>,
    /// The provider's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// The id of the callback that reported it.
    pub(crate) callback: Uuid,
}

list_response!(AccountEventListResponse, AccountEventResponse);

/// List what the provider reported about an account, newest first
///
/// Quality, limits, templates, restrictions and errors that belong to no message. The latest 10,000
/// of an account are kept, for as long as messages are.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}/events",
    operation_id = "listAccountEvents",
    params(
        AccountPath,
        EventListParameters,
        PageParameters,
    ),
    responses((status = 200, body = AccountEventListResponse, description = "A page of events.")),
)]
pub(crate) async fn list(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    account: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let account: AccountId = account.parse().map_err(|_| ApiError::NotFound)?;
    let known = [EventListParameters::LIST, PageParameters::LIST];
    let mut parameters = Parameters::read(&pairs(request.query_string()), &known);
    let filter = EventFilter {
        kind: parameters.parse_with("kind", |word| {
            parse_word(word, AccountEventKind::ALL, AccountEventKind::as_str)
        }),
        from: parameters.parse_with("from", parse_instant),
        to: parameters.parse_with("to", parse_instant),
        template: parameters.parse_with("template", parse_template),
        sender: parameters.parse_with("sender", parse_phone),
    };
    let cursor = parameters.cursor(read_position);
    let limit = parameters.limit();
    let fingerprint = parameters.fingerprint();
    let (filter, cursor, limit) = parameters.finish((filter, cursor, limit))?;
    if !services.store.list_accounts().await?.contains_key(&account) {
        return Err(ApiError::NotFound);
    }
    let page = services
        .store
        .list_account_events(&account, &filter, cursor, limit)
        .await?;
    let data = page
        .events
        .iter()
        .map(|event| response(event, caller.visibility()))
        .collect();
    let next_cursor = page
        .next
        .map(|next| fingerprint.write_cursor(&write_position(next)));
    Ok(HttpResponse::Ok().json(AccountEventListResponse { data, next_cursor }))
}

fn parse_template(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("must be the name of a template, without control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn response(event: &AccountEvent, visibility: Visibility) -> AccountEventResponse {
    let masked = |text: &Option<String>| text.as_deref().map(|text| visibility.mask_text(text));
    AccountEventResponse {
        at: wire::time(event.at),
        kind: event.kind.as_str(),
        title: visibility.mask_text(&event.title),
        previous: masked(&event.previous),
        current: masked(&event.current),
        template: masked(&event.template),
        sender: (event.sender.as_deref()).map(|number| wire::recipient_text(number, visibility)),
        detail: masked(&event.detail),
        callback: event.callback.uuid(),
    }
}

fn write_position(cursor: EventCursor) -> Vec<u8> {
    let millis = cursor.at.timestamp_millis().to_be_bytes();
    let part = cursor.part.to_be_bytes();
    [millis.as_slice(), &part, cursor.callback.uuid().as_bytes()].concat()
}

/// The inverse of [`write_position`].
fn read_position(position: &[u8]) -> Option<EventCursor> {
    let (millis, rest) = position.split_first_chunk::<8>()?;
    let (part, callback) = rest.split_first_chunk::<4>()?;
    Some(EventCursor {
        at: DateTime::from_timestamp_millis(i64::from_be_bytes(*millis))?,
        part: i32::from_be_bytes(*part),
        callback: Uuid::from_bytes(callback.try_into().ok()?).into(),
    })
}
