//! The pages as people read them: what is visible, in words. Rendered from plain values, without store or server.
//!
//! `DASHBOARD_SAMPLES=folder` also writes every page there, to look at.

use std::collections::BTreeMap;

use askama::Template;
use bluetick::domain::access::{Action, Verb, Visibility};
use bluetick::domain::callback::{Authenticity, CallbackRecord, JournalSummary, Route};
use bluetick::domain::delivery::{
    DeliveryState, Fact, Pricing, QueueWord, Receipt, SourceKind, Stage, fold,
};
use bluetick::domain::explain::{AccountSituation, QueuePlace, Story, Ties, explain};
use bluetick::domain::failure::{Failure, FailureClass};
use bluetick::domain::ids::{AccountId, AttemptId, CallbackId, MessageId, ProviderMessageId};
use bluetick::domain::media::{Media, MediaKind, MediaSource};
use bluetick::domain::message::{ListedFailure, Message, Origin, References, SendOptions};
use bluetick::domain::provider::{Mode, ProviderId};
use bluetick::reporting::account_health::{AccountStanding, Health};
use bluetick::reporting::callback_views::{FoundCallback, ListedCallback};
use bluetick::reporting::orphan_views::Orphan;
use bluetick::reporting::problems::{Items, ProblemKind, ProblemList};
use bluetick::store::accounts::Pause;
use bluetick::store::attempts::{Attempt, AttemptOutcome};
use bluetick::store::callbacks::Outcome;
use bluetick::store::messages::Cursor;
use bluetick::store::problems::{IdConflict, QuarantinedPart};
use bluetick::store::reports::{Counts, CountsByState, Problems};
use bluetick::web::dashboard::accounts::{AccountsPage, Reach};
use bluetick::web::dashboard::address::MessagesAddress;
use bluetick::web::dashboard::callback::CallbackPage;
use bluetick::web::dashboard::callbacks::{CallbacksAddress, CallbacksPage};
use bluetick::web::dashboard::error_page::{ErrorPage, Trouble, Viewer};
use bluetick::web::dashboard::login::{Invitation, LoginPage};
use bluetick::web::dashboard::message::{MessageFile, MessagePage};
use bluetick::web::dashboard::messages::{MessagesFound, MessagesPage};
use bluetick::web::dashboard::overview::{Flow, OverviewPage, Period};
use bluetick::web::dashboard::problems::ProblemsPage;
use bluetick::web::dashboard::reports::ReportsPage;
use chrono::{DateTime, TimeDelta, Utc};
use scraper::{Html, Selector};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-11-20T14:10:00Z")
}

fn account(text: &str) -> AccountId {
    text.parse().unwrap()
}

/// Renders a page; also writes it where someone wants to look at it.
fn render(name: &str, page: &impl Template) -> Page {
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

struct Page(Html);

impl Page {
    fn find(&self, selector: &str) -> Vec<scraper::ElementRef<'_>> {
        self.0.select(&Selector::parse(selector).unwrap()).collect()
    }

    /// The text inside the first match, white space folded as a browser does.
    fn text(&self, selector: &str) -> String {
        let found = self.find(selector);
        let element = found
            .first()
            .unwrap_or_else(|| panic!("nothing is {selector}"));
        element
            .text()
            .flat_map(str::split_whitespace)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn main(&self) -> String {
        self.text("main")
    }

    fn links(&self) -> Vec<String> {
        self.find("main a")
            .iter()
            .filter_map(|link| link.attr("href").map(str::to_owned))
            .collect()
    }

    fn buttons(&self) -> Vec<String> {
        self.find("main form")
            .iter()
            .filter_map(|form| form.attr("action").map(str::to_owned))
            .collect()
    }
}

fn message(id: u128, state: DeliveryState) -> Message {
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
        queue: QueueWord::Done,
        hold: None,
        state,
        conflict: false,
        due_at: None,
        stages: [None; 6],
        failure: None,
        pricing: Pricing {
            billable: Some(true),
            category: Some("utility".to_owned()),
            ..Pricing::default()
        },
        provider_id: Some(ProviderMessageId::parse("wamid.HBgMOTE5OTAwMDAxMjM0FQIAERgS").unwrap()),
        matched_by: None,
        resend_of: None,
        resent_as: None,
        created_at: at("2026-11-20T14:03:09.120Z"),
        updated_at: at("2026-11-20T14:03:15Z"),
    }
}

fn failed(mut message: Message) -> Message {
    message.state = DeliveryState::Failed;
    message.failure = Some(ListedFailure {
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

fn receipt(part: i32, fact: Fact, occurred: Option<&str>, received: &str) -> Receipt {
    Receipt {
        source_kind: SourceKind::Callback,
        source: uuid::Uuid::from_u128(7),
        part,
        fact,
        occurred_at: occurred.map(at),
        received_at: at(received),
        recipient: Some("919900001234".to_owned()),
        pricing: Pricing::default(),
    }
}

fn listed(outcome: Outcome, messages: Vec<MessageId>) -> ListedCallback {
    ListedCallback {
        summary: JournalSummary {
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
        messages,
    }
}

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
        ..Action::new("dashboard", Verb::MarkFailed, at("2026-11-20T14:05:00Z"))
    }];
    let callbacks = [listed(Outcome::Receipts, vec![message.id])];
    let explanation = explain(&Story {
        message,
        delivery: &delivery,
        receipts,
        exchanges: &[],
        actions: &actions,
        account: &AccountSituation {
            pause: message.hold.clone().map(|reason| (reason, now())),
            mode: Some(Mode::Live),
            ..AccountSituation::default()
        },
        queue: QueuePlace::default(),
        ties: &Ties::default(),
        now: now(),
        visibility: viewer,
    });
    MessagePage::new(
        &MessageFile {
            message,
            delivery: &delivery,
            explanation: &explanation,
            ids: &ids,
            receipts,
            attempts: &[attempt(message.id)],
            actions: &actions,
            callbacks: &callbacks,
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
                Fact::Stage(Stage::Submitted),
                None,
                "2026-11-20T14:03:09.712Z",
            )
        },
        receipt(
            1,
            Fact::Stage(Stage::Sent),
            Some("2026-11-20T14:03:10Z"),
            "2026-11-20T14:03:11Z",
        ),
        receipt(
            2,
            Fact::Stage(Stage::Read),
            Some("2026-11-20T14:03:42Z"),
            "2026-11-20T14:03:43Z",
        ),
        receipt(
            3,
            Fact::Stage(Stage::Read),
            Some("2026-11-20T14:03:42Z"),
            "2026-11-20T14:03:47Z",
        ),
        receipt(
            4,
            Fact::Other("warning".to_owned()),
            None,
            "2026-11-20T14:03:48Z",
        ),
    ]
}

fn list(address: &MessagesAddress, messages: &[Message], viewer: Visibility) -> MessagesPage {
    MessagesPage::new(
        address,
        &MessagesFound {
            messages,
            next: messages.last().map(|last| Cursor {
                created_at: last.created_at,
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
fn opening_a_sign_in_link_shows_one_button_and_consumes_nothing() {
    let page = render(
        "login-link",
        &LoginPage::new(Invitation::Link("tok\"en".to_owned())),
    );
    assert_eq!(page.buttons(), ["/login"]);
    assert_eq!(page.find("form")[0].attr("method"), Some("post"));
    assert_eq!(
        page.find("input[name=token]")[0].attr("value"),
        Some("tok\"en")
    );
    assert_eq!(page.text("main button"), "Sign in");
    assert!(page.find("nav").is_empty(), "nobody is signed in yet");
}

#[test]
fn without_a_link_the_sign_in_page_says_how_to_get_one() {
    let page = render("login", &LoginPage::new(Invitation::None));
    assert!(page.main().contains("bluetick user sign-in-link"));
    let page = render("login-stale", &LoginPage::new(Invitation::Stale));
    assert!(page.main().contains("no longer works"));
    assert!(page.main().contains("bluetick user sign-in-link"));
}

fn overview(
    providers: &BTreeMap<AccountId, ProviderId>,
    counts: &Counts,
    problems: &Problems,
) -> OverviewPage {
    OverviewPage::new(&Flow {
        providers,
        counts,
        problems,
        alarms: 0,
        period: Period::Week,
        since: Period::Week.since(now(), chrono_tz::UTC),
    })
}

fn providers() -> BTreeMap<AccountId, ProviderId> {
    BTreeMap::from([
        (account("kaleyra-in"), ProviderId::Kaleyra),
        (account("sobot-main"), ProviderId::Sobot),
        (account("lancepilot-demo"), ProviderId::LancePilot),
    ])
}

fn by_state(numbers: [i64; 10]) -> CountsByState {
    DeliveryState::ALL
        .into_iter()
        .zip(numbers)
        .filter(|(_, number)| *number > 0)
        .collect()
}

fn busy() -> OverviewPage {
    let counts = Counts {
        sent: BTreeMap::from([
            (
                account("kaleyra-in"),
                by_state([3, 1, 2, 40, 120, 1_210, 3_004, 0, 61, 4]),
            ),
            (
                account("sobot-main"),
                by_state([0, 0, 0, 12, 31, 402, 911, 0, 18, 0]),
            ),
            (
                account("lancepilot-demo"),
                by_state([0, 0, 1, 4, 9, 77, 120, 0, 3, 0]),
            ),
        ]),
        observed: BTreeMap::from([(
            account("sobot-main"),
            by_state([0, 0, 0, 0, 0, 5, 2, 0, 0, 0]),
        )]),
        dry_run: BTreeMap::new(),
        failures: BTreeMap::from([
            ((account("sobot-main"), "131026".to_owned()), 18),
            ((account("kaleyra-in"), "131053".to_owned()), 41),
            ((account("lancepilot-demo"), "131053".to_owned()), 3),
            ((account("kaleyra-in"), String::new()), 2),
        ]),
    };
    let problems = Problems {
        uncertain: 3,
        quarantine: 1,
        ..Problems::default()
    };
    overview(&providers(), &counts, &problems)
}

#[test]
fn the_overview_without_accounts_says_how_to_begin() {
    let page = render(
        "overview-empty",
        &overview(&BTreeMap::new(), &Counts::default(), &Problems::default()),
    );
    assert!(page.main().contains("Connect the first account"));
    assert!(page.main().contains("[[accounts]]"));
}

#[test]
fn the_overview_without_messages_says_how_to_send_one() {
    let page = render(
        "overview-idle",
        &overview(&providers(), &Counts::default(), &Problems::default()),
    );
    assert!(page.main().contains("bluetick token create"));
    assert!(page.main().contains("kaleyra-in"));
}

#[test]
fn the_overview_counts_by_state_and_account_and_links_to_what_it_counts() {
    let page = render("overview", &busy());
    let text = page.main();
    assert!(text.contains("4 things need a person"), "{text}");
    assert!(text.contains("6,033"), "all messages: {text}");
    assert!(
        !text.contains("Overdue"),
        "a problem that is none is not shown"
    );
    let reasons: Vec<_> = page
        .find("[aria-labelledby=failures] code")
        .iter()
        .map(|code| code.text().collect::<String>())
        .collect();
    assert_eq!(
        reasons,
        ["131053", "131026", "no code"],
        "most frequent first"
    );
    let reason = page.text("[aria-labelledby=failures] tbody tr");
    assert!(
        reason.starts_with("44 131053 media kaleyra-in, lancepilot-demo"),
        "one reason, whoever met it: {reason}"
    );
    let links = page.links();
    for expected in [
        "/problems#uncertain",
        "/problems#quarantine",
        "/messages?state=failed&account=kaleyra-in&origin=api&since=2026-11-14",
        "/messages?account=sobot-main&origin=observed&since=2026-11-14",
        "/messages?state=failed&code=131053&origin=api&since=2026-11-14",
        "/messages?state=failed&account=sobot-main&code=131026&origin=api&since=2026-11-14",
        "/messages?state=delivered%2Cread%2Cplayed&origin=api&since=2026-11-14",
        "/?days=30",
    ] {
        assert!(
            links.iter().any(|link| link == expected),
            "{expected} in {links:?}"
        );
    }
}

#[test]
fn a_funnel_bar_is_as_long_as_its_share() {
    let page = render("overview", &busy());
    let widths: Vec<_> = page
        .find("rect.fill")
        .iter()
        .filter_map(|bar| bar.attr("width"))
        .collect();
    // Of 6,033: 5,940 with the provider, 5,884 with WhatsApp, 5,724 on the phone, 4,035 read.
    assert_eq!(widths, ["1000", "984", "975", "948", "668"]);
}

#[test]
fn a_row_shows_state_person_and_why_it_failed() {
    let messages = [
        failed(message(1, DeliveryState::Failed)),
        message(2, DeliveryState::Read),
    ];
    let page = render(
        "messages",
        &list(&MessagesAddress::default(), &messages, Visibility::Full),
    );
    let row = page.text("tbody tr");
    for expected in [
        "failed",
        "131053 · Media upload error",
        "+919900001234",
        "Mira Nair",
        "image",
        "kaleyra-in",
        "2026-11-20 14:03:09 UTC",
    ] {
        assert!(row.contains(expected), "{expected} in {row}");
    }
}

#[test]
fn who_may_not_see_people_sees_only_their_ends() {
    let messages = [failed(message(1, DeliveryState::Failed))];
    let page = render(
        "messages-masked",
        &list(&MessagesAddress::default(), &messages, Visibility::Masked),
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
fn every_link_of_the_list_carries_its_whole_state() {
    let address = MessagesAddress::parse(
        "state=read&account=kaleyra-in&q=9199&since=2026-11-20&cursor=1763647422123.019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f",
    );
    let messages = [message(1, DeliveryState::Read)];
    let page = render(
        "messages-filtered",
        &list(&address, &messages, Visibility::Full),
    );
    let links = page.links();
    for expected in [
        "/messages?state=failed&account=kaleyra-in&q=9199&since=2026-11-20",
        "/messages?state=read&account=kaleyra-in&q=9199&since=2026-11-20&cursor=1795183389120.01a1f94a-eec0-7000-8000-000000000001",
        "/messages?state=read&account=kaleyra-in&q=9199&since=2026-11-20",
        "/api/v1/reports/messages.csv?state=read&account=kaleyra-in&q=9199&created_after=2026-11-19T18%3A30%3A00Z",
        "/messages",
    ] {
        assert!(
            links.iter().any(|link| link == expected),
            "{expected} in {links:?}"
        );
    }
    assert_eq!(page.find("input[name=q]")[0].attr("value"), Some("9199"));
    assert_eq!(
        page.text("select[name=account] option[selected]"),
        "kaleyra-in"
    );
    assert!(
        page.find("main[data-live]").is_empty(),
        "an older page stands still"
    );
}

#[test]
fn an_empty_list_says_whether_filters_or_the_world_are_empty() {
    let page = render(
        "messages-empty",
        &list(&MessagesAddress::default(), &[], Visibility::Full),
    );
    assert!(page.main().contains("No messages yet"));
    let address = MessagesAddress::parse("state=lost&q=42");
    let page = render("messages-none", &list(&address, &[], Visibility::Full));
    assert!(page.main().contains("No message matches"));
    assert!(
        page.main()
            .contains("Not understood and ignored: state=lost")
    );
}

#[test]
fn a_message_page_tells_every_stage_and_how_surely_it_is_known() {
    let mut read = message(3, DeliveryState::Read);
    read.queue = QueueWord::Done;
    let page = render(
        "message",
        &message_page(&read, &read_receipts(), Visibility::Full),
    );
    assert_eq!(page.text("h1"), "Read");
    let steps: Vec<String> = (1..=5)
        .map(|place| page.text(&format!(".stepper li:nth-child({place})")))
        .collect();
    assert!(
        steps[1].contains("submitted") && steps[1].contains("by our clock"),
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
    assert!(timeline.contains("ours 2026-11-20 14:03:11 UTC theirs 2026-11-20 14:03:10 UTC"));
    assert!(timeline.contains("×2"));
}

#[test]
fn a_failure_stands_in_the_providers_own_words_made_harmless() {
    let message = failed(message(4, DeliveryState::Failed));
    let failure = message.failure.clone().unwrap().failure;
    let said = receipt(
        1,
        Fact::Failure(failure),
        Some("2026-11-20T14:03:12Z"),
        "2026-11-20T14:03:13Z",
    );
    let page = render(
        "message-failed",
        &message_page(&message, &[said], Visibility::Full),
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
fn only_actions_that_fit_are_offered() {
    let id = |message: &Message| format!("/messages/{}", message.id);
    let unclear = message(5, DeliveryState::Uncertain);
    let page = render(
        "message-uncertain",
        &message_page(&unclear, &[], Visibility::Full),
    );
    assert_eq!(
        page.buttons(),
        [
            format!("{}/resend", id(&unclear)),
            format!("{}/mark-failed", id(&unclear))
        ]
    );
    assert!(page.main().contains("could get it twice"));

    let mut waiting = message(6, DeliveryState::Queued);
    waiting.queue = QueueWord::Queued;
    waiting.hold = Some("E110".to_owned());
    let page = render(
        "message-queued",
        &message_page(&waiting, &[], Visibility::Full),
    );
    assert_eq!(page.buttons(), [format!("{}/cancel", id(&waiting))]);
    assert!(
        page.text(".because")
            .contains("It waits because account kaleyra-in is paused")
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

#[test]
fn the_list_of_callbacks_names_outcome_and_messages() {
    let messages = (0..5).map(|n| message(n, DeliveryState::Sent).id).collect();
    let found = [
        listed(Outcome::Receipts, messages),
        listed(Outcome::Quarantined, vec![]),
    ];
    let page = render(
        "callbacks",
        &CallbacksPage::new(
            &CallbacksAddress::default(),
            &found,
            Some(9),
            &[account("kaleyra-in")],
            Visibility::Full,
        ),
    );
    let row = page.text("tbody tr");
    for expected in ["kaleyra-in", "POST", "1.4 KiB", "receipts", "and 2 more"] {
        assert!(row.contains(expected), "{expected} in {row}");
    }
    assert!(page.links().contains(&"/callbacks?before=9".to_owned()));
    let page = render(
        "callbacks-empty",
        &CallbacksPage::new(
            &CallbacksAddress::default(),
            &[],
            None,
            &[],
            Visibility::Full,
        ),
    );
    assert!(page.main().contains("No callback has arrived yet"));
}

fn callback_page(query: &str, body: &[u8], viewer: Visibility) -> CallbackPage {
    let listed = listed(Outcome::Receipts, vec![message(1, DeliveryState::Read).id]);
    let record = CallbackRecord {
        id: listed.summary.id,
        account: listed.summary.account.clone(),
        route: Route::Callback,
        method: "POST".to_owned(),
        query: query.to_owned(),
        headers: vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("authorization".to_owned(), "…".to_owned()),
        ],
        remote: Some("203.0.113.9".to_owned()),
        received_at: listed.summary.received_at,
        body: body.to_vec(),
        authenticity: Authenticity::Verified,
    };
    CallbackPage::new(&FoundCallback { listed, record }, viewer)
}

#[test]
fn a_raw_json_body_is_indented_and_also_shown_exactly() {
    let body = br#"{"statuses":[{"id":"wamid.X","status":"read","timestamp":"1763647422"}]}"#;
    let page = render(
        "callback",
        &callback_page("a=1&name=%00x", body, Visibility::Full),
    );
    let pieces: Vec<String> = page
        .find("pre.raw")
        .iter()
        .map(|pre| pre.text().collect())
        .collect();
    assert_eq!(pieces[0], "a=1&name=%00x");
    assert!(
        pieces[1].contains("\n      \"status\": \"read\",\n"),
        "{}",
        pieces[1]
    );
    assert_eq!(pieces[2].as_bytes(), body);
    assert!(
        page.main().contains("␀x"),
        "a decoded control character is shown"
    );
    assert!(page.links().iter().any(|link| link.ends_with("/raw")));
    let masked = render(
        "callback-masked",
        &callback_page("to=919900001234", body, Visibility::Masked),
    );
    assert!(masked.find("pre").is_empty());
    assert!(!masked.main().contains("919900001234"));
}

#[test]
fn a_body_that_is_no_text_is_shown_byte_by_byte() {
    let page = render(
        "callback-bytes",
        &callback_page("", b"\xff\xfestatus\x00=read", Visibility::Full),
    );
    let dump = page.text("pre.hex");
    assert!(dump.contains("ff fe 73 74 61 74 75 73"), "{dump}");
    let page = render(
        "callback-text",
        &callback_page("", b"status=read\r\n\x1b[31m", Visibility::Full),
    );
    assert_eq!(page.text("pre.raw"), "status=read␍ ␛[31m");
    let page = render(
        "callback-get",
        &callback_page("status=read", b"", Visibility::Full),
    );
    assert!(page.main().contains("It has no body"));
}

fn standing(id: &str, provider: ProviderId, health: Health) -> AccountStanding {
    AccountStanding {
        id: account(id),
        provider,
        senders: vec!["+918600000001".to_owned()],
        mode: Some(Mode::Live),
        callback_url: format!("http://127.0.0.1:8080/callbacks/{id}/Zm9vYmFyYmF6cXV4"),
        last_callback_at: (health != Health::Unconfigured).then(|| now() - TimeDelta::seconds(42)),
        health,
        old_address_at: None,
    }
}

#[test]
fn an_account_shows_its_address_steps_and_health() {
    let paused = Health::Paused {
        reason: "RBC001 Insufficient balance".to_owned(),
        since: now(),
    };
    let accounts = [
        standing("kaleyra-in", ProviderId::Kaleyra, Health::Unconfigured),
        standing("sobot-main", ProviderId::Sobot, paused),
        standing("zixflow-eu", ProviderId::Zixflow, Health::Ok),
        AccountStanding {
            mode: None,
            ..standing("lancepilot-old", ProviderId::LancePilot, Health::Ok)
        },
    ];
    let page = render(
        "accounts",
        &AccountsPage::new(&accounts, Reach::Loopback, Visibility::Full, now()),
    );
    let text = page.main();
    for expected in [
        "Providers cannot reach this machine",
        "No callback has ever arrived",
        "RBC001 Insufficient balance",
        "42 s ago",
        "+918600000001",
        "No longer configured",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    for (place, account) in accounts.iter().enumerate() {
        let steps = page.find(".steps");
        let text: String = steps[place].text().collect();
        assert!(!text.contains("{url}"), "{text}");
        assert!(
            text.contains(&account.callback_url),
            "{} in {text}",
            account.callback_url
        );
    }
    assert_eq!(page.buttons(), ["/accounts/sobot-main/resume"]);
    let masked = render(
        "accounts-masked",
        &AccountsPage::new(&accounts, Reach::Public, Visibility::Masked, now()),
    );
    assert!(
        !masked.0.html().contains("Zm9vYmFy"),
        "the address is a secret"
    );
    assert!(masked.buttons().is_empty());
}

#[test]
fn an_address_of_this_machine_is_out_of_reach() {
    for near in [
        "http://127.0.0.1:8080",
        "http://localhost:8080/base",
        "http://[::1]:80",
    ] {
        assert_eq!(Reach::of(near), Reach::Loopback, "{near}");
    }
    assert_eq!(Reach::of("https://hooks.example.com"), Reach::Public);
}

#[test]
fn without_accounts_the_page_shows_an_example() {
    let page = render(
        "accounts-empty",
        &AccountsPage::new(&[], Reach::Loopback, Visibility::Full, now()),
    );
    assert!(page.main().contains("provider = \"kaleyra\""));
    assert!(page.main().contains("bluetick config check"));
}

#[test]
fn reports_offer_both_formats_with_the_same_filters() {
    let address = MessagesAddress::parse("state=failed");
    let page = render(
        "reports",
        &ReportsPage::new(&address, &[account("kaleyra-in")], chrono_tz::UTC),
    );
    assert_eq!(page.buttons(), ["/messages/export"]);
    assert_eq!(page.text("select[name=state] option[selected]"), "failed");
    assert!(page.main().contains("Download CSV") && page.main().contains("Download NDJSON"));
}

#[test]
fn an_error_page_knows_the_way_back() {
    for (name, trouble) in [
        ("404", Trouble::NotFound),
        ("403", Trouble::Forbidden),
        ("500", Trouble::Internal),
    ] {
        let page = render(
            name,
            &ErrorPage::new(trouble, None, Some("r-17".to_owned()), Viewer::Known),
        );
        assert!(page.main().contains(name));
        assert!(page.main().contains("r-17"));
        assert!(page.links().contains(&"/".to_owned()));
    }
}

fn problem(kind: ProblemKind, count: u64, items: Items) -> ProblemList {
    ProblemList { kind, count, items }
}

fn problem_lists() -> Vec<ProblemList> {
    let orphan = |id: u128, suggestions: Vec<MessageId>| Orphan {
        message: Message {
            origin: Origin::Provisional,
            name: None,
            stages: [None, None, None, Some(now()), None, None],
            ..message(id, DeliveryState::Delivered)
        },
        ids: vec![ProviderMessageId::parse("wamid.HBgMOTE5OTAwMDAxMjM0FQIAERgS").unwrap()],
        suggestions,
    };
    let known = |id: u128| message(id, DeliveryState::Submitted).id;
    vec![
        problem(
            ProblemKind::PausedAccounts,
            1,
            Items::Accounts(vec![(
                account("kaleyra-in"),
                Pause {
                    since: now(),
                    reason: "E110 Insufficient balance <b>".to_owned(),
                },
            )]),
        ),
        problem(
            ProblemKind::Uncertain,
            31,
            Items::Messages(vec![
                message(1, DeliveryState::Uncertain),
                message(2, DeliveryState::Uncertain),
            ]),
        ),
        problem(
            ProblemKind::Overdue,
            1,
            Items::Messages(vec![message(3, DeliveryState::Submitted)]),
        ),
        problem(
            ProblemKind::Orphans,
            2,
            Items::Orphans(vec![orphan(4, vec![known(5), known(6)]), orphan(7, vec![])]),
        ),
        problem(
            ProblemKind::IdConflicts,
            1,
            Items::IdConflicts(vec![IdConflict {
                account: account("sobot-main"),
                provider_id: ProviderMessageId::parse("wamid.HBgMOTE5OTAwMDAxMjM0FQIAEQ").unwrap(),
                message: known(8),
                claimant: known(9),
                seen_at: now(),
            }]),
        ),
        problem(
            ProblemKind::Quarantine,
            1,
            Items::Quarantine(vec![QuarantinedPart {
                parts: 1,
                callback: CallbackId::derived(now(), [7; 10]),
                part: 2,
                account: account("lancepilot-demo"),
                reason: "a status without a word".to_owned(),
                quarantined_at: now(),
            }]),
        ),
        problem(ProblemKind::Rejected, 12, Items::Nothing),
    ]
}

#[test]
fn problems_say_why_and_what_is_next_and_can_be_acted_on() {
    let page = render(
        "problems",
        &ProblemsPage::new(&problem_lists(), Visibility::Full),
    );
    let main = page.main();
    for words in [
        "What needs a person",
        "Outcome unknown 31",
        "Next: Look in the provider's console",
        "E110 Insufficient balance <b>",
        "29 older ones not shown here",
        "reported as delivered",
        "part 3 of its callback",
        "Refused requests 12",
    ] {
        assert!(main.contains(words), "{words} in {main}");
    }
    assert_eq!(page.buttons().len(), 1 + 2 * 2 + 1 + 2 + 1 + 1 + 2 + 1);
    assert!(
        page.links()
            .contains(&"/messages?state=uncertain&origin=api&resent=false".to_owned())
    );
    assert_eq!(page.text("[aria-current=page]"), "Problems");
}

#[test]
fn problems_hide_people_from_who_may_only_read() {
    let page = render(
        "problems-masked",
        &ProblemsPage::new(&problem_lists(), Visibility::Masked),
    );
    let main = page.main();
    assert!(page.buttons().is_empty());
    for hidden in ["919900001234", "Mira", "HBgMOTE5"] {
        assert!(!main.contains(hidden), "{hidden} in {main}");
    }
}

#[test]
fn no_problem_is_said_plainly() {
    let page = render("problems-none", &ProblemsPage::new(&[], Visibility::Full));
    assert_eq!(page.text("h1"), "Nothing needs you");
    assert!(page.links().contains(&"/messages".to_owned()));
}
