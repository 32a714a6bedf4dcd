//! One message by hand: the form at `/send`.

use bluetick::domain::provider_account::AccountMode;
use bluetick::domain::scope::Scope;
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};

use crate::harness::app::{
    ACCOUNTS, App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, start_app, start_app_configured,
};

const KEY: &str = "form-0123456789abcdef0123456789abcdef";

struct Page {
    status: u16,
    location: String,
    text: String,
}

/// Without following a redirect.
async fn load(request: RequestBuilder) -> Page {
    let client = Client::builder().no_proxy().redirect(Policy::none());
    let request = request.build().unwrap();
    let reply = client.build().unwrap().execute(request).await.unwrap();
    let location = reply.headers().get("location");
    Page {
        status: reply.status().as_u16(),
        location: location.map_or(String::new(), |text| text.to_str().unwrap().to_owned()),
        text: reply.text().await.unwrap(),
    }
}

async fn submit(app: &App, form: Form) -> Page {
    load(app.request("POST", "/send").multipart(form)).await
}

/// As a browser sends it, with a file field in which nothing was chosen.
fn form(action: &str, account: &str, to: &str) -> Form {
    let nothing = Part::bytes(Vec::new())
        .file_name("")
        .mime_str("application/octet-stream");
    Form::new()
        .text("key", KEY)
        .text("account", account.to_owned())
        .text("kind", "image")
        .text("to", to.to_owned())
        .text("name", "Asha")
        .text("from", "")
        .text("media.url", "https://media.example.com/a.jpg")
        .text("caption", "Hello\r\nAsha")
        .text("client_reference", "order-42")
        .text("send_before", "2h")
        .text("template.name", "")
        .text("template.language", "")
        .text("template.body", "")
        .text("action", action.to_owned())
        .part("file", nothing.unwrap())
}

#[actix_web::test]
async fn a_message_is_previewed_and_then_sent_once() {
    let app = start_app().await;
    let preview = submit(&app, form("preview", KALEYRA, "+447700900123")).await;
    assert_eq!(preview.status, 200, "{}", preview.text);
    assert!(preview.text.contains("447700900123"), "{}", preview.text);
    assert!(preview.text.contains("POST http"), "{}", preview.text);
    assert!(
        preview.text.contains("api-key: …"),
        "the key is left out of the request"
    );
    let listed = app.found("/api/v1/messages").await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(0));

    let sent = submit(&app, form("send", KALEYRA, "+447700900123")).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let again = submit(&app, form("send", KALEYRA, "+44 7700 900123")).await;
    assert_eq!(again.location, sent.location, "pressed twice, sent once");
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(KALEYRA).len(), 1);

    let id = sent.location.strip_prefix("/messages/").unwrap();
    let message = app.message(id).await;
    assert_eq!(message["caption"], "Hello\nAsha");
    assert_eq!(message["client_reference"], "order-42");
    let audit = app.found("/api/v1/audit?action=send").await;
    assert_eq!(audit["data"][0]["message_id"], id, "{audit}");

    let other = submit(&app, form("send", KALEYRA, "+447700900124")).await;
    assert_eq!(other.status, 409, "the form already sent another message");
    assert!(!other.text.contains(KEY), "{}", other.text);
    app.finish().await;
}

#[actix_web::test]
async fn errors_stand_beside_their_fields_and_keep_what_was_typed() {
    let app = start_app().await;
    let typed = form("send", SOBOT, "12")
        .text("media.url", "nowhere")
        .text("send_before", "soon")
        .text("template.name", "No Spaces Allowed");
    let page = submit(&app, typed).await;
    assert_eq!(page.status, 422);
    for name in ["to", "media.url", "send_before", "template.name"] {
        let field = format!("aria-describedby=\"error-{name}\"");
        assert!(page.text.contains(&field), "{name}: {}", page.text);
    }
    for typed in ["value=\"12\"", "value=\"nowhere\"", "value=\"order-42\""] {
        assert!(page.text.contains(typed), "{typed}: {}", page.text);
    }
    assert!(page.text.contains(KEY), "{}", page.text);
    app.run_jobs_until_idle().await;
    assert!(app.received(SOBOT).is_empty());
    app.finish().await;
}

#[actix_web::test]
async fn an_uploaded_file_is_sent() {
    let app = start_app().await;
    let picture = include_bytes!("../fixtures/media/baseline.jpg");
    let file = Part::bytes(picture.to_vec()).file_name("a.jpg");
    let form = form("send", LANCEPILOT, "+447700900123")
        .text("media.url", "")
        .part("file", file.mime_str("image/jpeg").unwrap());
    let page = submit(&app, form).await;
    assert_eq!(page.status, 303, "{}", page.text);
    app.run_jobs_until_idle().await;
    let calls = app.received(LANCEPILOT);
    assert!(!calls.is_empty());
    app.finish().await;
}

#[actix_web::test]
async fn a_dry_run_account_says_that_nothing_leaves() {
    let app = start_app_configured(|_, config| {
        let account = config
            .accounts
            .iter_mut()
            .find(|it| it.id.as_str() == KALEYRA);
        account.unwrap().mode = AccountMode::DryRun;
    })
    .await;
    let page = submit(&app, form("preview", KALEYRA, "+447700900123")).await;
    assert!(page.text.contains("in dry run"), "{}", page.text);
    app.finish().await;
}

#[actix_web::test]
async fn the_account_page_leads_to_a_test_message_of_that_account() {
    let app = start_app().await;
    let accounts = load(app.request("GET", "/accounts")).await;
    let url = format!("/send?account={ZIXFLOW}");
    assert!(accounts.text.contains(&url), "{}", accounts.text);
    let page = load(app.request("GET", &url)).await;
    let chosen = format!("value=\"{ZIXFLOW}\" selected");
    assert!(page.text.contains(&chosen), "{}", page.text);
    let viewer = load(app.request_as(Scope::Read, "GET", "/accounts")).await;
    assert!(!viewer.text.contains("/send?account"));
    app.finish().await;
}

#[actix_web::test]
async fn every_provider_takes_a_message_of_the_form() {
    let app = start_app().await;
    for (index, account) in ACCOUNTS.into_iter().enumerate() {
        let key = format!("form-{index:032x}");
        let form = form("send", account, "+447700900123").text("key", key);
        let page = submit(&app, form).await;
        assert_eq!(page.status, 303, "{account}: {}", page.text);
    }
    let foreign = form("send", KALEYRA, "+447700900123").text("key", "shop-42");
    assert_eq!(submit(&app, foreign).await.status, 303);
    let count = app.found("/api/v1/messages").await["data"]
        .as_array()
        .map(Vec::len);
    assert_eq!(count, Some(5), "a key that is not of the form is replaced");
    app.finish().await;
}
