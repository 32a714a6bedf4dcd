//! Many messages that belong together: sent once each, counted, filtered, stopped and sent again.

use std::collections::{BTreeMap, BTreeSet};

use bluetick::domain::scope::Scope;
use bluetick::operating::retention::StepResult;
use bluetick::simulator::ForcedReply;
use chrono::{DateTime, TimeDelta};
use reqwest::Client;
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::harness::app::{App, SOBOT, image_to, read, start_app};

/// An image that belongs to a campaign.
fn image_of(campaign: &str, to: &str) -> Value {
    let mut body = image_to(SOBOT, to);
    body["campaign"] = json!(campaign);
    body
}

async fn listed(app: &App, query: &str) -> Vec<Value> {
    let list = app.get_ok(&format!("/api/v1/messages?{query}")).await;
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["id"].clone())
        .collect()
}

#[actix_web::test]
async fn a_message_belongs_to_the_campaign_it_names_everywhere() {
    let app = start_app().await;
    let one = app.send(&image_of("summer-sale", "+447700900001")).await;
    let other = app.send(&image_of("winter-sale", "+447700900002")).await;
    let none = app.send(&image_to(SOBOT, "+447700900003")).await;
    app.run_jobs_until_idle().await;

    assert_eq!(app.message(&one).await["campaign"], "summer-sale");
    assert_eq!(app.message(&none).await.get("campaign"), None);
    assert_eq!(listed(&app, "campaign=summer-sale").await, [json!(one)]);
    let both = "campaign=winter-sale&state=submitted,sent,delivered,read";
    assert_eq!(listed(&app, both).await, [json!(other)]);
    let export = app.request("GET", "/api/v1/reports/messages.csv?campaign=summer-sale");
    let csv = export.send().await.unwrap().text().await.unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(lines[0].contains(",campaign,template,"), "{csv}");
    assert!(lines[1].contains(",summer-sale,,"), "{csv}");
    let page = app.request("GET", &format!("/messages/{one}"));
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("summer-sale"));
    app.finish().await;
}

#[actix_web::test]
async fn a_campaign_that_is_no_slug_is_refused_by_name() {
    let app = start_app().await;
    let reply = app
        .post_json(
            "/api/v1/messages",
            &image_of("Summer Sale", "+447700900001"),
        )
        .await;
    assert_eq!(reply.0, 422);
    assert_eq!(reply.1["errors"][0]["field"], "campaign");
    let (status, problem) = app.get("/api/v1/messages?campaign=Summer+Sale").await;
    assert_eq!(status, 422, "{problem}");
    app.finish().await;
}

pub(crate) fn draft(name: &str) -> Value {
    json!({
        "account": SOBOT, "name": name, "kind": "image", "caption": "Hello {{name}} in {{city}}",
        "media": { "url": "https://media.example.com/a.jpg" },
    })
}

/// A draft with this name; returns its id.
pub(crate) async fn create(app: &App, body: &Value) -> String {
    let (status, campaign) = app.post_json("/api/v1/campaigns", body).await;
    assert_eq!(status, 201, "{campaign}");
    assert_eq!(campaign["state"], "draft");
    campaign["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn upload(app: &App, id: &str, kind: &str, rows: String) -> (u16, Value) {
    let path = format!("/api/v1/campaigns/{id}/recipients");
    let request = app.request("POST", &path).header("content-type", kind);
    crate::harness::app::read(request.body(rows)).await
}

/// Rows for so many customers.
pub(crate) fn csv(numbers: std::ops::Range<usize>) -> String {
    let rows = numbers.map(|number| format!("+4477009{number:05},Ines {number},Leeds\n"));
    format!("to,name,city\n{}", rows.collect::<String>())
}

pub(crate) async fn act(app: &App, id: &str, action: &str) -> Value {
    let (status, campaign) = app.post(&format!("/api/v1/campaigns/{id}/{action}")).await;
    assert_eq!(status, 200, "{action}: {campaign}");
    campaign
}

pub(crate) async fn show(app: &App, id: &str) -> Value {
    app.get_ok(&format!("/api/v1/campaigns/{id}")).await
}

/// The customers that the provider got a call for, with the captions.
pub(crate) fn called(app: &App) -> Vec<(String, String)> {
    let calls = app.received(SOBOT).into_iter().map(|request| {
        let body = request.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (text("customer_number"), text("caption"))
    });
    calls.collect()
}

#[actix_web::test]
async fn a_campaign_sends_each_recipient_its_own_text_once() {
    let app = start_app().await;
    let id = create(&app, &draft("Summer Sale")).await;
    assert_eq!(id, "summer-sale");
    let (status, report) = upload(&app, &id, "text/csv", csv(0..40)).await;
    assert_eq!((status, &report["accepted"]), (200, &json!(40)), "{report}");
    let (_, again) = upload(&app, &id, "text/csv; charset=utf-8", csv(30..45)).await;
    assert_eq!(
        (&again["accepted"], &again["duplicates"]),
        (&json!(5), &json!(10))
    );
    app.run_jobs_until_idle().await;
    assert!(called(&app).is_empty(), "a draft sends nothing");

    assert_eq!(act(&app, &id, "start").await["state"], "running");
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    app.run_jobs_until_idle().await;
    let calls = called(&app);
    let once: BTreeSet<&String> = calls.iter().map(|(to, _)| to).collect();
    assert_eq!((calls.len(), once.len()), (45, 45));
    let text = (
        "447700900007".to_owned(),
        "Hello Ines 7 in Leeds".to_owned(),
    );
    assert!(calls.contains(&text), "{calls:?}");
    let campaign = show(&app, &id).await;
    assert_eq!(campaign["state"], "done");
    assert_eq!(campaign["counts"], json!({ "read": 45 }));
    assert_eq!(campaign["progress"]["done"], 45);
    assert_eq!(campaign["time_to_delivered"]["messages"], 45);
    assert_eq!(
        listed(&app, "campaign=summer-sale&limit=100").await.len(),
        45
    );
    let list = app.get_ok("/api/v1/campaigns").await;
    assert_eq!(list["data"][0]["id"], "summer-sale");
    let (status, refused) = upload(&app, &id, "text/csv", csv(90..91)).await;
    assert_eq!((status, &refused["code"]), (409, &json!("not_possible")));
    app.finish().await;
}

#[actix_web::test]
async fn a_campaign_fills_the_values_of_a_template_for_each_recipient() {
    let app = start_app().await;
    let mut body = draft("Approved");
    body.as_object_mut().unwrap().remove("caption");
    body["template"] = json!({
        "name": "summer_sale", "language": "en", "body": ["{{name}}", "in {{city}}"],
        "buttons": [{ "type": "url", "value": "{{name}}" }],
    });
    let id = create(&app, &body).await;
    let shown = show(&app, &id).await;
    assert_eq!(
        shown["template"]["body"],
        json!(["{{name}}", "in {{city}}"])
    );
    let rows = "to,name,city\n+447700900001,Ines,Leeds\n+447700900002,Omar,\n".to_owned();
    let (_, report) = upload(&app, &id, "text/csv", rows).await;
    assert_eq!(report["accepted"], 1, "{report}");
    let rejected = &report["rejected"][0];
    assert_eq!(
        (&rejected["line"], &rejected["field"]),
        (&json!(3), &json!("template.body"))
    );
    act(&app, &id, "start").await;
    app.run_jobs_until_idle().await;
    let calls = app.received(SOBOT);
    let text = calls[0].json().to_string();
    assert_eq!(calls.len(), 1);
    for value in ["summer_sale", "\"Ines\"", "\"in Leeds\""] {
        assert!(text.contains(value), "{value}: {text}");
    }
    let messages = listed(&app, "campaign=approved").await;
    let message = app.message(messages[0].as_str().unwrap()).await;
    assert_eq!(message["template"]["body"], json!(["Ines", "in Leeds"]));
    body["name"] = json!("Wrong");
    body["template"]["name"] = json!("Not A Name");
    let (status, problem) = app.post_json("/api/v1/campaigns", &body).await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (422, &json!("template.name"))
    );
    app.finish().await;
}

#[actix_web::test]
async fn every_bad_line_is_named_with_its_number_and_field_and_the_others_are_accepted() {
    let app = start_app().await;
    let id = create(&app, &draft("bad lines")).await;
    let long = "x".repeat(1100);
    let rows = [
        "\u{feff}To, name ,city,media_url,ref".to_owned(),
        "+447700900001,Asha,Pune,,".to_owned(),
        "nonsense,Asha,Pune,,".to_owned(),
        ",Asha,Pune,,".to_owned(),
        "+447700900002,,Pune,,".to_owned(),
        "+447700900003,Asha,,,".to_owned(),
        format!("+447700900004,{long},Pune,,"),
        "+447700900005,Asha,Pune,ftp://x.example/a.jpg,".to_owned(),
        format!("+447700900006,Asha,Pune,,{}", "r".repeat(256)),
        "+447700900007,Asha,Pune,,,,more".to_owned(),
        String::new(),
        "+447700900008,\"Asha\nRao\",Pune,,".to_owned(),
        "+447700900009,\"Asha,Pune,,".to_owned(),
        "+447700900010,Asha,Pune,,".to_owned(),
        "+44 7700 900010,Asha,Pune,,".to_owned(),
    ];
    let text = format!("{}\n", rows.join("\r\n"));
    for dry in ["?dry_run=true", ""] {
        let path = format!("{id}/recipients{dry}");
        let request = app.request("POST", &format!("/api/v1/campaigns/{path}"));
        let request = request
            .header("content-type", "text/csv")
            .body(text.clone());
        let (status, report) = crate::harness::app::read(request).await;
        assert_eq!(status, 200, "{report}");
        let rejected: Vec<(u64, &str)> = report["rejected"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                (
                    row["line"].as_u64().unwrap(),
                    row["field"].as_str().unwrap(),
                )
            })
            .collect();
        let expected = [
            (3, "to"),
            (4, "to"),
            (5, "caption"),
            (6, "caption"),
            (7, "name"),
            (8, "media_url"),
            (9, "ref"),
            (10, "row"),
            (14, "row"),
        ];
        assert_eq!(rejected, expected, "{report}");
        assert_eq!(
            (&report["accepted"], &report["duplicates"]),
            (&json!(3), &json!(1))
        );
    }
    let campaign = show(&app, &id).await;
    assert_eq!(
        campaign["recipients"],
        json!({ "accepted": 3, "duplicates": 1, "rejected": 9, "waiting": 3 })
    );
    app.finish().await;
}

#[actix_web::test]
async fn json_lines_are_recipients_too() {
    let app = start_app().await;
    let id = create(&app, &draft("lines")).await;
    let rows = [
        r#"{"to":"+447700900001","name":"Asha","city":"Pune","client_reference":"order-1"}"#,
        r#"{"to":"+447700900001","name":"Asha","city":7,"client_reference":"order-2"}"#,
        r#"{"to":"+447700900002","name":"Asha","city":["x"]}"#,
        r#"{"to":"#,
        "[1]",
    ];
    let (status, report) = upload(&app, &id, "application/x-ndjson", rows.join("\n")).await;
    assert_eq!((status, &report["accepted"]), (200, &json!(2)), "{report}");
    let lines: Vec<&Value> = report["rejected"].as_array().unwrap().iter().collect();
    let found: Vec<(u64, &str)> = lines
        .iter()
        .map(|row| {
            (
                row["line"].as_u64().unwrap(),
                row["field"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(found, [(3, "city"), (4, "row"), (5, "row")]);
    for (kind, body) in [
        ("text/csv", "phone,name\n+447700900001,Asha\n"),
        ("text/csv", ""),
        ("text/csv", "to,to\n"),
    ] {
        let (status, problem) = upload(&app, &id, kind, body.to_owned()).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (422, &json!("header")),
            "{problem}"
        );
    }
    let (status, _) = upload(&app, &id, "text/plain", csv(0..1)).await;
    assert_eq!(status, 415);
    app.finish().await;
}

#[actix_web::test]
async fn a_paused_campaign_sends_nothing_and_a_cancelled_one_never_again() {
    let app = start_app().await;
    let id = create(&app, &draft("stop and go")).await;
    upload(&app, &id, "text/csv", csv(0..600)).await;
    act(&app, &id, "start").await;
    app.advance_campaigns().await;
    assert_eq!(act(&app, &id, "pause").await["state"], "paused");
    app.run_jobs_until_idle().await;
    assert!(called(&app).is_empty());
    assert_eq!(show(&app, &id).await["counts"], json!({ "queued": 600 }));
    // Longer than a message of the account may be queued.
    app.advance(TimeDelta::hours(3));
    app.run_jobs_until_idle().await;
    assert_eq!(show(&app, &id).await["counts"], json!({ "queued": 600 }));

    act(&app, &id, "resume").await;
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    let sent = claimed.len();
    assert!(sent > 0);
    for work in claimed {
        app.services.dispatcher.submit(work).await;
    }
    assert_eq!(act(&app, &id, "cancel").await["state"], "cancelled");
    app.run_jobs_until_idle().await;
    assert_eq!(called(&app).len(), sent);
    let counts = show(&app, &id).await["counts"].clone();
    assert_eq!(
        counts,
        json!({ "cancelled": 600 - sent, "submitted": sent })
    );
    let (status, _) = app.post(&format!("/api/v1/campaigns/{id}/resume")).await;
    assert_eq!(status, 409);
    let message = image_of("stop-and-go", "+447700900001");
    let refused = app.post_json("/api/v1/messages", &message).await;
    assert_eq!(refused.1["errors"][0]["field"], "campaign");
    app.finish().await;
}

#[actix_web::test]
async fn a_request_is_repeated_with_its_first_reply_although_the_campaign_was_cancelled() {
    let app = start_app().await;
    let message = image_of("cut-short", "+447700900001");
    let post = async || {
        let request = app.request("POST", "/api/v1/messages");
        read(request.header("idempotency-key", "k").json(&message)).await
    };
    let (status, first) = post().await;
    assert_eq!(status, 202, "{first}");
    act(&app, "cut-short", "cancel").await;
    let (status, second) = post().await;
    assert_eq!((status, &second["id"]), (202, &first["id"]), "{second}");
    app.finish().await;
}

#[actix_web::test]
async fn a_campaign_starts_at_its_time_and_keeps_its_rate() {
    let app = start_app().await;
    let mut body = draft("later");
    body["send_at"] = json!("2026-11-20T13:00:00Z");
    body["rate"] = json!(2.0);
    let id = create(&app, &body).await;
    upload(&app, &id, "text/csv", csv(0..30)).await;
    let start = app.now();
    let until = DateTime::parse_from_rfc3339("2026-11-20T13:00:00Z").unwrap();
    assert!(start < until);
    assert_eq!(act(&app, &id, "start").await["state"], "scheduled");
    app.advance(TimeDelta::minutes(1));
    app.run_jobs_until_idle().await;
    assert!(called(&app).is_empty());
    app.advance(until.to_utc() - app.now());
    app.run_jobs_until_idle().await;
    assert_eq!(show(&app, &id).await["state"], "running");
    let mut most = called(&app).len();
    assert_eq!(most, 1);
    for second in 1..=10 {
        for _ in 0..4 {
            app.advance(TimeDelta::milliseconds(250));
            app.run_jobs_until_idle().await;
        }
        most = called(&app).len();
        assert_eq!(most, 1 + 2 * second);
    }
    // After a long break it makes up for a second, not for all.
    app.advance(TimeDelta::minutes(5));
    app.run_jobs_until_idle().await;
    assert_eq!(called(&app).len(), most + 3);
    app.finish().await;
}

#[actix_web::test]
async fn one_class_of_failures_is_resent_with_other_media_once() {
    let app = start_app().await;
    let id = create(&app, &draft("resend")).await;
    upload(&app, &id, "text/csv", csv(0..5)).await;
    for _ in 0..3 {
        let refusal = json!({ "code": 400, "message": "bad media" });
        app.force(SOBOT, ForcedReply::json(400, &refusal));
    }
    act(&app, &id, "start").await;
    app.run_jobs_until_idle().await;
    let campaign = show(&app, &id).await;
    assert_eq!(campaign["counts"]["failed"], 3, "{campaign}");
    assert_eq!(campaign["failures"][0]["messages"], 3);
    let class = campaign["failures"][0]["class"].as_str().unwrap();
    let path = format!("/api/v1/campaigns/{id}/resend");
    let mut request = json!({ "class": class, "dry_run": true, "media": { "url": "https://media.example.com/b.jpg" } });
    let (status, counted) = app.post_json(&path, &request).await;
    assert_eq!((status, &counted["count"]), (200, &json!(3)), "{counted}");
    assert_eq!(called(&app).len(), 5);
    request["dry_run"] = json!(false);
    let (_, resent) = app.post_json(&path, &request).await;
    assert_eq!(resent["count"], 3);
    let (_, again) = app.post_json(&path, &request).await;
    assert_eq!(again["count"], 0);
    app.run_jobs_until_idle().await;
    let urls: Vec<Value> = app.received(SOBOT)[5..]
        .iter()
        .map(|request| request.json()["url"].clone())
        .collect();
    assert_eq!(urls, vec![json!("https://media.example.com/b.jpg"); 3]);
    assert_eq!(show(&app, &id).await["state"], "done");
    app.finish().await;
}

#[actix_web::test]
async fn a_filter_of_messages_is_resent_or_cancelled_together() {
    let app = start_app().await;
    for number in 1..=4 {
        app.send(&image_to(SOBOT, &format!("+44770090000{number}")))
            .await;
    }
    let filter = json!({ "filter": { "account": SOBOT, "state": ["queued"] }, "dry_run": true });
    let (status, counted) = app.post_json("/api/v1/messages/cancel", &filter).await;
    assert_eq!((status, &counted["count"]), (200, &json!(4)), "{counted}");
    let filter = json!({ "filter": { "to": "+447700900001" } });
    let (_, cancelled) = app.post_json("/api/v1/messages/cancel", &filter).await;
    assert_eq!(cancelled["count"], 1);
    app.run_jobs_until_idle().await;
    assert_eq!(called(&app).len(), 3);
    let filter = json!({ "filter": { "state": "cancelled,submitted" } });
    let (_, resent) = app.post_json("/api/v1/messages/resend", &filter).await;
    assert_eq!(
        (&resent["count"], &resent["skipped"]),
        (&json!(1), &json!(3)),
        "{resent}"
    );
    app.run_jobs_until_idle().await;
    assert_eq!(called(&app).len(), 4);
    for (body, field) in [
        (json!({ "filter": {} }), "filter"),
        (json!({ "filter": { "colour": "red" } }), "filter.colour"),
        (json!({ "filter": { "state": {} } }), "filter.state"),
    ] {
        let (status, problem) = app.post_json("/api/v1/messages/resend", &body).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (422, &json!(field)),
            "{problem}"
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_campaign_names_every_invalid_field() {
    let app = start_app().await;
    let body = json!({
        "account": "unknown", "name": " ", "kind": "audio", "rate": -1, "send_at": "soon", "send_before": "x",
    });
    let (status, problem) = app.post_json("/api/v1/campaigns", &body).await;
    let fields: BTreeMap<&str, &str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            let text = |name: &str| error[name].as_str().unwrap();
            (text("field"), text("message"))
        })
        .collect();
    assert_eq!(status, 422);
    let names: Vec<&str> = fields.keys().copied().collect();
    assert_eq!(
        names,
        ["account", "kind", "name", "rate", "send_at", "send_before"]
    );
    create(&app, &draft("twice")).await;
    let (status, problem) = app.post_json("/api/v1/campaigns", &draft("Twice!")).await;
    assert_eq!(status, 409, "{problem}");
    let id = create(&app, &draft("empty")).await;
    let (status, _) = app.post(&format!("/api/v1/campaigns/{id}/start")).await;
    assert_eq!(status, 409);
    app.finish().await;
}

/// A page's status, its `Location` and its text.
async fn page(request: reqwest::RequestBuilder) -> (u16, String, String) {
    let client = Client::builder().no_proxy().redirect(Policy::none());
    let request = request.build().unwrap();
    let reply = client.build().unwrap().execute(request).await.unwrap();
    let location = reply.headers().get("location");
    let location = location.map_or(String::new(), |text| text.to_str().unwrap().to_owned());
    (
        reply.status().as_u16(),
        location,
        reply.text().await.unwrap(),
    )
}

fn form(action: &str, name: &str, rows: &str) -> Form {
    Form::new()
        .text("account", SOBOT)
        .text("kind", "image")
        .text("name", name.to_owned())
        .text("media", "https://media.example.com/a.jpg")
        .text("caption", "Hello {{name}}")
        .text("rate", "")
        .text("send_at", "")
        .text("send_before", "")
        .text("action", action.to_owned())
        .part(
            "file",
            Part::bytes(rows.as_bytes().to_vec()).file_name("people.csv"),
        )
}

#[actix_web::test]
async fn the_pages_check_create_start_pause_cancel_and_resend() {
    let app = start_app().await;
    let rows = "to,name\n+447700900001,Asha\nnonsense,Ravi\n+447700900002,Ines\n";
    let post = |path: &str| app.request("POST", path);
    let (status, _, text) = page(post("/campaigns").multipart(form("check", "Sale", rows))).await;
    assert_eq!(status, 200);
    assert!(text.contains("Checked: 2 recipients") && text.contains("Nothing was stored"));
    assert!(text.contains(">3<"), "the line of the bad row is named");
    let (status, _, text) = page(post("/campaigns").multipart(form("create", "", "to\n"))).await;
    assert_eq!(status, 422);
    assert!(text.contains("is missing") && text.contains("value=\"Hello {{name}}\""));
    let (status, _, text) = page(post("/campaigns").multipart(form("create", "x", "a,b\n"))).await;
    assert!(
        status == 422 && text.contains("id=\"error-file\">") && text.contains("has no column `to`"),
        "{text}"
    );

    let (status, location, _) =
        page(post("/campaigns").multipart(form("create", "Sale", rows))).await;
    assert_eq!((status, location.as_str()), (303, "/campaigns/sale"));
    let (_, _, text) = page(app.request("GET", "/campaigns/sale")).await;
    assert!(text.contains("draft, nothing is sent yet") && text.contains("Rejected lines"));
    let viewer = app.request_as(Scope::Read, "GET", "/campaigns/sale");
    let (_, _, masked) = page(viewer).await;
    assert!(!masked.contains("nonsense") && !masked.contains(">Start<"));
    let more = Form::new().part(
        "file",
        Part::text("to,name\n+447700900003,Uma\n").file_name("b.csv"),
    );
    let (status, _, _) = page(post("/campaigns/sale/recipients").multipart(more)).await;
    assert_eq!(status, 303);
    for (action, word) in [
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
    ] {
        let (status, _, _) = page(post(&format!("/campaigns/sale/{action}"))).await;
        assert_eq!(status, 303, "{action}");
        let (_, _, text) = page(app.request("GET", "/campaigns/sale")).await;
        assert!(text.contains(&format!("Sale: {word}")), "{text}");
    }
    let refusal = json!({ "code": 400, "message": "bad media" });
    app.force(SOBOT, ForcedReply::json(400, &refusal));
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    app.run_jobs_until_idle().await;
    let (_, _, text) = page(app.request("GET", "/campaigns/sale")).await;
    assert!(
        text.contains("Sale: done") && text.contains("Resend all failed"),
        "{text}"
    );
    let (_, _, list) = page(app.request("GET", "/campaigns")).await;
    assert!(
        list.contains("/campaigns/sale") && list.contains("66.7 %"),
        "{list}"
    );

    let url = "media=https%3A%2F%2Fmedia.example.com%2Fb.jpg&state=failed";
    let (_, _, text) = page(app.request("GET", &format!("/campaigns/sale/resend?{url}"))).await;
    assert!(text.contains("Resend 1"), "{text}");
    assert_eq!(called(&app).len(), 3);
    let resend = post("/campaigns/sale/resend").body(url);
    let (status, _, text) = page(resend).await;
    assert_eq!(status, 200, "{text}");
    assert!(
        text.contains("1 message was resent") && text.contains("Show the 1 new message"),
        "{text}"
    );
    app.run_jobs_until_idle().await;
    assert_eq!(called(&app).len(), 4);
    app.finish().await;
}

#[actix_web::test]
async fn a_campaign_is_removed_with_its_recipients_after_its_messages() {
    let app = start_app().await;
    let id = create(&app, &draft("old")).await;
    upload(&app, &id, "text/csv", csv(0..3)).await;
    act(&app, &id, "start").await;
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    app.run_jobs_until_idle().await;
    let running = create(&app, &draft("running")).await;
    upload(&app, &running, "text/csv", csv(0..1)).await;
    act(&app, &running, "start").await;
    act(&app, &running, "pause").await;
    app.advance(TimeDelta::days(399));
    let rows = "SELECT campaign AS line FROM campaign_recipients";
    while app.services.retention.step().await.unwrap() == StepResult::More {}
    assert_eq!(app.database.query(rows).await.len(), 4);
    app.advance(TimeDelta::days(2));
    while app.services.retention.step().await.unwrap() == StepResult::More {}
    assert_eq!(app.database.query(rows).await, ["running"]);
    let left = app.database.query("SELECT id AS line FROM campaigns").await;
    assert_eq!(left, ["running"]);
    app.stop().await;
}
