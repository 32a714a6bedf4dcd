//! What an attacker tries from outside changes nothing and shows nothing.
//!
//! Elsewhere: session fixation and guessed passwords in `people`, other sites' forms and `next=` in `access`, formulas in
//! `exports`, forged callbacks in `callbacks`, hostile media URLs in `hostile_urls`.

use std::io::{Read, Write};
use std::net::TcpStream;

use bluetick::domain::provider_account::Preflight;
use bluetick::domain::scope::Scope;
use bluetick::domain::user::Role;
use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::harness::app::{KALEYRA, SOBOT, message, read, start_app};
use crate::harness::people::{limited_token, sign_in_new};
use crate::media_preflight;

const UNKNOWN_ID: &str = "01a1f8e1-a5a0-7000-8000-000000000000";

/// The status of a request whose path no client tidies up.
fn status_of(address: &str, path: &str) -> u16 {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut reply = Vec::new();
    connection.read_to_end(&mut reply).unwrap();
    let head = String::from_utf8_lossy(&reply[..12]).into_owned();
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[actix_web::test]
async fn a_session_that_was_signed_out_is_worth_nothing_when_it_is_sent_again() {
    let app = start_app().await;
    let (_, mut browser) = sign_in_new(&app, "ada@example.com", Role::Admin).await;
    let copied = browser.cookie.clone();
    assert_eq!(browser.get(&app, "/messages").await.status(), 200);
    browser.post(&app, "/logout", &[]).await;
    browser.cookie = copied;
    assert_eq!(browser.get(&app, "/messages").await.status(), 303);
    assert_eq!(browser.get(&app, "/api/v1/messages").await.status(), 401);
    let path = format!("/api/v1/messages/{UNKNOWN_ID}/cancel");
    assert_eq!(browser.post(&app, &path, &[]).await.status(), 401);
    app.finish().await;
}

#[actix_web::test]
async fn no_spelling_of_a_path_passes_the_access_check() {
    let app = start_app().await;
    let address = app.services.config.public_url.clone();
    let address = address.strip_prefix("http://").unwrap().to_owned();
    let paths = [
        "/messages",
        "/messages/",
        "//messages",
        "/./messages",
        "/%6dessages",
        "/messages%2f",
        "/messages%00",
        "/messages;a=b",
        "/MESSAGES",
        "/login/../messages",
        "/static/../messages",
        "/static/..%2fmessages",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/%2e%2e/Cargo.toml",
        "/media/..%2f..%2fsecret_key",
        "/callbacks/../api/v1/messages",
        "/api/v1//messages",
        "/api/v1/messages/",
        "/api/v1/%6dessages",
        "/API/v1/messages",
        "/healthz/../metrics/../api/v1/audit",
    ];
    let statuses = std::thread::spawn(move || {
        let statuses = paths.map(|path| status_of(&address, path));
        assert_eq!(status_of(&address, "/healthz"), 200);
        statuses
    });
    while !statuses.is_finished() {
        crate::harness::waiting::pause().await;
    }
    for (path, status) in paths.into_iter().zip(statuses.join().unwrap()) {
        assert!((300..500).contains(&status), "{path}: {status}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn headers_that_claim_another_path_method_or_user_change_nothing() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    let claims = [
        ("X-Original-URL", "/healthz"),
        ("X-Rewrite-URL", "/healthz"),
        ("X-HTTP-Method-Override", "POST"),
        ("X-HTTP-Method", "POST"),
        ("X-Method-Override", "POST"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-User", "admin@localhost"),
        ("X-Remote-User", "admin@localhost"),
        ("Authorization", "Basic YWRtaW46YWRtaW4="),
        ("Authorization", "Bearer "),
        ("Authorization", "Bearer null"),
        ("Cookie", "bluetick_session=admin"),
    ];
    let cancel = format!("/api/v1/messages/{id}/cancel");
    for (name, value) in claims {
        let claim = |request: RequestBuilder| request.header(name, value).send();
        let anonymous = claim(app.client.get(app.url("/api/v1/messages"))).await;
        assert_eq!(anonymous.unwrap().status(), 401, "{name}: {value}");
        if name != "Authorization" {
            let overridden = claim(app.request_as(Scope::Admin, "GET", &cancel)).await;
            assert_eq!(overridden.unwrap().status(), 405, "{name}: {value}");
            let reader = claim(app.request_as(Scope::Read, "POST", &cancel)).await;
            assert_eq!(reader.unwrap().status(), 403, "{name}: {value}");
        }
    }
    assert_eq!(app.state(&id).await, "queued");
    app.finish().await;
}

#[actix_web::test]
async fn a_changed_cursor_is_refused_or_shows_only_what_its_caller_may_see() {
    let app = start_app().await;
    for account in [SOBOT, KALEYRA, SOBOT, KALEYRA] {
        app.send_image(account).await;
    }
    let (status, page) = app.get("/api/v1/messages?limit=1").await;
    assert_eq!(status, 200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let limited = limited_token(&app, "read", Some(KALEYRA), None).await;
    let mut shown = 0;
    for place in 0..cursor.len() {
        for changed in [b'0', b'f', b'\'', b'%', b'.'] {
            let mut bytes = cursor.as_bytes().to_vec();
            bytes[place] = changed;
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("cursor", std::str::from_utf8(&bytes).unwrap());
            let path = format!("/api/v1/messages?{}", query.finish());
            let request = app.client.get(app.url(&path));
            let (status, page) = read(request.bearer_auth(&limited)).await;
            assert!([200, 422].contains(&status), "{status}: {page}");
            for message in page["data"].as_array().into_iter().flatten() {
                assert_eq!(message["account"], KALEYRA);
                shown += 1;
            }
        }
    }
    assert!(shown > 0, "no cursor was accepted");
    app.finish().await;
}

#[actix_web::test]
async fn what_a_token_may_not_see_reads_like_what_does_not_exist() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    let limited = limited_token(&app, "send,operate", Some(KALEYRA), None).await;
    let ask = async |method: &str, path: &str| {
        let request = app
            .client
            .request(method.parse().unwrap(), app.url(path))
            .bearer_auth(&limited);
        let (status, mut problem) = read(request).await;
        if let Value::Object(problem) = &mut problem {
            problem.remove("request_id");
        }
        (status, problem)
    };
    for (method, end) in [
        ("GET", ""),
        ("GET", "/timeline"),
        ("GET", "/explain"),
        ("POST", "/cancel"),
        ("POST", "/resend"),
    ] {
        let path = |id: &str| format!("/api/v1/messages/{id}{end}");
        let hidden = ask(method, &path(&id)).await;
        assert_eq!(hidden.0, 404, "{end}: {}", hidden.1);
        assert_eq!(hidden, ask(method, &path(UNKNOWN_ID)).await, "{end}");
    }
    assert_eq!(app.state(&id).await, "queued");
    app.finish().await;
}

#[actix_web::test]
async fn html_in_names_captions_and_filters_is_shown_as_text() {
    const SCRIPT: &str = "<script>alert(1)</script>";
    const IMAGE: &str = "\"><img src=x onerror=alert(1)>";
    let app = start_app().await;
    let mut hostile = message(SOBOT, "image");
    hostile["name"] = json!(SCRIPT);
    hostile["caption"] = json!(IMAGE);
    let id = app.send(&hostile).await;
    let status =
        json!({ "id": SCRIPT, "status": IMAGE, "recipient_id": SCRIPT, "timestamp": "1763640000" });
    app.deliver_callback(SOBOT, &status).await;
    app.run_jobs_until_idle().await;
    let callback = app.callbacks().await[0]["id"].as_str().unwrap().to_owned();
    let query = "q=%22%3E%3Cimg+src%3Dx+onerror%3Dalert(1)%3E";
    let mut escaped = 0;
    for path in [
        "/".to_owned(),
        "/messages".to_owned(),
        format!("/messages?{query}"),
        format!("/messages/{id}"),
        "/callbacks".to_owned(),
        format!("/callbacks?{query}"),
        format!("/callbacks/{callback}"),
        "/problems".to_owned(),
        "/login?next=%22%3E%3Cimg+src%3Dx%3E".to_owned(),
    ] {
        let reply = app.request("GET", &path).send().await.unwrap();
        let policy = reply.headers()["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("'self'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        let html = reply.text().await.unwrap();
        for raw in ["<script>alert", "<img src=x"] {
            assert!(!html.contains(raw), "{raw} in {path}");
        }
        escaped += usize::from(html.contains("script&") || html.contains("&#60;script"));
    }
    assert!(escaped > 0, "no page shows the name");
    app.finish().await;
}

#[actix_web::test]
async fn html_and_svg_are_no_media() {
    // A file that is disguised is recognised by its content; without that check it is served with its fixed type (`hosted_media`).
    let app = media_preflight::app(Preflight::Refuse).await;
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let html = "<!doctype html><script>alert(1)</script>";
    for (content, name, mime_type) in [
        (svg, "a.svg", "image/svg+xml"),
        (svg, "a.jpg", "image/jpeg"),
        (html, "a.html", "text/html"),
        (html, "a.jpg", "image/jpeg"),
    ] {
        let mut body = message(SOBOT, "image");
        body.as_object_mut().unwrap().remove("media");
        let file = Part::bytes(content.as_bytes()).file_name(name);
        let form = Form::new()
            .text("message", body.to_string())
            .part("file", file.mime_str(mime_type).unwrap());
        let request = app.request("POST", "/api/v1/messages").multipart(form);
        let (status, problem) = read(request).await;
        assert_eq!(status, 422, "{name} as {mime_type}: {problem}");
    }
    assert_eq!(app.get("/api/v1/messages").await.1["data"], json!([]));
    app.finish().await;
}
