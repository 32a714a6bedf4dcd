//! Exports: the same rows as the list, safe to open, of any size.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::body::to_bytes;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use bluetick::cli::export::{self as command, ExportArguments};
use bluetick::cli::filter_arguments::FilterArguments;
use bluetick::domain::clock::FixedClock;
use bluetick::domain::delivery_state::{DeliveryState, Stage};
use bluetick::domain::failure::Failure;
use bluetick::domain::ids::{MessageId, ProviderMessageId};
use bluetick::domain::media::{Media, MediaKind, MediaSource};
use bluetick::domain::message::{Message, MessageDraft, Origin, References, SendOptions};
use bluetick::domain::phone::PhoneNumber;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use bluetick::domain::scope::Visibility;
use bluetick::reporting::costs::Costs;
use bluetick::reporting::export::columns::column_names;
use bluetick::reporting::export::{ExportFormat, Exporter};
use bluetick::store::Store;
use bluetick::store::api_tokens::TokenCreation;
use bluetick::store::ledger::LearnedFrom;
use bluetick::store::message_acceptance::Acceptance;
use bluetick::store::messages::{ExportedFailure, ExportedMessage, MessageFilter};
use bluetick::web::api::filter::parse_list;
use bluetick::web::api::parameters::pairs;
use bluetick::web::auth::Access;
use bluetick::web::configure;
use bluetick::web::route_registration::ServedRoutes;
use bluetick::web::session_cookie::SessionCookies;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::harness::database::TestDatabase;

const WAMID: &str = "wamid.HBgMOTE5OTcwMDAwMDAxFQIAERgS";

struct Fixture {
    store: Store,
    database: TestDatabase,
}

async fn fixture() -> Fixture {
    let database = TestDatabase::new().await;
    let store = database.main().await;
    Fixture { store, database }
}

fn start() -> DateTime<Utc> {
    "2026-11-20T10:00:00.250Z".parse().unwrap()
}

fn draft(number: usize) -> MessageDraft {
    MessageDraft {
        account: if number.is_multiple_of(2) {
            "kaleyra-in"
        } else {
            "sobot-1"
        }
        .parse()
        .unwrap(),
        provider: if number.is_multiple_of(2) {
            ProviderId::Kaleyra
        } else {
            ProviderId::Sobot
        },
        origin: Origin::Api,
        sender: Some("+918600000001".to_owned()),
        recipient: PhoneNumber::parse(&format!("+9199700{number:05}")).unwrap(),
        name: Some("=HYPERLINK(\"x\"), Asha".to_owned()),
        media: Media {
            kind: MediaKind::Image,
            source: MediaSource::Url("https://cdn.example.com/a.jpg".to_owned()),
            mime_type: Some("image/jpeg".to_owned()),
            caption: None,
        },
        references: References {
            reference: Some("line one\nline \"two\"".to_owned()),
            reference1: None,
            reference2: None,
        },
        client_reference: Some(format!("order-{number}")),
        options: SendOptions::default(),
        resend_of: None,
        campaign: None,
        template: None,
    }
}

impl Fixture {
    async fn accept(&self, draft: &MessageDraft, now: DateTime<Utc>) -> MessageId {
        let id = MessageId::new(now);
        let acceptance = Acceptance {
            id,
            draft,
            key: None,
            action: None,
            max_queue_time: TimeDelta::hours(1),
            silence_limit: TimeDelta::hours(24),
            warnings: &[],
        };
        self.store.accept(acceptance, now).await.unwrap();
        id
    }

    async fn add_receipts(&self, id: MessageId, events: Vec<ReceiptEvent>, pricing: Pricing) {
        let mut ledger = self.store.ledger(start()).await.unwrap();
        ledger.load(&[id]).await.unwrap();
        for (part, event) in (0..).zip(events) {
            let receipt = Receipt {
                source_kind: SourceKind::Callback,
                source: Uuid::from_u128(id.uuid().as_u128() ^ 1),
                part,
                event,
                occurred_at: Some(start() + TimeDelta::seconds(i64::from(part) + 1)),
                zone_assumed: false,
                received_at: start() + TimeDelta::seconds(60),
                recipient: None,
                pricing: pricing.clone(),
            };
            ledger.add(id, receipt).unwrap();
        }
        self.store.commit(ledger).await.unwrap();
    }

    /// All matching messages page by page; list and export must agree.
    async fn pages(&self, filter: &MessageFilter, limit: usize) -> Vec<ExportedMessage> {
        let mut found = Vec::new();
        let mut after = None;
        let mut exported = Some(self.store.first_export_page(filter, limit).await.unwrap());
        while let Some(page) = exported {
            let listed = self.store.list_messages(filter, after, limit);
            let listed = listed.await.unwrap();
            let messages: Vec<ExportedMessage> =
                listed.messages.into_iter().map(as_exported).collect();
            assert!(messages.len() <= limit);
            assert_eq!(page.decode().unwrap(), messages);
            assert_eq!(page.next().unwrap(), listed.next);
            found.extend(messages);
            after = listed.next;
            exported = self.store.next_export_page(filter, &page).await.unwrap();
        }
        assert_eq!(after, None);
        found
    }

    /// One failed, one read and one queued message; newest last.
    async fn fill(&self) -> [MessageId; 3] {
        let failed = self.accept(&draft(1), start()).await;
        let read = self
            .accept(&draft(2), start() + TimeDelta::seconds(1))
            .await;
        let waits = self
            .accept(&draft(3), start() + TimeDelta::seconds(2))
            .await;
        let failure = Failure {
            code: Some("131026".to_owned()),
            title: Some("Undeliverable".to_owned()),
            detail: Some("919970000001 is not on WhatsApp".to_owned()),
            key: None,
        };
        let events = vec![
            ReceiptEvent::Stage(Stage::Submitted),
            ReceiptEvent::Failure(failure),
        ];
        self.add_receipts(failed, events, Pricing::default()).await;
        let pricing = Pricing {
            billable: Some(true),
            category: Some("service".to_owned()),
            model: None,
            price: Some("-0.005".to_owned()),
            ..Pricing::default()
        };
        let events = vec![
            ReceiptEvent::Stage(Stage::Delivered),
            ReceiptEvent::Stage(Stage::Read),
        ];
        self.add_receipts(read, events, pricing).await;
        let mut ledger = self.store.ledger(start()).await.unwrap();
        ledger.load(&[failed]).await.unwrap();
        let id = ProviderMessageId::parse(WAMID).unwrap();
        let account = draft(1).account;
        ledger
            .load_holders(&[(account.clone(), id.clone())])
            .await
            .unwrap();
        ledger
            .bind(failed, &account, &id, LearnedFrom::Reply)
            .await
            .unwrap();
        self.store.commit(ledger).await.unwrap();
        [failed, read, waits]
    }

    /// Sends a request with a token that has these scopes.
    async fn get(&self, scopes: &str, address: &str) -> (u16, String, String) {
        let name = Uuid::from_bytes(rand::random()).to_string();
        let created = self
            .store
            .create_token(&name, &scopes.parse().unwrap(), start())
            .await
            .unwrap();
        let TokenCreation::Created(_, token) = created else {
            panic!("the name is taken");
        };
        let clock = Arc::new(FixedClock::at(start() + TimeDelta::hours(1)));
        let public_url = "http://127.0.0.1:8080";
        let access = Access::new(self.store.clone(), clock, public_url, Arc::default());
        let exporter = self.exporter();
        let cookies = SessionCookies {
            key: &[1; 64],
            public_url,
        };
        let server = init_service(
            App::new()
                .app_data(web::Data::new(access))
                .app_data(web::Data::new(exporter))
                .configure(|config| configure(config, ServedRoutes::All, cookies)),
        )
        .await;
        let request = TestRequest::get()
            .uri(address)
            .insert_header(("Authorization", format!("Bearer {}", token.expose())));
        let response = call_service(&server, request.to_request()).await;
        let status = response.status().as_u16();
        let name = response
            .headers()
            .get("Content-Disposition")
            .map_or("", |value| value.to_str().unwrap())
            .to_owned();
        let body = to_bytes(response.into_body()).await.unwrap();
        (status, name, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Without rates.
    fn exporter(&self) -> Exporter {
        Exporter {
            costs: Costs {
                store: self.store.clone(),
                rates_file: Arc::default(),
                accounts: Arc::default(),
                zone: chrono_tz::UTC,
            },
            folder: self.database.folder().to_path_buf(),
        }
    }

    async fn csv(&self, scopes: &str, query: &str) -> Vec<BTreeMap<String, String>> {
        let address = format!("/api/v1/reports/messages.csv?{query}");
        let (status, _, body) = self.get(scopes, &address).await;
        assert_eq!(status, 200, "{body}");
        rows(&body)
    }

    /// The ids that the list shows for a query, page by page.
    async fn listed(&self, query: &str) -> Vec<String> {
        let now = start() + TimeDelta::hours(1);
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let pairs = pairs(&format!("{query}&limit=2{cursor}"));
            let asked = parse_list(&pairs, Visibility::Full, now).unwrap();
            let page = self
                .store
                .list_messages(&asked.filter, asked.after, asked.limit)
                .await
                .unwrap();
            ids.extend(page.messages.iter().map(|message| message.id.to_string()));
            match page.next {
                Some(next) => cursor = format!("&cursor={}", asked.write_cursor(next)),
                None => return ids,
            }
        }
    }
}

fn rows(body: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(body.as_bytes());
    let header: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(header, column_names());
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            header
                .iter()
                .cloned()
                .zip(record.iter().map(str::to_owned))
                .collect()
        })
        .collect()
}

fn ids(rows: &[BTreeMap<String, String>]) -> Vec<String> {
    rows.iter().map(|row| row["id"].clone()).collect()
}

#[actix_web::test]
async fn the_columns_follow_the_contract() {
    assert_eq!(
        column_names().join(", "),
        "id, account, provider, from, to, name, kind, state, conflict, overdue, origin, provider_id, ref, ref1, ref2, \
         client_reference, created_at, submitted_at, sent_at, delivered_at, read_at, failed_at, failure_code, \
         failure_class, failure_detail, billable, pricing_category, price, campaign, template, cost, cost_currency, \
         cost_basis, pricing_type"
    );
}

#[actix_web::test]
async fn a_csv_row_has_every_value_and_no_formula() {
    let fixture = fixture().await;
    let [failed, read, waits] = fixture.fill().await;
    let rows = fixture.csv("operate", "").await;
    assert_eq!(ids(&rows), [waits, read, failed].map(|id| id.to_string()));
    let row = &rows[2];
    for (column, value) in [
        ("account", "sobot-1"),
        ("provider", "sobot"),
        ("from", "+918600000001"),
        ("to", "+919970000001"),
        ("name", "'=HYPERLINK(\"x\"), Asha"),
        ("kind", "image"),
        ("state", "failed"),
        ("conflict", "false"),
        ("overdue", "false"),
        ("origin", "api"),
        ("provider_id", WAMID),
        ("ref", "line one\nline \"two\""),
        ("ref1", ""),
        ("client_reference", "order-1"),
        ("created_at", "2026-11-20T10:00:00.250Z"),
        ("submitted_at", "2026-11-20T10:00:01.250Z"),
        ("delivered_at", ""),
        ("failed_at", "2026-11-20T10:00:02.250Z"),
        ("failure_code", "131026"),
        ("failure_detail", "919970000001 is not on WhatsApp"),
        ("billable", ""),
    ] {
        assert_eq!(row[column], value, "{column}");
    }
    assert_eq!(rows[1]["billable"], "true");
    assert_eq!(rows[1]["price"], "'-0.005");
    assert_eq!(
        rows[1]["sent_at"], rows[1]["delivered_at"],
        "an implied stage has the time above"
    );
}

#[actix_web::test]
async fn an_ndjson_row_omits_absent_values() {
    let fixture = fixture().await;
    fixture.fill().await;
    let (status, name, body) = fixture
        .get("operate", "/api/v1/reports/messages.ndjson?state=read")
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        name,
        "attachment; filename=\"messages-20261120T110000Z.ndjson\""
    );
    assert_eq!(body.lines().count(), 1);
    let row: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(row["name"], "=HYPERLINK(\"x\"), Asha");
    assert_eq!(row["conflict"], false);
    assert_eq!(row["price"], "-0.005");
    assert!(row.get("failure_code").is_none() && row.get("ref1").is_none());
    let order: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!(order[..5], ["id", "account", "provider", "from", "to"]);
}

#[actix_web::test]
async fn without_the_scope_operate_rows_are_masked() {
    let fixture = fixture().await;
    fixture.fill().await;
    for format in ["csv", "ndjson"] {
        let address = format!("/api/v1/reports/messages.{format}");
        let (_, _, body) = fixture.get("read", &address).await;
        for secret in ["9970000001", "8600000001", "Asha", WAMID] {
            assert!(!body.contains(secret), "{secret} in {body}");
        }
        assert!(
            body.contains("9199•••••001") && body.contains("wamid.…"),
            "{body}"
        );
    }
    let whole = fixture.csv("read", "q=919970000001").await;
    assert_eq!(whole.len(), 1);
    for part in ["91997000", "0000001"] {
        let query = format!("q={part}");
        assert_eq!(fixture.csv("read", &query).await.len(), 0, "{part}");
        assert!(!fixture.csv("operate", &query).await.is_empty(), "{part}");
    }
}

#[actix_web::test]
async fn exports_need_the_scope_read_and_name_bad_parameters() {
    let fixture = fixture().await;
    let (status, _, body) = fixture.get("send", "/api/v1/reports/messages.csv").await;
    assert_eq!(status, 403, "{body}");
    let (status, _, body) = fixture
        .get(
            "read",
            "/api/v1/reports/messages.csv?colour=red&tz=Moon&limit=5",
        )
        .await;
    assert_eq!(status, 422);
    let problem: Value = serde_json::from_str(&body).unwrap();
    let fields: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["colour", "tz", "limit"]);
}

#[actix_web::test]
async fn times_are_in_the_requested_zone() {
    let fixture = fixture().await;
    fixture.fill().await;
    let rows = fixture.csv("operate", "tz=Asia/Kolkata&state=failed").await;
    assert_eq!(rows[0]["created_at"], "2026-11-20T15:30:00.250+05:30");
    let (_, _, marked) = fixture
        .get("operate", "/api/v1/reports/messages.csv?bom=1")
        .await;
    assert!(marked.starts_with("\u{feff}id,account"));
}

#[actix_web::test]
async fn an_export_holds_exactly_the_rows_that_the_same_filters_list() {
    let fixture = fixture().await;
    fixture.fill().await;
    for (query, expected) in [
        ("", 3),
        ("account=sobot-1", 2),
        ("provider=kaleyra", 1),
        ("from=%2B918600000001", 3),
        ("to=+919970000002", 1),
        ("state=failed,read", 2),
        ("state=failed&state=queued", 2),
        ("kind=video", 0),
        ("ref=order-3", 1),
        ("code=131026", 1),
        ("conflict=true", 0),
        ("overdue=false", 3),
        ("overdue=true", 0),
        ("origin=observed", 0),
        ("created_after=2026-11-20T10:00:01Z", 2),
        ("created_before=2026-11-20T15:30:01%2B05:30", 1),
        ("q=order-", 3),
        ("q=0000002", 1),
    ] {
        let listed = fixture.listed(query).await;
        assert_eq!(listed.len(), expected, "{query}");
        assert_eq!(ids(&fixture.csv("operate", query).await), listed, "{query}");
    }
    let by_wamid = format!("provider_id={WAMID}");
    assert_eq!(fixture.csv("operate", &by_wamid).await.len(), 1);
}

#[actix_web::test]
async fn five_thousand_rows_are_in_order_and_unique() {
    let fixture = fixture().await;
    let mut accepted = Vec::new();
    for number in 0..5000 {
        // Several share an instant, to test the order within it.
        let step = i64::try_from(number / 7).unwrap();
        let now = start() + TimeDelta::milliseconds(step);
        accepted.push((now, fixture.accept(&draft(number), now).await));
    }
    accepted.sort_by(|a, b| b.cmp(a));
    let expected: Vec<String> = accepted.iter().map(|(_, id)| id.to_string()).collect();
    assert_eq!(ids(&fixture.csv("operate", "").await), expected);
    let first = fixture
        .csv("operate", "created_before=2026-11-20T10:00:00.393Z")
        .await;
    assert_eq!(ids(&first), expected[5000 - 1001..]);
    let (_, _, body) = fixture
        .get("operate", "/api/v1/reports/messages.ndjson")
        .await;
    assert_eq!(body.lines().count(), 5000);
}

#[actix_web::test]
async fn pages_of_any_size_export_what_the_list_shows() {
    let fixture = fixture().await;
    fixture.fill().await;
    for number in 4..8 {
        fixture.accept(&draft(number), start()).await;
    }
    let all = MessageFilter::default();
    let every = fixture.pages(&all, 100).await;
    assert_eq!(every.len(), 7);
    let several = MessageFilter {
        states: vec![
            DeliveryState::Queued,
            DeliveryState::Failed,
            DeliveryState::Queued,
            DeliveryState::Played,
        ],
        ..all.clone()
    };
    let of_account = MessageFilter {
        account: Some(draft(1).account),
        ..several.clone()
    };
    let one = MessageFilter {
        states: vec![DeliveryState::Failed],
        ..of_account.clone()
    };
    for (filter, expected) in [(all, 7), (several, 6), (of_account, 4), (one, 1)] {
        let fits = |message: &&ExportedMessage| {
            (filter.states.is_empty() || filter.states.contains(&message.state))
                && (filter.account.as_ref()).is_none_or(|account| *account == message.account)
        };
        let fitting: Vec<ExportedMessage> = every.iter().filter(fits).cloned().collect();
        assert_eq!(fitting.len(), expected);
        for limit in 1..=8 {
            let found = fixture.pages(&filter, limit).await;
            assert_eq!(found, fitting, "pages of {limit}");
        }
    }
}

fn as_exported(message: Message) -> ExportedMessage {
    ExportedMessage {
        submitted_at: message.stage(Stage::Submitted),
        sent_at: message.stage(Stage::Sent),
        delivered_at: message.stage(Stage::Delivered),
        read_at: message.stage(Stage::Read),
        id: message.id,
        account: message.account,
        provider: message.provider,
        origin: message.origin,
        sender: message.sender,
        recipient: message.recipient,
        name: message.name,
        kind: message.kind,
        references: message.references,
        client_reference: message.client_reference,
        state: message.state,
        conflict: message.conflict,
        due_at: message.due_at,
        failure: message.failure.map(|listed| ExportedFailure {
            at: listed.at,
            class: listed.class,
            code: listed.failure.code,
            text: listed.failure.detail.or(listed.failure.title),
        }),
        pricing: Pricing {
            model: None,
            ..message.pricing
        },
        erased_country: message.erased_country,
        deliveries: message.deliveries,
        template_name: message.template.map(|template| template.name),
        provider_id: message.provider_id,
        created_at: message.created_at,
        counted_at: message.created_at,
        campaign: message.campaign,
    }
}

#[actix_web::test]
async fn texts_round_trip_with_any_characters() {
    let fixture = fixture().await;
    let mut texts = vec![
        String::new(),
        "null".to_owned(),
        "[1,\"two\",\\\\u0041\\n]".to_owned(),
        "one\ntwo\r\nthree\rfour\u{b}\u{c}\u{85}\u{2028}\u{2029}".to_owned(),
        "\u{1}\u{8}\t\u{1b}\u{1f} \u{7f}/'\"\\".to_owned(),
        "é आशा 👩‍👩‍👧 \u{feff}\u{fffd}\u{ffff}\u{10ffff}".to_owned(),
        "12345678901234567890".to_owned(),
        "1e400".to_owned(),
        "x".repeat(100_000),
    ];
    // PostgreSQL accepts no NUL in texts.
    if !fixture.database.is_postgres() {
        texts.push("a\0b".to_owned());
    }
    for (number, text) in (0..).zip(&texts) {
        let mut draft = draft(1);
        draft.name = Some(text.clone());
        draft.references = References {
            reference: Some(text.clone()),
            reference1: None,
            reference2: Some(text.clone()),
        };
        let now = start() + TimeDelta::milliseconds(number);
        fixture.accept(&draft, now).await;
    }
    let address = "/api/v1/reports/messages.ndjson";
    let (_, _, body) = fixture.get("operate", address).await;
    let mut found = Vec::new();
    for line in body.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let name = row["name"].as_str().unwrap();
        assert_eq!((&row["ref"], &row["ref2"]), (&row["name"], &row["name"]));
        assert!(row.get("ref1").is_none());
        found.push(name.to_owned());
    }
    found.reverse();
    assert_eq!(found, texts);
}

#[actix_web::test]
async fn the_command_line_writes_the_same_file() {
    let fixture = fixture().await;
    fixture.fill().await;
    let output = fixture.database.folder().join("out.csv");
    let arguments = |option: &'static str, value: &str| ExportArguments {
        format: ExportFormat::Csv,
        output: Some(output.clone()),
        tz: None,
        bom: false,
        filters: FilterArguments {
            given: vec![(option, value.to_owned())],
        },
    };
    let now = start() + TimeDelta::hours(1);
    command::run(arguments("state", "failed,read"), &fixture.exporter(), now)
        .await
        .unwrap();
    let written = std::fs::read_to_string(&output).unwrap();
    let (_, _, body) = fixture
        .get("operate", "/api/v1/reports/messages.csv?state=failed,read")
        .await;
    assert_eq!(written, body);
    assert_eq!(rows(&written).len(), 2);
    let mode = std::os::unix::fs::PermissionsExt::mode(&output.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let failure = command::run(
        arguments("created_after", "today"),
        &fixture.exporter(),
        now,
    )
    .await
    .unwrap_err();
    assert!(
        failure.to_string().starts_with("--created-after must be"),
        "{failure}"
    );
}
