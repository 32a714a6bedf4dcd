//! The pages as rendered from plain values, without store or server. Tests check the visible text.
//!
//! `DASHBOARD_SAMPLES=folder` also writes every page to that folder.

use std::collections::BTreeMap;

use askama::Template;
use bluetick::domain::attempt_outcome::AttemptOutcome;
use bluetick::domain::audit_action::{Action, Verb};
use bluetick::domain::callback_outcome::Outcome;
use bluetick::domain::callback_record::{Authenticity, CallbackRecord, CallbackSummary, Route};
use bluetick::domain::circuit_breaker::Trip;
use bluetick::domain::cost::Cost;
use bluetick::domain::delivery::fold;
use bluetick::domain::delivery_state::{DeliveryState, QueueState, Stage};
use bluetick::domain::explanation::{
    AccountConditions, Correlation, ExplainInput, QueueTiming, explain,
};
use bluetick::domain::failure::{Failure, FailureClass};
use bluetick::domain::ids::{AccountId, AttemptId, CallbackId, MessageId, ProviderMessageId};
use bluetick::domain::media::{Media, MediaKind, MediaSource};
use bluetick::domain::message::{ListedFailure, Message, Origin, References, SendOptions};
use bluetick::domain::provider::ProviderId;
use bluetick::domain::provider_account::AccountMode;
use bluetick::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use bluetick::domain::scope::Visibility;
use bluetick::domain::send_rate::Slowdown;
use bluetick::domain::state_totals::StateTotals;
use bluetick::reporting::account_health::{AccountStatus, Health};
use bluetick::reporting::callback_list::CallbackList;
use bluetick::reporting::callback_views::{FoundCallback, ListedCallback};
use bluetick::reporting::costs::month_costs::MonthCosts;
use bluetick::reporting::headline::{Headline, Issue};
use bluetick::reporting::hourly_health::AccountHour;
use bluetick::reporting::message_history::MessageHistory;
use bluetick::reporting::orphan_views::ListedOrphan;
use bluetick::reporting::period_figures::{AccountFigures, BarWidth, PeriodFigures};
use bluetick::reporting::problem_items::{ProblemItems, ProblemList};
use bluetick::reporting::problem_kind::ProblemKind;
use bluetick::store::account_records::Pause;
use bluetick::store::attempts::Attempt;
use bluetick::store::callback_reports::CallbackReport;
use bluetick::store::id_conflicts::IdConflict;
use bluetick::store::messages::Cursor;
use bluetick::store::page_counts::{Counts, CountsByState, Problems};
use bluetick::store::period_totals::AccountTotals;
use bluetick::store::quarantine::QuarantinedPart;
use bluetick::web::dashboard::accounts_page::{AccountsPage, PublicUrlReach};
use bluetick::web::dashboard::callback_page::CallbackPage;
use bluetick::web::dashboard::callback_urls::CallbackListUrl;
use bluetick::web::dashboard::callbacks_page::CallbacksPage;
use bluetick::web::dashboard::error_page::{ErrorPage, ErrorPageKind, Viewer};
use bluetick::web::dashboard::event_rows::LatestEvents;
use bluetick::web::dashboard::login_page::{LoginPage, SignInForm};
use bluetick::web::dashboard::message_list_url::MessageListUrl;
use bluetick::web::dashboard::message_page::{MessagePage, MessagePageInput};
use bluetick::web::dashboard::messages_page::{MessagesPage, MessagesPageInput};
use bluetick::web::dashboard::overview_page::{OverviewInput, OverviewPage};
use bluetick::web::dashboard::overview_period::{OverviewPeriod, OverviewRange, RangeForm};
use bluetick::web::dashboard::problems_page::ProblemsPage;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
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

/// Renders a page; also writes it to the folder `DASHBOARD_SAMPLES`.
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

    /// The text inside the first match, white space collapsed as in a browser.
    fn text(&self, selector: &str) -> String {
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

fn receipt(part: i32, event: ReceiptEvent, occurred: Option<&str>, received: &str) -> Receipt {
    Receipt {
        source_kind: SourceKind::Callback,
        source: uuid::Uuid::from_u128(7),
        part,
        event,
        occurred_at: occurred.map(at),
        received_at: at(received),
        recipient: Some("919900001234".to_owned()),
        pricing: Pricing::default(),
    }
}

fn listed(outcome: Outcome, messages: Vec<MessageId>) -> ListedCallback {
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
    let history = MessageHistory {
        receipts: receipts.to_vec(),
        attempts: vec![attempt(message.id)],
        actions: actions.to_vec(),
    };
    let explanation = explain(&ExplainInput {
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
fn opening_a_sign_in_link_shows_one_button_and_consumes_nothing() {
    let page = render(
        "login-link",
        &LoginPage::new(SignInForm::Link("tok\"en".to_owned())),
    );
    assert_eq!(page.buttons(), ["/login"]);
    assert_eq!(page.find("form")[0].attr("method"), Some("post"));
    assert_eq!(
        page.find("input[name=token]")[0].attr("value"),
        Some("tok\"en")
    );
    assert_eq!(page.text("main button"), "Sign in");
    assert!(page.find("nav").is_empty(), "no session yet");
}

#[test]
fn without_a_link_the_sign_in_page_explains_how_to_create_one() {
    let page = render("login", &LoginPage::new(SignInForm::Empty));
    assert!(page.main().contains("bluetick user sign-in-link"));
    let page = render("login-stale", &LoginPage::new(SignInForm::ExpiredLink));
    assert!(page.main().contains("no longer works"));
    assert!(page.main().contains("bluetick user sign-in-link"));
}

/// One account in two bars: the newer half of the period is too young to judge.
fn figures() -> PeriodFigures {
    let states = |numbers: [i64; 3]| {
        let [read, delivered, failed] = numbers;
        BTreeMap::from([
            (DeliveryState::Read, read),
            (DeliveryState::Delivered, delivered),
            (DeliveryState::Failed, failed),
        ])
    };
    let totals = |numbers| AccountTotals {
        states: StateTotals::new(states(numbers), 0),
        ..AccountTotals::default()
    };
    let total = AccountFigures {
        now: totals([90, 80, 30]),
        before: totals([500, 400, 100]),
        settled: totals([60, 20, 20]),
        read_settled: AccountTotals::default(),
        volume: vec![100, 100],
    };
    PeriodFigures {
        starts: vec![now() - TimeDelta::hours(2), now() - TimeDelta::hours(1)],
        to: now(),
        width: BarWidth::Hour,
        bars: vec![states([60, 20, 20]), states([30, 60, 10])],
        accounts: BTreeMap::from([(account("kaleyra-in"), total.clone())]),
        total,
        events: Vec::new(),
    }
}

fn month() -> MonthCosts {
    MonthCosts {
        month: "2026-11-01".parse().unwrap(),
        groups: BTreeMap::new(),
        previous: BTreeMap::new(),
        reached: BTreeMap::new(),
        budgets: Vec::new(),
    }
}

fn overview(
    providers: &BTreeMap<AccountId, ProviderId>,
    counts: &Counts,
    problems: &Problems,
) -> OverviewPage {
    OverviewPage::new(&OverviewInput {
        providers,
        counts,
        problems,
        headline: &Headline {
            text: "kaleyra-in: 41 % failed in the last hour (usually 3 %)".to_owned(),
            issues: vec![Issue {
                kind: "failing",
                account: Some(account("kaleyra-in")),
                text: "kaleyra-in: 41 % failed in the last hour (usually 3 %)".to_owned(),
                path: "/messages?account=kaleyra-in&state=failed".to_owned(),
            }],
        },
        alerts: &[],
        incidents: &[],
        figures: &figures(),
        month: &month(),
        month_zone: chrono_tz::UTC,
        zone: chrono_tz::UTC,
        now: now(),
        viewer: Visibility::Full,
        period: &OverviewPeriod::new(OverviewRange::Week, now(), chrono_tz::UTC),
        form: &RangeForm::default(),
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
fn the_overview_without_accounts_explains_how_to_begin() {
    let page = render(
        "overview-empty",
        &overview(&BTreeMap::new(), &Counts::default(), &Problems::default()),
    );
    assert!(page.main().contains("Connect the first account"));
    assert!(page.main().contains("[[accounts]]"));
}

#[test]
fn the_overview_without_messages_explains_how_to_send_one() {
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
    assert_eq!(
        page.text("h1"),
        "kaleyra-in: 41 % failed in the last hour (usually 3 %)"
    );
    assert!(text.contains("3 Uncertain"), "{text}");
    let row = page.text("[aria-labelledby=figures] tbody tr");
    // Compared are the messages that are old enough: 80.0 % now, 90.0 % before.
    assert!(
        row.contains("200 85 % −10.0 45 % so far 15 % +10.0"),
        "{row}"
    );
    assert!(text.contains("6,033"), "all messages: {text}");
    assert!(
        !text.contains("Overdue"),
        "problems with count 0 are not shown"
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
        "one row per reason: {reason}"
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
    // Of 6,026 attempted: 5,940 submitted, 5,884 sent, 5,724 delivered, 4,035 read.
    assert_eq!(widths, ["1000", "985", "976", "949", "669"]);
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
        "/api/v1/reports/messages.csv?state=read&account=kaleyra-in&q=9199&counted_after=2026-11-19T18%3A30%3A00Z",
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
fn a_message_page_shows_every_stage_and_how_reliable_it_is() {
    let mut read = message(3, DeliveryState::Read);
    read.queue = QueueState::Done;
    let page = render(
        "message",
        &message_page(&read, &read_receipts(), Visibility::Full),
    );
    assert_eq!(page.text("h1"), "Read");
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

#[test]
fn the_callback_list_shows_outcome_and_messages() {
    let messages = (0..5).map(|n| message(n, DeliveryState::Sent).id).collect();
    let found = CallbackList {
        callbacks: vec![
            listed(Outcome::Receipts, messages),
            listed(Outcome::Quarantined, vec![]),
        ],
        next: Some(9),
        searched: None,
    };
    let shown = |found: &CallbackList, viewer| {
        let url = CallbackListUrl::default();
        CallbacksPage::new(&url, found, &[account("kaleyra-in")], Tz::UTC, viewer)
    };
    let page = render("callbacks", &shown(&found, Visibility::Full));
    let row = page.text("tbody tr");
    for expected in [
        "kaleyra-in",
        "receipts delivered",
        "and 2 more",
        "+919900001234",
    ] {
        assert!(row.contains(expected), "{expected} in {row}");
    }
    assert!(page.links().contains(&"/callbacks?before=9".to_owned()));
    assert_eq!(page.find("main input[name=q]").len(), 1);
    let masked = render("callbacks-masked", &shown(&found, Visibility::Masked));
    let row = masked.text("tbody tr");
    assert!(
        row.contains("9199•••••234") && !row.contains("919900001234"),
        "{row}"
    );
    assert!(masked.find("main input[name=q]").is_empty(), "no bodies");
    let nothing = CallbackList {
        callbacks: Vec::new(),
        next: None,
        searched: None,
    };
    let page = render("callbacks-empty", &shown(&nothing, Visibility::Full));
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
fn a_binary_body_is_shown_as_hex() {
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
    assert!(page.main().contains("The body is empty"));
}

fn account_status(id: &str, provider: ProviderId, health: Health) -> AccountStatus {
    AccountStatus {
        id: account(id),
        provider,
        senders: vec!["+918600000001".to_owned()],
        mode: Some(AccountMode::Live),
        callback_url: format!("http://127.0.0.1:8080/callbacks/{id}/Zm9vYmFyYmF6cXV4"),
        last_callback_at: (health != Health::Unconfigured).then(|| now() - TimeDelta::seconds(42)),
        health,
        trip: None,
        hour: AccountHour::default(),
        old_address_at: None,
        warnings: Vec::new(),
        rate: None,
        effective_rate: None,
        slowdown: None,
    }
}

#[test]
fn an_account_shows_its_url_steps_and_health() {
    let paused = Health::Paused {
        reason: "RBC001 Insufficient balance".to_owned(),
        since: now(),
    };
    let accounts = [
        account_status("kaleyra-in", ProviderId::Kaleyra, Health::Unconfigured),
        account_status("sobot-main", ProviderId::Sobot, paused),
        account_status("zixflow-eu", ProviderId::Zixflow, Health::Ok),
        AccountStatus {
            rate: Some(20.0),
            effective_rate: Some(7.25),
            slowdown: Some(Slowdown {
                since: now(),
                hold_until: now(),
                rate: 7.25,
                reason: "429: Too many <requests>".to_owned(),
                requests: 1,
            }),
            ..account_status(
                "sobot-second",
                ProviderId::Sobot,
                Health::Tripped(Trip {
                    since: now(),
                    reason: "5 submissions in a row had no clear answer".to_owned(),
                    last_reply: "HTTP 502".to_owned(),
                    next_probe_at: now() + TimeDelta::seconds(30),
                    probe_wait: TimeDelta::seconds(30),
                    spent: 5,
                }),
            )
        },
        AccountStatus {
            mode: None,
            ..account_status("lancepilot-old", ProviderId::LancePilot, Health::Ok)
        },
    ];
    let page = render(
        "accounts",
        &AccountsPage::new(
            &accounts,
            &LatestEvents::new(),
            PublicUrlReach::Loopback,
            Visibility::Full,
            now(),
        ),
    );
    let text = page.main();
    for expected in [
        "Providers cannot reach this machine",
        "No callback has ever arrived",
        "RBC001 Insufficient balance",
        "5 submissions in a row had no clear answer",
        "HTTP 502",
        "7.2 a second, configured 20",
        "429: Too many <requests>",
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
    assert_eq!(
        page.buttons(),
        [
            "/accounts/check",
            "/accounts/check",
            "/accounts/kaleyra-in/pause",
            "/accounts/sobot-main/resume",
            "/accounts/zixflow-eu/pause",
            "/accounts/sobot-second/resume",
            "/accounts/sobot-second/pause",
        ]
    );
    let masked = render(
        "accounts-masked",
        &AccountsPage::new(
            &accounts,
            &LatestEvents::new(),
            PublicUrlReach::Public,
            Visibility::Masked,
            now(),
        ),
    );
    assert!(
        !masked.0.html().contains("Zm9vYmFy"),
        "the callback URL is a secret"
    );
    assert!(masked.buttons().is_empty());
}

#[test]
fn a_loopback_url_is_not_public() {
    for local in [
        "http://127.0.0.1:8080",
        "http://localhost:8080/base",
        "http://[::1]:80",
    ] {
        assert_eq!(
            PublicUrlReach::of_url(local),
            PublicUrlReach::Loopback,
            "{local}"
        );
    }
    assert_eq!(
        PublicUrlReach::of_url("https://hooks.example.com"),
        PublicUrlReach::Public
    );
}

#[test]
fn without_accounts_the_page_shows_an_example() {
    let page = render(
        "accounts-empty",
        &AccountsPage::new(
            &[],
            &LatestEvents::new(),
            PublicUrlReach::Loopback,
            Visibility::Full,
            now(),
        ),
    );
    assert!(page.main().contains("provider = \"kaleyra\""));
    assert!(page.main().contains("bluetick config check"));
}

#[test]
fn an_error_page_links_to_the_overview() {
    for (name, kind) in [
        ("404", ErrorPageKind::NotFound),
        ("403", ErrorPageKind::Forbidden),
        ("500", ErrorPageKind::Internal),
    ] {
        let page = render(
            name,
            &ErrorPage::new(
                kind,
                None,
                Some("r-17".to_owned()),
                Viewer::SignedIn { may_send: false },
            ),
        );
        assert!(page.main().contains(name));
        assert!(page.main().contains("r-17"));
        assert!(page.links().contains(&"/".to_owned()));
    }
}

fn problem(kind: ProblemKind, count: u64, items: ProblemItems) -> ProblemList {
    ProblemList { kind, count, items }
}

fn problem_lists() -> Vec<ProblemList> {
    let orphan = |id: u128, suggestions: Vec<MessageId>| ListedOrphan {
        message: Message {
            origin: Origin::Orphan,
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
            ProblemItems::Accounts(vec![(
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
            ProblemItems::Messages(vec![
                message(1, DeliveryState::Uncertain),
                message(2, DeliveryState::Uncertain),
            ]),
        ),
        problem(
            ProblemKind::Overdue,
            1,
            ProblemItems::Messages(vec![message(3, DeliveryState::Submitted)]),
        ),
        problem(
            ProblemKind::Orphans,
            2,
            ProblemItems::Orphans(vec![orphan(4, vec![known(5), known(6)]), orphan(7, vec![])]),
        ),
        problem(
            ProblemKind::IdConflicts,
            1,
            ProblemItems::IdConflicts(vec![IdConflict {
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
            ProblemItems::Quarantine(vec![QuarantinedPart {
                parts: 1,
                callback: CallbackId::derived(now(), [7; 10]),
                part: 2,
                account: account("lancepilot-demo"),
                reason: "a status without a value".to_owned(),
                quarantined_at: now(),
            }]),
        ),
        problem(ProblemKind::Rejected, 12, ProblemItems::Nothing),
    ]
}

#[test]
fn problems_show_reason_next_step_and_actions() {
    let page = render(
        "problems",
        &ProblemsPage::new(&problem_lists(), Visibility::Full),
    );
    let main = page.main();
    for words in [
        "Needs attention",
        "Uncertain 31",
        "Next: Check the provider's console",
        "E110 Insufficient balance <b>",
        "29 older items not shown here",
        "reported as delivered",
        "part 3 of its callback",
        "Rejected requests 12",
    ] {
        assert!(main.contains(words), "{words} in {main}");
    }
    assert_eq!(page.buttons().len(), 1 + 2 * 2 + 1 + 2 + 1 + 1 + 2 + 1 + 1);
    assert!(
        page.links()
            .contains(&"/messages?state=uncertain&origin=api&resent=false".to_owned())
    );
    assert_eq!(page.text("[aria-current=page]"), "Problems");
}

#[test]
fn problems_are_masked_without_the_scope_operate() {
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
fn without_problems_the_page_says_so() {
    let page = render("problems-none", &ProblemsPage::new(&[], Visibility::Full));
    assert_eq!(page.text("h1"), "No open problems");
    assert!(page.links().contains(&"/messages".to_owned()));
}
