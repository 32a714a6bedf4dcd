//! `/api/v1/orphans`: reports that match no message, with the messages they may be about.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::delivery_state::Stage;
use crate::domain::scope::{Caller, Visibility};
use crate::reporting::orphan_views::{self, ListedOrphan};
use crate::reporting::query_values::{parse_account, parse_provider_message_id, parse_recipient};
use crate::reporting::value_shape::ValueShape;
use crate::services::Services;
use crate::store::orphan_list::OrphanFilter;
use crate::web::api::cursor::{read_position, write_position};
use crate::web::api::list_response::list_response;
use crate::web::api::parameters::{Parameters, pairs};
use crate::web::api::query_parameter::{ACCOUNT, PageParameters, QueryParameter, query_parameters};
use crate::web::api::wire;
use crate::web::api::wire::callback_responses::OrphanResponse;
use crate::web::error::ApiError;

query_parameters!(
    OrphanListParameters,
    [
        ACCOUNT,
        QueryParameter::new(
            "provider_id",
            "Any id that the provider uses.",
            ValueShape::ProviderMessageId
        ),
        QueryParameter::new(
            "recipient",
            "The customer's whole number.",
            ValueShape::Text
        ),
    ]
);

list_response!(OrphanListResponse, OrphanResponse);

/// List reports that match no message, newest first
#[utoipa::path(
    get,
    path = "/api/v1/orphans",
    operation_id = "listOrphans",
    params(OrphanListParameters, PageParameters),
    responses((status = 200, body = OrphanListResponse, description = "A page of orphans.")),
)]
pub(crate) async fn list(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let known = [OrphanListParameters::LIST, PageParameters::LIST];
    let mut parameters = Parameters::read(&pairs(request.query_string()), &known);
    let mut filter = OrphanFilter {
        account: parameters.parse_with("account", parse_account),
        provider_id: parameters.parse_with("provider_id", parse_provider_message_id),
        recipient: parameters.parse_with("recipient", |text| Ok(parse_recipient(text))),
        ..OrphanFilter::default()
    };
    filter.limit_to(&caller.accounts);
    let cursor = parameters.cursor(read_position);
    let limit = parameters.limit();
    let fingerprint = parameters.fingerprint();
    let (filter, cursor, limit) = parameters.finish((filter, cursor, limit))?;
    let (found, next) = orphan_views::list(&services.store, &filter, cursor, limit).await?;
    let data = found
        .iter()
        .map(|orphan| orphan_response(orphan, caller.visibility()))
        .collect();
    let next_cursor = next.map(|next| fingerprint.write_cursor(&write_position(next)));
    Ok(HttpResponse::Ok().json(OrphanListResponse { data, next_cursor }))
}

fn orphan_response(orphan: &ListedOrphan, visibility: Visibility) -> OrphanResponse {
    let message = &orphan.message;
    OrphanResponse {
        id: message.id.uuid(),
        account: message.account.to_string(),
        provider_ids: orphan.ids.iter().map(|id| visibility.mask_id(id)).collect(),
        recipient: message
            .recipient
            .as_deref()
            .map(|recipient| wire::recipient_text(recipient, visibility)),
        first_received_at: wire::time(message.created_at),
        stage: orphan.stage().map(Stage::as_str),
        suggestions: orphan.suggestions.iter().map(|it| it.id.uuid()).collect(),
    }
}
