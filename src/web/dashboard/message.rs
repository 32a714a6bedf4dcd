//! `/messages/{id}`: what happened to one message, and why does the page say so?

use askama::Template;
use chrono::{DateTime, Utc};

use crate::domain::delivery::{Delivery, DeliveryState, QueueWord, Receipt, Stage};
use crate::domain::dictionary::explain;
use crate::domain::ids::MessageId;
use crate::domain::media::MediaKind;
use crate::domain::message::{LearnedId, MatchedBy, Message, Origin};
use crate::domain::provider::ProviderId;
use crate::web::dashboard::callbacks::{CallbackListing, CallbackRow};
use crate::web::dashboard::figure::span;
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::masking::{MediaWords, Visibility};
use crate::web::dashboard::messages::flags;
use crate::web::dashboard::moment::Moment;
use crate::web::dashboard::pill::{Mark, StatePill, plain_words};
use crate::web::dashboard::text::{visible_block, visible_line};
use crate::web::dashboard::timeline::{
    Decision, Exchange, TimelineEntry, attempts_words, timeline,
};

/// Everything that is known of one message.
#[derive(Clone, Debug)]
pub struct MessageFile<'a> {
    /// The stored message.
    pub message: &'a Message,
    /// The fold of its receipts, which says how surely each stage was reached.
    pub delivery: &'a Delivery,
    /// Every provider id, oldest first.
    pub ids: &'a [LearnedId],
    /// Every fact.
    pub receipts: &'a [Receipt],
    /// Every exchange with the send API.
    pub exchanges: &'a [Exchange],
    /// Every decision of an operator.
    pub decisions: &'a [Decision],
    /// Every callback that spoke of it.
    pub callbacks: &'a [CallbackListing],
}

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "message.html")]
pub struct MessagePage {
    frame: Frame,
    id: MessageId,
    state: &'static str,
    mark: Mark,
    heading: &'static str,
    pill: StatePill,
    flags: Vec<&'static str>,
    why: Vec<String>,
    recipient: String,
    name: Option<String>,
    account: String,
    provider: &'static str,
    steps: Vec<Step>,
    failure: Option<FailureBox>,
    entries: Vec<TimelineEntry>,
    attempts: Vec<AttemptRow>,
    attempts_words: String,
    callbacks: Vec<CallbackRow>,
    facts: Vec<(&'static str, String)>,
    media: Option<MediaWords>,
    created: Moment,
    changed: Moment,
    ids: Vec<IdRow>,
    resend_of: Option<MessageId>,
    resent_as: Option<MessageId>,
    actions: Actions,
}

/// One stage of the stepper.
#[derive(Clone, Debug)]
struct Step {
    label: &'static str,
    class: &'static str,
    mark: Mark,
    at: Option<Moment>,
    gap: Option<String>,
    notes: Vec<String>,
}

#[derive(Clone, Debug)]
struct FailureBox {
    heading: &'static str,
    code: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    class: &'static str,
    meaning: &'static str,
    action: &'static str,
    at: Moment,
    inferred: bool,
    provider: &'static str,
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
    learned: Moment,
}

/// What an operator may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Actions {
    cancel: bool,
    resend: bool,
    mark_failed: bool,
}

impl Actions {
    fn of(message: &Message) -> Self {
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
        let accepted_at = match message.origin {
            Origin::Api | Origin::DryRun => Some(message.created_at),
            Origin::Observed | Origin::Provisional => None,
        };
        Self {
            frame: Frame::inside(
                Section::Messages,
                format!("Message to {recipient}"),
                Refresh::Live,
            ),
            id: message.id,
            state: message.state.as_str(),
            mark: Mark::of(message.state),
            heading: plain_words(message.state),
            pill: StatePill::new(message.state),
            flags: flags(message, now),
            why: why(message, now, viewer),
            recipient,
            name: message.name.as_deref().map(|name| viewer.personal(name)),
            account: message.account.to_string(),
            provider: message.provider.title(),
            steps: steps(message, file.delivery),
            failure: failure_box(message, file.delivery, viewer),
            entries: timeline(
                accepted_at,
                file.receipts,
                file.exchanges,
                file.decisions,
                viewer,
            ),
            attempts: file
                .exchanges
                .iter()
                .map(|exchange| attempt_row(exchange, viewer))
                .collect(),
            attempts_words: attempts_words(file.exchanges),
            callbacks: file.callbacks.iter().map(CallbackRow::new).collect(),
            facts: facts(message, viewer),
            media: message.media.as_ref().map(|media| viewer.media(media)),
            created: Moment::new(message.created_at),
            changed: Moment::new(message.updated_at),
            ids: file
                .ids
                .iter()
                .map(|learned| id_row(learned, message.provider, viewer))
                .collect(),
            resend_of: message.resend_of,
            resent_as: message.resent_as,
            actions,
        }
    }
}

/// Why it stands where it stands, in sentences.
fn why(message: &Message, now: DateTime<Utc>, viewer: Visibility) -> Vec<String> {
    let provider = message.provider.title();
    let first = match message.state {
        DeliveryState::Queued => {
            "A worker will hand it over as soon as the account may send.".to_owned()
        }
        DeliveryState::Sending => format!("The call to {provider} is under way."),
        DeliveryState::Uncertain => format!(
            "The request left us and no clear answer of {provider} came back. It may have been sent, so it is never repeated by itself; a report may still settle it."
        ),
        DeliveryState::Submitted => {
            format!("{provider} accepted it and has not reported on it since.")
        }
        DeliveryState::Sent => "WhatsApp took it; the phone has not confirmed it yet.".to_owned(),
        DeliveryState::Delivered => {
            "A report says that it is on the phone; none says that it was opened.".to_owned()
        }
        DeliveryState::Read => "A report says that it was opened.".to_owned(),
        DeliveryState::Played => "A report says that it was played.".to_owned(),
        DeliveryState::Failed => {
            "A failure was reported, and nothing says that it reached the phone.".to_owned()
        }
        DeliveryState::Cancelled => {
            format!("It was withdrawn before {provider} got it. Nothing was sent.")
        }
    };
    let hold = message
        .hold
        .as_deref()
        .map(|reason| format!("It waits: {}", viewer.quoted(reason)));
    let conflict = message.conflict.then(|| {
        "A failure was reported too. What is on a phone cannot be undelivered, so the higher stage counts.".to_owned()
    });
    let overdue = message.is_overdue(now).then(|| {
        "Nothing was heard within the account's deadline, so it counts as overdue.".to_owned()
    });
    let matched = message.matched_by.map(|by| match by {
        MatchedBy::Recipient => format!(
            "{provider} named no id, so its report was matched by account, recipient and kind."
        ),
        MatchedBy::Operator => "A person matched the report to this message.".to_owned(),
    });
    std::iter::once(first)
        .chain([hold, conflict, overdue, matched].into_iter().flatten())
        .collect()
}

fn steps(message: &Message, delivery: &Delivery) -> Vec<Step> {
    let mut previous = None;
    let shown = Stage::ALL.into_iter().filter(|stage| {
        *stage != Stage::Played
            || message.kind != Some(MediaKind::Image)
            || delivery.stage(Stage::Played).is_some()
    });
    shown
        .map(|stage| {
            let reached = delivery.stage(stage);
            let gap = reached.and_then(|reached| {
                let gap = previous.map(|before| reached.at - before);
                previous = Some(reached.at);
                gap.filter(|_| !reached.implied)
                    .map(|gap| format!("+{}", span(gap)).replace("+−", "−"))
            });
            let notes = reached.map(|reached| {
                [
                    reached
                        .implied
                        .then(|| "implied by a later stage".to_owned()),
                    (reached.inferred && !reached.implied).then(|| "by our clock".to_owned()),
                    (reached.count > 1).then(|| format!("reported ×{}", reached.count)),
                ]
                .into_iter()
                .flatten()
                .collect()
            });
            Step {
                label: stage.as_str(),
                class: match reached {
                    None => "open",
                    Some(reached) if reached.implied => "implied",
                    Some(_) => "reached",
                },
                mark: stage
                    .as_str()
                    .parse()
                    .map_or(Mark::of(DeliveryState::Queued), Mark::of),
                at: reached.map(|reached| Moment::new(reached.at)),
                gap,
                notes: notes.unwrap_or_default(),
            }
        })
        .collect()
}

fn failure_box(message: &Message, delivery: &Delivery, viewer: Visibility) -> Option<FailureBox> {
    let listed = message.failure.as_ref()?;
    let explanation = explain(message.provider, &listed.failure);
    let quoted = |text: &Option<String>| text.as_deref().map(|text| viewer.quoted(text));
    Some(FailureBox {
        heading: if message.conflict {
            "Also reported as failed"
        } else {
            "Why it failed"
        },
        code: listed.failure.code.as_deref().map(visible_line),
        title: quoted(&listed.failure.title),
        detail: quoted(&listed.failure.detail),
        class: listed.class.as_str(),
        meaning: explanation.meaning,
        action: explanation.action,
        at: Moment::new(listed.at),
        inferred: delivery
            .failure
            .as_ref()
            .is_some_and(|failed| failed.inferred),
        provider: message.provider.title(),
    })
}

fn attempt_row(exchange: &Exchange, viewer: Visibility) -> AttemptRow {
    let shown = |text: &str| match viewer {
        Visibility::Full => Some(visible_block(text)),
        Visibility::Masked => None,
    };
    AttemptRow {
        number: exchange.number,
        at: Moment::new(exchange.started_at),
        outcome: visible_line(&exchange.outcome),
        status: exchange
            .http_status
            .map_or_else(|| "–".to_owned(), |status| status.to_string()),
        duration: exchange
            .duration_ms
            .map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms")),
        detail: exchange.detail.as_deref().map(|text| viewer.quoted(text)),
        request: shown(&exchange.request),
        reply: exchange.reply.as_deref().and_then(shown),
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

fn id_row(learned: &LearnedId, provider: ProviderId, viewer: Visibility) -> IdRow {
    IdRow {
        text: viewer.provider_id(&learned.id),
        kind: if learned.id.is_wamid() {
            "WhatsApp"
        } else {
            provider.title()
        },
        learned: Moment::new(learned.learned_at),
    }
}
