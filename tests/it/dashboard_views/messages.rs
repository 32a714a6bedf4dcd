//! The list of messages and the page of one message.

use bluetick::domain::attempt_outcome::AttemptOutcome;
use bluetick::domain::audit_action::{Action, ActionKind};
use bluetick::domain::callback_outcome::Outcome;
use bluetick::domain::cost::Cost;
use bluetick::domain::delivery::fold;
use bluetick::domain::delivery_state::{DeliveryState, QueueState, Stage};
use bluetick::domain::explanation::{
    AccountConditions, Correlation, ExplainInput, QueueTiming, explain,
};
use bluetick::domain::ids::{AttemptId, MessageId, ProviderMessageId};
use bluetick::domain::media::{Media, MediaSource};
use bluetick::domain::message::Message;
use bluetick::domain::provider_account::AccountMode;
use bluetick::domain::receipt::{Receipt, ReceiptEvent, SourceKind};
use bluetick::domain::scope::Visibility;
use bluetick::reporting::message_history::MessageHistory;
use bluetick::store::attempts::Attempt;
use bluetick::store::messages::Cursor;
use bluetick::web::dashboard::message_list_url::MessageListUrl;
use bluetick::web::dashboard::message_page::{MessagePage, MessagePageInput};
use bluetick::web::dashboard::messages_page::{MessagesPage, MessagesPageInput};

use super::{account, at, failed, listed, message, now, receipt, render};

fn attempt(message: MessageId) -> Attempt {
    Attempt {
        id: AttemptId::from(uuid::Uuid::from_u128(9)),
        message,
        number: 1,
        started_at: at("2026-11-20T14:03:09.300Z"),
        finished_at: Some(at("2026-11-20T14:03:09.712Z")),
        outcome: AttemptOutcome::Accepted,
        http_status: Some(202),
        duration_ms: Some(412),
        request: "POST https://api.in.kaleyra.io/v1/HXAP…/messages
api-key: …

to=%2B919900001234&type=media"
            .to_owned(),
        reply: Some("{\"data\":[{\"message_id\":\"A1:0\"}]}".to_owned()),
        detail: None,
    }
}

fn message_page(message: &Message, receipts: &[Receipt], viewer: Visibility) -> MessagePage {
    let delivery = fold(message.queue, Some(message.created_at), receipts);
    let ids = [ProviderMessageId::parse("wamid.HBgMOTE5OTAwMDAxMjM0FQIAERgS").unwrap()];
    let actions = [Action {
        message: Some(message.id),
        ..Action::new(
            "dashboard",
            ActionKind::MarkFailed,
            at("2026-11-20T14:05:00Z"),
        )
    }];
    let callbacks = [listed(Outcome::Receipts, vec![message.id])];
    let history = MessageHistory {
        receipts: receipts.to_vec(),
        attempts: vec![attempt(message.id)],
        actions: actions.to_vec(),
    };
    let explanation = explain(&ExplainInput {
        resend_advice: None,
        message,
        delivery: &delivery,
        receipts,
        attempts: &[],
        actions: &actions,
        account: &AccountConditions {
            pause: message.hold.clone().map(|reason| (reason, now())),
            mode: Some(AccountMode::Live),
            ..AccountConditions::default()
        },
        queue: QueueTiming::default(),
        correlation: &Correlation::default(),
        now: now(),
        visibility: viewer,
    });
    MessagePage::new(
        &MessagePageInput {
            message,
            delivery: &delivery,
            explanation: &explanation,
            ids: &ids,
            history: &history,
            callbacks: &callbacks,
            cost: &Cost::NONE,
            warnings: &[],
        },
        viewer,
        now(),
    )
}

fn read_receipts() -> Vec<Receipt> {
    vec![
        Receipt {
            source_kind: SourceKind::Attempt,
            ..receipt(
                0,
                ReceiptEvent::Stage(Stage::Submitted),
                None,
                "2026-11-20T14:03:09.712Z",
            )
        },
        receipt(
            1,
            ReceiptEvent::Stage(Stage::Sent),
            Some("2026-11-20T14:03:10Z"),
            "2026-11-20T14:03:11Z",
        ),
        receipt(
            2,
            ReceiptEvent::Stage(Stage::Read),
            Some("2026-11-20T14:03:42Z"),
            "2026-11-20T14:03:43Z",
        ),
        receipt(
            3,
            ReceiptEvent::Stage(Stage::Read),
            Some("2026-11-20T14:03:42Z"),
            "2026-11-20T14:03:47Z",
        ),
        receipt(
            4,
            ReceiptEvent::Other("warning".to_owned()),
            None,
            "2026-11-20T14:03:48Z",
        ),
    ]
}

fn list(url: &MessageListUrl, messages: &[Message], viewer: Visibility) -> MessagesPage {
    MessagesPage::new(
        url,
        &MessagesPageInput {
            messages,
            matching: None,
            next: messages.last().map(|last| Cursor {
                at: last.created_at,
                id: last.id,
            }),
            accounts: &[account("kaleyra-in"), account("sobot-main")],
            zone: chrono_tz::Asia::Kolkata,
        },
        viewer,
        now(),
    )
}

#[test]
fn a_row_shows_state_recipient_and_failure() {
    let messages = [
        failed(message(1, DeliveryState::Failed)),
        message(2, DeliveryState::Read),
    ];
    let page = render(
        "messages",
        &list(&MessageListUrl::default(), &messages, Visibility::Full),
    );
    let row = page.text("tbody tr");
    for expected in [
        "Failed",
        "131053 · Media upload error",
        "+919900001234",
        "Mira Nair",
        "order-42",
        "kaleyra-in",
        "2026-11-20 14:03:09 UTC",
    ] {
        assert!(row.contains(expected), "{expected} in {row}");
    }
}

#[test]
fn masked_pages_show_only_the_ends_of_numbers() {
    let messages = [failed(message(1, DeliveryState::Failed))];
    let page = render(
        "messages-masked",
        &list(&MessageListUrl::default(), &messages, Visibility::Masked),
    );
    let row = page.text("tbody tr");
    assert!(row.contains("9199•••••234"), "{row}");
    assert!(!row.contains("Mira"), "{row}");

    let page = render(
        "message-masked",
        &message_page(&messages[0], &read_receipts(), Visibility::Masked),
    );
    let html = page.0.html();
    for secret in [
        "919900001234",
        "Mira",
        "festival",
        "s3cret",
        "diwali",
        "HBgMOTE5OTAwMDAx",
        "/resend",
    ] {
        assert!(!html.contains(secret), "{secret} is shown");
    }
    assert!(page.main().contains("cdn.example.com"));
}

#[test]
fn every_link_of_the_list_has_the_whole_filter() {
    let url = MessageListUrl::parse(
        "state=read&account=kaleyra-in&q=9199&since=2026-11-20&cursor=1763647422123.019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f",
    );
    let messages = [message(1, DeliveryState::Read)];
    let page = render(
        "messages-filtered",
        &list(&url, &messages, Visibility::Full),
    );
    let links = page.links();
    for expected in [
        "/messages?state=failed&account=kaleyra-in&q=9199&since=2026-11-20",
        "/messages?state=read&account=kaleyra-in&q=9199&since=2026-11-20&cursor=1795183389120.01a1f94a-eec0-7000-8000-000000000001",
        "/messages?state=read&account=kaleyra-in&q=9199&since=2026-11-20",
        "/api/v1/reports/messages.csv?state=read&account=kaleyra-in&q=9199&counted_after=2026-11-19T18%3A30%3A00Z&bom=1",
        "/messages",
    ] {
        assert!(
            links.iter().any(|link| link == expected),
            "{expected} in {links:?}"
        );
    }
    assert_eq!(
        page.find("form.filters input[name=q]")[0].attr("value"),
        Some("9199")
    );
    assert_eq!(
        page.text("select[name=account] option[selected]"),
        "kaleyra-in"
    );
    assert!(
        page.find("main[data-live]").is_empty(),
        "an older page does not refresh"
    );
}

#[test]
fn an_empty_list_distinguishes_no_matches_from_no_messages() {
    let page = render(
        "messages-empty",
        &list(&MessageListUrl::default(), &[], Visibility::Full),
    );
    assert!(page.main().contains("No messages yet"));
    let url = MessageListUrl::parse("state=lost&q=42");
    let page = render("messages-none", &list(&url, &[], Visibility::Full));
    assert!(page.main().contains("No message matches"));
    assert!(page.main().contains("Unknown filters, ignored: state=lost"));
}

#[test]
fn filters_without_a_field_are_named_and_can_be_removed() {
    let query = "state=failed&code=131053&since=2026-11-20&counted_after=2026-11-20T06%3A00%3A00Z&overdue=true";
    let url = MessageListUrl::parse(query);
    let page = render("messages-further", &list(&url, &[], Visibility::Full));
    let named: Vec<String> = page
        .find(".further li")
        .iter()
        .map(|filter| filter.text().collect::<String>())
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        named,
        [
            "Failure code: 131053 Remove",
            "Overdue: yes Remove",
            "First attempt at or after: 2026-11-20 06:00:00 UTC Remove",
        ]
    );
    let links = page.find(".further a");
    let links: Vec<&str> = links.iter().filter_map(|link| link.attr("href")).collect();
    assert_eq!(
        links[2],
        "/messages?state=failed&code=131053&overdue=true&since=2026-11-20"
    );
    let plain = MessageListUrl::parse("state=failed&since=2026-11-20&sort=changed");
    let page = render("messages-plain", &list(&plain, &[], Visibility::Full));
    assert!(page.find(".further").is_empty());
}

#[test]
fn a_search_for_few_digits_says_how_far_back_it_looks() {
    let shown = |query, messages: &[Message], viewer| {
        let url = MessageListUrl::parse(query);
        let page = render("messages-search", &list(&url, messages, viewer));
        let notes = page.find(".notice");
        let notes = notes.iter().flat_map(scraper::ElementRef::text);
        notes.collect::<String>()
    };
    let found = [message(1, DeliveryState::Read)];
    let days = "only messages of the last 7 days";
    assert!(shown("q=1234", &found, Visibility::Full).contains(days));
    assert!(shown("q=1234", &[], Visibility::Full).contains(days));
    assert_eq!(shown("q=9900001234", &found, Visibility::Full), "");
    assert_eq!(shown("q=order-42", &found, Visibility::Full), "");
    let masked = shown("q=1234", &[], Visibility::Masked);
    assert!(masked.contains("only a complete number"), "{masked}");
}

#[test]
fn the_campaign_has_a_column_only_where_a_message_has_one() {
    let head = |messages: &[Message], query| {
        let url = MessageListUrl::parse(query);
        let page = render("messages-columns", &list(&url, messages, Visibility::Full));
        page.text("thead")
    };
    let mut sent = message(1, DeliveryState::Read);
    sent.campaign = None;
    assert!(!head(std::slice::from_ref(&sent), "").contains("Campaign"));
    assert!(head(std::slice::from_ref(&sent), "column=campaign").contains("Campaign"));
    sent.campaign = Some("diwali".parse().unwrap());
    assert!(head(&[sent], "").contains("Campaign"));
}

#[test]
fn a_message_page_shows_every_stage_and_how_reliable_it_is() {
    let mut read = message(3, DeliveryState::Read);
    read.queue = QueueState::Done;
    let page = render(
        "message",
        &message_page(&read, &read_receipts(), Visibility::Full),
    );
    let title = page.text("h1");
    assert!(title.starts_with("Read"), "{title}");
    let steps: Vec<String> = (1..=5)
        .map(|place| page.text(&format!(".stepper li:nth-child({place})")))
        .collect();
    assert!(
        steps[1].contains("Submitted") && steps[1].contains("our clock"),
        "{steps:?}"
    );
    assert!(steps[2].contains("2026-11-20 14:03:10 UTC"), "{steps:?}");
    assert!(steps[3].contains("implied by a later stage"), "{steps:?}");
    assert!(steps[4].contains("reported ×2"), "{steps:?}");
    let timeline = page.text(".timeline");
    let order: Vec<usize> = [
        "Accepted",
        "Attempt 1",
        "Reported sent",
        "Reported read",
        "Marked as failed by dashboard",
    ]
    .iter()
    .map(|words| {
        timeline
            .find(words)
            .unwrap_or_else(|| panic!("{words} in {timeline}"))
    })
    .collect();
    assert!(order.is_sorted(), "oldest first: {timeline}");
    assert!(
        timeline
            .contains("our clock 2026-11-20 14:03:11 UTC provider's clock 2026-11-20 14:03:10 UTC")
    );
    assert!(timeline.contains("×2"));
}

#[test]
fn a_failure_shows_the_text_of_the_provider_escaped() {
    let message = failed(message(4, DeliveryState::Failed));
    let failure = message.failure.clone().unwrap().failure;
    let report = receipt(
        1,
        ReceiptEvent::Failure(failure),
        Some("2026-11-20T14:03:12Z"),
        "2026-11-20T14:03:13Z",
    );
    let page = render(
        "message-failed",
        &message_page(&message, &[report], Visibility::Full),
    );
    let words = page.text(".failure");
    assert!(words.contains("131053 : Media upload error"), "{words}");
    assert!(
        words.contains("Image is not valid. <b>mime</b> ▯"),
        "{words}"
    );
    assert!(page.text(".timeline").contains("<b>mime</b>␀▯"));
    assert!(page.find(".failure b").is_empty());
}

#[test]
fn only_possible_actions_are_offered() {
    let id = |message: &Message| format!("/messages/{}", message.id);
    let uncertain = message(5, DeliveryState::Uncertain);
    let page = render(
        "message-uncertain",
        &message_page(&uncertain, &[], Visibility::Full),
    );
    assert_eq!(
        page.buttons(),
        [
            format!("{}/resend", id(&uncertain)),
            format!("{}/mark-failed", id(&uncertain))
        ]
    );
    assert!(page.main().contains("could receive it twice"));

    let mut on_hold = message(6, DeliveryState::Queued);
    on_hold.queue = QueueState::Queued;
    on_hold.hold = Some("E110".to_owned());
    let page = render(
        "message-queued",
        &message_page(&on_hold, &[], Visibility::Full),
    );
    assert_eq!(page.buttons(), [format!("{}/cancel", id(&on_hold))]);
    assert!(
        page.text(".because")
            .contains("Queued because account kaleyra-in is paused")
    );

    let page = render(
        "message-read",
        &message_page(
            &message(7, DeliveryState::Read),
            &read_receipts(),
            Visibility::Full,
        ),
    );
    assert!(page.buttons().is_empty());
}

#[test]
fn only_web_addresses_of_media_become_links() {
    let mut odd = message(8, DeliveryState::Sent);
    odd.media = odd.media.map(|media| Media {
        source: MediaSource::Url("javascript:alert(1)".to_owned()),
        ..media
    });
    let page = render("message-odd", &message_page(&odd, &[], Visibility::Full));
    assert!(page.main().contains("javascript:alert(1)"));
    assert!(
        page.links()
            .iter()
            .all(|link| !link.starts_with("javascript"))
    );
}
