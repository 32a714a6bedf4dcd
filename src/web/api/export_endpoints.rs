//! `GET /api/v1/reports/messages.csv`, `.ndjson` and `.xlsx`: exactly the rows that the same filters list,
//! streamed.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::domain::scope::Caller;
use crate::reporting::export::{
    self, CSV_TYPE, ExportError, ExportFormat, Exporter, NDJSON_TYPE, XLSX_TYPE,
};
use crate::web::api::filter::{self, FilterParameters, MarkParameter, ZoneParameter};
use crate::web::api::parameters;
use crate::web::auth;
use crate::web::error::ApiError;

/// Export messages as CSV, with the filters of the list
#[utoipa::path(
    get,
    path = "/api/v1/reports/messages.csv",
    operation_id = "exportMessagesCsv",
    params(FilterParameters, ZoneParameter, MarkParameter),
    responses((status = 200, body = String, content_type = CSV_TYPE, description = "A header and one row per message.")),
)]
pub(crate) async fn csv(
    exporter: web::Data<Exporter>,
    request: HttpRequest,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    export(&exporter, &request, &caller, ExportFormat::Csv).await
}

/// Export messages as NDJSON, with the filters of the list
#[utoipa::path(
    get,
    path = "/api/v1/reports/messages.ndjson",
    operation_id = "exportMessagesNdjson",
    params(FilterParameters, ZoneParameter),
    responses((status = 200, body = String, content_type = NDJSON_TYPE, description = "One JSON object per message and line.")),
)]
pub(crate) async fn ndjson(
    exporter: web::Data<Exporter>,
    request: HttpRequest,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    export(&exporter, &request, &caller, ExportFormat::Ndjson).await
}

/// Export messages as an Excel workbook, with the filters of the list
///
/// Times are dates in the chosen zone; phones and ids are texts. The sheet About has the filters and
/// the time of the query. The first byte comes when all rows are read.
#[utoipa::path(
    get,
    path = "/api/v1/reports/messages.xlsx",
    operation_id = "exportMessagesXlsx",
    params(FilterParameters, ZoneParameter),
    responses((status = 200, body = Vec<u8>, content_type = XLSX_TYPE, description = "A header and one row per message; further sheets after each 1,048,575 messages.")),
)]
pub(crate) async fn xlsx(
    exporter: web::Data<Exporter>,
    request: HttpRequest,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    export(&exporter, &request, &caller, ExportFormat::Xlsx).await
}

async fn export(
    exporter: &Exporter,
    request: &HttpRequest,
    caller: &Caller,
    format: ExportFormat,
) -> Result<HttpResponse, ApiError> {
    let access = auth::access_of(request)?;
    let now = access.clock.now();
    let pairs = parameters::pairs(request.query_string());
    let mut export = filter::parse_export(&pairs, format, caller.visibility(), now)?;
    export.filter.limit_to(&caller.accounts);
    let mut chunks = Box::pin(export::stream(exporter.clone(), export));
    // Before the first byte is sent, so that a database error becomes a 5xx and not a broken file.
    let first = chunks.try_next().await.map_err(into_api_error)?;
    let body = stream::iter(first.map(Ok)).chain(chunks).map(|chunk| {
        chunk
            .map(|chunk| Bytes::from(chunk.bytes))
            // Closes the connection, so that the client does not take the part for the complete
            // file.
            .inspect_err(|error| tracing::error!(%error, "an export was interrupted"))
    });
    let name = format!(
        "attachment; filename=\"messages-{}.{}\"",
        now.format("%Y%m%dT%H%M%SZ"),
        format.as_str()
    );
    Ok(HttpResponse::Ok()
        .content_type(format.content_type())
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(body))
}

fn into_api_error(error: ExportError) -> ApiError {
    match error {
        ExportError::Store(error) => error.into(),
        ExportError::Workbook(error) => ApiError::Internal(error.into()),
    }
}
