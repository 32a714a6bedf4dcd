//! The media of a message is checked before it is accepted, as the account wants it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bluetick::domain::provider_account::Preflight;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::harness::app::{App, LANCEPILOT, SOBOT, message, read, start_app_with};
use crate::harness::program::{command, run_to_end};
use crate::operations::{ACCOUNT, Place};

fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media");
    fs::read(folder.join(name)).unwrap()
}

pub(crate) async fn app(preflight: Preflight) -> App {
    start_app_with(|_, accounts| {
        for account in accounts {
            account.preflight = preflight;
        }
    })
    .await
}

/// Serves samples under their names, and counts.
async fn host(names: &[(&str, &str)]) -> MockServer {
    let server = MockServer::start().await;
    for (name, content_type) in names {
        let reply = ResponseTemplate::new(200).set_body_raw(sample(name), content_type);
        let mock = Mock::given(path(format!("/{name}"))).respond_with(reply);
        mock.mount(&server).await;
    }
    server
}

fn image(account: &str, url: &str) -> Value {
    let mut body = message(account, "image");
    body["media"] = json!({ "url": url });
    body
}

fn media_warnings(reply: &Value) -> Vec<String> {
    let warnings = reply["warnings"].as_array().unwrap();
    warnings
        .iter()
        .filter(|warning| warning["code"] == "media")
        .map(|warning| warning["message"].as_str().unwrap().to_owned())
        .collect()
}

#[actix_web::test]
async fn by_default_wrong_media_is_accepted_with_a_warning_for_each_rule() {
    let app = app(Preflight::default()).await;
    let server = host(&[("one_bit.png", "text/plain"), ("rgb.png", "image/png")]).await;
    let url = format!("{}/one_bit.png", server.uri());
    let (status, reply) = app.post_json("/api/v1/messages", &image(SOBOT, &url)).await;
    assert_eq!(status, 202, "{reply}");
    let warnings = media_warnings(&reply);
    let rules: Vec<&str> = warnings
        .iter()
        .map(|text| text.split(':').next().unwrap())
        .collect();
    assert_eq!(
        rules,
        ["content_type", "bit_depth", "colour"],
        "{warnings:?}"
    );
    let url = format!("{}/rgb.png", server.uri());
    let (status, reply) = app.post_json("/api/v1/messages", &image(SOBOT, &url)).await;
    assert_eq!((status, media_warnings(&reply)), (202, vec![]));
    app.finish().await;
}

#[actix_web::test]
async fn an_account_can_refuse_wrong_media_by_field() {
    let app = app(Preflight::Refuse).await;
    let server = host(&[("cmyk.jpg", "image/jpeg")]).await;
    let url = format!("{}/cmyk.jpg", server.uri());
    let (status, reply) = app.post_json("/api/v1/messages", &image(SOBOT, &url)).await;
    assert_eq!(status, 422, "{reply}");
    assert_eq!(reply["errors"][0]["field"], "media.url");
    let message = reply["errors"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("colour: "), "{message}");
    let list = app.get_ok("/api/v1/messages").await;
    assert_eq!(list["data"], json!([]));
    app.finish().await;
}

#[actix_web::test]
async fn a_repeated_request_is_answered_like_the_first_although_the_media_is_gone() {
    let app = app(Preflight::Refuse).await;
    let server = host(&[("rgb.png", "image/png")]).await;
    let body = image(SOBOT, &format!("{}/rgb.png", server.uri()));
    let post = async || {
        let request = app.request("POST", "/api/v1/messages");
        read(request.header("idempotency-key", "k").json(&body)).await
    };
    let (status, first) = post().await;
    assert_eq!(status, 202, "{first}");
    server.reset().await;
    // Another process has not fetched the URL yet.
    let app = app.restart().await;
    let request = app.request("POST", "/api/v1/messages");
    let (status, second) = read(request.header("idempotency-key", "k").json(&body)).await;
    assert_eq!(status, 202, "{second}");
    assert_eq!(first["id"], second["id"]);
    app.finish().await;
}

#[actix_web::test]
async fn without_preflight_nothing_is_fetched() {
    let app = app(Preflight::Off).await;
    let server = host(&[("cmyk.jpg", "image/jpeg")]).await;
    let url = format!("{}/cmyk.jpg", server.uri());
    let (status, reply) = app.post_json("/api/v1/messages", &image(SOBOT, &url)).await;
    assert_eq!((status, media_warnings(&reply)), (202, vec![]));
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
    app.finish().await;
}

#[actix_web::test]
async fn a_media_host_that_does_not_answer_delays_one_message_only() {
    let app = app(Preflight::Warn).await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let started = Instant::now();
    for number in 0..20 {
        let url = format!("http://{address}/{number}.jpg");
        let (status, reply) = app.post_json("/api/v1/messages", &image(SOBOT, &url)).await;
        assert_eq!(status, 202, "{reply}");
        let warnings = media_warnings(&reply);
        assert!(warnings[0].contains("not checked"), "{warnings:?}");
    }
    // If each waited, it would take 40 s.
    assert!(started.elapsed() < Duration::from_secs(30));
    app.finish().await;
}

#[actix_web::test]
async fn a_private_host_is_a_warning_and_is_not_connected_to() {
    let app = app(Preflight::Warn).await;
    let inside = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let url = format!("http://{}/a.jpg", inside.local_addr().unwrap());
    let (status, reply) = app.post_json("/api/v1/messages", &image(SOBOT, &url)).await;
    assert_eq!(status, 202, "{reply}");
    assert!(
        media_warnings(&reply)[0].starts_with("public_host: "),
        "{reply}"
    );
    assert!(inside.accept().is_err());
    app.finish().await;
}

#[actix_web::test]
async fn an_uploaded_file_is_checked_too() {
    let app = app(Preflight::Refuse).await;
    for (account, field) in [(LANCEPILOT, "file"), (SOBOT, "file")] {
        let mut body = message(account, "video");
        body.as_object_mut().unwrap().remove("media");
        let part = Part::bytes(sample("two_audio_tracks.mp4"))
            .file_name("a.mp4")
            .mime_str("video/mp4")
            .unwrap();
        let form = Form::new()
            .text("message", body.to_string())
            .part("file", part);
        let request = app.request("POST", "/api/v1/messages").multipart(form);
        let (status, reply) = read(request).await;
        assert_eq!(status, 422, "{reply}");
        assert_eq!(reply["errors"][0]["field"], field);
        let message = reply["errors"][0]["message"].as_str().unwrap();
        assert!(message.starts_with("audio_tracks: "), "{message}");
    }
    app.finish().await;
}

#[test]
fn the_command_lists_every_problem_and_exits_with_1() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media");
    let check = |target: &str, more: &[&str]| {
        let scratch = tempfile::tempdir().unwrap();
        let mut arguments = vec!["media", "check", target];
        arguments.extend(more);
        let mut command = command(&arguments, &[]);
        command.current_dir(scratch.path());
        let output = run_to_end(command);
        // Nothing is created, because nothing is stored.
        assert!(fs::read_dir(scratch.path()).unwrap().next().is_none());
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (code, out, _) = check(&file("h264_aac.mp4"), &[]);
    assert_eq!((code, out.as_str()), (Some(0), "no problems\n"));
    let (code, out, error) = check(&file("webp_named.jpg"), &["--provider", "sobot"]);
    assert_eq!(code, Some(1));
    let rules: Vec<&str> = out
        .lines()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(rules, ["type", "extension"], "{out}");
    assert_eq!(error, "bluetick: 2 problems\n");
    let (code, out, _) = check("http://169.254.169.254/latest/meta-data/", &[]);
    assert_eq!(code, Some(1));
    assert!(out.starts_with("public_host: "), "{out}");
    let (code, _, error) = check(&file("missing.jpg"), &[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("missing.jpg"), "{error}");
    let (code, _, error) = check(&file("rgb.png"), &["--provider", "twilio"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("twilio"), "{error}");
}

#[actix_web::test]
async fn a_dry_run_of_a_campaign_checks_its_media() {
    let place = Place::new().await;
    let file = place.database.folder().join("customers.csv");
    fs::write(&file, "to,name\n+447700900123,Asha\nnonsense,Ben\n").unwrap();
    let send = [
        "campaign",
        "send",
        file.to_str().unwrap(),
        "--account",
        ACCOUNT,
        "--name",
        "Summer sale",
        "--media",
        "http://127.0.0.2:9999/a.jpg",
    ];
    let dry_run = [send.as_slice(), &["--dry-run"]].concat();
    let (code, printed, errors) = place.run(&dry_run);
    assert_eq!(code, Some(1), "{printed}{errors}");
    assert!(printed.contains("\nwarning: public_host: "), "{printed}");
    assert_eq!(errors, "bluetick: 1 line is rejected\n");

    let configured = fs::read_to_string(place.file()).unwrap();
    fs::write(
        place.file(),
        format!("{configured}preflight = \"refuse\"\n"),
    )
    .unwrap();
    let (code, printed, errors) = place.run(&dry_run);
    assert_eq!(code, Some(1), "{printed}{errors}");
    assert!(
        printed.ends_with("nothing was stored or sent\n"),
        "{printed}"
    );
    let expected = "bluetick: 1 line is rejected\nbluetick: media.url public_host: ";
    assert!(errors.starts_with(expected), "{errors}");
    let (_, listed, _) = place.run(&["campaign", "list"]);
    assert!(!listed.contains("summer-sale"), "{listed}");
}
