//! The pages as rendered from plain values, without store or server. Tests check the visible text.
//!
//! `DASHBOARD_SAMPLES=folder` also writes every page to that folder.

mod accounts;
mod callbacks;
mod messages;
mod overview;
mod problems;
mod sign_in;

use askama::Template;
use bluetick::domain::callback_outcome::Outcome;
use bluetick::domain::callback_record::{Authenticity, CallbackSummary, Route};
use bluetick::domain::delivery_state::{DeliveryState, QueueState, Stage};
use bluetick::domain::failure::{Failure, FailureClass};
use bluetick::domain::ids::{AccountId, CallbackId, MessageId, ProviderMessageId};
use bluetick::domain::media::{Media, MediaKind, MediaSource};
use bluetick::domain::message::{Message, MessageFailure, Origin, References, SendOptions};
use bluetick::domain::provider::ProviderId;
use bluetick::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use bluetick::reporting::callback_views::ListedCallback;
use bluetick::store::callback_reports::CallbackReport;
use chrono::{DateTime, Utc};
use scraper::{Html, Selector};

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn now() -> DateTime<Utc> {
    at("2026-11-20T14:10:00Z")
}

pub(crate) fn account(text: &str) -> AccountId {
    text.parse().unwrap()
}

/// Renders a page; also writes it to the folder `DASHBOARD_SAMPLES`.
pub(crate) fn render(name: &str, page: &impl Template) -> Page {
    let html = page.render().unwrap();
    if let Ok(folder) = std::env::var("DASHBOARD_SAMPLES") {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(format!("{folder}/{name}.html"), &html).unwrap();
    }
    assert!(
        !html.contains(" style="),
        "{name}: the policy forbids inline styles"
    );
    assert!(
        !html.contains("<script>"),
        "{name}: the policy forbids inline scripts"
    );
    Page(Html::parse_document(&html))
}

pub(crate) struct Page(Html);

impl Page {
    pub(crate) fn find(&self, selector: &str) -> Vec<scraper::ElementRef<'_>> {
        self.0.select(&Selector::parse(selector).unwrap()).collect()
    }

    /// The text inside the first match, white space collapsed as in a browser.
    pub(crate) fn text(&self, selector: &str) -> String {
        let found = self.find(selector);
        let element = found
            .first()
            .unwrap_or_else(|| panic!("nothing matches {selector}"));
        element
            .text()
            .flat_map(str::split_whitespace)
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(crate) fn main(&self) -> String {
        self.text("main")
    }

    pub(crate) fn links(&self) -> Vec<String> {
        self.find("main a")
            .iter()
            .filter_map(|link| link.attr("href").map(str::to_owned))
            .collect()
    }

    pub(crate) fn buttons(&self) -> Vec<String> {
        self.find("main form")
            .iter()
            .filter_map(|form| form.attr("action").map(str::to_owned))
            .collect()
    }
}

pub(crate) fn message(id: u128, state: DeliveryState) -> Message {
    Message {
        id: MessageId::derived(now(), id.to_be_bytes()[6..].try_into().unwrap()),
        account: account("kaleyra-in"),
        provider: ProviderId::Kaleyra,
        origin: Origin::Api,
        sender: Some("+918600000001".to_owned()),
        recipient: Some("919900001234".to_owned()),
        name: Some("Mira Nair".to_owned()),
        kind: Some(MediaKind::Image),
        media: Some(Media {
            kind: MediaKind::Image,
            source: MediaSource::Url(
                "https://cdn.example.com/menus/diwali.jpg?key=s3cret".to_owned(),
            ),
            mime_type: Some("image/jpeg".to_owned()),
            caption: Some("Our festival menu".to_owned()),
        }),
        references: References {
            reference: Some("table-7".to_owned()),
            ..References::default()
        },
        client_reference: Some("order-42".to_owned()),
        options: SendOptions::default(),
        queue: QueueState::Done,
        hold: None,
        state,
        conflict: false,
        due_at: None,
        stages: [None; 6],
        failure: None,
        erased_country: None,
        deliveries: 1,
        pricing: Pricing {
            billable: Some(true),
            category: Some("utility".to_owned()),
            ..Pricing::default()
        },
        provider_id: Some(ProviderMessageId::parse("wamid.HBgMOTE5OTAwMDAxMjM0FQIAERgS").unwrap()),
        matched_by: None,
        resend_of: None,
        resent_as: None,
        campaign: None,
        created_at: at("2026-11-20T14:03:09.120Z"),
        counted_at: at("2026-11-20T14:03:09.120Z"),
        updated_at: at("2026-11-20T14:03:15Z"),
        template: None,
    }
}

pub(crate) fn failed(mut message: Message) -> Message {
    message.state = DeliveryState::Failed;
    message.failure = Some(MessageFailure {
        failure: Failure {
            code: Some("131053".to_owned()),
            title: Some("Media upload error".to_owned()),
            detail: Some("Image is not valid. <b>mime</b>\u{0}\u{202e}".to_owned()),
            key: None,
        },
        class: FailureClass::Media,
        at: at("2026-11-20T14:03:12Z"),
    });
    message
}

pub(crate) fn receipt(
    part: i32,
    event: ReceiptEvent,
    occurred: Option<&str>,
    received: &str,
) -> Receipt {
    Receipt {
        source_kind: SourceKind::Callback,
        source: uuid::Uuid::from_u128(7),
        part,
        event,
        occurred_at: occurred.map(at),
        zone_assumed: false,
        received_at: at(received),
        recipient: Some("919900001234".to_owned()),
        pricing: Pricing::default(),
    }
}

pub(crate) fn listed(outcome: Outcome, messages: Vec<MessageId>) -> ListedCallback {
    ListedCallback {
        summary: CallbackSummary {
            seq: 7,
            id: CallbackId::from(uuid::Uuid::from_u128(7)),
            account: account("kaleyra-in"),
            route: Route::Callback,
            method: "POST".to_owned(),
            received_at: at("2026-11-20T14:03:12.400Z"),
            size: 1_460,
            authenticity: Authenticity::Verified,
        },
        outcome: Some(outcome),
        detail: None,
        reports: messages
            .iter()
            .map(|message| CallbackReport {
                message: *message,
                event: ReceiptEvent::Stage(Stage::Delivered),
                recipient: Some("919900001234".to_owned()),
            })
            .collect(),
        messages,
    }
}
