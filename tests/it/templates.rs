//! Templates with a media header: checked by field, stored, shown, exported, sent again.

use bluetick::domain::scope::Scope;
use bluetick::simulator::ForcedReply;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::harness::app::{
    ACCOUNTS, App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, message, read, start_app,
};

fn with_template(account: &str, kind: &str) -> Value {
    let mut body = message(account, kind);
    body.as_object_mut().unwrap().remove("caption");
    let name = if account == LANCEPILOT {
        "1204"
    } else {
        "order_packed"
    };
    body["template"] =
        json!({ "name": name, "language": "en", "body": ["Asha", "42"], "buttons": [] });
    body
}

/// Field and message of each error.
async fn errors(app: &App, body: &Value) -> Vec<(String, String)> {
    let (status, reply) = app.post_json("/api/v1/messages", body).await;
    assert_eq!(status, 422, "{reply}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    reply["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (text(&error["field"]), text(&error["message"])))
        .collect()
}

#[actix_web::test]
async fn every_provider_accepts_a_template_of_each_kind() {
    let app = start_app().await;
    for account in ACCOUNTS {
        for kind in ["image", "video"] {
            let id = app.send(&with_template(account, kind)).await;
            app.run_jobs_until_idle().await;
            let shown = app.message(&id).await;
            assert_eq!(shown["attempts"][0]["outcome"], "accepted", "{shown}");
            assert_eq!(shown["template"]["body"], json!(["Asha", "42"]));
            assert_eq!(shown["template"]["language"], "en");
            let request = app.received(account).pop().unwrap().json().to_string();
            let media = if kind == "image" { "a.jpg" } else { "a.mp4" };
            assert!(request.contains(media), "{request}");
            assert!(request.contains("Asha"), "{request}");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn every_invalid_field_of_a_template_is_named() {
    let app = start_app().await;
    let twenty_one: Vec<String> = (0..21).map(|n| n.to_string()).collect();
    let long = "x".repeat(1025);
    let eleven = vec![json!({ "type": "url", "value": "x" }); 11];
    for (account, path, value, field, part) in [
        (SOBOT, "/name", json!(""), "template.name", "is missing"),
        (
            SOBOT,
            "/name",
            json!("Hello"),
            "template.name",
            "lower-case",
        ),
        (
            KALEYRA,
            "/name",
            json!("a".repeat(513)),
            "template.name",
            "allows 512",
        ),
        (
            LANCEPILOT,
            "/name",
            json!("order_packed"),
            "template.name",
            "numeric id",
        ),
        (
            LANCEPILOT,
            "/name",
            json!("0"),
            "template.name",
            "numeric id",
        ),
        (
            LANCEPILOT,
            "/name",
            json!("+12"),
            "template.name",
            "numeric id",
        ),
        (
            ZIXFLOW,
            "/language",
            Value::Null,
            "template.language",
            "requires the template's code",
        ),
        (
            KALEYRA,
            "/language",
            json!("English"),
            "template.language",
            "not a language code",
        ),
        (
            LANCEPILOT,
            "/body",
            json!(twenty_one),
            "template.body",
            "LancePilot allows 20",
        ),
        (
            SOBOT,
            "/body",
            json!(["ok", ""]),
            "template.body[1]",
            "is empty",
        ),
        (
            SOBOT,
            "/body",
            json!(["a\nb"]),
            "template.body[0]",
            "line break",
        ),
        (
            KALEYRA,
            "/body",
            json!(["a     b"]),
            "template.body[0]",
            "more than 4 spaces",
        ),
        (
            KALEYRA,
            "/body",
            json!([long]),
            "template.body[0]",
            "allows 1024",
        ),
        (
            KALEYRA,
            "/buttons",
            json!(eleven),
            "template.buttons",
            "Kaleyra allows 10",
        ),
        (
            SOBOT,
            "/buttons",
            json!([{ "type": "url", "index": 2, "value": "x" }]),
            "template.buttons[0].index",
            "0 to 1",
        ),
        (
            SOBOT,
            "/buttons",
            json!([{ "type": "quick_reply", "value": "x" }]),
            "template.buttons[0].type",
            "Sobot takes no value",
        ),
        (
            KALEYRA,
            "/buttons",
            json!([{ "type": "phone", "value": "x" }]),
            "template.buttons[0].type",
            "quick_reply",
        ),
        (
            KALEYRA,
            "/buttons",
            json!([{ "type": "url", "value": "x", "index": 0 }, { "type": "url", "value": "y", "index": 0 }]),
            "template.buttons[1].index",
            "given twice",
        ),
        (
            KALEYRA,
            "/buttons",
            json!([{ "type": "url", "value": "" }]),
            "template.buttons[0].value",
            "is empty",
        ),
    ] {
        let mut body = with_template(account, "image");
        body["template"][&path[1..]] = value;
        let found = errors(&app, &body).await;
        let [(name, message)] = found.as_slice() else {
            panic!("{path}: {found:?}");
        };
        assert_eq!(name, field, "{path}");
        assert!(message.contains(part), "{field}: {message}");
    }
    let mut body = with_template(SOBOT, "image");
    body["caption"] = json!("Hello");
    let found = errors(&app, &body).await;
    assert_eq!(found[0].0, "caption", "{found:?}");
    let mut body = with_template(SOBOT, "image");
    body["template"]["footer"] = json!("x");
    let (status, reply) = app.post_json("/api/v1/messages", &body).await;
    assert_eq!(status, 422, "{reply}");
    assert!(reply.to_string().contains("footer"), "{reply}");
    app.finish().await;
}

#[actix_web::test]
async fn the_values_of_a_template_are_personal() {
    let app = start_app().await;
    let mut body = with_template(KALEYRA, "image");
    body["template"]["buttons"] = json!([{ "type": "url", "value": "orders/42" }]);
    let id = app.send(&body).await;
    let full = app.message(&id).await;
    assert_eq!(
        full["template"],
        json!({ "name": "order_packed", "language": "en", "body": ["Asha", "42"],
            "buttons": [{ "type": "url", "index": 0, "value": "orders/42" }] })
    );
    let path = format!("/api/v1/messages/{id}");
    let (_, masked) = read(app.request_as(Scope::Read, "GET", &path)).await;
    assert_eq!(
        masked["template"],
        json!({ "name": "order_packed", "language": "en" })
    );
    app.finish().await;
}

#[actix_web::test]
async fn the_export_names_the_template() {
    let app = start_app().await;
    app.send(&with_template(SOBOT, "image")).await;
    app.send(&message(SOBOT, "image")).await;
    let export = app.request("GET", "/api/v1/reports/messages.ndjson");
    let text = export.send().await.unwrap().text().await.unwrap();
    let names: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["template"].clone())
        .collect();
    assert!(names.contains(&json!("order_packed")), "{text}");
    assert_eq!(names.len(), 2);
    app.finish().await;
}

#[actix_web::test]
async fn a_template_has_no_warning_about_a_closed_window() {
    let app = start_app().await;
    // An inbound message of one customer: since then the windows of others are known to be closed.
    let inbound = json!([{ "value": { "messaging_product": "whatsapp", "messages": [{ "from": "447700900777", "id": "wamid.X1", "timestamp": "1795953600", "type": "text", "text": { "body": "hi" } }] }, "field": "messages" }]);
    app.deliver_callback(SOBOT, &inbound).await;
    app.run_jobs_until_idle().await;
    let warnings = async |body: &Value| {
        let (status, reply) = app.post_json("/api/v1/messages", body).await;
        assert_eq!(status, 202, "{reply}");
        reply["warnings"].to_string()
    };
    let free = warnings(&message(SOBOT, "image")).await;
    assert!(free.contains("window"), "{free}");
    let template = warnings(&with_template(SOBOT, "image")).await;
    assert!(!template.contains("window"), "{template}");
    app.finish().await;
}

#[actix_web::test]
async fn a_resend_keeps_the_template() {
    let app = start_app().await;
    app.force(
        SOBOT,
        ForcedReply::json(400, &json!({ "message": "no", "code": 400 })),
    );
    let id = app.send(&with_template(SOBOT, "video")).await;
    app.run_jobs_until_idle().await;
    let (status, reply) = app.post(&format!("/api/v1/messages/{id}/resend")).await;
    assert!(status < 300, "{reply}");
    app.run_jobs_until_idle().await;
    let requests = app.received(SOBOT);
    let [.., first, second] = requests.as_slice() else {
        panic!("two requests");
    };
    assert_eq!(first.json(), second.json());
    assert_eq!(second.json()["template_name"], "order_packed");
    app.finish().await;
}

#[actix_web::test]
async fn the_message_page_shows_the_template() {
    let app = start_app().await;
    let id = app.send(&with_template(SOBOT, "image")).await;
    let page = app.request("GET", &format!("/messages/{id}")).send().await;
    let text = page.unwrap().text().await.unwrap();
    assert!(text.contains("order_packed (en)"), "{text}");
    assert!(text.contains("Asha · 42"), "{text}");
    app.finish().await;
}

#[actix_web::test]
async fn a_multipart_message_may_have_a_template() {
    let app = start_app().await;
    let mut body = with_template(LANCEPILOT, "image");
    body.as_object_mut().unwrap().remove("media");
    let form = Form::new().text("message", body.to_string()).part(
        "file",
        Part::bytes(vec![0xff, 0xd8, 0xff])
            .file_name("a.jpg")
            .mime_str("image/jpeg")
            .unwrap(),
    );
    let request = app.request("POST", "/api/v1/messages").multipart(form);
    let (status, reply) = read(request).await;
    assert_eq!(status, 202, "{reply}");
    app.run_jobs_until_idle().await;
    // LancePilot documents a template's media by URL.
    let header = &app.received(LANCEPILOT).pop().unwrap().json()["template_data"]["header"];
    let file = header["file"].as_str().unwrap();
    assert!(file.starts_with(&app.url("/media/")), "{file}");
    app.finish().await;
}
