//! `/api/v1/people/erase`: removes the personal data of one customer.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::scope::Caller;
use crate::operating::action_context::ActionContext;
use crate::operating::erasure::{ErasureError, ErasureReport, erase};
use crate::services::Services;
use crate::web::api::documented_responses::NotPossible;
use crate::web::error::ApiError;
use crate::web::request_parsing::parse_json;

/// Whose data to erase.
#[derive(Deserialize, ToSchema, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErasePersonRequest {
    /// A number with country code, a `wa_id`, or a WhatsApp user id.
    #[schema(pattern = "^(\\+?[1-9][0-9]{6,14}|[A-Za-z]{2}\\.(ENT\\.)?[A-Za-z0-9]{5,128})$")]
    pub(crate) phone: String,
}

/// What was erased, and where the data still is.
#[derive(Serialize, ToSchema, Debug)]
pub(crate) struct ErasePersonResponse {
    /// Messages that lost recipient, content and ids.
    pub(crate) messages: u64,
    /// Callbacks that were deleted.
    pub(crate) callbacks: u64,
    /// Rows of others that named the customer.
    pub(crate) other_rows: u64,
    /// Numbers that the customer had before; others may have them now, so they were not erased.
    pub(crate) former_numbers: u64,
    /// Folders of backups that were made before and still hold the data.
    pub(crate) earlier_backups: Vec<String>,
    /// Files in the data folder that still hold the number or an id; empty if all is erased.
    pub(crate) remaining_files: Vec<String>,
}

/// Erase the personal data of one customer
///
/// Messages keep state, times and cost; callbacks that name the customer are deleted. Recorded in the
/// audit log, without the number. Other writes wait while the databases are written again.
#[utoipa::path(
    post,
    path = "/api/v1/people/erase",
    operation_id = "erasePerson",
    request_body = ErasePersonRequest,
    responses((status = 200, body = ErasePersonResponse, description = "What was erased."), NotPossible),
)]
pub(crate) async fn erase_person(
    services: web::Data<Services>,
    caller: Caller,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let request: ErasePersonRequest = parse_json(&body)?;
    // A task, so that it continues if the client disconnects.
    let erased = actix_web::rt::spawn(async move {
        let context = ActionContext {
            actor: caller.actor(),
            now: services.clock.now(),
        };
        erase(&services, &request.phone, &context, &mut |_| {}).await
    });
    let report = erased
        .await
        .map_err(|error| ApiError::Internal(error.into()))??;
    Ok(HttpResponse::Ok().json(ErasePersonResponse::from(report)))
}

impl From<ErasureReport> for ErasePersonResponse {
    fn from(report: ErasureReport) -> Self {
        let texts = |paths: Vec<std::path::PathBuf>| {
            let paths = paths.into_iter();
            paths.map(|path| path.display().to_string()).collect()
        };
        Self {
            messages: report.messages,
            callbacks: report.callbacks,
            other_rows: report.other_rows,
            former_numbers: u64::try_from(report.former_numbers).unwrap_or(u64::MAX),
            earlier_backups: texts(report.earlier_backups),
            remaining_files: texts(report.remaining),
        }
    }
}

impl From<ErasureError> for ApiError {
    fn from(error: ErasureError) -> Self {
        match error {
            ErasureError::InvalidIdentity(message) => Self::field("phone", message),
            ErasureError::Submitting(_)
            | ErasureError::Unprocessed
            | ErasureError::Rebuilding
            | ErasureError::UnfinishedCampaign(_) => Self::NotPossible(error.to_string()),
            ErasureError::File { .. } => Self::Internal(error.into()),
            ErasureError::Store(error) => error.into(),
        }
    }
}
