//! `/api/v1/audit`: who did what to what, when, and from where.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::db;
use crate::domain::audit_action::Action;
use crate::domain::ids::MessageId;
use crate::services::Services;
use crate::store::audit_log::ActionCursor;
use crate::web::api::audit_query::{AuditParameters, AuditQuery, parse};
use crate::web::api::list_response::list_response;
use crate::web::api::parameters::pairs;
use crate::web::api::query_parameter::PageParameters;
use crate::web::api::wire;
use crate::web::error::ApiError;

/// An action of a user, a token or the command line.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct AuditResponse {
    pub(crate) id: Uuid,
    pub(crate) at: String,
    /// The e-mail address of a user, the name of a token, or `command line`.
    pub(crate) actor: String,
    /// What was done, such as `sign-in`, `resend` or `change-role`.
    pub(crate) action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// The IP address that the request came from; absent for the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
}

list_response!(AuditListResponse, AuditResponse);

/// List the audit log, newest first
///
/// Kept as long as messages are.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "listAudit",
    params(AuditParameters, PageParameters),
    responses((status = 200, body = AuditListResponse, description = "A page of actions.")),
)]
pub(crate) async fn list(
    services: web::Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = parse(&pairs(request.query_string()))?;
    let (actions, next_cursor) = find(&services, &query).await?;
    let data = actions.into_iter().map(response).collect();
    Ok(HttpResponse::Ok().json(AuditListResponse { data, next_cursor }))
}

/// One page, and the cursor of the next.
pub(crate) async fn find(
    services: &Services,
    query: &AuditQuery,
) -> Result<(Vec<Action>, Option<String>), db::Error> {
    let wanted = u64::try_from(query.limit).unwrap_or(u64::MAX);
    let store = &services.store;
    let mut actions = store
        .find_actions(&query.filter, query.after, wanted.saturating_add(1))
        .await?;
    let more = actions.len() > query.limit;
    actions.truncate(query.limit);
    let last = actions.last().filter(|_| more).map(|last| ActionCursor {
        happened_at: last.happened_at,
        id: last.id,
    });
    let next = last.map(|last| query.write_cursor(last));
    Ok((actions, next))
}

fn response(action: Action) -> AuditResponse {
    AuditResponse {
        id: action.id.uuid(),
        at: wire::time(action.happened_at),
        actor: action.actor,
        action: action.kind.as_str(),
        message_id: action.message.map(MessageId::uuid),
        account: action.account.map(|account| account.to_string()),
        detail: action.detail,
        address: action.address,
    }
}
