//! The documentation of the five send requests, line by line: what each says is what a provider gets,
//! what a caller is refused, and how a reply is understood. `src/providers` names the pages.

mod kaleyra;
mod lancepilot;
mod sobot;
mod zixflow;

use bluetick::domain::media::MediaKind;
use bluetick::simulator::ForcedReply;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::harness::app::{
    App, KALEYRA, LANCEPILOT, Reply, SOBOT, ZIXFLOW, message, read, start_app,
};

/// One line of a page: what it says, the change of a complete message, and where the value must be in
/// the request to the provider.
struct Sent {
    line: &'static str,
    change: (&'static str, Value),
    pointer: &'static str,
    value: Value,
}

fn sent(
    line: &'static str,
    change: (&'static str, Value),
    pointer: &'static str,
    value: Value,
) -> Sent {
    Sent {
        line,
        change,
        pointer,
        value,
    }
}

const NOTHING: (&str, Value) = ("", Value::Null);

fn changed(account: &str, kind: &str, change: &(&str, Value)) -> Value {
    let mut body = message(account, kind);
    let (pointer, value) = change;
    if let Some((parent, name)) = pointer.rsplit_once('/') {
        body.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    body
}

async fn check_sent(app: &App, account: &str, kind: &str, rows: &[Sent]) {
    for row in rows {
        app.send(&changed(account, kind, &row.change)).await;
        app.run_jobs_until_idle().await;
        let request = app.received(account).pop().unwrap().json();
        let found = request.pointer(row.pointer).cloned().unwrap_or_default();
        assert_eq!(found, row.value, "{kind}: {}: {request}", row.line);
    }
}

/// One line that forbids something: the field of the refusal, and a word of its reason.
async fn check_refused(app: &App, account: &str, rows: &[(&str, (&str, Value), &str, &str)]) {
    for (line, change, field, word) in rows {
        let body = changed(account, "video", change);
        let (status, reply) = app.post_json("/api/v1/messages", &body).await;
        assert_eq!(status, 422, "{line}: {reply}");
        let error = &reply["errors"][0];
        assert_eq!(error["field"], *field, "{line}: {reply}");
        assert!(
            error["message"].as_str().unwrap().contains(word),
            "{line}: {reply}"
        );
    }
}

async fn upload(app: &App, account: &str, kind: &str, bytes: Vec<u8>, name: &str) -> Reply {
    let mut body = message(account, kind);
    body.as_object_mut().unwrap().remove("media");
    let part = Part::bytes(bytes).file_name(name.to_owned());
    let form = Form::new()
        .text("message", body.to_string())
        .part("file", part);
    read(app.request("POST", "/api/v1/messages").multipart(form)).await
}

/// The documented size is the largest that is accepted.
async fn check_sizes(app: &App, account: &str) {
    for (kind, name, limit) in [("image", "a.jpg", 5 << 20), ("video", "a.3gp", 16 << 20)] {
        let (status, reply) = upload(app, account, kind, vec![1; limit], name).await;
        assert_eq!(status, 202, "{account} {kind}: {reply}");
        let (status, reply) = upload(app, account, kind, vec![1; limit + 1], name).await;
        assert_eq!(status, 422, "{account} {kind}: {reply}");
        assert_eq!(reply["errors"][0]["field"], "file");
    }
}

/// A documented reply: status, body, outcome of the attempt, and a word that an operator sees.
async fn check_replies(account: &str, rows: &[(u16, &str, &str, &str)]) {
    for (status, body, outcome, word) in rows {
        // Some replies pause the account.
        let app = start_app().await;
        let reply = ForcedReply::raw(*status, "application/json", *body);
        app.force(account, reply);
        let id = app.send(&message(account, "video")).await;
        for work in app.services.dispatcher.claim_due().await.unwrap() {
            app.services.dispatcher.submit(work).await;
        }
        let shown = app.message(&id).await;
        let attempt = &shown["attempts"][0];
        assert_eq!(attempt["outcome"], *outcome, "{body}: {shown}");
        assert_eq!(attempt["http_status"], *status, "{shown}");
        assert!(shown.to_string().contains(word), "{body}: {shown}");
        app.finish().await;
    }
}

const OVER_1024: usize = 1025;

/// The pages of templates follow the same rules of media; see `templates` for their own fields.
#[actix_web::test]
async fn templates_are_accepted_by_every_simulated_provider() {
    let app = start_app().await;
    for account in [SOBOT, KALEYRA, ZIXFLOW, LANCEPILOT] {
        for kind in MediaKind::ALL {
            let mut body = message(account, kind.as_str());
            body.as_object_mut().unwrap().remove("caption");
            let name = if account == LANCEPILOT {
                "7"
            } else {
                "hello_world"
            };
            body["template"] = json!({ "name": name, "language": "en_US", "body": ["8654334"] });
            let id = app.send(&body).await;
            app.run_jobs_until_idle().await;
            assert_eq!(app.state(&id).await, "submitted", "{account} {kind}");
        }
    }
    app.finish().await;
}
