//! `/api/v1/campaigns`: creates, lists, shows, starts, pauses, resumes and cancels campaigns.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};

use crate::domain::campaign::{Campaign, CampaignId};
use crate::domain::scope::Caller;
use crate::operating::change_campaign::{self, CampaignChange};
use crate::reporting::campaign_summary::{count_states, summarize};
use crate::reporting::query_values::parse_account;
use crate::sending::campaign::{NewCampaign, create as create_campaign};
use crate::services::Services;
use crate::store::campaigns::CampaignCursor;
use crate::web::api::account_check::require_account;
use crate::web::api::action_endpoints::action_context;
use crate::web::api::documented_responses::NotPossible;
use crate::web::api::list_response::list_response;
use crate::web::api::parameters::{Parameters, pairs};
use crate::web::api::path_parameters::CampaignPath;
use crate::web::api::query_parameter::{ACCOUNT, PageParameters, query_parameters};
use crate::web::api::wire::campaign_responses::{CampaignResponse, CreateCampaignRequest};
use crate::web::error::ApiError;
use crate::web::request_parsing::parse_json;

query_parameters!(CampaignListParameters, [ACCOUNT]);

list_response!(CampaignListResponse, CampaignResponse);

/// Create a campaign
///
/// The campaign is a draft: upload its recipients, then start it.
#[utoipa::path(
    post,
    path = "/api/v1/campaigns",
    operation_id = "createCampaign",
    request_body = CreateCampaignRequest,
    responses((status = 201, body = CampaignResponse, description = "The draft."), NotPossible),
)]
pub(crate) async fn create(
    services: web::Data<Services>,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let request: CreateCampaignRequest = parse_json(&body)?;
    let new = NewCampaign::from(request);
    require_account(&caller, &new.account)?;
    let (store, now) = (&services.store, services.clock.now());
    let created = create_campaign(store, &services.acceptor, &new, caller.actor(), now).await?;
    let campaign = created.campaign;
    let states = count_states(store, &campaign).await?;
    let warnings = created.warnings.into_iter().map(Into::into);
    Ok(HttpResponse::Created()
        .insert_header(("Location", format!("/api/v1/campaigns/{}", campaign.id)))
        .json(CampaignResponse {
            warnings: warnings.collect(),
            ..CampaignResponse::of(&campaign, &states, caller.visibility())
        }))
}

/// List campaigns, newest first
#[utoipa::path(
    get,
    path = "/api/v1/campaigns",
    operation_id = "listCampaigns",
    params(CampaignListParameters, PageParameters),
    responses((status = 200, body = CampaignListResponse, description = "A page of campaigns.")),
)]
pub(crate) async fn list(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let known = [CampaignListParameters::LIST, PageParameters::LIST];
    let mut parameters = Parameters::read(&pairs(request.query_string()), &known);
    let account = parameters.parse_with("account", parse_account);
    let cursor = parameters.cursor(read_position);
    let limit = parameters.limit();
    let fingerprint = parameters.fingerprint();
    let (account, cursor, limit) = parameters.finish((account, cursor, limit))?;
    let store = &services.store;
    let mut campaigns = store
        .list_campaigns(
            account.as_ref(),
            &caller.accounts,
            cursor.as_ref(),
            limit + 1,
        )
        .await?;
    let more = campaigns.len() > limit;
    campaigns.truncate(limit);
    let last = campaigns.last().filter(|_| more);
    let next_cursor = last.map(|last| fingerprint.write_cursor(&write_position(last)));
    let mut data = Vec::with_capacity(campaigns.len());
    for campaign in &campaigns {
        let states = count_states(store, campaign).await?;
        let visibility = caller.visibility();
        data.push(CampaignResponse::of(campaign, &states, visibility));
    }
    Ok(HttpResponse::Ok().json(CampaignListResponse { data, next_cursor }))
}

/// Show a campaign and the outcome of its messages
#[utoipa::path(
    get,
    path = "/api/v1/campaigns/{id}",
    operation_id = "showCampaign",
    params(CampaignPath),
    responses((status = 200, body = CampaignResponse, description = "The campaign.")),
)]
pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let campaign = find(&services, &id).await?;
    answer(&services, &caller, campaign).await
}

/// Start a campaign
///
/// At its `send_at` if that is in the future. Starting a running campaign changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/campaigns/{id}/start",
    operation_id = "startCampaign",
    params(CampaignPath),
    responses((status = 200, body = CampaignResponse, description = "Done, and recorded in the audit log."), NotPossible),
)]
pub(crate) async fn start(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    run(&services, &caller, &id, CampaignChange::Start).await
}

/// Pause a campaign
///
/// Its queued messages are held at once.
#[utoipa::path(
    post,
    path = "/api/v1/campaigns/{id}/pause",
    operation_id = "pauseCampaign",
    params(CampaignPath),
    responses((status = 200, body = CampaignResponse, description = "Done, and recorded in the audit log."), NotPossible),
)]
pub(crate) async fn pause(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    run(&services, &caller, &id, CampaignChange::Pause).await
}

/// Resume a paused campaign
#[utoipa::path(
    post,
    path = "/api/v1/campaigns/{id}/resume",
    operation_id = "resumeCampaign",
    params(CampaignPath),
    responses((status = 200, body = CampaignResponse, description = "Done, and recorded in the audit log."), NotPossible),
)]
pub(crate) async fn resume(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let resume = CampaignChange::Resume(&services.acceptor);
    run(&services, &caller, &id, resume).await
}

/// Cancel the messages of a campaign that are not submitted yet
#[utoipa::path(
    post,
    path = "/api/v1/campaigns/{id}/cancel",
    operation_id = "cancelCampaign",
    params(CampaignPath),
    responses((status = 200, body = CampaignResponse, description = "Done, and recorded in the audit log."), NotPossible),
)]
pub(crate) async fn cancel(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    run(&services, &caller, &id, CampaignChange::Cancel).await
}

/// The campaign that a path names.
pub(crate) async fn find(services: &Services, id: &str) -> Result<Campaign, ApiError> {
    let id: CampaignId = id.parse().map_err(|_| ApiError::NotFound)?;
    let found = services.store.find_campaign(&id).await?;
    found.ok_or(ApiError::NotFound)
}

/// Changes the state of a campaign, and wakes the jobs that send it.
pub(crate) async fn change(
    services: &Services,
    caller: &Caller,
    id: &str,
    change: CampaignChange<'_>,
) -> Result<Campaign, ApiError> {
    let id: CampaignId = id.parse().map_err(|_| ApiError::NotFound)?;
    let context = action_context(services, caller);
    let store = &services.store;
    let changed = change_campaign::change_campaign(store, &id, change, &context).await?;
    services.campaign_changed.notify_one();
    services.dispatch_wakeup.notify_one();
    Ok(changed)
}

async fn run(
    services: &Services,
    caller: &Caller,
    id: &str,
    changed: CampaignChange<'_>,
) -> Result<HttpResponse, ApiError> {
    let campaign = change(services, caller, id, changed).await?;
    answer(services, caller, campaign).await
}

async fn answer(
    services: &Services,
    caller: &Caller,
    campaign: Campaign,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    let summary = summarize(&services.store, campaign, now).await?;
    let cost = services.costs.pricer().await;
    let cost = cost.of_campaign(&summary.campaign, now).await?;
    let response = CampaignResponse::complete(&summary, &cost, caller.visibility());
    Ok(HttpResponse::Ok().json(response))
}

fn write_position(campaign: &Campaign) -> Vec<u8> {
    let millis = campaign.created_at.timestamp_millis().to_be_bytes();
    [millis.as_slice(), campaign.id.as_str().as_bytes()].concat()
}

/// The inverse of [`write_position`].
fn read_position(position: &[u8]) -> Option<CampaignCursor> {
    let (millis, id) = position.split_first_chunk::<8>()?;
    let created_at = DateTime::<Utc>::from_timestamp_millis(i64::from_be_bytes(*millis))?;
    Some(CampaignCursor {
        created_at,
        id: str::from_utf8(id).ok()?.parse().ok()?,
    })
}
