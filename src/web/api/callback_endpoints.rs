//! `/api/v1/callbacks`: received callbacks, byte for byte, with their outcome.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::account_limit::AccountLimit;
use crate::domain::callback_outcome::Outcome;
use crate::domain::ids::CallbackId;
use crate::domain::scope::{Caller, Scope, Visibility};
use crate::reporting::callback_filter::{CALLBACK_FIELDS, CallbackFilter};
use crate::reporting::callback_list::{self, CallbackQuery};
use crate::reporting::callback_views::{self, FoundCallback, ListedCallback};
use crate::reporting::value_shape::ValueShape;
use crate::services::Services;
use crate::web::api::documented_responses::NoLongerKept;
use crate::web::api::list_response::list_response;
use crate::web::api::parameters::{Parameters, pairs};
use crate::web::api::path_parameters::CallbackPath;
use crate::web::api::query_parameter::{PageParameters, QueryParameter, query_parameters};
use crate::web::api::wire;
use crate::web::api::wire::callback_responses::CallbackResponse;
use crate::web::error::ApiError;

query_parameters!(CallbackListParameters, callback_parameters());

const fn callback_parameters() -> [QueryParameter; CALLBACK_FIELDS.len()] {
    let mut parameters = [QueryParameter::new("", "", ValueShape::Text); CALLBACK_FIELDS.len()];
    let mut index = 0;
    while index < parameters.len() {
        let field = CALLBACK_FIELDS[index];
        parameters[index] = QueryParameter::new(field.name, field.description, field.shape);
        index += 1;
    }
    parameters
}

list_response!(CallbackListResponse, CallbackResponse);

/// List received callbacks, newest first
///
/// A page of a search (`q`) may have fewer rows than `limit`, or none, and still a `next_cursor`: the
/// search continues there.
#[utoipa::path(
    get,
    path = "/api/v1/callbacks",
    operation_id = "listCallbacks",
    params(CallbackListParameters, PageParameters),
    responses((status = 200, body = CallbackListResponse, description = "A page of callbacks.")),
)]
pub(crate) async fn list(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let known = [CallbackListParameters::LIST, PageParameters::LIST];
    let mut parameters = Parameters::read(&pairs(request.query_string()), &known);
    let mut query = read(&mut parameters);
    query.filter.account = caller.accounts.filter_account(query.filter.account);
    query.limit_to = caller.accounts.clone();
    let fingerprint = parameters.fingerprint();
    let query = parameters.finish(query)?;
    require_search(&caller, &query.filter)?;
    let page = callback_list::list(&services, &query).await?;
    Ok(HttpResponse::Ok().json(CallbackListResponse {
        data: page
            .callbacks
            .iter()
            .map(|callback| response(callback, caller.visibility()))
            .collect(),
        next_cursor: page
            .next
            .map(|seq| fingerprint.write_cursor(&seq.to_be_bytes())),
    }))
}

/// A search of bodies needs the scope that shows them.
pub(crate) fn require_search(caller: &Caller, filter: &CallbackFilter) -> Result<(), ApiError> {
    if filter.text.is_some() {
        caller.require(Scope::Operate)?;
    }
    Ok(())
}

fn read(parameters: &mut Parameters) -> CallbackQuery {
    let mut filter = CallbackFilter::default();
    for field in CALLBACK_FIELDS {
        parameters.parse_with(field.name, |text| {
            (field.parse)(&mut filter, text)?;
            Ok((field.print)(&filter))
        });
    }
    CallbackQuery {
        filter,
        limit_to: AccountLimit::default(),
        before: parameters.cursor(|seq| Some(i64::from_be_bytes(seq.try_into().ok()?))),
        limit: parameters.limit(),
    }
}

/// Show a callback with its outcome
#[utoipa::path(
    get,
    path = "/api/v1/callbacks/{id}",
    operation_id = "showCallback",
    params(CallbackPath),
    responses((status = 200, body = CallbackResponse, description = "The callback."), NoLongerKept),
)]
pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id: CallbackId = id.parse().map_err(|_| ApiError::NotFound)?;
    let found = find(&services, id).await?;
    Ok(HttpResponse::Ok().json(response(&found.listed, caller.visibility())))
}

/// Download the body of a callback, byte for byte
#[utoipa::path(
    get,
    path = "/api/v1/callbacks/{id}/raw",
    operation_id = "showRawCallback",
    params(CallbackPath),
    responses((status = 200, body = String, content_type = "application/octet-stream", description = "The body as received, as an attachment."), NoLongerKept),
)]
pub(crate) async fn show_raw(
    services: web::Data<Services>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id: CallbackId = id.parse().map_err(|_| ApiError::NotFound)?;
    let found = find(&services, id).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/octet-stream"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"callback-{id}.bin\""),
        ))
        .body(found.record.body))
}

pub(crate) async fn find(services: &Services, id: CallbackId) -> Result<FoundCallback, ApiError> {
    match callback_views::find(services, id).await? {
        Some(found) => Ok(found),
        None if callback_views::is_past_retention(services, id) => Err(ApiError::NoLongerKept {
            days: services.config.retention.callbacks,
        }),
        None => Err(ApiError::NotFound),
    }
}

fn response(callback: &ListedCallback, visibility: Visibility) -> CallbackResponse {
    CallbackResponse {
        id: callback.summary.id.uuid(),
        account: callback.summary.account.to_string(),
        method: callback.summary.method.clone(),
        received_at: wire::time(callback.summary.received_at),
        size: callback.summary.size,
        outcome: callback.outcome.map_or("pending", Outcome::as_str),
        detail: callback
            .detail
            .as_deref()
            .map(|words| visibility.mask_text(words)),
        message_ids: callback.messages.iter().map(|id| id.uuid()).collect(),
    }
}
