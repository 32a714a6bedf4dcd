//! `/messages/{id}`: what happened to one message, and why does the page say so?

use askama::Template;
use chrono::{DateTime, Utc};

use crate::domain::access::{Action, Visibility};
use crate::domain::delivery::{Delivery, DeliveryState, QueueWord, Receipt};
use crate::domain::explain::Explanation;
use crate::domain::ids::{MessageId, ProviderMessageId};
use crate::domain::message::{Message, Origin};
use crate::domain::provider::ProviderId;
use crate::reporting::callback_views::ListedCallback;
use crate::store::attempts::Attempt;
use crate::web::dashboard::callbacks::{CallbackRow, short};
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::masking::MediaWords;
use crate::web::dashboard::matching::{FormPage, MatchTrouble, Matching};
use crate::web::dashboard::messages::flags;
use crate::web::dashboard::moment::Moment;
use crate::web::dashboard::pill::Mark;
use crate::web::dashboard::stepper::{Step, steps};
use crate::web::dashboard::text::{visible_block, visible_line};
use crate::web::dashboard::timeline::{TimelineEntry, attempts_words, timeline};
use crate::web::dashboard::why::{Piece, Why};

/// Everything that is known of one message.
#[derive(Clone, Debug)]
pub struct MessageFile<'a> {
    /// The stored message.
    pub message: &'a Message,
    /// The fold of its receipts, which says how surely each stage was reached.
    pub delivery: &'a Delivery,
    /// Why its state is what it is, in the words that the viewer may see.
    pub explanation: &'a Explanation,
    /// Every provider id, oldest first.
    pub ids: &'a [ProviderMessageId],
    /// Every fact.
    pub receipts: &'a [Receipt],
    /// Every attempt with the send API.
    pub attempts: &'a [Attempt],
    /// Every decision of an operator.
    pub actions: &'a [Action],
    /// Every callback that spoke of it.
    pub callbacks: &'a [ListedCallback],
}

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "message.html")]
pub struct MessagePage {
    pub(super) frame: Frame,
    id: MessageId,
    state: &'static str,
    mark: Mark,
    heading: String,
    flags: Vec<&'static str>,
    why: Why,
    recipient: String,
    name: Option<String>,
    account: String,
    provider: &'static str,
    steps: Vec<Step>,
    entries: Vec<TimelineEntry>,
    attempts: Vec<AttemptRow>,
    attempts_words: String,
    callbacks: Vec<CallbackRow>,
    facts: Vec<(&'static str, String)>,
    media: Option<MediaWords>,
    created: Moment,
    changed: Moment,
    ids: Vec<IdRow>,
    actions: Actions,
    /// Whether a match can be undone.
    unmatch: bool,
    /// Of a message known only from reports: how it is given to the one that was sent.
    matching: Option<Matching>,
    /// After the undoing of a match: short name and id of what the reports are told of now.
    reports_now_at: Option<Vec<(String, String)>>,
}

#[derive(Clone, Debug)]
struct AttemptRow {
    number: i32,
    at: Moment,
    outcome: String,
    status: String,
    duration: String,
    detail: Option<String>,
    request: Option<String>,
    reply: Option<String>,
}

#[derive(Clone, Debug)]
struct IdRow {
    text: String,
    kind: &'static str,
}

/// What an operator may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Actions {
    pub(super) cancel: bool,
    pub(super) resend: bool,
    pub(super) mark_failed: bool,
}

impl Actions {
    pub(super) fn of(message: &Message) -> Self {
        let ours = matches!(message.origin, Origin::Api);
        let state = message.state;
        Self {
            cancel: ours && message.queue == QueueWord::Queued && state == DeliveryState::Queued,
            resend: ours
                && message.resent_as.is_none()
                && matches!(state, DeliveryState::Failed | DeliveryState::Uncertain),
            mark_failed: ours
                && matches!(
                    state,
                    DeliveryState::Uncertain | DeliveryState::Submitted | DeliveryState::Sent
                ),
        }
    }

    fn any(self) -> bool {
        self.cancel || self.resend || self.mark_failed
    }
}

impl MessagePage {
    /// The page of a message as `viewer` may see it.
    pub fn new(file: &MessageFile<'_>, viewer: Visibility, now: DateTime<Utc>) -> Self {
        let message = file.message;
        let actions = match viewer {
            Visibility::Full => Actions::of(message),
            Visibility::Masked => Actions {
                cancel: false,
                resend: false,
                mark_failed: false,
            },
        };
        let recipient = message
            .recipient
            .as_deref()
            .map_or_else(|| "unknown recipient".to_owned(), |text| viewer.phone(text));
        Self {
            frame: Frame::inside(
                Section::Messages,
                format!("Message to {recipient}"),
                Refresh::Live,
            ),
            id: message.id,
            state: message.state.as_str(),
            mark: Mark::of(message.state),
            heading: capitalised(file.explanation.heading.trim_end_matches(['✓', ' '])),
            flags: flags(message, now),
            why: Why::new(file.explanation),
            recipient,
            name: message.name.as_deref().map(|name| viewer.personal(name)),
            account: message.account.to_string(),
            provider: message.provider.title(),
            steps: steps(message, file.delivery),
            entries: timeline(message, file.receipts, file.attempts, file.actions, viewer),
            attempts: file
                .attempts
                .iter()
                .map(|attempt| attempt_row(attempt, viewer))
                .collect(),
            attempts_words: attempts_words(file.attempts),
            callbacks: file.callbacks.iter().map(CallbackRow::new).collect(),
            facts: facts(message, viewer),
            media: message.media.as_ref().map(|media| viewer.media(media)),
            created: Moment::new(message.created_at),
            changed: Moment::new(message.updated_at),
            ids: file
                .ids
                .iter()
                .map(|id| id_row(id, message.provider, viewer))
                .collect(),
            actions,
            unmatch: viewer == Visibility::Full && message.matched_by.is_some(),
            matching: None,
            reports_now_at: None,
        }
    }

    /// The same page with the form that gives its reports to another message.
    pub(super) fn with_matching(mut self, suggestions: &[MessageId]) -> Self {
        self.matching = Some(Matching::new(self.id, suggestions, FormPage::Report));
        self
    }

    /// The same page after a try to match that named no message. It shows that try, so it is not fetched again.
    pub(super) fn with_trouble(mut self, trouble: &MatchTrouble) -> Self {
        let title = self.frame.title.clone();
        self.frame = Frame::inside(Section::Messages, title, Refresh::Still);
        if let Some(matching) = &mut self.matching {
            matching.note(trouble);
        }
        self
    }

    /// The same page after its match was undone.
    pub(super) fn with_reports_now_at(mut self, ids: &[MessageId]) -> Self {
        self.reports_now_at = Some(ids.iter().map(|id| (short(*id), id.to_string())).collect());
        self
    }
}

/// Headings begin with a capital; WhatsApp keeps its own spelling.
fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect()
}

fn attempt_row(attempt: &Attempt, viewer: Visibility) -> AttemptRow {
    let shown = |text: &str| match viewer {
        Visibility::Full => Some(visible_block(text)),
        Visibility::Masked => None,
    };
    AttemptRow {
        number: attempt.number,
        at: Moment::new(attempt.started_at),
        outcome: attempt.outcome.as_str().to_owned(),
        status: attempt
            .http_status
            .map_or_else(|| "–".to_owned(), |status| status.to_string()),
        duration: attempt
            .duration_ms
            .map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms")),
        detail: attempt.detail.as_deref().map(|text| viewer.quoted(text)),
        request: shown(&attempt.request),
        reply: attempt.reply.as_deref().and_then(shown),
    }
}

fn facts(message: &Message, viewer: Visibility) -> Vec<(&'static str, String)> {
    let pricing = &message.pricing;
    let references = &message.references;
    let line = |text: &Option<String>| text.as_deref().map(visible_line);
    let media = message.media.as_ref();
    [
        (
            "From",
            message.sender.as_deref().map(|text| viewer.phone(text)),
        ),
        ("Kind", message.kind.map(|kind| kind.as_str().to_owned())),
        ("Type", media.and_then(|media| line(&media.mime_type))),
        (
            "Caption",
            media
                .and_then(|media| media.caption.as_deref())
                .map(|text| viewer.personal(text)),
        ),
        ("ref", line(&references.reference)),
        ("ref1", line(&references.reference1)),
        ("ref2", line(&references.reference2)),
        ("Client reference", line(&message.client_reference)),
        ("wa_source", line(&message.options.wa_source)),
        ("source", line(&message.options.source)),
        (
            "linkWithRecord",
            message
                .options
                .link_with_record
                .map(|link| link.to_string()),
        ),
        (
            "Billable",
            pricing
                .billable
                .map(|charged| if charged { "yes" } else { "no" }.to_owned()),
        ),
        ("Pricing", line(&pricing.category)),
        ("Price", line(&pricing.price)),
    ]
    .into_iter()
    .filter_map(|(label, value)| Some((label, value?)))
    .collect()
}

fn id_row(id: &ProviderMessageId, provider: ProviderId, viewer: Visibility) -> IdRow {
    IdRow {
        text: viewer.provider_id(id),
        kind: if id.is_wamid() {
            "WhatsApp"
        } else {
            provider.title()
        },
    }
}
