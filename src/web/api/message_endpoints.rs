//! `GET /api/v1/messages` and `/api/v1/messages/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::delivery::fold;
use crate::domain::scope::Caller;
use crate::services::Services;
use crate::web::api::documented_responses::MessageMoved;
use crate::web::api::filter::{FilterParameters, OrderParameter, parse_list};
use crate::web::api::find_message::{FindMessageError, find};
use crate::web::api::list_response::list_response;
use crate::web::api::parameters::pairs;
use crate::web::api::path_parameters::MessagePath;
use crate::web::api::query_parameter::PageParameters;
use crate::web::api::wire::message_response::MessageResponse;
use crate::web::error::ApiError;

list_response!(MessageListResponse, MessageResponse);

/// List messages, newest first
#[utoipa::path(
    get,
    path = "/api/v1/messages",
    operation_id = "listMessages",
    params(FilterParameters, OrderParameter, PageParameters),
    responses((status = 200, body = MessageListResponse, description = "A page of messages.")),
)]
pub(crate) async fn list(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    let mut query = parse_list(&pairs(request.query_string()), caller.visibility(), now)?;
    query.filter.limit_to(&caller.accounts);
    let page = services
        .store
        .list_messages_by(query.order, &query.filter, query.after, query.limit)
        .await?;
    let visibility = caller.visibility();
    let costs = services.costs.pricer().await.price(&page.messages).await?;
    Ok(HttpResponse::Ok().json(MessageListResponse {
        data: page
            .messages
            .iter()
            .zip(&costs)
            .map(|(message, cost)| MessageResponse::of(message, visibility, now).with_cost(cost))
            .collect(),
        next_cursor: page.next.map(|next| query.write_cursor(next)),
    }))
}

/// Show a message with its stages, ids and attempts
#[utoipa::path(
    get,
    path = "/api/v1/messages/{id}",
    operation_id = "showMessage",
    params(MessagePath),
    responses((status = 200, body = MessageResponse, description = "The message."), MessageMoved),
)]
pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, FindMessageError> {
    let message = find(&services, &request, &id).await?;
    let receipts = services.store.list_receipts(message.id).await?;
    let delivery = fold(message.queue, message.queued_at(), &receipts);
    let ids = services.store.list_provider_ids(message.id).await?;
    let attempts = services.store.list_attempts(message.id).await?;
    let now = services.clock.now();
    let visibility = caller.visibility();
    let cost = services
        .costs
        .pricer()
        .await
        .price_message(&message)
        .await?;
    let shown = MessageResponse::complete(
        &message, &delivery, &receipts, &ids, &attempts, visibility, now,
    );
    Ok(HttpResponse::Ok().json(shown.with_cost(&cost)))
}
