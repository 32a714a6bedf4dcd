//! What providers report about an account is listed, in whichever shape it came.

use std::fs;

use bluetick::domain::scope::Scope;
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, noon, read, start_app};
use crate::harness::dump::dump;
use crate::harness::generator::Generator;
use crate::rebuilding::assert_same;

const EVERY: [&str; 4] = [SOBOT, KALEYRA, ZIXFLOW, LANCEPILOT];

/// Meta's fixtures: kind, title, previous, current, template, sender, detail.
type Expected = [&'static str; 7];

const META: [(&str, Expected); 12] = [
    (
        "event_number_flagged",
        [
            "quality",
            "Quality rating: flagged",
            "",
            "FLAGGED",
            "",
            "447700900999",
            "messaging limit TIER_10K",
        ],
    ),
    (
        "event_limit_upgraded",
        [
            "limit",
            "Messaging limit: upgrade",
            "TIER_1K",
            "TIER_10K",
            "",
            "447700900999",
            "",
        ],
    ),
    (
        "event_capability",
        [
            "limit",
            "Messaging limit of the business",
            "",
            "10000",
            "",
            "",
            "at most 25 phone numbers",
        ],
    ),
    (
        "event_template_rejected",
        [
            "template",
            "Template autumn_offer (en_GB): rejected",
            "",
            "REJECTED",
            "autumn_offer",
            "",
            "TAG_CONTENT_MISMATCH",
        ],
    ),
    (
        "event_template_paused",
        [
            "template",
            "Template autumn_offer (en_GB): paused",
            "",
            "PAUSED",
            "autumn_offer",
            "",
            "Paused for 3 hours because customers reported it.",
        ],
    ),
    (
        "event_template_category",
        [
            "template",
            "Template autumn_offer (en_GB): category marketing",
            "UTILITY",
            "MARKETING",
            "autumn_offer",
            "",
            "",
        ],
    ),
    (
        "event_template_quality",
        [
            "template",
            "Template autumn_offer (en_GB): quality yellow",
            "GREEN",
            "YELLOW",
            "autumn_offer",
            "",
            "",
        ],
    ),
    (
        "event_account_restricted",
        [
            "account",
            "Account: account restriction",
            "",
            "ACCOUNT_RESTRICTION",
            "",
            "",
            "restricted biz initiated messaging",
        ],
    ),
    (
        "event_account_banned",
        [
            "account",
            "Account: disabled update",
            "",
            "DISABLED_UPDATE",
            "",
            "",
            "schedule for disable",
        ],
    ),
    (
        "event_account_reviewed",
        [
            "account",
            "Account review: approved",
            "",
            "APPROVED",
            "",
            "",
            "",
        ],
    ),
    (
        "event_number_name",
        [
            "phone_number",
            "Name of the number: rejected",
            "",
            "REJECTED",
            "",
            "447700900999",
            "Autumn Shop",
        ],
    ),
    (
        "event_security",
        [
            "phone_number",
            "Security of the number: pin changed",
            "",
            "PIN_CHANGED",
            "",
            "447700900999",
            "",
        ],
    ),
];

fn fixture(path: &str) -> Value {
    let path = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

async fn deliver(app: &App, account: &str, body: &Value) {
    app.deliver_callback(account, body).await;
    app.run_jobs_until_idle().await;
}

async fn events(app: &App, account: &str, query: &str) -> Vec<Value> {
    let list = app
        .get_ok(&format!("/api/v1/accounts/{account}/events{query}"))
        .await;
    list["data"].as_array().unwrap().clone()
}

fn fields(event: &Value) -> Vec<&str> {
    [
        "kind", "title", "previous", "current", "template", "sender", "detail",
    ]
    .map(|name| event[name].as_str().unwrap_or_default())
    .to_vec()
}

#[actix_web::test]
async fn every_notice_of_meta_is_an_event_at_every_provider() {
    let app = start_app().await;
    for account in EVERY {
        for (name, expected) in META {
            deliver(
                &app,
                account,
                &fixture(&format!("meta/callbacks/{name}.json")),
            )
            .await;
            let callback = &app.callbacks().await[0];
            assert_eq!(
                callback["outcome"], "notice",
                "{account} {name}: {callback}"
            );
            let listed = events(&app, account, "?limit=500").await;
            let event = listed
                .iter()
                .find(|event| event["callback"] == callback["id"])
                .unwrap_or_else(|| panic!("{account} {name} is missing"));
            assert_eq!(fields(event), expected, "{account} {name}");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn notices_in_the_shape_of_a_provider_are_events() {
    let app = start_app().await;
    let rating = "display_phone_number=447700900999&event=FLAGGED&current_limit=TIER_10K";
    let url = format!("{}?{rating}", app.callback_url(KALEYRA));
    reqwest::get(url).await.unwrap();
    app.run_jobs_until_idle().await;
    let listed = events(&app, KALEYRA, "").await;
    assert_eq!(
        fields(&listed[0]),
        [
            "quality",
            "Quality rating: flagged",
            "",
            "FLAGGED",
            "",
            "447700900999",
            "messaging limit TIER_10K"
        ]
    );
    let template = fixture("kaleyra/callbacks/template_status.json");
    for account in EVERY {
        deliver(&app, account, &template).await;
        let listed = events(&app, account, "?kind=template").await;
        assert_eq!(
            fields(&listed[0]),
            [
                "template",
                "Template autumn_offer (en): approved",
                "",
                "APPROVED",
                "autumn_offer",
                "",
                ""
            ],
            "{account}"
        );
        // The provider's time, not ours.
        assert_eq!(listed[0]["at"], "2025-11-20T00:54:20.000Z", "{account}");
    }
    let panel =
        json!({ "event": "template.rejected", "data": { "attributes": { "name": "spring" } } });
    deliver(&app, LANCEPILOT, &panel).await;
    let listed = events(&app, LANCEPILOT, "?template=spring").await;
    assert_eq!(
        fields(&listed[0]),
        [
            "template",
            "Template spring: rejected",
            "",
            "rejected",
            "spring",
            "",
            ""
        ]
    );
    let error = fixture("meta/callbacks/system_error.json");
    deliver(&app, SOBOT, &error).await;
    let listed = events(&app, SOBOT, "?kind=error").await;
    assert_eq!(
        fields(&listed[0]),
        [
            "error",
            "Error: Rate limit hit",
            "",
            "130429",
            "",
            "447700900999",
            "too many"
        ]
    );
    app.finish().await;
}

#[actix_web::test]
async fn notices_about_customers_and_messages_are_no_events_of_the_account() {
    let app = start_app().await;
    let preference =
        json!({ "wa_id": "447700900123", "category": "marketing_messages", "value": "stop" });
    for (field, value) in [
        (
            "user_preferences",
            json!({ "user_preferences": [preference] }),
        ),
        (
            "message_echoes",
            json!({ "message_echoes": [{ "to": "447700900123", "id": "wamid.E" }] }),
        ),
        (
            "calls",
            json!({ "statuses": [{ "id": "wacid.1", "type": "call", "status": "RINGING" }] }),
        ),
    ] {
        deliver(&app, SOBOT, &json!([{ "field": field, "value": value }])).await;
        assert_eq!(app.callbacks().await[0]["outcome"], "notice", "{field}");
    }
    assert_eq!(events(&app, SOBOT, "").await, Vec::<Value>::new());
    app.finish().await;
}

#[actix_web::test]
async fn events_are_filtered_paged_and_masked() {
    let app = start_app().await;
    for place in 0..5 {
        let status = if place % 2 == 0 { "PAUSED" } else { "APPROVED" };
        let at = (noon() - TimeDelta::hours(5 - place)).timestamp();
        let change = json!({ "field": "message_template_status_update",
            "value": { "event": status, "message_template_name": format!("t{place}"), "reason": "call +44 7700 900123" } });
        let body = json!({ "entry": [{ "id": "1", "time": at, "changes": [change] }] });
        deliver(&app, SOBOT, &body).await;
    }
    deliver(
        &app,
        SOBOT,
        &fixture("meta/callbacks/event_number_flagged.json"),
    )
    .await;
    let path = format!("/api/v1/accounts/{SOBOT}/events");
    let first = app.get_ok(&format!("{path}?kind=template&limit=2")).await;
    let names = |page: &Value| -> Vec<String> {
        let rows = page["data"].as_array().unwrap().iter();
        rows.map(|row| row["template"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&first), ["t4", "t3"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app
        .get_ok(&format!("{path}?kind=template&limit=2&cursor={cursor}"))
        .await;
    assert_eq!(names(&second), ["t2", "t1"]);
    let cursor = second["next_cursor"].as_str().unwrap();
    let third = app
        .get_ok(&format!("{path}?kind=template&limit=2&cursor={cursor}"))
        .await;
    assert_eq!(names(&third), ["t0"]);
    assert_eq!(third["next_cursor"], Value::Null);
    let since = (noon() - TimeDelta::hours(2)).format("%Y-%m-%dT%H:%M:%SZ");
    let recent = app.get_ok(&format!("{path}?from={since}")).await;
    assert_eq!(names(&recent), ["t4", "t3"]);
    let before = app
        .get_ok(&format!("{path}?kind=template&to={since}"))
        .await;
    assert_eq!(names(&before), ["t2", "t1", "t0"]);
    assert_eq!(
        events(&app, SOBOT, "?sender=%2B447700900999").await.len(),
        1
    );
    let refused = app
        .get(&format!(
            "{path}?kind=weather&from=today&colour=red&cursor={cursor}"
        ))
        .await;
    assert_eq!(refused.0, 422);
    assert_eq!(app.get("/api/v1/accounts/unknown/events").await.0, 404);
    let masked = read(app.request_as(Scope::Read, "GET", &path)).await.1;
    assert!(!masked.to_string().contains("7700900999"), "{masked}");
    assert!(!masked.to_string().contains("900123"), "{masked}");
    let page = app.request("GET", "/accounts").send().await.unwrap();
    let page = page.text().await.unwrap();
    let callback = recent["data"][0]["callback"].as_str().unwrap();
    for shown in [
        "Account events",
        "Template t4: paused",
        &format!("/callbacks/{callback}"),
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_replay_and_a_rebuild_give_the_same_events() {
    let app = start_app().await;
    for (name, _) in META {
        deliver(
            &app,
            SOBOT,
            &fixture(&format!("meta/callbacks/{name}.json")),
        )
        .await;
    }
    let before = dump(&app.database).await;
    assert_eq!(
        before
            .iter()
            .filter(|line| line.starts_with("account_events "))
            .count(),
        META.len()
    );
    let replayed = app
        .post_json(
            "/api/v1/callbacks/replay",
            &json!({ "account": SOBOT, "dry_run": false }),
        )
        .await;
    assert_eq!(replayed.0, 200, "{}", replayed.1);
    assert_same(&before, &dump(&app.database).await);
    bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
        .await
        .unwrap();
    assert_same(&before, &dump(&app.database).await);
    app.finish().await;
}

#[actix_web::test]
async fn only_the_latest_ten_thousand_events_of_an_account_are_kept() {
    let app = start_app().await;
    deliver(
        &app,
        KALEYRA,
        &fixture("meta/callbacks/event_account_reviewed.json"),
    )
    .await;
    let oldest = noon().timestamp() - 20_000;
    for batch in 0..3 {
        let changes = (0..4000).map(|place| {
            json!({ "field": "message_template_status_update", "value": {
                "event": "PAUSED", "message_template_id": batch * 4000 + place, "timestamp": oldest + batch * 4000 + place } })
        });
        deliver(&app, SOBOT, &changes.collect()).await;
    }
    let counted = app
        .database
        .query(&format!(
            "SELECT CAST(count(*) AS TEXT) AS line FROM account_events WHERE account = '{SOBOT}'"
        ))
        .await;
    assert_eq!(counted, ["10000"]);
    let newest = events(&app, SOBOT, "?limit=1").await;
    assert_eq!(newest[0]["template"], "11999");
    assert_eq!(events(&app, SOBOT, "?template=1999").await.len(), 0);
    assert_eq!(events(&app, SOBOT, "?template=2000").await.len(), 1);
    assert_eq!(events(&app, KALEYRA, "").await.len(), 1);
    app.finish().await;
}

/// A notice of any field that is not about messages.
fn notices() -> impl Strategy<Value = Value> {
    let field = prop_oneof![
        prop::sample::select(vec![
            "phone_number_quality_update",
            "business_capability_update",
            "message_template_status_update",
            "message_template_quality_update",
            "template_category_update",
            "account_update",
            "account_review_update",
            "phone_number_name_update",
            "security",
            "flows",
        ])
        .prop_map(str::to_owned),
        "(account|template|business|phone_number)_[a-z]{3,9}_update",
    ];
    let name = prop::sample::select(vec![
        "event",
        "decision",
        "reason",
        "message_template_name",
        "display_phone_number",
        "current_limit",
        "old_limit",
        "new_category",
        "previous_category",
        "ban_info",
        "restriction_info",
    ]);
    let value = prop_oneof![
        "[A-Z_]{1,16}".prop_map(Value::String),
        any::<u32>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::String),
        Just(Value::Null),
        Just(json!([])),
        Just(json!({ "waba_ban_state": "DISABLE" })),
    ];
    (
        field,
        prop::collection::btree_map(name, value, 0..6),
        0..9000_i64,
    )
        .prop_map(|(field, value, age)| {
            json!({ "entry": [{ "id": "1", "time": noon().timestamp() - age,
                "changes": [{ "field": field, "value": value }] }] })
        })
}

#[actix_web::test]
async fn any_notice_is_one_event_at_every_provider_and_the_order_of_arrival_is_not_seen() {
    let mut generator = Generator::new();
    while generator.next_round(1).is_some() {
        let bodies: Vec<Value> = (0..24).map(|_| generator.value(&notices())).collect();
        check_events_of(&bodies).await;
    }
}

async fn check_events_of(bodies: &[Value]) {
    let mut lists = Vec::new();
    for backwards in [false, true] {
        let app = start_app().await;
        for account in EVERY {
            let mut ordered: Vec<&Value> = bodies.iter().collect();
            if backwards {
                ordered.reverse();
            }
            for body in ordered {
                app.deliver_callback(account, body).await;
            }
            app.run_jobs_until_idle().await;
            let mut listed = events(&app, account, "?limit=500").await;
            assert_eq!(listed.len(), bodies.len(), "{account}");
            for event in &mut listed {
                event.as_object_mut().unwrap().remove("callback");
                assert!(!event["title"].as_str().unwrap().is_empty(), "{event}");
            }
            let mut lines: Vec<String> = listed.iter().map(Value::to_string).collect();
            lines.sort();
            lists.push(lines);
        }
        app.finish().await;
    }
    for list in &lists[1..] {
        assert_same(&lists[0], list);
    }
}
