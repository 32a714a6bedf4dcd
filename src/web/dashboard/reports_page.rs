//! `/reports`: export of messages, with the filters of `/messages`.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::domain::ids::AccountId;
use crate::reporting::export::ExportFormat;
use crate::services::Services;
use crate::web::dashboard::filter_form::FilterForm;
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, account_ids, respond};
use crate::web::error::ApiError;

pub(crate) async fn show(
    services: web::Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let shown = ReportsPage::new(
        &MessageListUrl::parse(request.query_string()),
        &account_ids(&services).await?,
        services.config.report_time_zone,
    );
    respond(&services, shown).await
}

/// Redirects to the API's file, with days converted to instants.
pub(crate) async fn redirect_to_export(
    services: web::Data<Services>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = request.query_string();
    let format = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "format")
        .map_or(Ok(ExportFormat::Csv), |(_, value)| value.parse())
        .map_err(|_| ApiError::field("format", "is csv, ndjson or xlsx"))?;
    let url = MessageListUrl::parse(query).export(format, services.config.report_time_zone);
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, url))
        .finish())
}

/// The form goes to `/messages/export`, which converts days to instants and redirects to the API's
/// file.
#[derive(Template, Clone, Debug)]
#[template(path = "reports.html")]
pub struct ReportsPage {
    pub(super) frame: Frame,
    form: FilterForm,
    zone: &'static str,
}

impl ReportsPage {
    pub fn new(url: &MessageListUrl, accounts: &[AccountId], zone: chrono_tz::Tz) -> Self {
        Self {
            frame: Frame::in_section(NavigationSection::Reports, "Reports", Refresh::Never),
            form: FilterForm::new(url, accounts),
            zone: zone.name(),
        }
    }
}

impl FramedPage for ReportsPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
