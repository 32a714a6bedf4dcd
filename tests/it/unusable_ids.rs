//! A text that identifies no message is no id: a template's unfilled variable, and any id that
//! callbacks carry for two messages. Messages stay apart, and the account shows what to correct.

use bluetick::domain::correlation_tag::format_tag;
use bluetick::simulator::ForcedReply;
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::app::{
    App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, image_to, message, read, start_app,
};
use crate::harness::dump::dump;
use crate::harness::generator::Generator;
use crate::rebuilding::{assert_same, verified};

const PLACEHOLDERS: &[&str] = &[
    "null",
    "undefined",
    "{{message_id}}",
    "${messageId}",
    "%message_id%",
    "[messageId]",
    "N/A",
    "None",
    "-",
    "0",
    "<message_id>",
    "nil",
    "NULL",
    "$messageId",
    "{message_id}",
    ":id",
    "string",
];

/// Every one on SQLite; on PostgreSQL, where an app starts slowly, one of `number`.
fn apps_apart(number: usize) -> usize {
    if std::env::var_os("TEST_DATABASE_URL").is_some() {
        number
    } else {
        1
    }
}

/// Two messages to different customers, submitted.
async fn two_messages(app: &App, account: &str) -> [String; 2] {
    let mut sent = Vec::new();
    for to in ["+44 7700 900111", "+44 7700 900222"] {
        sent.push(app.send(&image_to(account, to)).await);
        app.run_jobs_until_idle().await;
    }
    sent.try_into().unwrap()
}

fn tag(message: &str) -> String {
    format_tag(message.parse().unwrap())
}

async fn deliver(app: &App, account: &str, body: &Value) {
    app.deliver_callback(account, body).await;
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::seconds(1));
}

async fn ids(app: &App, message: &str) -> Vec<String> {
    let shown = app.message(message).await;
    let ids = shown["provider_ids"].as_array().unwrap().iter();
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// The warnings of an account with this code.
async fn warnings(app: &App, account: &str, code: &str) -> Vec<String> {
    let accounts = app.get_ok("/api/v1/accounts").await;
    let accounts = accounts["data"].as_array().unwrap().clone();
    let account = accounts.into_iter().find(|it| it["id"] == account).unwrap();
    let Some(warnings) = account["warnings"].as_array() else {
        return Vec::new();
    };
    warnings
        .iter()
        .filter(|warning| warning["code"] == code)
        .map(|warning| warning["message"].as_str().unwrap().to_owned())
        .collect()
}

async fn assert_rebuild_changes_nothing(app: &App) {
    let before = dump(&app.database).await;
    assert_eq!(verified(app).await.1, Vec::<String>::new());
    bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
        .await
        .unwrap();
    assert_same(&before, &dump(&app.database).await);
    assert_eq!(verified(app).await.1, Vec::<String>::new());
}

/// Where Zixflow reports on the messages that it was sent, oldest first.
fn report_urls(app: &App) -> Vec<String> {
    let received = app.received(ZIXFLOW);
    let bodies = received.iter().map(|request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        body["reportURL"].as_str().unwrap().to_owned()
    });
    bodies.collect()
}

async fn post_report(app: &App, url: &str, body: &Value) {
    let reply = app.client.post(url).json(body).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::seconds(1));
}

/// The placeholders that the contract lists, and others of their kind.
fn placeholders(generator: &mut Generator) -> Vec<String> {
    let marks = prop::sample::select(vec![
        ("{{", "}}"),
        ("${", "}"),
        ("<", ">"),
        ("[", "]"),
        ("%", "%"),
        ("#{", "}"),
        ("{{ $json.", " }}"),
        ("<%= ", " %>"),
    ]);
    let sample = (marks, "[a-zA-Z_]{1,12}");
    let others = (0..6).map(|_| {
        let ((open, close), name) = generator.value(&sample);
        format!("{open}{name}{close}")
    });
    let listed = PLACEHOLDERS.iter().map(|text| (*text).to_owned());
    listed.chain(others).collect()
}

#[actix_web::test]
async fn a_placeholder_is_no_id_and_joins_no_messages() {
    let placeholders = placeholders(&mut Generator::new());
    for placeholder in placeholders.iter().step_by(apps_apart(5)) {
        let app = start_app().await;
        let [first, second] = two_messages(&app, KALEYRA).await;
        let own = ids(&app, &first).await;
        let report = |word: &str, reference: &str| {
            json!({ "message_id": placeholder, "status": word, "ref2": reference,
                "reason": "not on WhatsApp", "extra_info": { "message_id": placeholder } })
        };
        deliver(&app, KALEYRA, &report("delivered", &tag(&first))).await;
        deliver(&app, KALEYRA, &report("failed", placeholder)).await;
        deliver(&app, KALEYRA, &report("failed", &tag(&second))).await;
        assert_eq!(app.state(&first).await, "delivered", "{placeholder}");
        let shown = app.message(&first).await;
        assert_eq!(shown["conflict"], false, "{placeholder}");
        assert_eq!(app.state(&second).await, "failed", "{placeholder}");
        assert_eq!(ids(&app, &first).await, own);
        assert_eq!(app.orphans().await, Vec::<Value>::new());
        let problems = app.get_ok("/api/v1/problems").await;
        assert_eq!(problems["id_conflicts"], 0);
        let shown = warnings(&app, KALEYRA, "template_sends_constant_id").await;
        let [warning] = shown.as_slice() else {
            panic!("{placeholder}: {shown:?}");
        };
        let words = format!("this account's callback template sends `{placeholder}` as the id");
        assert!(warning.contains(&words), "{warning}");
        assert_rebuild_changes_nothing(&app).await;
        app.finish().await;
    }
}

#[actix_web::test]
async fn a_placeholder_is_no_id_at_any_provider() {
    let mut generator = Generator::new();
    while generator.next_round(1).is_some() {
        Box::pin(check_no_id_anywhere(placeholders(&mut generator))).await;
    }
}

async fn check_no_id_anywhere(placeholders: Vec<String>) {
    let app = start_app().await;
    for placeholder in placeholders {
        let status = json!({ "id": placeholder, "status": "failed" });
        for (account, body) in [
            (SOBOT, status.clone()),
            (
                SOBOT,
                json!([{ "field": "messages", "value": { "statuses": [status] } }]),
            ),
            (
                KALEYRA,
                json!({ "message_id": placeholder, "status": "failed" }),
            ),
            (
                KALEYRA,
                json!({ "meta_object": { "field": "messages", "value": { "statuses": [status] } },
                "message_id": placeholder, "extra_info": { "message_id": placeholder } }),
            ),
            (
                ZIXFLOW,
                json!({ "messageId": placeholder, "deliveryStatus": "failed", "to": placeholder }),
            ),
            (
                LANCEPILOT,
                json!({ "event": "message.failed", "data": { "type": "messages", "id": placeholder,
                "attributes": { "wamid": placeholder, "to": placeholder } } }),
            ),
        ] {
            deliver(&app, account, &body).await;
            let callback = &app.callbacks().await[0];
            assert_eq!(callback["outcome"], "quarantined", "{body}");
            assert_eq!(app.orphans().await, Vec::<Value>::new(), "{body}");
            let shown = warnings(&app, account, "template_sends_constant_id").await;
            assert_eq!(shown.len(), 1, "{body}");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_placeholder_in_a_reply_or_a_registration_is_no_id() {
    let app = start_app().await;
    for placeholder in ["null", "0", "{{id}}"] {
        let reply = json!({ "data": { "id": placeholder, "status": "submitted" }, "code": 200 });
        app.force(SOBOT, ForcedReply::json(200, &reply));
        let id = app.send_image(SOBOT).await;
        app.run_jobs_until_idle().await;
        let shown = app.message(&id).await;
        assert_eq!(shown["state"], "submitted");
        assert_eq!(shown["provider_ids"], json!([]));
        assert!(
            shown["warnings"][0]["message"]
                .as_str()
                .unwrap()
                .contains("placeholder"),
            "{shown}"
        );
        let registered = json!({ "account": SOBOT, "provider_id": placeholder });
        let (status, refusal) = app
            .post_json("/api/v1/messages/observed", &registered)
            .await;
        assert_eq!(
            (status, &refusal["errors"][0]["field"]),
            (422, &json!("provider_id"))
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn an_id_with_two_tags_is_forgotten_and_the_messages_are_separated() {
    let app = start_app().await;
    let [first, second] = two_messages(&app, KALEYRA).await;
    let own = ids(&app, &first).await;
    let report = |word: &str, reference: &str| json!({ "message_id": "order-status", "status": word, "ref2": reference });
    // Nothing else identifies the message of this one.
    deliver(&app, KALEYRA, &report("failed", "")).await;
    deliver(&app, KALEYRA, &report("sent", &tag(&first))).await;
    deliver(&app, KALEYRA, &report("read", "")).await;
    assert_eq!(
        app.state(&first).await,
        "read",
        "one tag proves nothing yet"
    );
    deliver(&app, KALEYRA, &report("delivered", &tag(&second))).await;

    assert_eq!(app.state(&first).await, "sent");
    assert_eq!(app.state(&second).await, "delivered");
    assert_eq!(ids(&app, &first).await, own);
    assert_eq!(app.orphans().await, Vec::<Value>::new());
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(
        (&problems["id_conflicts"], &problems["quarantine"]),
        (&json!(0), &json!(2))
    );
    let shown = warnings(&app, KALEYRA, "template_sends_constant_id").await;
    assert_eq!(shown.len(), 1);
    let words = "this account's callback template sends `order-status` as the id";
    assert!(shown[0].contains(words), "{}", shown[0]);
    let page = app
        .request("GET", "/accounts")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("callback template sends `order-status` as the id"),
        "{page}"
    );

    deliver(&app, KALEYRA, &report("failed", "")).await;
    assert_eq!(app.callbacks().await[0]["outcome"], "quarantined");
    assert_eq!(app.state(&first).await, "sent");
    let registered = json!({ "account": KALEYRA, "provider_id": "order-status" });
    let (status, _) = app
        .post_json("/api/v1/messages/observed", &registered)
        .await;
    assert_eq!(status, 422);
    assert_rebuild_changes_nothing(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn an_id_at_two_report_urls_is_forgotten() {
    let app = start_app().await;
    let [first, second] = two_messages(&app, ZIXFLOW).await;
    let urls = report_urls(&app);
    let report = |word: &str| json!({ "messageId": "campaign-77", "status": word });
    post_report(&app, &urls[0], &report("sent")).await;
    deliver(&app, ZIXFLOW, &report("read")).await;
    assert_eq!(app.state(&first).await, "read");
    post_report(&app, &urls[1], &report("delivered")).await;
    assert_eq!(app.state(&first).await, "sent");
    assert_eq!(app.state(&second).await, "delivered");
    let shown = warnings(&app, ZIXFLOW, "template_sends_constant_id").await;
    assert_eq!(shown.len(), 1);
    assert_rebuild_changes_nothing(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn an_id_of_a_reply_stays_with_its_message_whatever_callbacks_say() {
    let app = start_app().await;
    let [first, second] = two_messages(&app, ZIXFLOW).await;
    let urls = report_urls(&app);
    let own = ids(&app, &first).await;
    for url in &urls {
        post_report(&app, url, &json!({ "messageId": own[0], "status": "sent" })).await;
    }
    assert_eq!(ids(&app, &first).await, own);
    assert_eq!(app.state(&second).await, "sent");
    assert_eq!(app.get_ok("/api/v1/problems").await["id_conflicts"], 1);
    assert_rebuild_changes_nothing(&app).await;
    app.finish().await;
}

/// One callback: its tag, if it has one, its ids and its word.
type Sent = (Option<usize>, Vec<usize>, &'static str);

fn callbacks() -> impl Strategy<Value = Vec<Sent>> {
    let word = prop::sample::select(vec!["sent", "delivered", "read", "failed"]);
    let one = (
        prop::option::of(0_usize..3),
        prop::collection::vec(0_usize..5, 1..3),
        word,
    );
    prop::collection::vec(one, 4..14)
}

/// Each id that comes with two tags is forgotten, in whatever order and batches callbacks arrive.
#[actix_web::test]
async fn which_ids_are_forgotten_does_not_depend_on_the_order_of_callbacks() {
    let mut generator = Generator::new();
    while let Some(round) = generator.next_round(24 / apps_apart(4)) {
        check_forgotten_ids(round, &generator.value(&callbacks())).await;
    }
}

#[actix_web::test]
async fn ids_that_another_message_claims_are_bound_as_a_rebuild_binds_them() {
    let sample = [
        (Some(2), vec![3, 0], "failed"),
        (None, vec![1, 4], "failed"),
        (None, vec![1, 2], "sent"),
        (Some(2), vec![2], "failed"),
        (Some(0), vec![4], "failed"),
        (Some(1), vec![2], "delivered"),
        (None, vec![1, 0], "delivered"),
        (None, vec![2], "sent"),
        (Some(1), vec![1, 1], "read"),
        (Some(2), vec![3, 3], "failed"),
        (None, vec![4], "read"),
        (None, vec![2, 1], "sent"),
        (Some(0), vec![4, 2], "failed"),
    ];
    check_forgotten_ids(0, &sample).await;
}

/// `round` decides after which callbacks they are applied.
async fn check_forgotten_ids(round: usize, sample: &[Sent]) {
    let app = start_app().await;
    let mut sent = Vec::new();
    for customer in 0..3 {
        sent.push(
            app.send(&image_to(KALEYRA, &format!("+44 7700 90011{customer}")))
                .await,
        );
    }
    app.run_jobs_until_idle().await;
    for (number, (named, used, word)) in sample.iter().enumerate() {
        let reference = named.map_or(String::new(), |message| tag(&sent[message]));
        let id = |place: usize| used.get(place).map(|id| format!("shared-{id}"));
        let body = json!({ "message_id": id(0), "status": word, "ref2": reference,
            "extra_info": { "message_id": id(1) } });
        app.deliver_callback(KALEYRA, &body).await;
        app.advance(TimeDelta::seconds(1));
        if (number + round).is_multiple_of(3) {
            app.apply_callbacks().await;
        }
    }
    app.run_jobs_until_idle().await;
    let tags_of = |id: usize| {
        let with_id = sample.iter().filter(|(_, used, _)| used.contains(&id));
        let mut tags: Vec<_> = with_id.filter_map(|(named, ..)| *named).collect();
        tags.sort_unstable();
        tags.dedup();
        tags.len()
    };
    for message in &sent {
        let held = ids(&app, message).await;
        for id in (0..5).filter(|id| tags_of(*id) > 1) {
            assert!(
                !held.contains(&format!("shared-{id}")),
                "round {round}: {sample:?}"
            );
        }
    }
    assert_rebuild_changes_nothing(&app).await;
    app.finish().await;
}

// --- Long ids -----------------------------------------------------------------

/// A wamid of this many characters.
fn wamid(length: usize, number: usize) -> String {
    let digits = format!("{number:06}");
    format!("wamid.{}{digits}", "A".repeat(length - 6 - digits.len()))
}

#[actix_web::test]
async fn ids_up_to_512_characters_are_kept_and_matched_and_long_ones_are_warned_about() {
    let mut generator = Generator::new();
    while generator.next_round(1).is_some() {
        let any_length = generator.value(&(10_usize..=512));
        Box::pin(check_lengths(&[127, 128, 129, 140, 200, any_length, 512])).await;
    }
}

async fn check_lengths(lengths: &[usize]) {
    for (number, length) in lengths.iter().copied().enumerate() {
        for from_reply in [true, false] {
            let app = start_app().await;
            let id = wamid(length, number);
            let account = if from_reply { SOBOT } else { KALEYRA };
            if from_reply {
                let reply = json!({ "data": { "id": id, "status": "submitted" }, "code": 200 });
                app.force(SOBOT, ForcedReply::json(200, &reply));
            }
            let sent = app.send_image(account).await;
            app.run_jobs_until_idle().await;
            if !from_reply {
                let report = json!({ "message_id": id, "status": "sent", "ref2": tag(&sent) });
                deliver(&app, KALEYRA, &report).await;
            }
            let warned = warnings(&app, account, "long_ids").await;
            assert_eq!(warned.len(), usize::from(length > 128), "{length}");
            let report = if from_reply {
                json!({ "id": id, "status": "read" })
            } else {
                json!({ "message_id": id, "status": "read" })
            };
            deliver(&app, account, &report).await;
            let shown = app.message(&sent).await;
            assert_eq!(shown["state"], "read", "{length}");
            assert_eq!(shown["provider_id"], json!(id));
            assert_eq!(shown.get("warnings"), None);
            let found = app
                .get_ok(&format!("/api/v1/messages?provider_id={id}"))
                .await;
            assert_eq!(found["data"].as_array().unwrap().len(), 1);
            assert_rebuild_changes_nothing(&app).await;
            app.finish().await;
        }
    }
}

#[actix_web::test]
async fn the_widest_characters_fit_into_every_index() {
    let app = start_app().await;
    let id = "𠀀".repeat(512);
    for account in [SOBOT, KALEYRA] {
        let key = if account == SOBOT { "id" } else { "message_id" };
        deliver(&app, account, &json!({ (key): id, "status": "read" })).await;
        assert_eq!(app.callbacks().await[0]["outcome"], "receipts");
    }
    assert_eq!(app.orphans().await.len(), 2);
    app.finish().await;
}

#[actix_web::test]
async fn an_id_beyond_512_characters_is_kept_in_the_attempt_with_a_warning() {
    let app = start_app().await;
    let id = wamid(513, 1);
    let reply = json!({ "data": { "id": id, "status": "submitted" }, "code": 200 });
    app.force(SOBOT, ForcedReply::json(200, &reply));
    let request = app.request("POST", "/api/v1/messages");
    let request = request.header("prefer", "wait=30");
    let work = async {
        loop {
            app.run_jobs_until_idle().await;
            tokio::task::yield_now().await;
        }
    };
    let (status, answer) = tokio::select! {
        answer = read(request.json(&message(SOBOT, "image"))) => answer,
        () = work => unreachable!(),
    };
    assert_eq!(status, 201, "{answer}");
    let sent = answer["id"].as_str().unwrap();
    let shown = app.message(sent).await;
    assert_eq!(shown["warnings"], answer["warnings"]);
    assert_eq!(
        (&shown["state"], &shown["provider_ids"]),
        (&json!("submitted"), &json!([]))
    );
    assert!(
        shown["attempts"][0]["reply"]
            .as_str()
            .unwrap()
            .contains(&id)
    );
    assert_eq!(shown["warnings"][0]["code"], "unusual_reply");
    let warning = shown["warnings"][0]["message"].as_str().unwrap();
    assert!(warning.contains("513 characters"), "{warning}");
    let page = app
        .request("GET", &format!("/messages/{sent}"))
        .send()
        .await;
    assert!(
        page.unwrap()
            .text()
            .await
            .unwrap()
            .contains("513 characters")
    );
    app.finish().await;
}
