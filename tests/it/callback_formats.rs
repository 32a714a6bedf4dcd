//! Callbacks as real senders post them: wrong labels, bad bytes, values of other types and wrappings. What can be read of them counts.

use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bluetick::simulator::ForcedReply;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use crate::harness::app::{ACCOUNTS, App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, noon, start_app};

/// One POST of a provider.
#[derive(Clone, Default)]
struct Post {
    name: &'static str,
    query: String,
    content_type: Option<&'static str>,
    encoding: Option<&'static str>,
    body: Vec<u8>,
}

impl Post {
    fn new(name: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            name,
            body: body.into(),
            ..Self::default()
        }
    }

    fn labelled(name: &'static str, encoding: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            encoding: Some(encoding),
            ..Self::new(name, body)
        }
    }

    fn of_type(self, content_type: &'static str) -> Self {
        Self {
            content_type: Some(content_type),
            ..self
        }
    }

    fn with_query(self, query: String) -> Self {
        Self { query, ..self }
    }
}

async fn deliver(app: &App, account: &str, post: &Post) {
    let mut url = app.callback_url(account);
    if !post.query.is_empty() {
        url = format!("{url}?{}", post.query);
    }
    let mut request = app.client.post(url).body(post.body.clone());
    if let Some(content_type) = post.content_type {
        request = request.header("content-type", content_type);
    }
    if let Some(encoding) = post.encoding {
        request = request.header("content-encoding", encoding);
    }
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), 200, "{}", post.name);
    app.run_jobs_until_idle().await;
}

/// A submitted message and its provider id.
async fn submit(app: &App, account: &str) -> (String, String) {
    let id = app.send_image(account).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    (id, shown["provider_id"].as_str().unwrap().to_owned())
}

/// Posts each callback about a message of its own and requires that it is applied, at the provider's time.
async fn check_all_applied(account: &'static str, posts: impl Fn(&str) -> Vec<Post>) {
    // Callers keep a small future.
    Box::pin(check_each_applied(account, posts)).await;
}

async fn check_each_applied(account: &'static str, posts: impl Fn(&str) -> Vec<Post>) {
    let app = start_app().await;
    let count = posts("").len();
    for number in 0..count {
        let (id, provider_id) = submit(&app, account).await;
        let post = &posts(&provider_id)[number];
        deliver(&app, account, post).await;
        let message = app.message(&id).await;
        let latest = &app.callbacks().await[0];
        assert_eq!(message["state"], "delivered", "{}: {latest}", post.name);
        assert_eq!(latest["outcome"], "receipts", "{}: {latest}", post.name);
        let stage = &message["stages"]["delivered"];
        assert_eq!(stage["inferred"], false, "{}: {stage}", post.name);
        let at = stage["at"].as_str().unwrap();
        assert!(at.starts_with("2026-11-20T12:00:05"), "{}: {at}", post.name);
    }
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["orphans"], 0);
    app.finish().await;
}

const FORM: &str = "application/x-www-form-urlencoded";

fn encoded(id: &str) -> String {
    form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

/// Five seconds after the message was sent.
fn seconds() -> i64 {
    noon().timestamp() + 5
}

fn report(id: &str) -> Value {
    json!({ "id": id, "status": "delivered", "timestamp": seconds().to_string() })
}

/// Sobot's changes, with the contact around the status.
fn envelope(id: &str, name: &str) -> String {
    let statuses = report(id);
    format!(
        r#"[{{"field":"messages","value":{{"contacts":[{{"profile":{{"name":"{name}"}}}}],"statuses":[{statuses}]}}}}]"#
    )
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(unit)
        .collect()
}

#[actix_web::test]
async fn the_bytes_of_a_body_decide_how_it_is_unpacked() {
    check_all_applied(SOBOT, |id| {
        let text = report(id).to_string();
        let plain = text.as_bytes();
        vec![
            Post::labelled("a charset as encoding", "UTF-8", plain),
            Post::labelled("another spelling", "utf8", plain),
            Post::labelled("binary", "binary", plain),
            Post::labelled("plain as gzip", "gzip", plain),
            Post::labelled("plain as deflate", "deflate", plain),
            Post::labelled("plain as br", "br", plain),
            Post::labelled("plain as gzip twice", "gzip, gzip", plain),
            Post::new("gzip without a label", gzip(plain)),
            Post::labelled("gzip as deflate", "deflate", gzip(plain)),
            Post::labelled("gzip as br", "br", gzip(plain)),
            Post::labelled("gzip twice, labelled once", "gzip", gzip(&gzip(plain))),
            Post::labelled("gzip once, labelled twice", "gzip, gzip", gzip(plain)),
            Post::new(
                "gzip and a line break",
                [gzip(plain), b"\r\n".to_vec()].concat(),
            ),
            Post::new(
                "gzip without its checksum",
                gzip(plain)[..gzip(plain).len() - 8].to_vec(),
            ),
            Post::new("gzip and zeros", [gzip(plain), vec![0; 8]].concat()),
            Post::new("zlib without a label", zlib(plain)),
            Post::labelled("zlib as gzip", "gzip", zlib(plain)),
            Post::labelled("deflate", "deflate", deflate(plain)),
        ]
    })
    .await;
}

#[actix_web::test]
async fn a_bad_character_spoils_only_its_own_value() {
    check_all_applied(SOBOT, |id| {
        let with = |name: &str| envelope(id, name);
        let raw = |bytes: &[u8]| {
            let text = envelope(id, "@@");
            let (start, end) = text.split_once("@@").unwrap();
            [start.as_bytes(), bytes, end.as_bytes()].concat()
        };
        let xml = format!(
            "<r><id>{id}</id><status>delivered</status><timestamp>{}</timestamp><name>Meera &#xD83D; &nbsp; Fish & Chips</name></r>",
            seconds()
        );
        let form = format!(
            "id={}&status=delivered&timestamp={}&name=Meera+%ED%A0%BD",
            encoded(id),
            seconds()
        );
        vec![
            Post::new("half an emoji", with(r"Meera \ud83d")),
            Post::new("the other half", with(r"\ude00 Meera")),
            Post::new("two first halves", with(r"\ud83d\ud83d\u0041")),
            Post::new("a byte that is not UTF-8", raw(b"Zo\xeb")),
            Post::new("a surrogate as bytes", raw(b"Meera \xed\xa0\xbd")),
            Post::new("the beginning of a character", raw(b"Meera \xf0\x9f")),
            Post::new("a line break in a text", raw(b"Meera\nShah\tJr")),
            Post::new("a control character", raw(b"Meera \x01\x00")),
            Post::new("an unknown escape", with(r"C:\media \x41 it\'s")),
            Post::new("a number that no double holds", with(r#"x","weight":1e999,"y":"z"#)),
            Post::new("what JSON does not have", with(r#"x","a":NaN,"b":-Infinity,"c":undefined,"d":None,"e":True,"f":"z"#)),
            Post::new("values without quotes", with(r#"x","a":{{a}},"b":${b.c},"c":<no value>,"d":"z"#)),
            Post::new("calls and texts of other languages", with(r#"x","a":1,234.50,"b":ObjectId("65f"),"c":b'x, y',"d":new Date(1),"e":"z"#)),
            Post::new("marks too many or of another language", with(r#"x",,"a"::1,"b"=>2,"c"=3,"d":[,1,,2],"e":"z"#)),
            Post::new("a backslash as second byte", raw(b"\xa5\x5c")),
            Post::new("no value", with(r#"x","a":,"b":"z"#)),
            Post::new("quotes inside of quotes", with(r#"Raj "the boss" Rao"#)),
            Post::new("a quote at the end", with("Raj \"")),
            Post::new("another language's quotes", with("Meera").replace('"', "'")),
            Post::new("escaped quotes", with("Meera").replace('"', "\\\"")),
            Post::new("quotes of HTML", with("Meera").replace('"', "&quot;")),
            Post::new("marks that take no space", format!("\u{a0}\u{200b}{}\u{200b}", with("Meera"))),
            Post::new("UTF-16, little endian", utf16(&with("Zoë"), u16::to_le_bytes)),
            Post::new("UTF-16, big endian", utf16(&with("Zoë"), u16::to_be_bytes)),
            Post::new("gzip of a bad byte", gzip(&raw(b"Zo\xeb"))),
            Post::new("XML with a sign", xml.replace("Fish", "I <3")).of_type("application/xml"),
            Post::new("XML with bad references", xml).of_type("application/xml"),
            Post::new("a form with bad bytes", form).of_type(FORM),
        ]
    })
    .await;
}

#[actix_web::test]
async fn a_time_of_any_type_is_the_providers() {
    check_all_applied(SOBOT, |id| {
        let with =
            |time: &str| format!(r#"{{"id":"{id}","status":"delivered","timestamp":{time}}}"#);
        let at = seconds();
        vec![
            Post::new("seconds with a fraction", with(&format!("{at}.41447"))),
            Post::new("milliseconds as a double", with(&format!("{at}000.0"))),
            Post::new("milliseconds", with(&format!("{at}123"))),
            Post::new("seconds as a double", with(&format!("{at}.0"))),
            Post::new(
                "an exponent",
                with(&format!(
                    "{}.{:09}e9",
                    at / 1_000_000_000,
                    at % 1_000_000_000
                )),
            ),
            Post::new("a text with a fraction", with(&format!("\"{at}.41447\""))),
            Post::new("a text of milliseconds", with(&format!("\"{at}000.0\""))),
            Post::new("a list of one", with(&format!("[\"{at}\"]"))),
            Post::new("ISO 8601", with("\"2026-11-20T12:00:05.000000Z\"")),
            Post::new("a word for the zone", with("\"2026-11-20 12:00:05 UTC\"")),
            Post::new(
                "JavaScript's",
                with("\"Fri Nov 20 2026 17:30:05 GMT+0530 (India Standard Time)\""),
            ),
            Post::new(
                "an object",
                with(&format!(r#"{{"$numberLong":"{at}000"}}"#)),
            ),
        ]
    })
    .await;
}

#[actix_web::test]
async fn the_query_counts_beside_a_body_that_says_nothing() {
    for account in [SOBOT, KALEYRA] {
        check_all_applied(account, |id| {
            let name = if account == SOBOT { "id" } else { "message_id" };
            let query = format!(
                "{name}={}&status=delivered&timestamp={}",
                encoded(id),
                seconds()
            );
            let post = |body: &str| {
                Post::new("a query", body)
                    .of_type("application/json")
                    .with_query(query.clone())
            };
            [
                "",
                "{}",
                "[]",
                "null",
                "\"\"",
                " \r\n",
                "\u{feff}{ }",
                "{\"ok\":true}",
            ]
            .map(post)
            .to_vec()
        })
        .await;
    }
}

#[actix_web::test]
async fn wrapped_content_is_unwrapped() {
    check_all_applied(SOBOT, |id| {
        let held = report(id).to_string();
        let batch = envelope(id, "Meera");
        let text = |text: &str| Value::from(text).to_string();
        let field = |name: &str, value: &str| {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair(name, value).finish()
        };
        vec![
            Post::new("JSON in a JSON text", text(&held)),
            Post::new("a batch in a JSON text", text(&batch)),
            Post::new("payload=", field("payload", &held)).of_type(FORM),
            Post::new("data=", field("data", &batch)).of_type(FORM),
            Post::new("json=", field("json", &held)),
            Post::new(
                "json= beside other fields",
                format!("v=1&{}", field("json", &held)),
            )
            .of_type(FORM),
            Post::new("payload= not encoded", format!("payload={held}")).of_type(FORM),
            Post::new("JSON as a name", field(&held, "")).of_type(FORM),
            Post::new("JSON with the type of a form", held.as_str()).of_type(FORM),
            Post::new(
                "an object around it",
                json!({ "payload": report(id) }).to_string(),
            ),
            Post::new(
                "a text around it",
                json!({ "event": "x.y", "data": held }).to_string(),
            ),
            Post::new(
                "statuses as a text",
                json!({ "statuses": json!([report(id)]).to_string() }).to_string(),
            ),
            Post::new(
                "SNS in SQS",
                json!({ "Records": [{ "receiptHandle": "x",
                    "body": json!({ "Type": "Notification", "Message": batch }).to_string() }] })
                .to_string(),
            ),
            Post::new(
                "Pub/Sub",
                json!({ "message": { "data": STANDARD.encode(&held) }, "subscription": "x" })
                    .to_string(),
            ),
            Post::new("XML around JSON", format!("<r><body>{batch}</body></r>")),
            Post::new("a payload in the query", "").with_query(field("payload", &held)),
            Post::new(
                "payload= with 80 other changes",
                field(
                    "payload",
                    &format!(
                        "[{}{}",
                        "{\"field\":\"x\",\"value\":{\"event\":\"a long word\"}},".repeat(80),
                        &batch[1..]
                    ),
                ),
            )
            .of_type(FORM),
        ]
    })
    .await;
}

#[actix_web::test]
async fn several_documents_in_one_body_are_each_read() {
    let app = start_app().await;
    let separators = ["\n", "\r\n\r\n", "", " ", ",", "\u{1e}"];
    for separator in separators {
        let (one, one_id) = submit(&app, SOBOT).await;
        let (other, other_id) = submit(&app, SOBOT).await;
        let body = format!("{}{separator}{}\n", report(&one_id), report(&other_id));
        deliver(&app, SOBOT, &Post::new("two", body)).await;
        for id in [one, other] {
            assert_eq!(app.state(&id).await, "delivered", "{separator:?}");
        }
    }
    assert_eq!(app.get_ok("/api/v1/problems").await["quarantine"], 0);
    app.finish().await;
}

#[actix_web::test]
async fn an_unreadable_document_leaves_the_others_readable() {
    let app = start_app().await;
    let (one, one_id) = submit(&app, SOBOT).await;
    let (other, other_id) = submit(&app, SOBOT).await;
    let body = format!("{}\n{{\"id\":\n{}", report(&one_id), report(&other_id));
    deliver(&app, SOBOT, &Post::new("three lines", body)).await;
    let (third, third_id) = submit(&app, SOBOT).await;
    let body = format!("{{\"id\" 1}}\n{}\n", report(&third_id));
    deliver(&app, SOBOT, &Post::new("a wrong first line", body)).await;
    for id in [one, other, third] {
        assert_eq!(app.state(&id).await, "delivered");
    }
    let (id, wamid) = submit(&app, SOBOT).await;
    let body = format!("{}<br />\n<b>Warning</b>: in webhook.php", report(&wamid));
    deliver(&app, SOBOT, &Post::new("a warning behind it", body)).await;
    assert_eq!(app.state(&id).await, "delivered");
    let (id, wamid) = submit(&app, SOBOT).await;
    let whole = envelope(&wamid, "Meera");
    let cut = format!("{},{{\"field\":\"mess", &whole[..whole.len() - 1]);
    deliver(&app, SOBOT, &Post::new("an end that is too early", cut)).await;
    assert_eq!(app.state(&id).await, "delivered");
    let (one, one_id) = submit(&app, SOBOT).await;
    let (other, other_id) = submit(&app, SOBOT).await;
    let body = format!(
        r#"{{"statuses":[{},{{"id":"{other_id}" "status":"failed"}},{}]}}"#,
        report(&one_id),
        report(&other_id)
    );
    deliver(
        &app,
        SOBOT,
        &Post::new("a mistake between two statuses", body),
    )
    .await;
    for id in [one, other] {
        assert_eq!(app.state(&id).await, "delivered");
    }
    assert_eq!(app.get_ok("/api/v1/problems").await["quarantine"], 5);
    app.finish().await;
}

#[actix_web::test]
async fn forms_of_php_are_read() {
    check_all_applied(SOBOT, |id| {
        let part = |name: &str, value: &str| {
            format!("--x1\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let at = seconds().to_string();
        let parts = format!(
            "{}{}{}--x1--\r\n",
            part("id", id),
            part("status", "delivered"),
            part("timestamp", &at)
        );
        let held = format!("{}--x1--\r\n", part("payload", &report(id).to_string()));
        let status = report(id);
        let gaps = |inner: &str| format!(r#"{{"statuses":{inner}}}"#);
        let brackets = format!(
            "statuses[0][id]={}&statuses[0][status]=delivered&statuses[0][timestamp]={at}",
            encoded(id)
        );
        let multipart = "multipart/form-data; boundary=x1";
        vec![
            Post::new("multipart", parts.clone()).of_type(multipart),
            Post::new("another boundary in the header", parts.clone())
                .of_type("multipart/form-data; boundary=\"y\""),
            Post::new("no header", parts.clone()),
            Post::new("line feeds only", parts.replace('\r', "")).of_type(multipart),
            Post::new("a preamble", format!("several parts\r\n{parts}")).of_type(multipart),
            Post::new("JSON in a part", held).of_type(multipart),
            Post::new("names with brackets", brackets).of_type(FORM),
            Post::new("a list in a list", gaps(&format!("[[{status}]]"))),
            Post::new(
                "a list with gaps",
                gaps(&format!(r#"{{"0":{status},"2":{status}}}"#)),
            ),
            Post::new("a list from three", gaps(&format!(r#"{{"3":{status}}}"#))),
            Post::new(
                "a document with gaps",
                format!(r#"{{"1":{status},"4":{status}}}"#),
            ),
            Post::new("one without the list", gaps(&status.to_string())),
        ]
    })
    .await;
}

#[actix_web::test]
async fn the_reason_of_a_failure_is_kept_whatever_its_type() {
    let app = start_app().await;
    let error =
        |data: Value| json!([{ "code": 131_026, "title": "Undeliverable", "error_data": data }]);
    let cases = [
        json!({ "errors": error(json!("Not on WhatsApp")) }),
        json!({ "errors": error(json!("{\"details\":\"Not on WhatsApp\"}")) }),
        json!({ "errors": error(json!({ "details": "Not on WhatsApp" })).to_string() }),
        json!({ "errors": error(json!({ "details": "Not on WhatsApp" }))[0].to_string() }),
        json!({ "errors": { "0": error(json!({ "details": "Not on WhatsApp" }))[0] } }),
        json!({ "errors": "131026: Not on WhatsApp" }),
        json!({ "errors": ["(#131026) Not on WhatsApp"] }),
        json!({ "error_data": "131026: Not on WhatsApp" }),
        json!({ "error": "{\"code\":131026.0,\"message\":\"Not on WhatsApp\"}" }),
    ];
    for case in cases {
        let (id, wamid) = submit(&app, SOBOT).await;
        let mut status = report(&wamid);
        status["status"] = json!("failed");
        for (name, value) in case.as_object().unwrap() {
            status[name] = value.clone();
        }
        app.deliver_callback(SOBOT, &status).await;
        app.run_jobs_until_idle().await;
        let failure = app.message(&id).await["failure"].clone();
        assert_eq!(failure["code"], "131026", "{case}: {failure}");
        assert!(
            failure.to_string().contains("Not on WhatsApp"),
            "{case}: {failure}"
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn tests_of_the_url_are_probes() {
    let app = start_app().await;
    let bodies = [
        "",
        "{}",
        "[]",
        "null",
        "\"\"",
        " \n",
        r#"{"test":"yes"}"#,
        r#"{"event":"test","timestamp":1763640000}"#,
        "test=1",
        "Webhook test",
        "ping",
    ];
    for account in ACCOUNTS {
        for body in bodies {
            deliver(&app, account, &Post::new("a test", body)).await;
            let latest = &app.callbacks().await[0];
            assert_eq!(latest["outcome"], "probe", "{account} {body:?}: {latest}");
        }
    }
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["quarantine"], 0);
    assert_eq!(problems["orphans"], 0);
    let listed = app
        .get_ok("/api/v1/callbacks?outcome=probe&limit=500")
        .await;
    let listed = listed["data"].as_array().unwrap().len();
    assert_eq!(listed, bodies.len() * 4);
    app.finish().await;
}

#[actix_web::test]
async fn a_callback_that_only_resembles_a_probe_is_quarantined() {
    let app = start_app().await;
    for body in [
        r#"{"id":"wamid.test"}"#,
        r#"{"timestamp":"1763640000"}"#,
        r#"{"entry":[]}"#,
        r#"{"name":"contest"}"#,
        "\u{7f}ELF",
    ] {
        deliver(&app, SOBOT, &Post::new("no test", body)).await;
        let latest = &app.callbacks().await[0];
        assert_eq!(latest["outcome"], "quarantined", "{body:?}: {latest}");
    }
    app.finish().await;
}

/// The body that `docs/providers.md` posts to the URL of an account of this provider.
fn documented_body(provider: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/providers.md");
    let page = std::fs::read_to_string(path).unwrap();
    let url = format!("/callbacks/{provider}-");
    let (_, rest) = page.split_once(&url).unwrap();
    let (_, rest) = rest.split_once("-d '").unwrap();
    let (body, _) = rest.split_once('\'').unwrap();
    serde_json::from_str(body).unwrap()
}

#[actix_web::test]
async fn the_test_callbacks_of_the_documentation_are_reports_on_unknown_messages() {
    let app = start_app().await;
    for account in ACCOUNTS {
        let provider = match account {
            LANCEPILOT => "lancepilot",
            _ => "kaleyra",
        };
        app.deliver_callback(account, &documented_body(provider))
            .await;
    }
    app.run_jobs_until_idle().await;
    let orphans = app.get_ok("/api/v1/orphans").await;
    let mut accounts: Vec<&str> = orphans["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|orphan| orphan["stage"] == "delivered")
        .map(|orphan| orphan["account"].as_str().unwrap())
        .collect();
    accounts.sort_unstable();
    assert_eq!(accounts, [KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW], "{orphans}");
    app.finish().await;
}

#[actix_web::test]
async fn a_word_that_holds_a_message_back_is_kept_and_shown() {
    let app = start_app().await;
    let bodies = [
        json!({ "code": 200, "data": { "id": "wamid.held", "status": "held_for_quality_assessment" } }),
        json!({ "code": 200, "data": { "id": "wamid.paused", "message_status": "paused" } }),
    ];
    for (body, word) in bodies.iter().zip(["held_for_quality_assessment", "paused"]) {
        app.force(SOBOT, ForcedReply::json(200, body).although_accepted());
        let (id, _) = submit(&app, SOBOT).await;
        let message = app.message(&id).await;
        assert_eq!(message["state"], "submitted");
        assert_eq!(message["reply_status"], word);
        let timeline = app.get_ok(&format!("/api/v1/messages/{id}/timeline")).await;
        assert!(timeline.to_string().contains(word), "{timeline}");
        let page = app
            .request("GET", &format!("/messages/{id}"))
            .send()
            .await
            .unwrap();
        assert!(page.text().await.unwrap().contains(word));
    }
    app.finish().await;
}

/// The cell of a message in the CSV export.
async fn exported(app: &App, id: &str, column: &str) -> String {
    let reply = app
        .request("GET", "/api/v1/reports/messages.csv")
        .send()
        .await
        .unwrap();
    let text = reply.text().await.unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let place = reader
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == column)
        .unwrap();
    let mut rows = reader.records().map(Result::unwrap);
    let row = rows.find(|row| &row[0] == id).unwrap();
    row[place].to_owned()
}

#[actix_web::test]
async fn a_charge_belongs_to_a_message_that_was_delivered() {
    let app = start_app().await;
    let pricing = json!({ "billable": true, "pricing_model": "PMP", "type": "regular", "category": "marketing", "currency": "EUR" });
    for (last, billable) in [
        ("sent", ""),
        ("failed", "false"),
        ("delivered", "true"),
        ("read", "true"),
    ] {
        let (id, wamid) = submit(&app, SOBOT).await;
        for status in ["sent", last] {
            let mut report = report(&wamid);
            report["status"] = json!(status);
            report["pricing"] = pricing.clone();
            app.deliver_callback(SOBOT, &report).await;
        }
        app.run_jobs_until_idle().await;
        let message = app.message(&id).await;
        assert_eq!(exported(&app, &id, "billable").await, billable, "{last}");
        let shown = &message["pricing"];
        assert_eq!(
            shown["billable"]
                .as_bool()
                .map_or(String::new(), |flag| flag.to_string()),
            billable
        );
        assert_eq!(shown["type"], "regular");
        assert_eq!(shown["currency"], "EUR");
        let timeline = app.get_ok(&format!("/api/v1/messages/{id}/timeline")).await;
        let entries = timeline["data"].as_array().unwrap();
        let raw = entries.iter().find_map(|entry| entry["pricing"].get("raw"));
        assert_eq!(raw, Some(&pricing));
        let page = app
            .request("GET", &format!("/messages/{id}"))
            .send()
            .await
            .unwrap();
        let page = page.text().await.unwrap();
        assert!(page.contains("regular") && page.contains("EUR"), "{page}");
    }
    app.finish().await;
}
