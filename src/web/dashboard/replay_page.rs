//! `/callbacks/replay`: the preview of a replay. Selects one callback by id, or all of an account
//! and outcome.
//!
//! Selecting unverified callbacks by id or outcome releases them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::domain::callback_outcome::Outcome;
use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::MessageId;
use crate::domain::scope::Caller;
use crate::operating::replay::{self, ReplayMode, ReplayReport};
use crate::reporting::number_format::counted;
use crate::services::Services;
use crate::store::callback_outcomes::CallbackOutcome;
use crate::web::api::action_endpoints::action_context;
use crate::web::auth;
use crate::web::dashboard::callback_urls::ReplayUrl;
use crate::web::dashboard::message_summary::short_id;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, redirect_to, respond};
use crate::web::dashboard::state_pill::StatePill;
use crate::web::dashboard::visible_text::{sentence, visible_line};
use crate::web::error::ApiError;

/// Changes of callbacks, and of messages, on the page; the rest is only counted.
const CHANGES_SHOWN: usize = 50;

/// The preview. It writes nothing, but shows what only operators may see.
pub(crate) async fn preview(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    // A dry run holds the write lock for a while; other sites cannot start one through a link.
    let access = auth::access_of(&request)?;
    auth::refuse_other_sites(&access, &request)?;
    let url = ReplayUrl::parse(request.query_string()).ok_or(ApiError::NotFound)?;
    let known = match url.id {
        Some(id) => services.store.find_outcomes(&[id]).await?.remove(&id),
        None => None,
    };
    if url.id.is_some() && known.is_none() {
        return Err(ApiError::NotFound);
    }
    // The button replays exactly what the page shows.
    let url = url.limited_to(services.store.position().await?);
    let replayed = run_replay(&services, &caller, &url, ReplayMode::DryRun).await?;
    respond(&services, ReplayPage::new(&url, known.as_ref(), &replayed)).await
}

/// Applies what the preview showed.
pub(crate) async fn apply(
    services: web::Data<Services>,
    caller: Caller,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let url = std::str::from_utf8(&form)
        .ok()
        .and_then(ReplayUrl::parse)
        .ok_or_else(|| ApiError::NotPossible("it selects no callbacks".to_owned()))?;
    if url.id.is_none() && url.up_to.is_none() {
        return Err(ApiError::NotPossible(
            "the field up_to is missing; open the preview first".to_owned(),
        ));
    }
    run_replay(&services, &caller, &url, ReplayMode::Apply).await?;
    Ok(redirect_to(url.origin()))
}

async fn run_replay(
    services: &Services,
    caller: &Caller,
    url: &ReplayUrl,
    mode: ReplayMode,
) -> Result<ReplayReport, ApiError> {
    let (selection, context) = (url.selection(), action_context(services, caller));
    let done = replay::replay(services, &selection, mode, &context, &mut |_| {}).await;
    Ok(done?)
}

#[derive(Template, Clone, Debug)]
#[template(path = "replay.html")]
pub struct ReplayPage {
    pub(super) frame: Frame,
    title: &'static str,
    heading: String,
    origin: String,
    /// Why authentication failed, if a single callback is released.
    rejection: Option<String>,
    /// The selection contains callbacks that failed authentication.
    releases: bool,
    count: String,
    excluded: Vec<String>,
    summary: String,
    callbacks: Vec<CallbackChangeRow>,
    messages: Vec<MessageChangeRow>,
    more: Option<String>,
    fields: Vec<(&'static str, String)>,
    can_replay: bool,
}

#[derive(Clone, Debug)]
struct CallbackChangeRow {
    href: String,
    id: String,
    before: &'static str,
    after: &'static str,
}

#[derive(Clone, Debug)]
struct MessageChangeRow {
    href: Option<String>,
    id: String,
    before: Option<StatePill>,
    after: Option<StatePill>,
}

impl ReplayPage {
    /// `known` is the outcome of the selected callback, if a single one is selected.
    pub fn new(url: &ReplayUrl, known: Option<&CallbackOutcome>, replayed: &ReplayReport) -> Self {
        let outcome = known.map(|known| known.outcome).or(url.outcome);
        let releases = outcome == Some(Outcome::Unverified);
        let title = if releases { "Release" } else { "Replay" };
        let hidden = replayed.callbacks.len().saturating_sub(CHANGES_SHOWN)
            + replayed.messages.len().saturating_sub(CHANGES_SHOWN);
        Self {
            frame: Frame::in_section(NavigationSection::Callbacks, title, Refresh::Never),
            title,
            heading: if releases {
                format!("Release {}?", url.selection_text())
            } else {
                format!("Replay {}?", url.selection_text())
            },
            origin: url.origin(),
            rejection: known
                .filter(|_| releases)
                .and_then(|known| known.detail.as_deref())
                .map(|detail| sentence(&visible_line(detail))),
            releases,
            count: counted(replayed.replayed, "callback", "callbacks"),
            excluded: excluded(replayed),
            summary: summary(replayed),
            callbacks: callback_changes(replayed),
            messages: message_changes(replayed),
            more: (hidden > 0).then(|| format!("and {hidden} more changes")),
            fields: url.pairs(),
            can_replay: replayed.replayed > 0,
        }
    }
}

/// Callbacks of the selection that are not replayed.
fn excluded(replayed: &ReplayReport) -> Vec<String> {
    let gone = (replayed.purged > 0).then(|| {
        format!(
            "{} no longer kept: retention has ended.",
            counted(replayed.purged, "callback is", "callbacks are")
        )
    });
    let withheld = (replayed.skipped_unverified > 0).then(|| {
        format!(
            "{} unverified and not replayed. Filter by the outcome unverified to release them.",
            counted(replayed.skipped_unverified, "callback is", "callbacks are")
        )
    });
    gone.into_iter().chain(withheld).collect()
}

fn summary(replayed: &ReplayReport) -> String {
    let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    match (replayed.callbacks.len(), replayed.messages.len()) {
        (0, 0) => "No outcome and no state would change.".to_owned(),
        (callbacks, messages) => format!(
            "{} would have another outcome, {} another state.",
            counted(length(callbacks), "callback", "callbacks"),
            counted(length(messages), "message", "messages"),
        ),
    }
}

fn callback_changes(replayed: &ReplayReport) -> Vec<CallbackChangeRow> {
    let shown = replayed.callbacks.iter().take(CHANGES_SHOWN);
    shown
        .map(|change| CallbackChangeRow {
            href: format!("/callbacks/{}", change.callback),
            id: change.callback.to_string(),
            before: change.before.as_str(),
            after: change.after.as_str(),
        })
        .collect()
}

fn message_changes(replayed: &ReplayReport) -> Vec<MessageChangeRow> {
    let pill = |state: Option<DeliveryState>| state.map(StatePill::new);
    let href = |id: MessageId, exists: bool| exists.then(|| format!("/messages/{id}"));
    let shown = replayed.messages.iter().take(CHANGES_SHOWN);
    shown
        .map(|change| MessageChangeRow {
            href: href(change.message, change.before.is_some()),
            id: short_id(change.message),
            before: pill(change.before),
            after: pill(change.after),
        })
        .collect()
}

impl FramedPage for ReplayPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
