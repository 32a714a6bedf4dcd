//! `/campaigns`: all campaigns, and the form of a new one.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::domain::account_limit::AccountLimit;
use crate::domain::campaign::{Campaign, CampaignMedia};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::scope::{Caller, Scope};
use crate::reporting::campaign_summary::count_states;
use crate::reporting::number_format::{format_count, percent};
use crate::sending::accept::InvalidField;
use crate::sending::campaign::{
    CreateCampaignError, ImportError, ImportMode, NewCampaign, RowFormat, check, create,
};
use crate::services::Services;
use crate::store::page_counts::CountsByState;
use crate::web::api::recipient_endpoints::{BODY_LIMIT, import_rows};
use crate::web::dashboard::campaign_form::CampaignForm;
use crate::web::dashboard::funnel::ShownTotals;
use crate::web::dashboard::import_view::ImportView;
use crate::web::dashboard::local_time::parse_local;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, redirect_to, respond, respond_with_status};
use crate::web::dashboard::page_zone::PageZone;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::upload_form::UploadForm;
use crate::web::error::ApiError;

/// The API lists older campaigns.
const CAMPAIGNS_SHOWN: usize = 100;

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let form = CampaignForm::empty(&services);
    let page = load(&services, &caller, form).await?;
    respond(&services, page).await
}

/// Checks the file, or creates a draft with its recipients.
pub(crate) async fn create_draft(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
    page_zone: PageZone,
) -> Result<HttpResponse, ApiError> {
    let mut given = UploadForm::read(&services, &request, payload, BODY_LIMIT).await?;
    let mut form = CampaignForm::of(&services, &given);
    let mut errors = Vec::new();
    let rate = given.given("rate").and_then(|text| {
        let parsed = text.replace(',', ".").parse::<f64>();
        parsed
            .map_err(|_| errors.push(InvalidField::new("rate", "is not a number")))
            .ok()
    });
    let new = NewCampaign {
        account: given.text("account").to_owned(),
        name: given.text("name").to_owned(),
        kind: given.text("kind").to_owned(),
        from: None,
        media: CampaignMedia {
            url: given.given("media"),
            id: None,
            mime_type: None,
        },
        caption: given.given("caption"),
        template: None,
        send_at: given
            .given("send_at")
            .map(|text| match parse_local(&text, page_zone.zone) {
                Some(at) => at.to_rfc3339(),
                None => text,
            }),
        send_before: given.given("send_before"),
        rate,
    };
    let (now, acceptor) = (services.clock.now(), &services.acceptor);
    let checked = check(acceptor, &new, now);
    if let Err(found) = &checked {
        errors.extend(found.iter().cloned());
    }
    let Some((file, received)) = given.file.take() else {
        errors.push(InvalidField::new("file", "is missing; choose a CSV file"));
        return show_errors(&services, &caller, form.with_errors(&errors)).await;
    };
    let campaign = match checked {
        Ok(campaign) if errors.is_empty() => campaign,
        _ => return show_errors(&services, &caller, form.with_errors(&errors)).await,
    };
    let format = RowFormat::of_file_name(received.file_name.as_deref().unwrap_or_default());
    let dry_run = import_rows(&services, &campaign, &file, format, ImportMode::DryRun).await;
    let report = match dry_run {
        Ok(report) => report,
        Err(ImportError::Invalid(field)) => {
            let error = InvalidField::new("file", format!("{} {}", field.field, field.message));
            return show_errors(&services, &caller, form.with_errors(&[error])).await;
        }
        Err(error) => return Err(error.into()),
    };
    if given.text("action") == "check" {
        form.report = Some(ImportView::new(&report));
        let media =
            acceptor.check_shared_media(&campaign.account, Some(campaign.kind), &campaign.media);
        match media.await {
            Ok(warnings) => form.warnings = warnings.into_iter().map(|it| it.message).collect(),
            Err(errors) => return show_errors(&services, &caller, form.with_errors(&errors)).await,
        }
        let page = load(&services, &caller, form).await?;
        return respond(&services, page).await;
    }
    match create(&services.store, acceptor, &new, caller.actor(), now).await {
        Err(CreateCampaignError::Invalid(errors)) => {
            return show_errors(&services, &caller, form.with_errors(&errors)).await;
        }
        Err(error @ CreateCampaignError::Exists(_)) => {
            let error = InvalidField::new("name", error.to_string());
            return show_errors(&services, &caller, form.with_errors(&[error])).await;
        }
        Err(CreateCampaignError::Store(error)) => return Err(error.into()),
        Ok(_) => {}
    }
    import_rows(&services, &campaign, &file, format, ImportMode::Apply).await?;
    Ok(redirect_to(format!("/campaigns/{}", campaign.id)))
}

async fn show_errors(
    services: &Services,
    caller: &Caller,
    form: CampaignForm,
) -> Result<HttpResponse, ApiError> {
    let page = load(services, caller, form).await?;
    respond_with_status(services, StatusCode::UNPROCESSABLE_ENTITY, page).await
}

async fn load(
    services: &Services,
    caller: &Caller,
    form: CampaignForm,
) -> Result<CampaignsPage, ApiError> {
    let store = &services.store;
    let mut rows = Vec::new();
    for campaign in store
        .list_campaigns(None, &AccountLimit::default(), None, CAMPAIGNS_SHOWN)
        .await?
    {
        let states = count_states(store, &campaign).await?;
        let failed_in_queue = store.count_failed_in_queue(&campaign.id).await?;
        rows.push(CampaignListRow::new(&campaign, &states, failed_in_queue));
    }
    let can_send = caller.require(Scope::Send).is_ok();
    Ok(CampaignsPage {
        frame: Frame::in_section(NavigationSection::Campaigns, "Campaigns", Refresh::Never),
        rows,
        form: can_send.then_some(form),
    })
}

#[derive(Template, Clone, Debug)]
#[template(path = "campaigns.html")]
pub struct CampaignsPage {
    pub(super) frame: Frame,
    rows: Vec<CampaignListRow>,
    form: Option<CampaignForm>,
}

#[derive(Clone, Debug)]
struct CampaignListRow {
    href: String,
    name: String,
    state: &'static str,
    account: String,
    recipients: String,
    attempted: String,
    delivered: String,
    failed: String,
    created: TimeElement,
}

impl CampaignListRow {
    fn new(campaign: &Campaign, states: &CountsByState, failed_in_queue: u64) -> Self {
        let totals = ShownTotals::new([states], failed_in_queue);
        Self {
            href: format!("/campaigns/{}", campaign.id),
            name: campaign.name.clone(),
            state: campaign.state.as_str(),
            account: campaign.account.to_string(),
            recipients: format_count(totals.total()),
            attempted: format_count(totals.attempted()),
            delivered: percent(
                totals.at_least(DeliveryState::Delivered),
                totals.attempted(),
            ),
            failed: percent(totals.failed_after_attempt(), totals.attempted()),
            created: TimeElement::new(campaign.created_at),
        }
    }
}

impl FramedPage for CampaignsPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
