//! Requests with one idempotency key: the same meaning is the same request, however it is written.

use std::collections::BTreeSet;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::app::{
    App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, image_to, message, read, read_response, start_app,
};
use crate::harness::generator::Generator;
use crate::send_limits::{fields, named};

/// Status, body, and whether it is a repetition.
async fn post(app: &App, key: &str, body: &str) -> (u16, Value, bool) {
    let request = app
        .request("POST", "/api/v1/messages")
        .header("Idempotency-Key", key)
        .header("Content-Type", "application/json")
        .body(body.to_owned());
    let reply = request.send().await.unwrap();
    let repeated = reply.headers().contains_key("idempotency-replayed");
    let (status, body) = read_response(reply).await;
    (status, body, repeated)
}

fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}

#[actix_web::test]
async fn the_same_meaning_is_the_same_request_however_it_is_written() {
    let app = start_app().await;
    let first = r#"{"account":"kaleyra-in","to":"+447700900123","name":"Inès","kind":"image",
        "media":{"url":"https://media.example.com/caf%C3%A9.jpg"},"caption":"Hello","refs":{"ref":"r"}}"#;
    let (status, reply, repeated) = post(&app, "k", first).await;
    assert_eq!((status, repeated), (202, false), "{reply}");
    for same in [
        first.to_owned(),
        first.replace([' ', '\n'], ""),
        first.replace("Inès", "In\\u00e8s"),
        first.replace("https://media", "https:\\/\\/media"),
        first.replace("caf%C3%A9", "café"),
        first.replace("+447700900123", "+44 (0)7700 900123"),
        first.replace("+447700900123", "447700900123"),
        first.replace("+447700900123", "0044 7700-900123"),
        first.replace(r#""refs":{"ref":"r"}"#, r#""refs":{"ref1":"","ref":"r"}"#),
        first.replace(
            r#""refs":"#,
            r#""options":{},"client_reference":"","refs":"#,
        ),
        first
            .replace(r#""caption":"Hello","#, "")
            .replace("{\"account\"", "{\"caption\":\"Hello\",\"account\""),
    ] {
        let (status, again, repeated) = post(&app, "k", &same).await;
        assert_eq!((status, &again, repeated), (202, &reply, true), "{same}");
    }
    for other in [
        first.replace("Hello", "hello"),
        first.replace("Inès", "Ines"),
        first.replace("900123", "900124"),
        first.replace("caf%C3%A9", "cafe"),
        first.replace(r#""ref":"r""#, r#""ref1":"r""#),
        first.replace(r#""refs":"#, r#""client_reference":"c","refs":"#),
        first.replace(r#""refs":"#, r#""options":{"wa_source":"shopify"},"refs":"#),
        first.replace(r#""refs":"#, r#""from":"+919000000002","refs":"#),
        first
            .replace("café.jpg", "café.png")
            .replace("%A9.jpg", "%A9.png"),
        first.replace("image", "video").replace(".jpg", ".mp4"),
    ] {
        let (status, refusal, _) = post(&app, "k", &other).await;
        assert_eq!(
            (status, &refusal["code"]),
            (409, &json!("idempotency_key_reused")),
            "{other}"
        );
    }
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(KALEYRA).len(), 1);
    app.finish().await;
}

/// A JSON text with white space and escapes that mean nothing, its keys in another order.
fn rewritten(value: &Value, choices: &mut impl Iterator<Item = u8>) -> String {
    let space = |out: &mut String, choices: &mut dyn Iterator<Item = u8>| {
        out.push_str(["", " ", "\n\t", "  "][usize::from(choices.next().unwrap_or(0) % 4)]);
    };
    let text = |text: &str, choices: &mut dyn Iterator<Item = u8>| {
        let mut out = String::from("\"");
        for unit in text.encode_utf16() {
            let plain = char::from_u32(u32::from(unit)).filter(char::is_ascii_alphanumeric);
            match plain {
                Some(c) if choices.next().unwrap_or(0) > 80 => out.push(c),
                _ => write!(out, "\\u{unit:04X}").unwrap(),
            }
        }
        out + "\""
    };
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            let turn = usize::from(choices.next().unwrap_or(0)) % fields.len().max(1);
            fields.rotate_left(turn);
            let mut out = String::from("{");
            for (number, (name, value)) in fields.into_iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                space(&mut out, choices);
                out.push_str(&text(name, choices));
                space(&mut out, choices);
                out.push(':');
                out.push_str(&rewritten(value, choices));
                space(&mut out, choices);
            }
            out + "}"
        }
        Value::String(written) => text(written, choices),
        other => other.to_string(),
    }
}

#[actix_web::test]
async fn any_spelling_of_a_request_in_json_is_the_same_request() {
    let app = start_app().await;
    let mut generator = Generator::new();
    let choices = prop::collection::vec(any::<u8>(), 400);
    while let Some(number) = generator.next_round(40) {
        let mut body = message(SOBOT, "image");
        body["caption"] = json!(format!("नमस्ते 🎉 {number} \"quoted\""));
        body["refs"] = json!({ "ref": "a", "ref2": "ü" });
        let key = format!("k-{number}");
        let (_, first, _) = post(&app, &key, &body.to_string()).await;
        let bytes = generator.value(&choices);
        let written = rewritten(&body, &mut bytes.into_iter());
        let (status, again, repeated) = post(&app, &key, &written).await;
        assert_eq!((status, &again, repeated), (202, &first, true), "{written}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_key_of_an_earlier_version_still_answers_its_identical_request() {
    let app = start_app().await;
    let body = message(SOBOT, "image").to_string();
    let (_, first, _) = post(&app, "old", &body).await;
    let id = first["id"].as_str().unwrap();
    // As 0.1 stored it: the hash of the bytes, and no warnings.
    app.database
        .execute(&format!(
            "UPDATE idempotency_keys SET request_hash = '{}', warnings = NULL",
            hash(body.as_bytes())
        ))
        .await;
    let (status, again, repeated) = post(&app, "old", &body).await;
    assert_eq!(
        (status, again["id"].as_str(), repeated),
        (202, Some(id), true)
    );
    let other = image_to(SOBOT, "+447700900124").to_string();
    assert_eq!(post(&app, "old", &other).await.0, 409);
    app.finish().await;
}

async fn upload(app: &App, key: &str, parts: Vec<(&'static str, Part)>) -> (u16, Value) {
    let form = parts
        .into_iter()
        .fold(Form::new(), |form, (name, part)| form.part(name, part));
    let request = app
        .request("POST", "/api/v1/messages")
        .header("Idempotency-Key", key)
        .multipart(form);
    crate::harness::app::read(request).await
}

#[actix_web::test]
async fn an_uploaded_file_is_compared_by_its_bytes_whatever_its_name_and_place() {
    let app = start_app().await;
    let mut body = message(LANCEPILOT, "image");
    body.as_object_mut().unwrap().remove("media");
    let json_part = |text: &str| ("message", Part::text(text.to_owned()));
    let file = |bytes: &'static [u8], name: &'static str| {
        let part = Part::bytes(bytes).file_name(name).mime_str("image/jpeg");
        ("file", part.unwrap())
    };
    let compact = body.to_string();
    let pretty = serde_json::to_string_pretty(&body).unwrap();
    let bytes: &[u8] = b"\xff\xd8\xff\xe0 one picture";
    let (status, first) = upload(&app, "k", vec![json_part(&compact), file(bytes, "a.jpg")]).await;
    assert_eq!(status, 202, "{first}");
    for parts in [
        vec![json_part(&compact), file(bytes, "a.jpg")],
        vec![json_part(&pretty), file(bytes, "b.jpeg")],
        vec![file(bytes, "a.jpg"), json_part(&pretty)],
    ] {
        assert_eq!(upload(&app, "k", parts).await, (202, first.clone()));
    }
    let other: &[u8] = b"\xff\xd8\xff\xe0 two pictures";
    let (status, _) = upload(&app, "k", vec![json_part(&compact), file(other, "a.jpg")]).await;
    assert_eq!(status, 409);
    let mut caption = body.clone();
    caption["caption"] = json!("another");
    let parts = vec![json_part(&caption.to_string()), file(bytes, "a.jpg")];
    assert_eq!(upload(&app, "k", parts).await.0, 409);

    // As 0.1 stored it: the hash of the parts in their order.
    let earlier = hash(&[compact.as_bytes(), bytes].concat());
    app.database
        .execute(&format!(
            "UPDATE idempotency_keys SET request_hash = '{earlier}'"
        ))
        .await;
    let parts = vec![json_part(&compact), file(bytes, "a.jpg")];
    assert_eq!(upload(&app, "k", parts).await, (202, first));
    app.run_jobs_until_idle().await;
    app.finish().await;
}

fn keyed(app: &App, key: &str, body: &Value) -> reqwest::RequestBuilder {
    app.request("POST", "/api/v1/messages")
        .header("idempotency-key", key)
        .json(body)
}

#[actix_web::test]
async fn a_repeated_request_makes_no_second_message() {
    let app = start_app().await;
    let body = message(SOBOT, "image");
    let first = keyed(&app, "k-1", &body).send().await.unwrap();
    assert!(first.headers().get("idempotency-replayed").is_none());
    let (_, first) = crate::harness::app::read_response(first).await;
    app.run_jobs_until_idle().await;
    let again = keyed(&app, "k-1", &body).send().await.unwrap();
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    let (status, again) = crate::harness::app::read_response(again).await;
    assert_eq!(status, 202);
    assert_eq!(again, first);
    let (status, other) = read(keyed(&app, "k-1", &message(SOBOT, "video"))).await;
    assert_eq!(
        (status, other["code"].as_str()),
        (409, Some("idempotency_key_reused"))
    );
    // Keys are per account.
    let (status, _) = read(keyed(&app, "k-1", &message(ZIXFLOW, "image"))).await;
    assert_eq!(status, 202);
    let too_long = read(keyed(&app, &"k".repeat(256), &body)).await;
    assert_eq!(fields(&too_long), named(["Idempotency-Key"]));
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(SOBOT).len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn parallel_requests_with_one_key_make_one_message_and_one_call() {
    let app = start_app().await;
    let body = message(SOBOT, "image");
    let requests = (0..32).map(|_| read(keyed(&app, "the-key", &body)));
    let replies = futures_util::future::join_all(requests).await;
    let ids: BTreeSet<&str> = replies
        .iter()
        .map(|(status, body)| {
            assert_eq!(*status, 202, "{body}");
            body["id"].as_str().unwrap()
        })
        .collect();
    assert_eq!(ids.len(), 1);
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(SOBOT).len(), 1);
    app.finish().await;
}
