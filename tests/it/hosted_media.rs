//! An uploaded file for a provider that takes links: served at a URL that cannot be guessed.

use std::net::TcpListener;

use bluetick::domain::clock::{Clock, SystemClock};
use bluetick::simulator::ForcedReply;
use bluetick::web::connections::Connections;
use bluetick::web::route_registration::ServedRoutes;
use bluetick::web::server::{self, ServerSettings};
use chrono::TimeDelta;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::harness::app::{
    App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, message, noon, read, start_app,
};
use crate::send_page::load;

/// An image whose bytes differ from their neighbours.
fn content() -> Vec<u8> {
    let noise = (0..100_000_u32).map(|n| (n * 31 % 251) as u8);
    [0xff, 0xd8, 0xff, 0xe0].into_iter().chain(noise).collect()
}

async fn upload(app: &App, body: &Value) -> String {
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove("media");
    let part = Part::bytes(content())
        .file_name("order 42 of Asha.jpg")
        .mime_str("image/jpeg")
        .unwrap();
    let form = Form::new()
        .text("message", body.to_string())
        .part("file", part);
    let request = app.request("POST", "/api/v1/messages").multipart(form);
    let (status, reply) = read(request).await;
    assert_eq!(status, 202, "{reply}");
    reply["id"].as_str().unwrap().to_owned()
}

/// The only URL below `/media/` in the last request to a provider.
fn link(app: &App, account: &str) -> String {
    let request = app.received(account).pop().unwrap().json().to_string();
    let base = app.url("/media/");
    let (_, rest) = request
        .split_once(&base)
        .unwrap_or_else(|| panic!("{request}"));
    let token = rest.split(['"', '\\']).next().unwrap();
    format!("{base}{token}")
}

async fn get(method: Method, url: &str, headers: &[(&str, &str)]) -> Response {
    let client = bluetick::http_client::builder().build().unwrap();
    let mut request = client.request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

#[actix_web::test]
async fn providers_that_take_links_get_one_and_the_file_is_there() {
    let app = start_app().await;
    for account in [SOBOT, KALEYRA, ZIXFLOW] {
        let id = upload(&app, &message(account, "image")).await;
        app.run_jobs_until_idle().await;
        assert_eq!(app.message(&id).await["attempts"][0]["outcome"], "accepted");
        let url = link(&app, account);
        let response = get(Method::GET, &url, &[]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.bytes().await.unwrap(), content());
    }
    app.finish().await;
}

#[actix_web::test]
async fn lancepilot_gets_the_bytes_but_the_header_of_a_template_as_a_link() {
    let app = start_app().await;
    upload(&app, &message(LANCEPILOT, "image")).await;
    app.run_jobs_until_idle().await;
    let request = app.received(LANCEPILOT).pop().unwrap();
    assert!(
        request
            .header("content-type")
            .unwrap()
            .starts_with("multipart/form-data")
    );
    let mut body = message(LANCEPILOT, "image");
    body.as_object_mut().unwrap().remove("caption");
    body["template"] = json!({ "name": "12", "body": [] });
    upload(&app, &body).await;
    app.run_jobs_until_idle().await;
    let response = get(Method::GET, &link(&app, LANCEPILOT), &[]).await;
    assert_eq!(response.bytes().await.unwrap(), content());
    app.finish().await;
}

#[actix_web::test]
async fn the_file_has_a_fixed_type_and_can_do_nothing_in_a_browser() {
    let app = start_app().await;
    upload(&app, &message(SOBOT, "image")).await;
    app.run_jobs_until_idle().await;
    let url = link(&app, SOBOT);
    for method in [Method::GET, Method::HEAD] {
        let response = get(method.clone(), &url, &[]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "image/jpeg");
        assert_eq!(header(&response, "content-length"), "100004");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert_eq!(header(&response, "accept-ranges"), "bytes");
        assert!(header(&response, "content-security-policy").contains("sandbox"));
        // The caller's file name may be personal.
        let disposition = header(&response, "content-disposition").to_owned();
        assert_eq!(disposition, "attachment; filename=\"media.jpg\"");
        let body = response.bytes().await.unwrap();
        assert_eq!(body.is_empty(), method == Method::HEAD);
    }
    app.finish().await;
}

#[actix_web::test]
async fn parts_and_unchanged_files_are_answered_as_http_has_it() {
    let app = start_app().await;
    upload(&app, &message(SOBOT, "image")).await;
    app.run_jobs_until_idle().await;
    let url = link(&app, SOBOT);
    let whole = content();
    for (range, part, shown) in [
        ("bytes=0-3", &whole[..4], "bytes 0-3/100004"),
        (
            "bytes=100000-",
            &whole[100_000..],
            "bytes 100000-100003/100004",
        ),
        ("bytes=-2", &whole[100_002..], "bytes 100002-100003/100004"),
    ] {
        let response = get(Method::GET, &url, &[("range", range)]).await;
        assert_eq!(response.status(), 206, "{range}");
        assert_eq!(header(&response, "content-range"), shown);
        assert_eq!(response.bytes().await.unwrap(), part);
    }
    let beyond = get(Method::GET, &url, &[("range", "bytes=200000-")]).await;
    assert_eq!(beyond.status(), 416);
    let first = get(Method::GET, &url, &[]).await;
    let tag = header(&first, "etag").to_owned();
    assert!(tag.starts_with('"'), "{tag}");
    let unchanged = get(Method::GET, &url, &[("if-none-match", &tag)]).await;
    assert_eq!(unchanged.status(), 304);
    app.finish().await;
}

#[actix_web::test]
async fn every_other_token_is_answered_alike() {
    let app = start_app().await;
    upload(&app, &message(SOBOT, "image")).await;
    app.run_jobs_until_idle().await;
    let url = link(&app, SOBOT);
    let token = url.rsplit('/').next().unwrap();
    assert_eq!(token.len(), 22, "128 bits in base64url");
    let flipped = if token.starts_with('A') { "B" } else { "A" };
    let mut replies = Vec::new();
    for wrong in [
        "x".to_owned(),
        "A".repeat(22),
        format!("{flipped}{}", &token[1..]),
        format!("{token}="),
        token[..21].to_owned(),
        format!("{token}A"),
        token.to_ascii_uppercase() + "-",
        "..%2f..%2fbluetick.db".to_owned(),
    ] {
        let response = get(Method::GET, &app.url(&format!("/media/{wrong}")), &[]).await;
        let status = response.status().as_u16();
        let mut body: Value = response.json().await.unwrap();
        body.as_object_mut().unwrap().remove("request_id");
        body.as_object_mut().unwrap().remove("instance");
        replies.push((status, body));
    }
    assert_eq!(replies[0].0, 404);
    assert!(
        replies.iter().all(|reply| *reply == replies[0]),
        "{replies:?}"
    );
    let posted = get(Method::POST, &url, &[]).await;
    assert_eq!(posted.status(), 405);
    app.finish().await;
}

#[actix_web::test]
async fn the_token_is_neither_in_the_api_nor_in_the_transcript() {
    let app = start_app().await;
    for account in [SOBOT, KALEYRA, ZIXFLOW] {
        let id = upload(&app, &message(account, "image")).await;
        app.run_jobs_until_idle().await;
        let url = link(&app, account);
        let token = url.rsplit('/').next().unwrap();
        let shown = app.message(&id).await.to_string();
        assert!(shown.contains("/media/…"), "{shown}");
        assert!(!shown.contains(token), "{shown}");
        let page = app.request("GET", &format!("/messages/{id}"));
        let page = page.send().await.unwrap().text().await.unwrap();
        assert!(!page.contains(token));
    }
    app.finish().await;
}

#[actix_web::test]
async fn the_file_is_removed_seven_days_after_the_final_state() {
    let app = start_app().await;
    // The age of files is that of the machine's clock.
    app.advance(SystemClock.now() - noon());
    let mut urls = Vec::new();
    for account in [SOBOT, KALEYRA] {
        upload(&app, &message(account, "image")).await;
        app.run_jobs_until_idle().await;
        urls.push(link(&app, account));
    }
    let sweep = async || {
        app.services.uploads.sweep(app.now()).await.unwrap();
        app.services
            .uploads
            .sweep_database(app.now())
            .await
            .unwrap();
        let mut found = Vec::new();
        for url in &urls {
            found.push(get(Method::GET, url, &[]).await.status().as_u16());
        }
        found
    };
    app.advance(TimeDelta::days(8));
    assert_eq!(sweep().await, [200, 200], "neither is final yet");
    let sent = app.received(SOBOT).len();
    assert_eq!(sent, 1);
    app.deliver_simulated().await;
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::days(7) - TimeDelta::minutes(5));
    assert_eq!(sweep().await, [200, 200]);
    app.advance(TimeDelta::minutes(10));
    assert_eq!(sweep().await, [404, 404]);
    app.finish().await;
}

#[actix_web::test]
async fn the_file_of_a_message_without_a_report_is_removed_at_last() {
    let app = start_app().await;
    app.advance(SystemClock.now() - noon());
    app.force(SOBOT, ForcedReply::hang_up());
    upload(&app, &message(SOBOT, "image")).await;
    app.run_jobs_until_idle().await;
    let url = link(&app, SOBOT);
    for (days, status) in [(36, 200), (2, 404)] {
        app.advance(TimeDelta::days(days));
        app.services.uploads.sweep(app.now()).await.unwrap();
        app.services
            .uploads
            .sweep_database(app.now())
            .await
            .unwrap();
        assert_eq!(get(Method::GET, &url, &[]).await.status(), status, "{days}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_listener_for_callbacks_serves_files_and_the_other_does_not() {
    let app = start_app().await;
    upload(&app, &message(SOBOT, "image")).await;
    app.run_jobs_until_idle().await;
    let path = link(&app, SOBOT).replace(&app.url(""), "");
    for (routes, status) in [
        (ServedRoutes::Callbacks, 200),
        (ServedRoutes::AllButCallbacks, 404),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let settings = ServerSettings {
            routes,
            listeners: 2,
            ..ServerSettings::default()
        };
        let open = Connections::default();
        let server = server::start(listener, app.services.clone(), &open, settings).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let response = get(Method::GET, &format!("http://{address}{path}"), &[]).await;
        assert_eq!(response.status(), status, "{routes:?}");
        handle.stop(true).await;
    }
    app.finish().await;
}

fn refuse_next(app: &App) {
    let refusal = json!({ "code": 400, "message": "bad number" });
    app.force(SOBOT, ForcedReply::json(400, &refusal));
}

/// Uploads a file in a message that fails.
async fn failed_upload(app: &App) -> String {
    refuse_next(app);
    let id = upload(app, &message(SOBOT, "image")).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "failed");
    id
}

#[actix_web::test]
async fn a_message_with_an_uploaded_file_is_sent_again_while_the_file_is_kept() {
    let app = start_app().await;
    app.advance(SystemClock.now() - noon());
    let single = failed_upload(&app).await;
    let page = load(app.request("GET", &format!("/messages/{single}"))).await;
    assert!(!page.text.contains("choose it again"), "{}", page.text);
    let first = link(&app, SOBOT);
    let (status, resent) = app.post(&format!("/api/v1/messages/{single}/resend")).await;
    assert_eq!(status, 200, "{resent}");
    app.run_jobs_until_idle().await;
    let second = link(&app, SOBOT);
    assert_ne!(first, second, "each message has a URL of its own");
    let response = get(Method::GET, &second, &[]).await;
    assert_eq!(response.bytes().await.unwrap(), content());
    let again = resent["id"].as_str().unwrap();
    assert_eq!(app.state(again).await, "submitted");

    // In bulk, too.
    let in_bulk = failed_upload(&app).await;
    let body = json!({ "filter": { "state": "failed" } });
    let (status, resent) = app.post_json("/api/v1/messages/resend", &body).await;
    assert_eq!((status, &resent["count"]), (200, &json!(1)), "{resent}");
    app.run_jobs_until_idle().await;
    let third = link(&app, SOBOT);
    let response = get(Method::GET, &third, &[]).await;
    assert_eq!(response.bytes().await.unwrap(), content());
    assert!(app.message(&in_bulk).await["resent_as"].is_string());

    // The end of one file ends no other.
    app.advance(TimeDelta::days(8));
    app.services.uploads.sweep(app.now()).await.unwrap();
    app.services
        .uploads
        .sweep_database(app.now())
        .await
        .unwrap();
    assert_eq!(get(Method::GET, &first, &[]).await.status(), 404);
    assert_eq!(get(Method::GET, &third, &[]).await.status(), 200);
    app.finish().await;
}

#[actix_web::test]
async fn a_message_whose_uploaded_file_is_gone_says_so_when_it_is_to_be_sent_again() {
    let app = start_app().await;
    app.advance(SystemClock.now() - noon());
    let id = failed_upload(&app).await;
    app.advance(TimeDelta::days(8));
    app.services.uploads.sweep(app.now()).await.unwrap();
    app.services
        .uploads
        .sweep_database(app.now())
        .await
        .unwrap();
    let page = load(app.request("GET", &format!("/messages/{id}"))).await;
    assert!(page.text.contains("choose it again"), "{}", page.text);
    let (status, problem) = app.post(&format!("/api/v1/messages/{id}/resend")).await;
    assert_eq!(status, 409, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("no longer stored"), "{detail}");
    let body = json!({ "filter": { "state": "failed" } });
    let (_, resent) = app.post_json("/api/v1/messages/resend", &body).await;
    assert_eq!(resent["count"], 0, "{resent}");
    assert!(resent.to_string().contains("no longer stored"), "{resent}");
    // With other media it can be sent.
    let mut body = body.clone();
    body["media"] = json!({ "url": "https://media.example.com/a.jpg" });
    let (_, resent) = app.post_json("/api/v1/messages/resend", &body).await;
    assert_eq!(resent["count"], 1, "{resent}");
    app.finish().await;
}
