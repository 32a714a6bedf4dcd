//! `/campaigns/{id}/resend`: how many messages would be resent, and a button that resends them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::domain::campaign::{Campaign, CampaignMedia};
use crate::domain::scope::Caller;
use crate::operating::bulk_actions::{BulkMode, BulkResult};
use crate::operating::bulk_resend::resend_all;
use crate::reporting::number_format::{counted, format_count};
use crate::services::Services;
use crate::store::messages::MessageFilter;
use crate::web::api::action_endpoints::action_context;
use crate::web::api::bulk_endpoints::campaign_selection;
use crate::web::api::campaign_endpoints::find;
use crate::web::api::filter::parse_filter;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, respond, respond_with_status};
use crate::web::dashboard::resend_outcome::{RepeatedFailures, created_link, media_error};
use crate::web::dashboard::skipped_reasons::{SkippedReason, group_reasons};
use crate::web::error::ApiError;

/// Filters of the page.
const FIELDS: [&str; 3] = ["state", "class", "code"];

pub(crate) async fn preview(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let campaign = find(&services, &id).await?;
    let form = ResendForm::read(request.query_string().as_bytes());
    let result = run(&services, &caller, &campaign, &form, BulkMode::Count).await?;
    respond(&services, CampaignResendPage::new(&campaign, form, &result)).await
}

pub(crate) async fn apply(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let campaign = find(&services, &id).await?;
    let form = ResendForm::read(&body);
    let result = run(&services, &caller, &campaign, &form, BulkMode::Apply).await?;
    let is_refused = media_error(&result).is_some();
    let number = counted(result.count, "message was", "messages were");
    let mut page = CampaignResendPage::new(&campaign, form, &result);
    if is_refused {
        return respond_with_status(&services, StatusCode::UNPROCESSABLE_ENTITY, page).await;
    }
    services.dispatch_wakeup.notify_one();
    services.campaign_changed.notify_one();
    page.title = format!("{number} resent");
    page.is_done = true;
    respond(&services, page).await
}

struct ResendForm {
    filters: Vec<(String, String)>,
    /// URL of media to use instead of the messages' own; may be empty.
    media: String,
}

impl ResendForm {
    fn read(pairs: &[u8]) -> Self {
        let mut form = Self {
            filters: Vec::new(),
            media: String::new(),
        };
        for (name, value) in form_urlencoded::parse(pairs) {
            let value = value.trim().to_owned();
            if FIELDS.contains(&name.as_ref()) && !value.is_empty() {
                form.filters.push((name.into_owned(), value));
            } else if name == "media" {
                form.media = value;
            }
        }
        form
    }
}

async fn run(
    services: &Services,
    caller: &Caller,
    campaign: &Campaign,
    form: &ResendForm,
    mode: BulkMode,
) -> Result<BulkResult, ApiError> {
    let filter = parse_filter(&form.filters, caller.visibility(), services.clock.now())?;
    let selection = campaign_selection(MessageFilter {
        campaign: Some(campaign.id.clone()),
        ..filter
    });
    let media = (!form.media.is_empty()).then(|| CampaignMedia {
        url: Some(form.media.clone()),
        id: None,
        mime_type: None,
    });
    let (store, acceptor) = (&services.store, &services.acceptor);
    let context = action_context(services, caller);
    let media = media.as_ref();
    Ok(resend_all(store, acceptor, selection, media, mode, &context).await?)
}

#[derive(Template, Clone, Debug)]
#[template(path = "campaign_resend.html")]
pub struct CampaignResendPage {
    pub(super) frame: Frame,
    id: String,
    name: String,
    filters: Vec<(String, String)>,
    media: String,
    media_error: Option<String>,
    title: String,
    /// The result of the resend, not its preview.
    is_done: bool,
    repeated: Option<RepeatedFailures>,
    /// Text and URL of the list of the new messages.
    created: Option<(String, String)>,
    count: String,
    can_resend: bool,
    skipped: Option<String>,
    /// Why the first of them are skipped.
    reasons: Vec<SkippedReason>,
}

impl CampaignResendPage {
    fn new(campaign: &Campaign, form: ResendForm, result: &BulkResult) -> Self {
        Self {
            frame: Frame::in_section(NavigationSection::Campaigns, "Resend", Refresh::Never),
            id: campaign.id.to_string(),
            name: campaign.name.clone(),
            filters: form.filters,
            media: form.media,
            media_error: media_error(result),
            title: format!("Resend {}", counted(result.count, "message", "messages")),
            is_done: false,
            repeated: RepeatedFailures::of(result),
            created: created_link(result),
            count: format_count(result.count),
            can_resend: result.count > 0,
            skipped: (result.skipped > 0).then(|| {
                let messages = counted(result.skipped, "message", "messages");
                format!("{messages} cannot be resent:")
            }),
            reasons: group_reasons(result),
        }
    }
}

impl FramedPage for CampaignResendPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
