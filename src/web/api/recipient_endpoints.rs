//! `POST /api/v1/campaigns/{id}/recipients`: the recipients of a campaign as CSV or NDJSON. The body
//! is written to a temporary file first, so that a slow client blocks nothing else and memory use is
//! bounded.

use std::io::{BufReader, Seek, Write};

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use tempfile::NamedTempFile;

use crate::domain::campaign::Campaign;
use crate::reporting::query_values::parse_flag;
use crate::reporting::value_shape::ValueShape;
use crate::sending::campaign::{ImportError, ImportMode, ImportReport, RowFormat, import};
use crate::services::Services;
use crate::web::api::campaign_endpoints::find;
use crate::web::api::documented_responses::{NotPossible, UploadProblems};
use crate::web::api::parameters::{Parameters, pairs};
use crate::web::api::path_parameters::CampaignPath;
use crate::web::api::query_parameter::{QueryParameter, query_parameters};
use crate::web::api::wire::campaign_responses::RecipientsResponse;
use crate::web::error::ApiError;

/// In bytes; a million rows of ordinary length fit.
pub(crate) const BODY_LIMIT: usize = 512 * 1024 * 1024;

query_parameters!(
    RecipientsParameters,
    [QueryParameter::new(
        "dry_run",
        "true: check every row, and store none.",
        ValueShape::Flag
    )]
);

/// Add recipients to a campaign
///
/// CSV with a header, or one JSON object per line; at most 1,000,000 rows. The columns `to`, `name`,
/// `caption`, `media_url`, `ref`, `ref1`, `ref2` and `client_reference` are fields of the message;
/// any other is a variable for `{{column}}` in the caption. A row with a `client_reference`, else a
/// `to`, that the campaign already has is a duplicate, so the same file can be sent again.
#[utoipa::path(
    post,
    path = "/api/v1/campaigns/{id}/recipients",
    operation_id = "addRecipients",
    params(CampaignPath, RecipientsParameters),
    request_body(content((String = "text/csv"), (String = "application/x-ndjson"))),
    responses((status = 200, body = RecipientsResponse, description = "The outcome of the rows."), NotPossible, UploadProblems),
)]
pub(crate) async fn add(
    services: web::Data<Services>,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let query = pairs(request.query_string());
    let mut parameters = Parameters::read(&query, &[RecipientsParameters::LIST]);
    let dry_run = parameters.parse_with("dry_run", parse_flag);
    let dry_run = parameters.finish(dry_run)?.unwrap_or(false);
    let campaign = find(&services, &id).await?;
    if let Some(reason) = campaign.recipient_refusal() {
        return Err(ApiError::NotPossible(reason));
    }
    let format = row_format(&request)?;
    let file = save_body(&services, payload).await?;
    let mode = if dry_run {
        ImportMode::DryRun
    } else {
        ImportMode::Apply
    };
    let report = import_rows(&services, &campaign, &file, format, mode).await?;
    Ok(HttpResponse::Ok().json(RecipientsResponse::from(report)))
}

fn row_format(request: &HttpRequest) -> Result<RowFormat, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "text/csv" => Ok(RowFormat::Csv),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
            Ok(RowFormat::Ndjson)
        }
        _ => Err(ApiError::UnsupportedMediaType(
            "text/csv or application/x-ndjson",
        )),
    }
}

async fn save_body(
    services: &Services,
    mut payload: web::Payload,
) -> Result<NamedTempFile, ApiError> {
    let internal = |error: std::io::Error| ApiError::Internal(error.into());
    let mut file = services.uploads.create_temporary().map_err(internal)?;
    let mut size = 0;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::MalformedRequest(error.to_string()))?;
        size += chunk.len();
        if size > BODY_LIMIT {
            return Err(ApiError::TooLarge { limit: BODY_LIMIT });
        }
        // Chunks are small, and writing them to the page cache does not block.
        file.write_all(&chunk).map_err(internal)?;
    }
    Ok(file)
}

/// Imports the rows of an uploaded file, and wakes the campaign sender.
pub(crate) async fn import_rows(
    services: &Services,
    campaign: &Campaign,
    file: &NamedTempFile,
    format: RowFormat,
    mode: ImportMode,
) -> Result<ImportReport, ImportError> {
    let mut start = file.as_file();
    start.rewind()?;
    let reader = BufReader::new(file.as_file());
    let report = import(
        &services.store,
        &services.acceptor,
        campaign,
        (reader, format),
        mode,
        services.clock.now(),
        &mut |_, _| {},
    )
    .await?;
    services.campaign_changed.notify_one();
    Ok(report)
}
