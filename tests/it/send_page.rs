//! One message by hand: the form at `/send`.

use bluetick::domain::provider_account::AccountMode;
use bluetick::domain::scope::Scope;
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use serde_json::json;

use crate::customer_service_window::receive_inbound;
use crate::harness::app::{
    ACCOUNTS, App, CUSTOMER, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, image_to, start_app,
    start_app_configured,
};

const KEY: &str = "form-0123456789abcdef0123456789abcdef";

pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) text: String,
}

/// Without following a redirect.
pub(crate) async fn load(request: RequestBuilder) -> Page {
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
    let listed = app.get_ok("/api/v1/messages").await;
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
    let audit = app.get_ok("/api/v1/audit?action=send").await;
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
async fn a_link_to_a_type_that_whatsapp_does_not_accept_is_refused_with_the_same_words_everywhere()
{
    let app = start_app().await;
    let image = json!({ "url": "https://media.example.com/a.webp?x=1" });
    let mut body = image_to(SOBOT, CUSTOMER);
    body["media"] = image.clone();
    let campaign = json!({ "account": SOBOT, "name": "Spring", "kind": "image", "media": image });
    let (accepted, addressed) = ("/api/v1/messages", "/api/v1/campaigns");
    for (path, body) in [(accepted, &body), (addressed, &campaign)] {
        let (status, reply) = app.post_json(path, body).await;
        assert_eq!(status, 422, "{path}: {reply}");
        let error = &reply["errors"][0];
        assert_eq!(error["field"], "media.url", "{path}: {reply}");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with("ends in .webp, which WhatsApp"),
            "{message}"
        );
    }
    // The link may end so and lead to another type, which the caller names.
    body["media"]["mime_type"] = json!("image/jpeg");
    assert_eq!(app.post_json(accepted, &body).await.0, 202);
    app.finish().await;
}

#[actix_web::test]
async fn what_is_wrong_with_the_media_stands_at_its_field() {
    let app = start_app().await;
    for (link, kind, field, message) in [
        (
            "",
            "image",
            "media.url",
            "is missing; give a link, or upload the file",
        ),
        (
            "https://media.example.com/a.webp",
            "",
            "media.url",
            "ends in .webp, which WhatsApp does not accept",
        ),
        (
            "https://media.example.com/a",
            "",
            "kind",
            "is not clear from the link; choose image or video",
        ),
        (
            "https://media.example.com/a",
            "image",
            "media.mime_type",
            "is missing and the file name does not imply it",
        ),
    ] {
        let typed = form("send", SOBOT, "+447700900123")
            .text("media.url", link)
            .text("kind", kind);
        let page = submit(&app, typed).await;
        assert_eq!(page.status, 422, "{link}");
        let error = format!("id=\"error-{field}\">{message}");
        assert!(page.text.contains(&error), "{error}: {}", page.text);
    }
    let video = form("send", SOBOT, "+447700900123")
        .text("media.url", "https://media.example.com/a.mp4")
        .text("kind", "");
    let sent = submit(&app, video).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let id = sent.location.strip_prefix("/messages/").unwrap();
    assert_eq!(app.message(id).await["kind"], "video");
    let page = load(app.request("GET", "/send")).await;
    let chosen = format!("value=\"{SOBOT}\" selected");
    assert!(
        page.text.contains(&chosen),
        "the account that was used last: {}",
        page.text
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_closed_window_is_asked_about_once_before_the_message_is_sent() {
    let app = start_app().await;
    // The account receives messages of customers, but none of this one.
    receive_inbound(&app, SOBOT, "447700900999", app.now()).await;
    let asked = submit(&app, form("send", SOBOT, "+447700900123")).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    let warned = format!("name=\"warned\" value=\"{SOBOT} +447700900123\"");
    for words in ["Not sent yet", "no 24-hour window is open", &warned] {
        assert!(asked.text.contains(words), "{words}: {}", asked.text);
    }
    let typing = form("check", SOBOT, "+447700900123")
        .text("media.url", "")
        .text("file_chosen", "1");
    let page = submit(&app, typing).await;
    assert!(page.text.contains(&warned), "{}", page.text);
    let listed = app.get_ok("/api/v1/messages").await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(0));
    let again =
        form("send", SOBOT, "+447700900123").text("warned", format!("{SOBOT} +447700900123"));
    assert_eq!(submit(&app, again).await.status, 303);
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
    let count = app.get_ok("/api/v1/messages").await["data"]
        .as_array()
        .map(Vec::len);
    assert_eq!(count, Some(5), "a key that is not of the form is replaced");
    app.finish().await;
}

#[actix_web::test]
async fn the_navigation_leads_those_who_may_send_to_the_form() {
    let app = start_app().await;
    let link = "href=\"/send\"";
    for (scope, path, expected) in [
        (Scope::Admin, "/", true),
        (Scope::Admin, "/messages", true),
        (Scope::Read, "/", false),
        (Scope::Operate, "/messages", false),
    ] {
        let page = load(app.request_as(scope, "GET", path)).await;
        assert_eq!(page.text.contains(link), expected, "{scope} {path}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_file_over_the_limit_is_an_error_of_its_field_and_keeps_what_was_typed() {
    let app = start_app().await;
    let large = Part::bytes(vec![0; 33 * 1024 * 1024]).file_name("large.jpg");
    // The file comes before some of the texts.
    let form = Form::new()
        .text("key", KEY)
        .text("account", SOBOT)
        .part("file", large.mime_str("image/jpeg").unwrap())
        .text("kind", "image")
        .text("to", "+447700900123")
        .text("client_reference", "order-42")
        .text("action", "send");
    let page = submit(&app, form).await;
    assert_eq!(page.status, 422, "{}", page.text);
    assert!(
        page.text
            .contains("id=\"error-file\">is larger than 33554432 bytes"),
        "{}",
        page.text
    );
    for typed in ["value=\"+447700900123\"", "value=\"order-42\""] {
        assert!(page.text.contains(typed), "{typed}: {}", page.text);
    }
    let listed = app.get_ok("/api/v1/messages").await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(0));
    app.finish().await;
}

fn with_template(form: Form) -> Form {
    form.text("template.name", "order_update")
        .text("template.language", "en_US")
        .text("template.body", "Asha\r\n42")
        .text("caption", "")
}

#[actix_web::test]
async fn the_buttons_of_a_template_are_sent() {
    let app = start_app().await;
    let buttons = [
        ("template.buttons[0].type", "url"),
        ("template.buttons[0].value", "track/42"),
        ("template.buttons[2].type", "quick_reply"),
        ("template.buttons[2].index", "1"),
        ("template.buttons[2].value", "yes"),
    ];
    let form = buttons.into_iter().fold(
        with_template(form("send", KALEYRA, "+447700900123")),
        |form, (name, value)| form.text(name, value),
    );
    let sent = submit(&app, form).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let id = sent.location.strip_prefix("/messages/").unwrap();
    let template = app.message(id).await["template"].clone();
    assert_eq!(template["body"], serde_json::json!(["Asha", "42"]));
    let buttons = template["buttons"].as_array().unwrap();
    let shown: Vec<_> = buttons
        .iter()
        .map(|button| {
            (
                button["type"].as_str().unwrap(),
                button["index"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(shown, [("url", 0), ("quick_reply", 1)], "{template}");
    app.finish().await;
}

#[actix_web::test]
async fn an_error_of_a_button_stands_in_its_row() {
    let app = start_app().await;
    let form = with_template(form("send", KALEYRA, "+447700900123"))
        .text("template.buttons[1].type", "url")
        .text("template.buttons[1].value", "");
    let page = submit(&app, form).await;
    assert_eq!(page.status, 422, "{}", page.text);
    let error = "id=\"error-template.buttons[1].value\">value is empty";
    assert!(page.text.contains(error), "{}", page.text);
    app.finish().await;
}

#[actix_web::test]
async fn the_accounts_page_leads_from_nothing_to_the_first_callback() {
    let app = start_app_configured(|_, config| {
        config.file = Some("/etc/bluetick/bluetick.toml".into());
        let mut accounts = config.accounts.iter();
        let place = accounts.position(|it| it.id.as_str() == ZIXFLOW).unwrap();
        let key = format!("accounts[{place}].token");
        let variables = &mut config.secret_variables;
        variables.insert(key, "SHOP_TOKEN".to_owned());
    })
    .await;
    let show = async || load(app.request("GET", "/accounts")).await.text;
    let set_up = format!("aria-label=\"Set-up of {ZIXFLOW}\"");
    let new = show().await;
    let step = |page: &str| {
        let begin = page.find(&set_up).unwrap();
        let end = page[begin..].find("5. First callback").unwrap();
        page[begin..begin + end].to_owned()
    };
    assert!(step(&new).contains("to a phone of your own"), "{new}");
    for words in [
        "<code class=\"long\">/etc/bluetick/bluetick.toml</code>",
        "<code>token</code> is <code>SHOP_TOKEN</code>",
    ] {
        assert!(step(&new).contains(words), "{words}: {new}");
    }
    assert!(step(&new).contains(&app.callback_url(ZIXFLOW)), "{new}");
    assert!(step(&new).contains("action=\"/accounts/check\""), "{new}");
    let masked = load(app.request_as(Scope::Read, "GET", "/accounts")).await;
    assert!(!masked.text.contains(&set_up));

    let sent = submit(&app, form("send", ZIXFLOW, "+447700900123")).await;
    let link = format!("The latest is <a href=\"{}\">", sent.location);
    let queued = show().await;
    assert!(step(&queued).contains(&link), "{queued}");
    assert!(!queued.contains(">waiting</span>"), "{queued}");
    app.run_jobs_until_idle().await;
    let waiting = show().await;
    assert!(step(&waiting).contains(&link), "{waiting}");
    assert!(waiting.contains(">waiting</span>"), "{waiting}");
    // Another one that is still queued changes nothing.
    submit(&app, form("send", ZIXFLOW, "+447700900124")).await;
    assert!(show().await.contains(">waiting</span>"));
    app.deliver_simulated().await;
    let connected = show().await;
    assert!(!connected.contains(&set_up), "{connected}");
    assert!(connected.contains("Connected: callbacks arrive."));
    app.finish().await;
}

#[actix_web::test]
async fn a_check_while_typing_shows_errors_and_fails_nothing() {
    let app = start_app().await;
    let page = submit(&app, form("check", SOBOT, "12")).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("aria-describedby=\"error-to\""));
    app.finish().await;
}
