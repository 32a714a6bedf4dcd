//! Files that a caller uploads with a message: limits, how long they are kept, and what the provider gets.

use chrono::TimeDelta;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::harness::app::{App, LANCEPILOT, Reply, message, read, start_app};
use crate::send_limits::{IMAGE_LIMIT, VIDEO_LIMIT, fields, named};

/// The message and the file as a form.
fn form(message: &Value, bytes: Vec<u8>, name: &str, mime_type: &str) -> Form {
    let file = Part::bytes(bytes)
        .file_name(name.to_owned())
        .mime_str(mime_type)
        .unwrap();
    Form::new()
        .text("message", message.to_string())
        .part("file", file)
}

/// A message without media, for a file beside it.
fn without_media(account: &str, kind: &str) -> Value {
    let mut body = message(account, kind);
    body.as_object_mut().unwrap().remove("media");
    body
}

async fn upload(app: &App, body: &Value, bytes: Vec<u8>, name: &str, mime_type: &str) -> Reply {
    let request = app.request("POST", "/api/v1/messages");
    read(request.multipart(form(body, bytes, name, mime_type))).await
}

/// Bytes that no text survives.
fn noise(length: usize) -> Vec<u8> {
    let scale: Vec<u8> = (0..=250).rev().collect();
    let mut bytes = scale.repeat(length / scale.len() + 1);
    bytes.truncate(length);
    bytes
}

/// Files waiting for submission, in the folder for uploads or in the database.
async fn kept_uploads(app: &App) -> usize {
    app.services
        .uploads
        .sweep_database(app.now())
        .await
        .unwrap();
    let files = std::fs::read_dir(app.database.folder().join("uploads"));
    let rows = app.database.query("SELECT 'one' AS line FROM uploads");
    files.map_or(0, Iterator::count) + rows.await.len()
}

#[actix_web::test]
async fn an_uploaded_file_arrives_at_lancepilot_byte_for_byte() {
    let app = start_app().await;
    for (kind, name, mime_type, part_name, part_type) in [
        (
            "image",
            "any name.JPG",
            "image/jpeg",
            "image.jpg",
            "image/jpeg",
        ),
        ("image", "p.png", "image/png", "image.png", "image/png"),
        ("video", "v.mp4", "video/mp4", "video.mp4", "video/mp4"),
        (
            "video",
            "v.3gp",
            "application/octet-stream",
            "video.3gp",
            "video/3gpp",
        ),
    ] {
        let bytes = noise(70_000);
        let (status, reply) = upload(
            &app,
            &without_media(LANCEPILOT, kind),
            bytes.clone(),
            name,
            mime_type,
        )
        .await;
        assert_eq!(status, 202, "{reply}");
        app.run_jobs_until_idle().await;
        assert_eq!(app.state(reply["id"].as_str().unwrap()).await, "submitted");
        let request = app.received(LANCEPILOT).pop().unwrap();
        assert!(
            request
                .header("content-type")
                .unwrap()
                .starts_with("multipart/form-data")
        );
        assert!(request.header("content-length").is_some());
        let body = &request.body;
        let at = body.windows(bytes.len()).position(|part| part == bytes);
        let head = String::from_utf8_lossy(&body[..at.expect("the file is not in the body")])
            .to_lowercase();
        assert!(
            head.contains(&format!("name=\"file\"; filename=\"{part_name}\"")),
            "{head}"
        );
        assert!(
            head.contains(&format!("content-type: {part_type}\r\n")),
            "{head}"
        );
        assert!(head.contains("name=\"caption\""));
    }
    assert_eq!(
        kept_uploads(&app).await,
        0,
        "files are deleted after submission"
    );
    app.finish().await;
}

#[actix_web::test]
async fn the_largest_file_is_taken_and_one_byte_more_is_refused_by_name() {
    let app = start_app().await;
    for (kind, name, mime_type, limit) in [
        ("image", "a.jpg", "image/jpeg", IMAGE_LIMIT),
        ("video", "a.mp4", "video/mp4", VIDEO_LIMIT),
    ] {
        let body = without_media(LANCEPILOT, kind);
        let (status, reply) = upload(&app, &body, noise(limit), name, mime_type).await;
        assert_eq!(status, 202, "{reply}");
        app.run_jobs_until_idle().await;
        assert_eq!(app.state(reply["id"].as_str().unwrap()).await, "submitted");
        let reply = upload(&app, &body, noise(limit + 1), name, mime_type).await;
        assert_eq!(fields(&reply), named(["file"]));
    }
    let empty = upload(
        &app,
        &without_media(LANCEPILOT, "image"),
        Vec::new(),
        "a.jpg",
        "image/jpeg",
    )
    .await;
    assert_eq!(fields(&empty), named(["file"]));
    assert_eq!(app.received(LANCEPILOT).len(), 2);
    assert_eq!(kept_uploads(&app).await, 0);
    app.finish().await;
}

#[actix_web::test]
async fn a_wrong_upload_is_refused_by_name_and_not_kept() {
    let app = start_app().await;
    let both = upload(
        &app,
        &message(LANCEPILOT, "image"),
        noise(10),
        "a.jpg",
        "image/jpeg",
    )
    .await;
    assert_eq!(fields(&both), named(["media"]));
    let wrong = upload(
        &app,
        &without_media(LANCEPILOT, "image"),
        noise(10),
        "a.webp",
        "image/webp",
    )
    .await;
    assert_eq!(fields(&wrong), named(["file"]));
    let unnamed = Form::new().text("message", message(LANCEPILOT, "image").to_string());
    let request = app.request("POST", "/api/v1/messages").multipart(unnamed);
    assert_eq!(fields(&read(request).await), named(["file"]));
    let leftovers = std::fs::read_dir(app.database.folder())
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with(".tmp")
        })
        .count();
    assert_eq!((kept_uploads(&app).await, leftovers), (0, 0));
    app.finish().await;
}

#[actix_web::test]
async fn a_file_goes_with_the_message_that_will_never_need_it() {
    let app = start_app().await;
    let body = without_media(LANCEPILOT, "image");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (_, reply) = upload(&app, &body, noise(100), "a.jpg", "image/jpeg").await;
        ids.push(reply["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(kept_uploads(&app).await, 2);
    app.post(&format!("/api/v1/messages/{}/cancel", ids[0]))
        .await;
    assert_eq!(kept_uploads(&app).await, 1, "cancelled");
    app.advance(chrono::TimeDelta::hours(2));
    app.run_jobs_until_idle().await;
    assert_eq!(app.message(&ids[1]).await["failure"]["class"], "expired");
    assert_eq!(kept_uploads(&app).await, 0, "expired");
    app.finish().await;
}

#[actix_web::test]
async fn leftover_files_are_removed_however_many_files_wait() {
    let app = start_app().await;
    let folder = app.database.folder().join("uploads");
    let put = |name: &str| std::fs::write(folder.join(name), "file").unwrap();
    // Made first and last, so that some come late in whatever order a file system lists them.
    let leftovers: Vec<String> = (0..20).map(|n| format!("leftover-{n}.jpg")).collect();
    leftovers[..10].iter().for_each(|name| put(name));
    let mut waiting = Vec::new();
    for _ in 0..520 {
        let name = format!("{}.jpg", app.send_image(LANCEPILOT).await);
        put(&name);
        waiting.push(name);
    }
    leftovers[10..].iter().for_each(|name| put(name));
    // Files are as old as the machine's clock says, which is not the test's.
    let later = app.now() + TimeDelta::days(36_500);
    app.services.uploads.sweep(later).await.unwrap();
    let is_there = |name: &&String| folder.join(name).exists();
    assert_eq!(leftovers.iter().filter(is_there).count(), 0);
    assert_eq!(waiting.iter().filter(is_there).count(), waiting.len());
    app.finish().await;
}
