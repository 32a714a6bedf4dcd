//! Replays: receipts are replaced and never duplicated, a dry run writes nothing, operators release unverified callbacks.

use bluetick::domain::audit_action::ActionKind;
use bluetick::domain::ids::CallbackId;
use bluetick::domain::provider_account::HeaderSecret;
use bluetick::domain::scope::Scope;
use bluetick::domain::secret::Secret;
use bluetick::simulator::ForcedReply;
use chrono::TimeDelta;
use clap::Parser;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use crate::harness::app::{
    App, CUSTOMER, KALEYRA, LANCEPILOT, SOBOT, noon, read, start_app, start_app_with,
};
use crate::harness::dump::dump;

const REPLAY: &str = "/api/v1/callbacks/replay";

fn status(id: &str, word: &str) -> Value {
    json!({ "id": id, "status": word, "timestamp": noon().timestamp().to_string() })
}

async fn replayed(app: &App, request: &Value) -> Value {
    let (status, body) = app.post_json(REPLAY, request).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn verbs(app: &App) -> Vec<ActionKind> {
    let actions = app.services.store.list_actions(50).await.unwrap();
    actions.iter().map(|action| action.kind).collect()
}

/// The account asks for a header that a forger does not know.
async fn start_guarded() -> App {
    start_app_with(|_, accounts| {
        accounts[0].callback_auth.header = vec![HeaderSecret {
            name: "x-key".to_owned(),
            value: Secret::new("a-static-header-value"),
        }];
    })
    .await
}

/// Posts what is kept as unverified; its id.
async fn forge(app: &App, body: &Value) -> String {
    let url = app.callback_url(SOBOT);
    let reply = app.client.post(url).json(body).send().await.unwrap();
    assert_eq!(reply.status(), 401);
    app.run_jobs_until_idle().await;
    let newest = &app.callbacks().await[0];
    assert_eq!(newest["outcome"], "unverified");
    newest["id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn replaying_everything_duplicates_no_receipt() {
    let app = start_app().await;
    for account in crate::harness::app::ACCOUNTS {
        app.send_image(account).await;
    }
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    app.deliver_callback(SOBOT, &status("wamid.elsewhere", "sent"))
        .await;
    app.deliver_callback(SOBOT, &json!({ "gibberish": 1 }))
        .await;
    app.run_jobs_until_idle().await;
    let before = dump(&app.database).await;
    app.advance(TimeDelta::seconds(90));
    let done = replayed(&app, &json!({ "received_after": "2026-11-20T00:00:00Z" })).await;
    assert!(done["read"].as_u64().unwrap() > 8, "{done}");
    assert_eq!(done["messages"], json!([]));
    assert_eq!(done["callbacks"], json!([]));
    let after = dump(&app.database).await;
    assert_eq!(before, after);
    assert_eq!(verbs(&app).await[0], ActionKind::ReplayCallbacks);
    app.finish().await;
}

#[actix_web::test]
async fn an_unverified_callback_is_released_by_name_and_only_so() {
    let app = start_guarded().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let provider_id = app.message(&id).await["provider_id"].clone();
    let body = status(provider_id.as_str().unwrap(), "delivered");
    let callback = forge(&app, &body).await;
    assert_eq!(app.state(&id).await, "submitted");

    let wide = replayed(&app, &json!({ "account": SOBOT })).await;
    assert_eq!((&wide["read"], &wide["withheld"]), (&json!(0), &json!(1)));
    assert_eq!(app.state(&id).await, "submitted");

    let dry = replayed(&app, &json!({ "ids": [callback], "dry_run": true })).await;
    assert_eq!(
        dry["callbacks"],
        json!([{ "id": callback, "before": "unverified", "after": "receipts" }])
    );
    assert_eq!(
        dry["messages"],
        json!([{ "id": id, "before": "submitted", "after": "delivered" }])
    );
    assert_eq!(
        app.state(&id).await,
        "submitted",
        "a dry run changes nothing"
    );
    assert!(!verbs(&app).await.contains(&ActionKind::ReleaseCallback));

    let done = replayed(&app, &json!({ "ids": [callback] })).await;
    assert_eq!(done["messages"], dry["messages"]);
    assert_eq!(app.state(&id).await, "delivered");
    assert!(verbs(&app).await.contains(&ActionKind::ReleaseCallback));

    // The decision survives a rebuild.
    let before = dump(&app.database).await;
    bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(before, dump(&app.database).await);
    // And a later wide selection reads it like any other.
    let again = replayed(&app, &json!({ "account": SOBOT })).await;
    assert_eq!((&again["read"], &again["withheld"]), (&json!(1), &json!(0)));
    assert_eq!(app.state(&id).await, "delivered");
    app.finish().await;
}

#[actix_web::test]
async fn two_operators_who_release_and_replay_a_callback_at_once_apply_it_once() {
    for _ in 0..5 {
        let app = start_guarded().await;
        let id = app.send_image(SOBOT).await;
        app.run_jobs_until_idle().await;
        let provider_id = app.message(&id).await["provider_id"].clone();
        let body = status(provider_id.as_str().unwrap(), "delivered");
        let callback = forge(&app, &body).await;
        let (named, wide, again) = (
            json!({ "ids": [callback] }),
            json!({ "account": SOBOT }),
            json!({ "outcome": "unverified" }),
        );
        let done = tokio::join!(
            app.post_json(REPLAY, &named),
            app.post_json(REPLAY, &wide),
            app.post_json(REPLAY, &again),
            app.post_json(REPLAY, &named),
        );
        let done = [done.0, done.1, done.2, done.3];
        let count = |kind: &str| -> usize {
            let changes = done.iter().map(|(_, body)| body[kind].as_array().unwrap());
            changes.map(Vec::len).sum()
        };
        assert!(done.iter().all(|(status, _)| *status == 200), "{done:?}");
        assert_eq!(count("messages"), 1, "{done:?}");
        assert_eq!(count("callbacks"), 1, "{done:?}");
        let shown = app.message(&id).await;
        assert_eq!(shown["stages"]["delivered"]["count"], 1, "{shown}");
        let released = verbs(&app).await.into_iter();
        let released = released.filter(|kind| *kind == ActionKind::ReleaseCallback);
        assert_eq!(released.count(), 1);
        assert_rebuild_changes_nothing(&app).await;
        app.finish().await;
    }
}

#[actix_web::test]
async fn what_a_callback_no_longer_reports_is_retracted() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let provider_id = app.message(&id).await["provider_id"].clone();
    app.deliver_callback(SOBOT, &status(provider_id.as_str().unwrap(), "read"))
        .await;
    app.deliver_callback(SOBOT, &status("wamid.elsewhere", "read"))
        .await;
    app.run_jobs_until_idle().await;
    assert_eq!(
        (app.state(&id).await.as_str(), app.orphans().await.len()),
        ("read", 1)
    );
    let orphan = app.orphans().await[0]["id"].clone();
    // As if the parser that read them first had been wrong about both.
    let truncated = r#"{"id":"x","status":"#;
    let blank = if app.database.is_postgres() {
        format!("UPDATE journal SET content = convert_to('{truncated}', 'UTF8')")
    } else {
        format!("UPDATE journal SET content = CAST('{truncated}' AS BLOB)")
    };
    app.database.execute_in_journal(&blank).await;

    let done = replayed(&app, &json!({ "outcome": "receipts" })).await;
    assert_eq!(app.state(&id).await, "submitted");
    assert_eq!(app.orphans().await, Vec::<Value>::new());
    let changes = done["messages"].as_array().unwrap();
    assert!(changes.contains(&json!({ "id": id, "before": "read", "after": "submitted" })));
    assert!(
        changes.contains(&json!({ "id": orphan, "before": "read" })),
        "{done}"
    );
    assert_eq!(done["callbacks"][0]["after"], "quarantined");
    assert_eq!(app.get_ok("/api/v1/problems").await["quarantine"], 2);
    app.finish().await;
}

/// Lets the journal hold other words, as if the parser that read it first had been wrong.
async fn reword(app: &App, from: &str, to: &str) {
    let reworded = if app.database.is_postgres() {
        format!(
            "UPDATE journal SET content = convert_to(replace(convert_from(content, 'UTF8'), '{from}', '{to}'), 'UTF8')"
        )
    } else {
        format!(
            "UPDATE journal SET content = CAST(replace(CAST(content AS TEXT), '{from}', '{to}') AS BLOB)"
        )
    };
    app.database.execute_in_journal(&reworded).await;
}

#[actix_web::test]
async fn a_part_that_becomes_parseable_is_reported_as_a_change() {
    let app = start_app().await;
    let batch = json!([status("wamid.A", "sent"), 70707]);
    app.deliver_callback(SOBOT, &batch).await;
    app.run_jobs_until_idle().await;
    let callback = app.callbacks().await[0]["id"].clone();
    assert_eq!(app.get_ok("/api/v1/problems").await["quarantine"], 1);
    let readable = status("wamid.A", "sent").to_string();
    reword(&app, "70707", &readable).await;
    let dry = replayed(&app, &json!({ "account": SOBOT, "dry_run": true })).await;
    assert_eq!(
        dry["callbacks"],
        json!([{ "id": callback, "before": "quarantined", "after": "receipts" }])
    );
    app.finish().await;
}

#[actix_web::test]
async fn an_orphan_that_a_better_parser_merges_is_reported_as_gone() {
    let app = start_app().await;
    let sent = app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    let replied = app.message(&sent).await["provider_id"].clone();
    let replied = replied.as_str().unwrap();
    app.deliver_callback(KALEYRA, &tied("wamid.ONE", "read"))
        .await;
    app.run_jobs_until_idle().await;
    let orphan = app.orphans().await[0]["id"].clone();
    // Read today, it names the message's own id beside the orphan's.
    reword(&app, "shared", replied).await;
    let dry = replayed(&app, &json!({ "account": KALEYRA, "dry_run": true })).await;
    let changes = dry["messages"].as_array().unwrap();
    assert!(
        changes.contains(&json!({ "id": orphan, "before": "read" })),
        "{dry}"
    );
    app.finish().await;
}

/// A report of Kaleyra's that a parser takes to name `shared`, too.
fn tied(id: &str, word: &str) -> Value {
    json!({
        "status": word, "message_id": id, "timestamp": noon().timestamp().to_string(),
        "extra_info": { "message_id": "shared" },
    })
}

#[actix_web::test]
async fn messages_that_a_wrong_id_tied_together_come_apart_again() {
    let app = start_app().await;
    let sent = app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    let replied = app.message(&sent).await["provider_id"].clone();
    let replied = replied.as_str().unwrap();
    for (id, word) in [
        ("wamid.ONE", "read"),
        (replied, "sent"),
        ("wamid.TWO", "delivered"),
    ] {
        app.deliver_callback(KALEYRA, &tied(id, word)).await;
        app.run_jobs_until_idle().await;
    }
    assert_eq!(app.state(&sent).await, "read");
    assert_eq!(
        app.message(&sent).await["provider_ids"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert!(app.orphans().await.is_empty());
    // The parser is fixed: none of them names the shared id any more.
    let fixed = if app.database.is_postgres() {
        "UPDATE journal SET content = convert_to(replace(convert_from(content, 'UTF8'), '\"shared\"', '\"\"'), 'UTF8')"
    } else {
        "UPDATE journal SET content = CAST(replace(CAST(content AS TEXT), '\"shared\"', '\"\"') AS BLOB)"
    };
    app.database.execute_in_journal(fixed).await;

    // Reading one of them again is enough: the others are its neighbours.
    let first = app.callbacks().await.pop().unwrap()["id"].clone();
    let dry = replayed(&app, &json!({ "ids": [first], "dry_run": true })).await;
    assert_eq!(app.state(&sent).await, "read");
    let done = replayed(&app, &json!({ "ids": [first] })).await;
    assert_eq!(dry["messages"], done["messages"]);
    assert_eq!(done["read"], 1);
    let shown = app.message(&sent).await;
    assert_eq!(
        (&shown["state"], &shown["provider_ids"]),
        (&json!("sent"), &json!([replied]))
    );
    let mut stages: Vec<String> = app
        .orphans()
        .await
        .iter()
        .map(|orphan| orphan["stage"].as_str().unwrap().to_owned())
        .collect();
    stages.sort();
    assert_eq!(stages, ["delivered", "read"]);
    for orphan in app.orphans().await {
        let path = format!("/api/v1/messages/{}", orphan["id"].as_str().unwrap());
        assert_eq!(
            app.get(&path).await.0,
            200,
            "it is a message of its own again"
        );
    }

    let before = dump(&app.database).await;
    bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(before, dump(&app.database).await);
    app.finish().await;
}

async fn assert_rebuild_changes_nothing(app: &App) {
    let before = dump(&app.database).await;
    bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(before, dump(&app.database).await);
}

#[actix_web::test]
async fn a_claim_on_another_id_goes_when_its_callback_no_longer_reports_it() {
    let app = start_app().await;
    let mut replied = Vec::new();
    for _ in 0..2 {
        let sent = app.send_image(KALEYRA).await;
        app.run_jobs_until_idle().await;
        let id = app.message(&sent).await["provider_id"].clone();
        replied.push(id.as_str().unwrap().to_owned());
    }
    for id in &replied {
        app.advance(TimeDelta::seconds(1));
        app.deliver_callback(KALEYRA, &tied(id, "sent")).await;
        app.run_jobs_until_idle().await;
    }
    assert_eq!(app.get_ok("/api/v1/problems").await["id_conflicts"], 1);
    assert_rebuild_changes_nothing(&app).await;

    let reported = tied(&replied[1], "sent").to_string();
    reword(&app, &reported, &reported.replace("shared", "")).await;
    let newest = app.callbacks().await[0]["id"].clone();
    replayed(&app, &json!({ "ids": [newest] })).await;
    assert_eq!(app.get_ok("/api/v1/problems").await["id_conflicts"], 0);
    assert_rebuild_changes_nothing(&app).await;
    app.finish().await;
}

/// Two messages of Kaleyra; the reply to the second names an id learned from a callback about the first.
async fn claimed_by_a_reply(app: &App) -> (String, String) {
    let first = app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    let id = app.message(&first).await["provider_id"].clone();
    app.deliver_callback(KALEYRA, &tied(id.as_str().unwrap(), "sent"))
        .await;
    app.run_jobs_until_idle().await;
    let reply = json!({ "code": "WA202", "data": { "message_id": "shared" }, "error": {} });
    app.force(KALEYRA, ForcedReply::json(202, &reply));
    let second = app.send_video(KALEYRA).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.get_ok("/api/v1/problems").await["id_conflicts"], 1);
    (first, second)
}

async fn holds_shared(app: &App, id: &str) -> bool {
    let ids = app.message(id).await["provider_ids"].clone();
    ids.as_array().unwrap().contains(&json!("shared"))
}

#[actix_web::test]
async fn an_id_that_a_reply_named_goes_to_its_message_when_the_other_turns_out_not_to_have_it() {
    for by_rebuild in [true, false] {
        let app = start_app().await;
        let (first, second) = claimed_by_a_reply(&app).await;
        assert_rebuild_changes_nothing(&app).await;
        assert!(holds_shared(&app, &first).await && !holds_shared(&app, &second).await);

        reword(&app, "{\"message_id\":\"shared\"}", "{}").await;
        if by_rebuild {
            bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {})
                .await
                .unwrap();
        } else {
            replayed(&app, &json!({ "account": KALEYRA })).await;
        }
        assert!(!holds_shared(&app, &first).await && holds_shared(&app, &second).await);
        assert_eq!(app.get_ok("/api/v1/problems").await["id_conflicts"], 0);
        assert_rebuild_changes_nothing(&app).await;
        app.finish().await;
    }
}

#[actix_web::test]
async fn an_id_wrongly_learned_from_an_echo_is_forgotten() {
    let app = start_app().await;
    let sent = app.send_image(LANCEPILOT).await;
    app.run_jobs_until_idle().await;
    let echo = json!({
        "event": "message.outgoing",
        "data": {
            "type": "messages",
            "attributes": { "source": "api", "wamid": "wamid.WRONG", "to": CUSTOMER },
        },
    });
    app.deliver_callback(LANCEPILOT, &echo).await;
    // In the same millisecond, of another message, which is not affected.
    let other =
        json!({ "event": "message.sent", "data": { "attributes": { "wamid": "wamid.OTHER" } } });
    app.deliver_callback(LANCEPILOT, &other).await;
    app.run_jobs_until_idle().await;
    assert_eq!(
        app.message(&sent).await["provider_ids"],
        json!(["wamid.WRONG"])
    );
    let orphan = app.orphans().await[0]["id"].clone();
    reword(&app, "WRONG", "RIGHT").await;

    let first = app.callbacks().await.pop().unwrap()["id"].clone();
    replayed(&app, &json!({ "ids": [first] })).await;
    assert_eq!(
        app.message(&sent).await["provider_ids"],
        json!(["wamid.RIGHT"])
    );
    assert_eq!(app.orphans().await[0]["id"], orphan);
    assert_rebuild_changes_nothing(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn a_replay_without_filter_or_actor_is_rejected() {
    let app = start_app().await;
    let (status, body) = app.post_json(REPLAY, &json!({})).await;
    assert_eq!(status, 422, "{body}");
    let (status, body) = app
        .post_json(REPLAY, &json!({ "outcome": "lost", "ids": [] }))
        .await;
    assert_eq!(
        (status, &body["errors"][0]["field"]),
        (422, &json!("outcome"))
    );
    let request = app.request_as(Scope::Read, "POST", REPLAY);
    let (status, _) = read(request.json(&json!({ "outcome": "quarantined" }))).await;
    assert_eq!(status, 403);
    let gone = CallbackId::new(noon()).to_string();
    assert_eq!(replayed(&app, &json!({ "ids": [gone] })).await["read"], 0);
    app.finish().await;
}

/// The text of a page's content, and the fields of its form.
async fn page(app: &App, path: &str) -> (String, String) {
    let reply = app.request("GET", path).send().await.unwrap();
    assert_eq!(reply.status(), 200, "{path}");
    let html = Html::parse_document(&reply.text().await.unwrap());
    let main = Selector::parse("main").unwrap();
    let text = html.select(&main).flat_map(|found| found.text());
    let words: Vec<&str> = text.flat_map(str::split_whitespace).collect();
    let input = Selector::parse("form[action='/callbacks/replay'] input").unwrap();
    let fields = html.select(&input).map(|input| {
        let value = |name| input.attr(name).unwrap();
        format!("{}={}", value("name"), value("value"))
    });
    (words.join(" "), fields.collect::<Vec<_>>().join("&"))
}

/// Presses the preview's button; where it leads.
async fn press(app: &App, scope: Scope, fields: &str) -> (u16, String) {
    let client = bluetick::http_client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let request = client
        .post(app.url("/callbacks/replay"))
        .bearer_auth(app.token(scope))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(fields.to_owned());
    let reply = request.send().await.unwrap();
    let location = reply.headers().get("location");
    let location = location.map(|value| value.to_str().unwrap().to_owned());
    (reply.status().as_u16(), location.unwrap_or_default())
}

#[actix_web::test]
async fn an_unverified_callback_is_released_on_its_page_after_a_preview() {
    let app = start_guarded().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let provider_id = app.message(&id).await["provider_id"].clone();
    let body = status(provider_id.as_str().unwrap(), "delivered");
    let callback = forge(&app, &body).await;

    let address = format!("/callbacks/{callback}");
    let (text, _) = page(&app, &address).await;
    assert!(
        text.contains("failed the account's authentication"),
        "{text}"
    );
    assert!(
        text.contains("None of the configured headers was presented."),
        "why it was refused: {text}"
    );
    assert!(text.contains("Next: Compare the secret"), "{text}");
    assert!(text.contains("Release…"), "{text}");

    let preview = format!("/callbacks/replay?id={callback}");
    let (text, fields) = page(&app, &preview).await;
    for words in [
        "Release this callback?",
        "nothing has changed yet",
        "Why it was rejected",
        "None of the configured headers was presented.",
        "1 callback would have another outcome, 1 message another state.",
        "unverified receipts",
        "Submitted Delivered",
        "Release now",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert_eq!(app.state(&id).await, "submitted", "a look changes nothing");
    assert_eq!(fields, format!("id={callback}"));

    assert_eq!(press(&app, Scope::Read, &fields).await.0, 403);
    let looked = app.request_as(Scope::Read, "GET", &preview);
    assert_eq!(looked.send().await.unwrap().status(), 403);
    assert_eq!(app.state(&id).await, "submitted");

    assert_eq!(
        press(&app, Scope::Operate, &fields).await,
        (303, address.clone())
    );
    assert_eq!(app.state(&id).await, "delivered");
    let verbs = verbs(&app).await;
    assert!(
        verbs.contains(&ActionKind::ReleaseCallback)
            && verbs.contains(&ActionKind::ReplayCallbacks)
    );
    let (text, _) = page(&app, &address).await;
    assert!(
        text.contains("Replay…") && !text.contains("Release"),
        "{text}"
    );
    let (text, _) = page(&app, &preview).await;
    assert!(
        text.contains("No outcome and no state would change"),
        "{text}"
    );
    app.finish().await;
}

#[actix_web::test]
async fn only_what_the_preview_showed_is_released() {
    let app = start_guarded().await;
    let seen = forge(&app, &status("wamid.A", "sent")).await;
    let preview = "/callbacks/replay?outcome=unverified";
    let (text, fields) = page(&app, preview).await;
    assert!(text.contains("1 callback."), "{text}");
    let unseen = forge(&app, &status("wamid.B", "sent")).await;
    assert_eq!(
        press(&app, Scope::Operate, "outcome=unverified").await.0,
        409
    );
    assert_eq!(press(&app, Scope::Operate, &fields).await.0, 303);
    let outcomes = app.callbacks().await;
    let outcome = |id: &str| {
        let found = outcomes.iter().find(|callback| callback["id"] == id);
        found.unwrap()["outcome"].clone()
    };
    assert_eq!(
        (outcome(&seen), outcome(&unseen)),
        (json!("receipts"), json!("unverified"))
    );
    app.finish().await;
}

#[actix_web::test]
async fn another_site_cannot_start_a_dry_run() {
    let app = start_app().await;
    let look = |site: &str| {
        app.request("GET", "/callbacks/replay?outcome=receipts")
            .header("sec-fetch-site", site)
    };
    assert_eq!(look("same-origin").send().await.unwrap().status(), 200);
    assert_eq!(look("cross-site").send().await.unwrap().status(), 403);
    app.finish().await;
}

#[actix_web::test]
async fn a_filter_replays_every_callback_that_it_lists_even_if_only_a_part_was_unparseable() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let provider_id = app.message(&id).await["provider_id"].clone();
    let batch = json!([status(provider_id.as_str().unwrap(), "read"), 7]);
    app.deliver_callback(SOBOT, &batch).await;
    app.deliver_callback(SOBOT, &json!({ "gibberish": 1 }))
        .await;
    app.run_jobs_until_idle().await;

    let (text, _) = page(&app, "/callbacks").await;
    assert!(
        !text.contains("Replay"),
        "replaying everything is left to rebuild"
    );
    let list = "/callbacks?account=sobot-main&outcome=quarantined";
    let (text, _) = page(&app, list).await;
    assert!(text.contains("Replay these callbacks…"), "{text}");
    let rows = ["sobot-main receipts", "sobot-main quarantined"];
    let shown: usize = rows.map(|row| text.matches(row).count()).iter().sum();
    let (text, fields) = page(&app, &list.replace('?', "/replay?")).await;
    let read = format!("{shown} callbacks.");
    assert!(shown == 2 && text.contains(&read), "{text}");
    assert_eq!(
        press(&app, Scope::Operate, &fields).await,
        (303, list.to_owned())
    );
    assert_eq!(app.state(&id).await, "read");
    let action = &app.services.store.list_actions(1).await.unwrap()[0];
    assert_eq!(
        (action.kind, action.detail.as_deref()),
        (ActionKind::ReplayCallbacks, Some("2 callbacks"))
    );
    assert_eq!(press(&app, Scope::Operate, "").await.0, 409);
    app.finish().await;
}

async fn run_command(app: &App, arguments: &[&str]) -> Result<String, String> {
    let line = [&["bluetick", "replay"], arguments].concat();
    let parsed = bluetick::cli::Arguments::try_parse_from(line).unwrap();
    let bluetick::cli::Command::Replay(command) = parsed.command else {
        panic!("another command");
    };
    let mut out = Vec::new();
    bluetick::cli::replay::run(*command, &app.services, &mut out)
        .await
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

#[actix_web::test]
async fn the_command_reports_an_unknown_account_or_id() {
    let app = start_app().await;
    let unknown = run_command(&app, &["--account", "nope"]).await;
    assert_eq!(unknown, Err("unknown account nope".to_owned()));
    let id = "019a9f3e-5d2c-7c41-9a55-3f1b2c4d5e6f";
    let unknown = run_command(&app, &["--id", id]).await;
    assert_eq!(unknown, Err(format!("unknown callback {id}")));
    app.deliver_callback(SOBOT, &status("wamid.cli1", "sent"))
        .await;
    app.run_jobs_until_idle().await;
    let reported = run_command(&app, &["--account", SOBOT]).await.unwrap();
    assert_eq!(
        reported,
        "1 callback replayed: changed 0 callbacks and 0 messages\n"
    );
    app.finish().await;
}
