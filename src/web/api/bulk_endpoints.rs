//! Actions on many messages: of a filter, or of a campaign.

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value};

use crate::domain::campaign::CampaignMedia;
use crate::domain::scope::Caller;
use crate::operating::bulk_actions::{BulkMode, BulkSelection};
use crate::operating::bulk_cancel::cancel_all;
use crate::operating::bulk_mark_failed::mark_all_failed;
use crate::operating::bulk_resend::resend_all;
use crate::services::Services;
use crate::store::messages::MessageFilter;
use crate::web::api::action_endpoints::{action_context, check_reason};
use crate::web::api::campaign_endpoints::find;
use crate::web::api::documented_responses::NotPossible;
use crate::web::api::filter::parse_filter;
use crate::web::api::path_parameters::CampaignPath;
use crate::web::api::wire::bulk_messages::{
    BulkResponse, CancelMessagesRequest, MarkMessagesFailedRequest, ResendMessagesRequest,
};
use crate::web::api::wire::campaign_responses::{ResendCampaignRequest, campaign_media};
use crate::web::error::ApiError;
use crate::web::problem_json::FieldError;
use crate::web::request_parsing::parse_json;

/// Messages of one request.
pub(crate) const MESSAGES_LIMIT: u64 = 10_000;
/// Messages of one campaign.
const CAMPAIGN_LIMIT: u64 = 1_000_000;

/// Send all messages of a filter again, or count them
///
/// At most 10,000. Each becomes a new message, once; those that cannot be resent are skipped.
#[utoipa::path(
    post,
    path = "/api/v1/messages/resend",
    operation_id = "resendMessages",
    request_body = ResendMessagesRequest,
    responses((status = 200, body = BulkResponse, description = "How many."), NotPossible),
)]
pub(crate) async fn resend_messages(
    services: web::Data<Services>,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let request: ResendMessagesRequest = parse_json(&body)?;
    let selection = BulkSelection {
        filter: read_filter(&services, &caller, &request.filter)?,
        limit: MESSAGES_LIMIT,
    };
    let media = request.media.map(campaign_media);
    resend(&services, &caller, selection, media, request.dry_run).await
}

/// Cancel all queued messages of a filter, or count them
///
/// At most 10,000.
#[utoipa::path(
    post,
    path = "/api/v1/messages/cancel",
    operation_id = "cancelMessages",
    request_body = CancelMessagesRequest,
    responses((status = 200, body = BulkResponse, description = "How many."), NotPossible),
)]
pub(crate) async fn cancel_messages(
    services: web::Data<Services>,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let request: CancelMessagesRequest = parse_json(&body)?;
    let selection = BulkSelection {
        filter: read_filter(&services, &caller, &request.filter)?,
        limit: MESSAGES_LIMIT,
    };
    let (mode, context) = (mode(request.dry_run), action_context(&services, &caller));
    let result = cancel_all(&services.store, selection, mode, &context).await?;
    Ok(HttpResponse::Ok().json(BulkResponse::new(result, request.dry_run)))
}

/// Declare that messages of a filter will not arrive, or count them
///
/// At most 10,000 that are uncertain, submitted or sent. A later delivery still counts.
#[utoipa::path(
    post,
    path = "/api/v1/messages/mark-failed",
    operation_id = "markMessagesFailed",
    request_body = MarkMessagesFailedRequest,
    responses((status = 200, body = BulkResponse, description = "How many."), NotPossible),
)]
pub(crate) async fn mark_messages_failed(
    services: web::Data<Services>,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let request: MarkMessagesFailedRequest = parse_json(&body)?;
    let reason = check_reason(request.reason)?;
    let selection = BulkSelection {
        filter: read_filter(&services, &caller, &request.filter)?,
        limit: MESSAGES_LIMIT,
    };
    let (mode, context) = (mode(request.dry_run), action_context(&services, &caller));
    let (store, reason) = (&services.store, reason.as_deref());
    let result = mark_all_failed(store, selection, reason, mode, &context).await?;
    Ok(HttpResponse::Ok().json(BulkResponse::new(result, request.dry_run)))
}

/// Send messages of a campaign again, or count them
///
/// Each becomes a new message of the campaign, once; those that cannot be resent are skipped.
#[utoipa::path(
    post,
    path = "/api/v1/campaigns/{id}/resend",
    operation_id = "resendCampaign",
    params(CampaignPath),
    request_body = ResendCampaignRequest,
    responses((status = 200, body = BulkResponse, description = "How many."), NotPossible),
)]
pub(crate) async fn resend_campaign(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let campaign = find(&services, &id).await?;
    let request: ResendCampaignRequest = if body.is_empty() {
        ResendCampaignRequest::default()
    } else {
        parse_json(&body)?
    };
    let given = [
        ("state", request.state),
        ("class", request.class),
        ("code", request.code),
    ];
    let pairs: Vec<(String, String)> = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    let filter = parse_filter(&pairs, caller.visibility(), services.clock.now())?;
    let selection = campaign_selection(MessageFilter {
        campaign: Some(campaign.id.clone()),
        ..filter
    });
    let (media, dry_run) = (request.media.map(campaign_media), request.dry_run);
    resend(&services, &caller, selection, media, dry_run).await
}

pub(crate) fn campaign_selection(filter: MessageFilter) -> BulkSelection {
    BulkSelection {
        filter,
        limit: CAMPAIGN_LIMIT,
    }
}

async fn resend(
    services: &Services,
    caller: &Caller,
    selection: BulkSelection,
    media: Option<CampaignMedia>,
    dry_run: bool,
) -> Result<HttpResponse, ApiError> {
    let context = action_context(services, caller);
    let (store, acceptor, mode) = (&services.store, &services.acceptor, mode(dry_run));
    let media = media.as_ref();
    let result = resend_all(store, acceptor, selection, media, mode, &context).await?;
    services.dispatch_wakeup.notify_one();
    Ok(HttpResponse::Ok().json(BulkResponse::new(result, dry_run)))
}

fn mode(dry_run: bool) -> BulkMode {
    if dry_run {
        BulkMode::Count
    } else {
        BulkMode::Apply
    }
}

/// The filters of a list as a JSON object; at least one.
fn read_filter(
    services: &Services,
    caller: &Caller,
    filter: &Map<String, Value>,
) -> Result<MessageFilter, ApiError> {
    let name_in_request = |name: &str| format!("filter.{name}");
    if filter.is_empty() {
        let message = "is empty; name at least one condition";
        return Err(ApiError::field("filter", message));
    }
    let mut pairs = Vec::new();
    for (name, value) in filter {
        let values = match value {
            Value::Array(values) if values.is_empty() => {
                return Err(ApiError::field(name_in_request(name), "is an empty list"));
            }
            Value::Array(values) => values.as_slice(),
            single => std::slice::from_ref(single),
        };
        for value in values {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Bool(flag) => flag.to_string(),
                Value::Number(number) => number.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    let message = "is not a text, a flag or a list of texts";
                    return Err(ApiError::field(name_in_request(name), message));
                }
            };
            pairs.push((name.clone(), text));
        }
    }
    let parsed = parse_filter(&pairs, caller.visibility(), services.clock.now());
    let limited = parsed.map(|mut filter| {
        filter.limit_to(&caller.accounts);
        filter
    });
    limited.map_err(|errors| {
        let named = errors.into_iter().map(|error| FieldError {
            field: name_in_request(&error.field),
            ..error
        });
        ApiError::Invalid(named.collect())
    })
}
