//! `/campaigns/{id}`: the progress and results of a campaign, and the actions on it.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::domain::campaign::{Campaign, CampaignState};
use crate::domain::delivery_state::DeliveryState;
use crate::domain::scope::{Caller, Scope, Visibility};
use crate::operating::change_campaign::CampaignChange;
use crate::reporting::campaign_summary::{CampaignSummary, summarize};
use crate::reporting::number_format::{counted, format_count, percent};
use crate::sending::campaign::{ImportMode, RejectedRow, RowFormat};
use crate::services::Services;
use crate::web::api::campaign_endpoints::{change, find};
use crate::web::api::recipient_endpoints::{BODY_LIMIT, import_rows};
use crate::web::dashboard::campaign_figures::{
    CampaignFigure, FailureLine, StateSegment, TimeBar, cost_figure, failure_lines, figures,
    segments, time_bars, typical_times,
};
use crate::web::dashboard::funnel::{FunnelStep, ShownTotals};
use crate::web::dashboard::import_view::{RejectedLine, rejected_lines};
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, redirect_to, respond};
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::upload_form::UploadForm;
use crate::web::dashboard::visible_text::visible_line;
use crate::web::error::ApiError;

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let campaign = find(&services, &id).await?;
    let now = services.clock.now();
    let summary = summarize(&services.store, campaign, now).await?;
    let pricer = services.costs.pricer().await;
    let cost = pricer.of_campaign(&summary.campaign, now).await?;
    let mut page = CampaignPage::new(&services, &summary, &caller);
    page.figures.extend(cost_figure(&cost));
    respond(&services, page).await
}

pub(crate) async fn add_recipients(
    services: web::Data<Services>,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let campaign = find(&services, &id).await?;
    let form = UploadForm::read(&services, &request, payload, BODY_LIMIT).await?;
    let Some((file, received)) = form.file else {
        let message = "no file was chosen; go back and choose a CSV file";
        return Err(ApiError::NotPossible(message.to_owned()));
    };
    let (format, mode) = (
        RowFormat::of_file_name(received.file_name.as_deref().unwrap_or_default()),
        ImportMode::Apply,
    );
    import_rows(&services, &campaign, &file, format, mode).await?;
    Ok(redirect_to(format!("/campaigns/{}", campaign.id)))
}

pub(crate) async fn start(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    change_campaign(&services, &caller, &id, CampaignChange::Start).await
}

pub(crate) async fn pause(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    change_campaign(&services, &caller, &id, CampaignChange::Pause).await
}

pub(crate) async fn resume(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let resume = CampaignChange::Resume(&services.acceptor);
    change_campaign(&services, &caller, &id, resume).await
}

pub(crate) async fn cancel(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    change_campaign(&services, &caller, &id, CampaignChange::Cancel).await
}

async fn change_campaign(
    services: &Services,
    caller: &Caller,
    id: &str,
    wanted: CampaignChange<'_>,
) -> Result<HttpResponse, ApiError> {
    let campaign = change(services, caller, id, wanted).await?;
    Ok(redirect_to(format!("/campaigns/{}", campaign.id)))
}

#[derive(Template, Clone, Debug)]
#[template(path = "campaign.html")]
pub struct CampaignPage {
    pub(super) frame: Frame,
    id: String,
    name: String,
    headline: String,
    troubled: bool,
    state: &'static str,
    account: String,
    properties: Vec<(&'static str, String)>,
    times: Vec<(&'static str, TimeElement)>,
    buttons: Vec<CampaignButton>,
    progress: String,
    pace: Option<String>,
    expected_end: Option<TimeElement>,
    segments: Vec<StateSegment>,
    figures: Vec<CampaignFigure>,
    funnel: Vec<FunnelStep>,
    failures: Vec<FailureLine>,
    resend_href: Option<String>,
    time_bars: Vec<TimeBar>,
    typical_times: Option<String>,
    recipients: Vec<(&'static str, String)>,
    lines: Vec<RejectedLine>,
    rejected_hidden: bool,
    can_add: bool,
}

/// A form with one button.
#[derive(Clone, Debug)]
struct CampaignButton {
    action: &'static str,
    label: &'static str,
    class: &'static str,
    /// Text of a confirmation, for an action that cannot be undone.
    warning: Option<String>,
}

impl CampaignPage {
    fn new(services: &Services, summary: &CampaignSummary, caller: &Caller) -> Self {
        let campaign = &summary.campaign;
        let totals = ShownTotals::new([&summary.states], summary.failed_in_queue());
        let failed = totals.get(DeliveryState::Failed);
        let total = summary.total();
        let done = total - summary.unsent();
        // Some failures are normal.
        let (attempted, failures) = (totals.attempted(), totals.failed_after_attempt());
        let troubled = attempted >= 20 && failures * 5 > attempted;
        let account = services.accounts.get(&campaign.account);
        let visibility = caller.visibility();
        let stored: Vec<RejectedRow> = campaign
            .rejections
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let is_full = visibility == Visibility::Full;
        let can_send = caller.require(Scope::Send).is_ok();
        let can_operate = caller.require(Scope::Operate).is_ok();
        Self {
            frame: Frame::in_section(
                NavigationSection::Campaigns,
                campaign.name.clone(),
                refresh(campaign.state),
            ),
            id: campaign.id.to_string(),
            name: campaign.name.clone(),
            headline: headline(campaign, &totals, troubled),
            troubled,
            state: campaign.state.as_str(),
            account: campaign.account.to_string(),
            properties: properties(campaign, visibility),
            times: times(campaign),
            buttons: buttons(summary, can_send, can_operate),
            progress: format!(
                "{} of {} left the queue",
                format_count(done),
                format_count(total)
            ),
            pace: summary.speed.map(pace),
            expected_end: summary.expected_end.map(TimeElement::new),
            segments: segments(campaign, &totals),
            figures: figures(&totals),
            funnel: totals.funnel(),
            failures: account.map_or_else(Vec::new, |account| {
                failure_lines(summary, account.provider(), visibility, can_operate)
            }),
            resend_href: (can_operate && failed > 0)
                .then(|| format!("/campaigns/{}/resend?state=failed", campaign.id)),
            time_bars: time_bars(&summary.times),
            typical_times: typical_times(&summary.times),
            recipients: vec![
                ("Accepted", format_count(campaign.recipients.accepted)),
                (
                    "Duplicates, sent once",
                    format_count(campaign.recipients.duplicates),
                ),
                ("Rejected", format_count(campaign.recipients.rejected)),
                (
                    "Not queued yet",
                    format_count(campaign.recipients.waiting()),
                ),
            ],
            rejected_hidden: !is_full && !stored.is_empty(),
            lines: if is_full {
                rejected_lines(&stored)
            } else {
                Vec::new()
            },
            can_add: can_send && campaign.recipient_refusal().is_none(),
        }
    }
}

fn refresh(state: CampaignState) -> Refresh {
    match state {
        CampaignState::Running | CampaignState::Scheduled => Refresh::Live,
        _ => Refresh::Never,
    }
}

fn headline(campaign: &Campaign, totals: &ShownTotals, troubled: bool) -> String {
    let name = visible_line(&campaign.name);
    if troubled {
        let failed = percent(totals.failed_after_attempt(), totals.attempted());
        return format!("{name}: {failed} failed");
    }
    let words = match campaign.state {
        CampaignState::Draft if campaign.recipients.accepted == 0 => "draft without recipients",
        CampaignState::Draft => "draft, nothing is sent yet",
        CampaignState::Scheduled => "scheduled",
        CampaignState::Running => "running",
        CampaignState::Paused => "paused",
        CampaignState::Done => "done",
        CampaignState::Cancelled => "cancelled",
    };
    format!("{name}: {words}")
}

fn pace(speed: f64) -> String {
    if speed >= 10.0 {
        format!("{speed:.0} messages a second")
    } else {
        format!("{speed:.1} messages a second")
    }
}

fn properties(campaign: &Campaign, visibility: Visibility) -> Vec<(&'static str, String)> {
    let full = visibility == Visibility::Full;
    let line = |text: &Option<String>| text.as_deref().filter(|_| full).map(visible_line);
    let rate = campaign
        .rate
        .map(|rate| format!("{rate} messages a second"));
    [
        ("Kind", Some(campaign.kind.to_string())),
        ("URL", line(&campaign.media.url)),
        ("Media id", line(&campaign.media.id)),
        ("Caption", line(&campaign.caption)),
        ("From", line(&campaign.sender)),
        ("Rate", rate),
    ]
    .into_iter()
    .filter_map(|(label, value)| Some((label, value?)))
    .collect()
}

fn times(campaign: &Campaign) -> Vec<(&'static str, TimeElement)> {
    [
        ("Created", Some(campaign.created_at)),
        ("Starts", campaign.send_at),
        ("Started", campaign.started_at),
        ("Expires", campaign.send_before),
        ("Ended", campaign.finished_at),
    ]
    .into_iter()
    .filter_map(|(label, at)| Some((label, TimeElement::new(at?))))
    .collect()
}

fn buttons(summary: &CampaignSummary, can_send: bool, can_operate: bool) -> Vec<CampaignButton> {
    let button = |action, label, class| CampaignButton {
        action,
        label,
        class,
        warning: None,
    };
    let state = summary.campaign.state;
    let mut buttons = Vec::new();
    if can_send && state == CampaignState::Draft && summary.campaign.recipients.accepted > 0 {
        let messages = counted(summary.unsent(), "message", "messages");
        buttons.push(CampaignButton {
            warning: Some(format!("Sends {messages}.")),
            ..button("start", "Start", "primary")
        });
    }
    if can_operate {
        match state {
            CampaignState::Scheduled | CampaignState::Running => {
                buttons.push(button("pause", "Pause", "primary"));
            }
            CampaignState::Paused => buttons.push(button("resume", "Resume", "primary")),
            _ => {}
        }
        if !matches!(state, CampaignState::Done | CampaignState::Cancelled) {
            let rest = counted(summary.unsent(), "message", "messages");
            buttons.push(CampaignButton {
                warning: Some(format!("{rest} will never be sent. This cannot be undone.")),
                ..button("cancel", "Cancel the rest", "danger")
            });
        }
    }
    buttons
}

impl FramedPage for CampaignPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
