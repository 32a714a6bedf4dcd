//! One customer is erased: no file of the data folder holds the number, in any spelling; others keep what is theirs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bluetick::domain::audit_action::{Action, ActionKind, Actor};
use bluetick::domain::ids::MessageId;
use bluetick::domain::scope::Scope;
use bluetick::operating::action_context::ActionContext;
use bluetick::operating::erasure::{ErasureProgress, erase, export_person};
use bluetick::operating::verify::verify;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::campaigns::{create, draft, upload};
use crate::harness::app::{
    ACCOUNTS, App, KALEYRA, SOBOT, image_to, read, read_response, start_app,
};
use crate::harness::fleet::Fleet;
use crate::harness::people::action_context;

pub(crate) const NUMBER: &str = "447700900123";
const USER_ID: &str = "GB.13491208655302741918";
pub(crate) const OTHER: &str = "+447700900456";

/// A file of recipients, two of whom are the customer.
pub(crate) const ROWS: &str = "to,name,city,client_reference\n\
     +447700900001,Omar,Leeds,\n\
     +447700900123,Ines Moreau,Leeds,\n\
     +447700900123,Ines Moreau,Leeds,order-of-ines\n\
     +447700900002,Asha,call +44 7700 900123,\n";

/// Every text that must be gone: the number in its spellings, as inside base64, and reversed; other personal data.
fn traces() -> Vec<Vec<u8>> {
    let mut traces: Vec<String> = [
        NUMBER,
        "7700900123",
        "7700 900123",
        "7700 900 123",
        USER_ID,
        "Ines Moreau",
        "Only for Ines",
        "order-of-ines",
    ]
    .map(String::from)
    .to_vec();
    traces.push(NUMBER.chars().rev().collect());
    for offset in 0..3_usize {
        let bytes = [vec![0; offset], NUMBER.as_bytes().to_vec()].concat();
        let encoded = STANDARD_NO_PAD.encode(&bytes);
        // Characters that no neighbour changes.
        traces.push(encoded[(offset * 8).div_ceil(6)..bytes.len() * 8 / 6].to_owned());
    }
    traces.into_iter().map(String::into_bytes).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Names each file with each text that it holds.
pub(crate) fn list_traces(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for file in files(folder) {
        let bytes = fs::read(&file).unwrap();
        for trace in traces() {
            if bytes.windows(trace.len()).any(|window| window == trace) {
                found.push(format!(
                    "{}: {}",
                    file.display(),
                    String::from_utf8_lossy(&trace)
                ));
            }
        }
    }
    found
}

pub(crate) async fn assert_verified(app: &App) {
    let mut found = Vec::new();
    let (store, journal) = (&app.services.store, &app.services.journal);
    verify(store, journal, &mut |line| found.push(line), &mut |_| {})
        .await
        .unwrap();
    assert_eq!(found, Vec::<String>::new());
}

pub(crate) fn personal(account: &str) -> Value {
    let mut message = image_to(account, "+44 7700 900123");
    message["caption"] = json!("Only for Ines");
    message["refs"] = json!({ "ref": "order-of-ines" });
    message
}

/// Everything that can hold the number: messages of every provider and state, a campaign, callbacks in several encodings.
async fn fill(app: &App) -> Vec<String> {
    let mut ids = Vec::new();
    for account in ACCOUNTS {
        let mut message = personal(account);
        if account != KALEYRA {
            message["refs"] = json!({});
        }
        ids.push(app.send(&message).await);
    }
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    // Stays queued.
    app.advance(chrono::TimeDelta::seconds(1));
    let contact = json!({ "contacts": [{ "profile": { "name": "Ines Moreau" }, "wa_id": NUMBER, "user_id": USER_ID }],
        "messages": [{ "from": NUMBER, "from_user_id": USER_ID, "id": "wamid.IN", "type": "text", "timestamp": "1763640000",
            "text": { "body": "Only for Ines" } }] });
    let inbound = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [
        { "field": "messages", "value": contact }] }] });
    app.deliver_callback(SOBOT, &inbound).await;
    // Sent elsewhere, compressed.
    let wamid = format!("wamid.HBgM{}FQIAERgS", STANDARD_NO_PAD.encode(NUMBER));
    let status =
        json!({ "id": wamid, "status": "delivered", "timestamp": "1763640000" }).to_string();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(status.as_bytes()).unwrap();
    post(app, "application/json", packed.finish().unwrap()).await;
    // Not understood, and percent-encoded.
    let unknown = b"what=%2B44%207700%20900123".to_vec();
    post(app, "application/x-www-form-urlencoded", unknown).await;
    app.run_jobs_until_idle().await;
    ids
}

async fn post(app: &App, content_type: &str, body: Vec<u8>) {
    let request = app.client.post(app.callback_url(SOBOT)).body(body);
    let reply = request
        .header("Content-Type", content_type)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
}

#[actix_web::test]
async fn after_an_erasure_no_file_holds_the_number_and_verify_agrees() {
    let app = start_app().await;
    let ids = fill(&app).await;
    let queued = app.send(&personal(SOBOT)).await;
    let for_others = || {
        let mut message = image_to(SOBOT, OTHER);
        message["name"] = json!("Ada Lovelace");
        message
    };
    let other = app.send(&for_others()).await;
    let mentions = {
        let mut message = for_others();
        message["caption"] = json!("Call +44 7700 900-123");
        app.send(&message).await
    };
    if !app.database.is_postgres() {
        assert!(!list_traces(app.database.folder()).is_empty());
    }
    let before = app.message(&ids[0]).await;

    let body = json!({ "phone": "+44 7700 900123" });
    let (status, erased) = app.post_json("/api/v1/people/erase", &body).await;
    assert_eq!(status, 200, "{erased}");
    assert_eq!(erased["messages"], 5, "{erased}");
    assert!(erased["callbacks"].as_u64().unwrap() >= 7, "{erased}");
    assert_eq!(erased["remaining_files"], json!([]), "{erased}");
    assert_eq!(erased["earlier_backups"], json!([]), "{erased}");
    if !app.database.is_postgres() {
        assert_eq!(list_traces(app.database.folder()), Vec::<String>::new());
    }
    assert_verified(&app).await;

    let message = app.message(&ids[0]).await;
    assert_eq!(message["state"], before["state"], "{message}");
    assert_eq!(message.get("to"), None, "{message}");
    assert_eq!(app.state(&queued).await, "cancelled");
    let (status, resent) = app.post(&format!("/api/v1/messages/{queued}/resend")).await;
    assert_eq!(status, 409, "{resent}");
    assert_eq!(
        app.message(&other).await["to"],
        OTHER.trim_start_matches('+')
    );
    assert_eq!(app.message(&mentions).await.get("caption"), None);
    // It would be sent without its caption.
    assert_eq!(app.state(&mentions).await, "cancelled");
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&other).await, "submitted");
    // Pages of erased messages still work.
    for id in &ids {
        let explained = app.get_ok(&format!("/api/v1/messages/{id}/explain")).await;
        assert!(
            explained.to_string().contains("erased the personal data"),
            "{explained}"
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_rebuild_keeps_what_an_erasure_left() {
    let app = start_app().await;
    let ids = fill(&app).await;
    let body = json!({ "phone": USER_ID });
    let (status, erased) = app.post_json("/api/v1/people/erase", &body).await;
    assert_eq!(status, 200, "{erased}");
    assert_eq!(erased["remaining_files"], json!([]), "{erased}");
    let before = app.message(&ids[0]).await["state"].clone();
    let rebuilt = bluetick::operating::rebuild::rebuild(&app.services, &mut |_| {}).await;
    rebuilt.unwrap();
    assert_eq!(app.message(&ids[0]).await["state"], before);
    assert_verified(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn erasing_again_finds_nothing_and_leaves_one_entry_each_without_the_number() {
    let app = start_app().await;
    fill(&app).await;
    let body = json!({ "phone": NUMBER });
    let (status, _) = app.post_json("/api/v1/people/erase", &body).await;
    assert_eq!(status, 200);
    let (status, again) = app.post_json("/api/v1/people/erase", &body).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&again["messages"], &again["callbacks"]),
        (&json!(0), &json!(0)),
        "{again}"
    );
    let actions = app.services.store.list_actions(500).await.unwrap();
    let tombstones: Vec<_> = actions
        .iter()
        .filter(|action| action.kind.as_str() == "erase-person" && action.message.is_none())
        .collect();
    assert_eq!(tombstones.len(), 2);
    assert!(!format!("{actions:?}").contains(NUMBER));
    app.finish().await;
}

#[actix_web::test]
async fn only_administrators_erase_and_an_invalid_number_is_named() {
    let app = start_app().await;
    let body = json!({ "phone": NUMBER });
    for scope in [Scope::Send, Scope::Read, Scope::Operate] {
        let request = app.request_as(scope, "POST", "/api/v1/people/erase");
        assert_eq!(read(request.json(&body)).await.0, 403, "{scope}");
    }
    for (body, field) in [
        (json!({ "phone": "Ines" }), "phone"),
        (json!({}), "phone"),
        (json!({ "phone": NUMBER, "name": "x" }), "name"),
    ] {
        let (status, problem) = app.post_json("/api/v1/people/erase", &body).await;
        assert_eq!(status, 422, "{problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn the_command_erases_beside_serve_and_names_earlier_backups() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    if fleet.database.is_postgres() {
        return;
    }
    let server = fleet.start(0);
    let token = fleet.token();
    let client = bluetick::http_client::builder().build().unwrap();
    let url = format!("{}/api/v1/messages/observed", server.address);
    let registered = json!({ "account": SOBOT, "to": format!("+{NUMBER}"), "kind": "image", "provider_id": "wamid.own" });
    let reply = client
        .post(url)
        .bearer_auth(&token)
        .json(&registered)
        .send()
        .await
        .unwrap();
    assert!(
        reply.status().is_success(),
        "{}",
        reply.text().await.unwrap()
    );
    let callback = json!({ "id": "wamid.own", "status": "delivered", "to": NUMBER, "timestamp": "1763640000" });
    let reply = client
        .post(fleet.callback_url(SOBOT))
        .json(&callback)
        .send()
        .await
        .unwrap();
    assert!(reply.status().is_success());
    let earlier = fleet.data_dir(0).join("backups").join("earlier");
    let (succeeded, printed) = fleet.run(&["backup", earlier.to_str().unwrap()]);
    assert!(succeeded, "{printed}");

    let (succeeded, printed) = fleet.run(&["erase", "--phone", "+44 7700 900123"]);
    assert!(succeeded, "{printed}");
    assert!(printed.contains("erased: 1 message lost its"), "{printed}");
    assert!(printed.contains(earlier.to_str().unwrap()), "{printed}");
    fs::remove_dir_all(&earlier).unwrap();
    let later = fleet.data_dir(0).join("later");
    let (succeeded, printed) = fleet.run(&["backup", later.to_str().unwrap()]);
    assert!(succeeded, "{printed}");
    assert_eq!(list_traces(&fleet.data_dir(0)), Vec::<String>::new());
    assert!(server.terminate().0.success());
    let (succeeded, printed) = fleet.run(&["verify"]);
    assert!(succeeded, "{printed}");
    assert_eq!(list_traces(&fleet.data_dir(0)), Vec::<String>::new());
}

/// A new column of text is either swept, or listed with the reason why it names no customers.
#[actix_web::test]
async fn every_text_column_is_swept_or_exempt() {
    use bluetick::store::erasure_sweep::{NOT_SWEPT, SWEPT};

    let app = start_app().await;
    let columns = if app.database.is_postgres() {
        "SELECT table_name || '.' || column_name AS line FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name NOT LIKE 'journal%'"
    } else {
        "SELECT tables.name || '.' || columns.name AS line \
         FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns \
         WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'"
    };
    let kind = if app.database.is_postgres() {
        "data_type"
    } else {
        "lower(columns.type)"
    };
    let texts = format!("{columns} AND ({kind} LIKE '%text%' OR {kind} LIKE '%char%')");
    let mut known: Vec<String> = Vec::new();
    for table in SWEPT {
        known.extend(
            table
                .columns
                .iter()
                .map(|(column, _)| format!("{}.{column}", table.name)),
        );
    }
    for (table, columns, _) in NOT_SWEPT {
        known.extend(columns.iter().map(|column| format!("{table}.{column}")));
    }
    let texts = app.database.query(&texts).await;
    let new: Vec<&String> = texts
        .iter()
        .filter(|column| !known.contains(column))
        .collect();
    assert!(new.is_empty(), "{new:?}");
    let all = app.database.query(columns).await;
    let gone: Vec<&String> = known
        .iter()
        .filter(|column| !all.contains(column))
        .collect();
    assert!(gone.is_empty(), "{gone:?}");
    app.finish().await;
}

/// One callback about the customer and another one.
async fn deliver_batch(app: &App) {
    let number_of_other = OTHER.trim_start_matches('+');
    let value = json!({
        "metadata": { "phone_number_id": "1" },
        "contacts": [{ "profile": { "name": "Ada Lovelace" }, "wa_id": number_of_other }],
        "statuses": [
            { "id": "wamid.of-ada", "status": "delivered", "timestamp": "1763640000", "recipient_id": number_of_other },
            { "id": "wamid.of-ines", "status": "delivered", "timestamp": "1763640000", "recipient_id": NUMBER },
        ],
    });
    let batch = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [
        { "field": "messages", "value": value }] }] });
    app.deliver_callback(SOBOT, &batch).await;
    app.run_jobs_until_idle().await;
}

#[actix_web::test]
async fn an_export_holds_everything_about_one_customer_and_nothing_of_others() {
    let app = start_app().await;
    let ids = fill(&app).await;
    let other = app.send(&image_to(SOBOT, OTHER)).await;
    let campaign = create(&app, &draft("Summer Sale")).await;
    upload(&app, &campaign, "text/csv", ROWS.to_owned()).await;
    deliver_batch(&app).await;
    let outer = tempfile::tempdir().unwrap();
    let file = outer.path().join("customer.zip");
    let context = ActionContext {
        actor: "test".into(),
        now: app.now(),
    };
    let exported = export_person(&app.services, NUMBER, &file, &context)
        .await
        .unwrap();
    // The last one is known only from the callback about both.
    assert_eq!(exported.messages, 5);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let mut archive = zip::ZipArchive::new(fs::File::open(&file).unwrap()).unwrap();
    let mut read = |name: &str| {
        let mut text = Vec::new();
        archive
            .by_name(name)
            .unwrap()
            .read_to_end(&mut text)
            .unwrap();
        String::from_utf8_lossy(&text).into_owned()
    };
    let customer: Value = serde_json::from_str(&read("customer.json")).unwrap();
    assert_eq!(customer["ids"], json!([NUMBER, USER_ID]), "{customer}");
    let messages = read("messages.ndjson");
    let listed: Vec<Value> = messages
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let found: Vec<&str> = listed
        .iter()
        .map(|message| message["id"].as_str().unwrap())
        .collect();
    assert_eq!(found.len(), ids.len() + 1);
    assert!(
        ids.iter().all(|id| found.contains(&id.as_str())),
        "{found:?}"
    );
    assert!(!messages.contains(&other));
    let is_ours = |message: &&Value| ids.iter().any(|id| message["id"] == *id);
    for message in listed.iter().filter(is_ours) {
        assert_eq!(message["caption"], "Only for Ines", "{message}");
        assert!(
            !message["attempts"].as_array().unwrap().is_empty(),
            "{message}"
        );
        assert!(
            !message["receipts"].as_array().unwrap().is_empty(),
            "{message}"
        );
    }
    let callbacks = read("callbacks.ndjson");
    assert_eq!(callbacks.lines().count() as u64, exported.callbacks);
    let bodies: String = callbacks
        .lines()
        .map(|line| {
            let callback: Value = serde_json::from_str(line).unwrap();
            read(callback["body"].as_str().unwrap())
        })
        .collect();
    assert!(bodies.contains("Ines Moreau"), "{bodies}");
    assert!(bodies.contains("wamid.of-ines"), "{bodies}");
    for of_others in [
        OTHER.trim_start_matches('+'),
        "wamid.of-ada",
        "Ada Lovelace",
    ] {
        assert!(!bodies.contains(of_others), "{of_others}: {bodies}");
    }
    let rows = read("campaign-recipients.ndjson");
    let rows: Vec<Value> = rows
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0]["campaign"], "summer-sale");
    assert_eq!(rows[0]["row"]["to"], "+447700900123");
    assert_eq!(rows[0]["row"]["variables"]["city"], "Leeds");
    // A file that exists is kept.
    assert!(
        export_person(&app.services, NUMBER, &file, &context)
            .await
            .is_err()
    );
    app.finish().await;
}

/// As a process that is killed when the erasure begins a step, or a part of one.
async fn erase_until(app: &App, step: usize) -> Result<(), usize> {
    let mut begun = 0;
    let context = action_context(app.now());
    let mut progress = |_: ErasureProgress| {
        assert!(begun != step, "killed");
        begun += 1;
    };
    let erasure = erase(&app.services, USER_ID, &context, &mut progress);
    match AssertUnwindSafe(erasure).catch_unwind().await {
        Ok(report) => {
            assert_eq!(report.unwrap().remaining, Vec::<PathBuf>::new());
            Ok(())
        }
        Err(_) => Err(step),
    }
}

#[actix_web::test]
async fn an_erasure_that_was_killed_at_any_step_is_completed_by_the_next() {
    let mut interrupted = Vec::new();
    for step in 0.. {
        let app = start_app().await;
        fill(&app).await;
        app.send(&personal(SOBOT)).await;
        let known = json!({ "account": SOBOT, "to": "+447700900123", "kind": "image", "provider_id": "wamid.opaque" });
        let (status, known) = app.post_json("/api/v1/messages/observed", &known).await;
        assert_eq!(status, 201, "{known}");
        // Names neither the number nor an id that holds it.
        let silent = json!({ "id": "wamid.opaque", "status": "read", "timestamp": "1763640000", "note": "order-of-ines" });
        app.deliver_callback(SOBOT, &silent).await;
        app.run_jobs_until_idle().await;
        let ended = erase_until(&app, step).await;
        let again = erase_until(&app, usize::MAX).await;
        assert_eq!(again, Ok(()), "after step {step}");
        if !app.database.is_postgres() {
            let traces = list_traces(app.database.folder());
            assert_eq!(traces, Vec::<String>::new(), "after step {step}");
        }
        let left = "SELECT 'callback' AS line FROM callback_outcomes \
             UNION ALL SELECT 'link' FROM person_links UNION ALL SELECT 'id' FROM provider_ids";
        assert_eq!(app.database.query(left).await, Vec::<String>::new());
        assert_verified(&app).await;
        app.finish().await;
        match ended {
            Ok(()) => break,
            Err(step) => interrupted.push(step),
        }
    }
    assert!(interrupted.len() >= 5, "{interrupted:?}");
}

async fn post_with_key(app: &App, key: &str, body: &Value) -> (u16, Value, bool) {
    let request = app.request("POST", "/api/v1/messages");
    let reply = request.header("Idempotency-Key", key).json(body);
    let reply = reply.send().await.unwrap();
    let is_repeated = reply.headers().contains_key("idempotency-replayed");
    let (status, body) = read_response(reply).await;
    (status, body, is_repeated)
}

pub(crate) async fn erase_number(app: &App) -> Value {
    let body = json!({ "phone": NUMBER });
    let (status, erased) = app.post_json("/api/v1/people/erase", &body).await;
    assert_eq!(status, 200, "{erased}");
    assert_eq!(erased["remaining_files"], json!([]), "{erased}");
    if !app.database.is_postgres() {
        assert_eq!(list_traces(app.database.folder()), Vec::<String>::new());
    }
    erased
}

#[actix_web::test]
async fn after_an_erasure_a_repeated_request_sends_no_second_message() {
    let app = start_app().await;
    // One key names the customer; the message of another is not to the customer.
    let keyed = [
        ("order-447700900123", personal(SOBOT)),
        ("order-2", personal(SOBOT)),
        ("about +44 7700 900123", to_other()),
    ];
    let mut first = Vec::new();
    for (key, body) in &keyed {
        let (status, reply, _) = post_with_key(&app, key, body).await;
        assert_eq!(status, 202, "{reply}");
        first.push(reply["id"].clone());
    }
    app.run_jobs_until_idle().await;
    erase_number(&app).await;
    let calls = app.received(SOBOT).len();
    for ((key, body), id) in keyed.iter().zip(&first) {
        let (status, reply, is_repeated) = post_with_key(&app, key, body).await;
        assert_eq!((status, is_repeated), (202, true), "{key}: {reply}");
        assert_eq!(reply["id"], *id, "{key}");
    }
    let (status, reply, _) = post_with_key(&app, "order-2", &to_other()).await;
    assert_eq!(status, 409, "{reply}");
    let (status, _, is_repeated) = post_with_key(&app, "order-3", &to_other()).await;
    assert_eq!((status, is_repeated), (202, false));
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(SOBOT).len(), calls + 1);
    // Nothing is kept that names the customer.
    erase_number(&app).await;
    let (_, _, is_repeated) = post_with_key(&app, "order-2", &personal(SOBOT)).await;
    assert!(is_repeated, "after a second erasure");
    app.finish().await;
}

#[actix_web::test]
async fn a_message_that_was_erased_is_not_resent_because_of_that() {
    let app = start_app().await;
    // Cancelled by the erasure.
    let id = app.send(&personal(SOBOT)).await;
    erase_number(&app).await;
    let request = json!({ "filter": { "id": [id] }, "dry_run": true });
    let (status, counted) = app.post_json("/api/v1/messages/resend", &request).await;
    assert_eq!(status, 200, "{counted}");
    let reason = &counted["skipped_messages"][0]["reason"];
    assert_eq!(reason, "the data of its customer was erased", "{counted}");
    app.finish().await;
}

/// An image to another customer.
fn to_other() -> Value {
    let mut message = image_to(SOBOT, OTHER);
    message["name"] = json!("Ada Lovelace");
    message
}

#[actix_web::test]
async fn values_of_templates_to_others_lose_the_number_and_only_it() {
    let app = start_app().await;
    let body = |value: &str| {
        let mut message = to_other();
        message.as_object_mut().unwrap().remove("caption");
        message["template"] = json!({ "name": "new_number", "language": "en", "body": ["Ada", value],
            "buttons": [{ "type": "url", "value": format!("call/{value}") }] });
        message
    };
    let sent = app.send(&body("+44 7700 900-123")).await;
    app.run_jobs_until_idle().await;
    let queued = app.send(&body("+447700900123")).await;
    let unconcerned = app.send(&body("+447700900124")).await;
    erase_number(&app).await;
    let template = app.message(&sent).await["template"].clone();
    assert_eq!(template["body"], json!(["Ada", "…"]), "{template}");
    assert_eq!(template["buttons"][0]["value"], "…", "{template}");
    assert_eq!(app.state(&sent).await, "submitted");
    // It would be sent without a part of its text.
    assert_eq!(app.state(&queued).await, "cancelled");
    let template = app.message(&unconcerned).await["template"].clone();
    assert_eq!(template["body"][1], "+447700900124");
    assert_eq!(app.state(&unconcerned).await, "queued");
    assert_verified(&app).await;
    app.finish().await;
}

#[actix_web::test]
async fn the_audit_log_has_no_entry_for_a_message_that_was_left_alone() {
    let app = start_app().await;
    let id = app.send(&personal(SOBOT)).await;
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    assert_eq!(claimed.len(), 1);
    let store = &app.services.store;
    let message: MessageId = id.parse().unwrap();
    let action = Action {
        message: Some(message),
        ..Action::new(Actor::local("test"), ActionKind::ErasePerson, app.now())
    };
    store
        .erase_messages(&[message], &[action], &|_| String::new(), app.now())
        .await
        .unwrap();
    assert_eq!(store.list_actions_of(message).await.unwrap(), []);
    assert_eq!(app.message(&id).await["to"], NUMBER);
    drop(claimed);
    app.finish().await;
}

/// To close a database file releases the locks of SQLite in the whole process.
#[actix_web::test]
async fn callbacks_after_an_erasure_survive_another_command_and_a_kill() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    let server = fleet.start(0);
    let token = fleet.token();
    let client = bluetick::http_client::builder().build().unwrap();
    let post = async |url: &str, body: &Value| {
        let request = client.post(url).bearer_auth(&token).json(body);
        request.send().await.unwrap().status()
    };
    let erase = format!("{}/api/v1/people/erase", fleet.address);
    let erased = post(&erase, &json!({ "phone": "+447700900999" })).await;
    assert!(erased.is_success(), "{erased}");
    let (succeeded, printed) = fleet.run(&["token", "list"]);
    assert!(succeeded, "{printed}");
    let url = fleet.callback_url(SOBOT);
    for number in 0..5 {
        let report = json!({ "id": format!("wamid.E{number}"), "status": "delivered", "to": "447700900778", "timestamp": "1763640000" });
        assert_eq!(post(&url, &report).await, 200);
    }
    server.kill();
    let server = fleet.start(0);
    assert_eq!(fleet.callback_ids().await.len(), 5);
    drop(server);
}
