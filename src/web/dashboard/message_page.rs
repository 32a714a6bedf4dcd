//! `/messages/{id}`: what happened to one message, and why does it have its state?

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};

use crate::domain::cost::Cost;
use crate::domain::delivery::{Delivery, fold};
use crate::domain::explanation::Explanation;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::message::Message;
use crate::domain::message_warning::MessageWarning;
use crate::domain::receipt::find_reply_word;
use crate::domain::scope::{Caller, Visibility};
use crate::operating::explain::explain_message;
use crate::operating::message_actions::resend_forecast::forecast;
use crate::reporting::callback_views::{self, ListedCallback};
use crate::reporting::message_history::MessageHistory;
use crate::sending::accept::InvalidField;
use crate::services::Services;
use crate::store::messages::FoundMessage;
use crate::store::orphan_list::SuggestedMessage;
use crate::web::api::find_message::parse_id;
use crate::web::dashboard::callback_row::CallbackRow;
use crate::web::dashboard::explanation_section::ExplanationSection;
use crate::web::dashboard::marked_sentence::SentencePart;
use crate::web::dashboard::masked_text::MediaText;
use crate::web::dashboard::match_form::{MatchForm, MatchFormError, MatchFormPage};
use crate::web::dashboard::message_details::{
    AttemptRow, IdRow, attempt_row, attempts_label, details, id_row,
};
use crate::web::dashboard::message_summary::{
    AvailableActions, flags, recipient_text, short_id, subject,
};
use crate::web::dashboard::message_timeline::timeline;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, respond};
use crate::web::dashboard::resend_form::MessageResendForm;
use crate::web::dashboard::stage_stepper::{StageStep, steps};
use crate::web::dashboard::state_pill::StateIcon;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::timed_text::TimedText;
use crate::web::dashboard::timeline_entry::TimelineEntry;
use crate::web::dashboard::upload_form::UploadForm;
use crate::web::dashboard::visible_text::sentence;
use crate::web::error::ApiError;

/// Callbacks on a message's page; its timeline links every one.
const CALLBACKS_SHOWN: usize = 50;

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = parse_id(&id)?;
    let message = match services.store.find_message(id).await? {
        Some(FoundMessage::Message(message)) => message,
        Some(FoundMessage::Merged(survivor)) => {
            return Ok(HttpResponse::PermanentRedirect()
                .insert_header((LOCATION, format!("/messages/{survivor}")))
                .finish());
        }
        None => return Err(ApiError::NotFound),
    };
    let shown = load(&services, &caller, &message).await?;
    let shown = match reports_now_at(request.query_string()) {
        Some(ids) => shown.with_reports_now_at(&ids),
        None => shown,
    };
    respond(&services, shown).await
}

/// The messages that have the reports after a match was undone.
fn reports_now_at(query: &str) -> Option<Vec<MessageId>> {
    let (_, ids) =
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "reports_now_at")?;
    Some(ids.split(',').filter_map(|id| id.parse().ok()).collect())
}

pub(super) async fn load(
    services: &Services,
    caller: &Caller,
    message: &Message,
) -> Result<MessagePage, ApiError> {
    let history = MessageHistory::load(&services.store, message.id).await?;
    let delivery = fold(message.queue, message.queued_at(), &history.receipts);
    let explanation = explain_message(services, message, caller.visibility()).await?;
    let callbacks =
        callback_views::list_sources(services, message.id, &history.receipts, CALLBACKS_SHOWN)
            .await?;
    let cost = services.costs.pricer().await.price_message(message).await?;
    let warnings = services.store.list_acceptance_warnings(message.id).await?;
    let mut shown = MessagePage::new(
        &MessagePageInput {
            message,
            delivery: &delivery,
            explanation: &explanation,
            ids: &services.store.list_provider_ids(message.id).await?,
            history: &history,
            callbacks: &callbacks,
            cost: &cost,
            warnings: &warnings,
        },
        caller.visibility(),
        services.clock.now(),
    );
    if shown.resend.is_some() {
        let forecast = forecast(services, message).await?;
        shown.resend = Some(MessageResendForm::new(message, &forecast, caller));
    }
    if message.origin.is_ours() || caller.visibility() != Visibility::Full {
        return Ok(shown);
    }
    let mut suggestions = services
        .store
        .list_suggestions(std::slice::from_ref(message))
        .await?;
    Ok(shown.with_match_form(&suggestions.remove(&message.id).unwrap_or_default()))
}

#[derive(Clone, Debug)]
pub struct MessagePageInput<'a> {
    pub message: &'a Message,
    /// The fold of the receipts.
    pub delivery: &'a Delivery,
    /// Already masked for the viewer.
    pub explanation: &'a Explanation,
    /// Oldest first.
    pub ids: &'a [ProviderMessageId],
    pub history: &'a MessageHistory,
    /// Callbacks with receipts of this message.
    pub callbacks: &'a [ListedCallback],
    pub cost: &'a Cost,
    /// Given when the message was accepted.
    pub warnings: &'a [MessageWarning],
}

#[derive(Template, Clone, Debug)]
#[template(path = "message.html")]
pub struct MessagePage {
    pub(super) frame: Frame,
    id: MessageId,
    state: &'static str,
    icon: StateIcon,
    heading: &'static str,
    /// Kind and reference, or kind and recipient.
    subject: String,
    flags: Vec<&'static str>,
    explanation: ExplanationSection,
    recipient: String,
    name: Option<String>,
    account: String,
    provider: &'static str,
    steps: Vec<StageStep>,
    entries: Vec<TimelineEntry>,
    attempts: Vec<AttemptRow>,
    attempts_label: String,
    callbacks: Vec<CallbackRow>,
    details: Vec<(&'static str, String)>,
    media: Option<MediaText>,
    created: TimeElement,
    updated: TimeElement,
    ids: Vec<IdRow>,
    actions: AvailableActions,
    /// Present where a resend is possible.
    resend: Option<MessageResendForm>,
    /// Given when the message was accepted.
    warnings: Vec<TimedText>,
    /// A match can be undone.
    unmatch: bool,
    /// The form that matches an orphan with a message.
    match_form: Option<MatchForm>,
    /// After a match was undone: short id and id of the messages that have the reports now.
    reports_now_at: Option<Vec<(String, String)>>,
}

impl MessagePage {
    pub fn new(input: &MessagePageInput<'_>, viewer: Visibility, now: DateTime<Utc>) -> Self {
        let message = input.message;
        let actions = match viewer {
            Visibility::Full => AvailableActions::new(message),
            Visibility::Masked => AvailableActions {
                cancel: false,
                resend: false,
                mark_failed: false,
            },
        };
        let recipient = recipient_text(message, viewer);
        let subject = subject(message, viewer);
        Self {
            frame: Frame::in_section(NavigationSection::Messages, title(&subject), Refresh::Live),
            id: message.id,
            state: message.state.as_str(),
            icon: StateIcon::of(message.state),
            heading: message.state.label(),
            subject,
            flags: flags(message, now),
            explanation: ExplanationSection::new(input.explanation),
            recipient,
            name: message.name.as_deref().map(|name| viewer.personal(name)),
            account: message.account.to_string(),
            provider: message.provider.title(),
            steps: steps(message, input.delivery),
            entries: timeline(message, input.history, viewer),
            attempts: input
                .history
                .attempts
                .iter()
                .map(|attempt| attempt_row(attempt, viewer))
                .collect(),
            attempts_label: attempts_label(&input.history.attempts),
            callbacks: input
                .callbacks
                .iter()
                .map(|callback| CallbackRow::new(callback, viewer))
                .collect(),
            details: details(
                message,
                &input.delivery.pricing,
                input.cost,
                find_reply_word(&input.history.receipts),
                viewer,
            ),
            media: message.media.as_ref().map(|media| viewer.media(media)),
            created: TimeElement::new(message.created_at),
            updated: TimeElement::new(message.updated_at),
            ids: input
                .ids
                .iter()
                .map(|id| id_row(id, message.provider, viewer))
                .collect(),
            resend: actions.resend.then(MessageResendForm::default),
            actions,
            warnings: input
                .warnings
                .iter()
                .map(|warning| TimedText::from_rfc3339(&sentence(&viewer.quoted(&warning.message))))
                .collect(),
            unmatch: viewer == Visibility::Full && message.matched_by.is_some(),
            match_form: None,
            reports_now_at: None,
        }
    }

    fn warns_of_resend(&self) -> bool {
        self.resend.as_ref().is_some_and(|form| form.is_warned)
    }

    /// Adds the form that matches this orphan with a message.
    pub(super) fn with_match_form(mut self, suggestions: &[SuggestedMessage]) -> Self {
        self.match_form = Some(MatchForm::new(self.id, suggestions, MatchFormPage::Report));
        self
    }

    /// Shows why the last attempt to match failed. The page does not refresh then.
    pub(super) fn with_match_error(mut self, error: &MatchFormError) -> Self {
        let title = self.frame.title.clone();
        self.frame = Frame::in_section(NavigationSection::Messages, title, Refresh::Never);
        if let Some(form) = &mut self.match_form {
            form.show_error(error);
        }
        self
    }

    /// Shows why nothing was resent. The page does not refresh then.
    pub(super) fn with_resend_errors(
        mut self,
        given: &UploadForm,
        errors: Vec<InvalidField>,
    ) -> Self {
        let title = self.frame.title.clone();
        self.frame = Frame::in_section(NavigationSection::Messages, title, Refresh::Never);
        if let Some(form) = &mut self.resend {
            form.show_errors(given, errors);
        }
        self
    }

    /// Shows where the reports are after a match was undone.
    pub(super) fn with_reports_now_at(mut self, ids: &[MessageId]) -> Self {
        self.reports_now_at = Some(
            ids.iter()
                .map(|id| (short_id(*id), id.to_string()))
                .collect(),
        );
        self
    }
}

/// With a capital letter.
fn title(subject: &str) -> String {
    let mut title = subject.to_owned();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

impl FramedPage for MessagePage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
