//! The resend form of a message's page: whether a resend would fail again, other media, the same options.

use bluetick::domain::scope::Scope;
use bluetick::simulator::{ForcedReply, PlannedOutcome};
use chrono::TimeDelta;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::customer_service_window::{PHONE, receive_inbound};
use crate::harness::app::{
    App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, image_to, message, noon, start_app, start_app_with,
};
use crate::send_page::{Page, load};
use bluetick::domain::provider_account::WindowPolicy;

async fn show(app: &App, id: &str) -> Page {
    let page = load(app.request("GET", &format!("/messages/{id}"))).await;
    assert_eq!(page.status, 200, "{}", page.text);
    page
}

async fn submit(app: &App, id: &str, form: Form) -> Page {
    let path = format!("/messages/{id}/resend");
    load(app.request("POST", &path).multipart(form)).await
}

/// A message of Sobot that failed with this code, of WhatsApp.
async fn failed(app: &App, body: &Value, code: u32) -> String {
    let id = app.send(body).await;
    app.run_jobs_until_idle().await;
    let wamid = app.message(&id).await["provider_id"].clone();
    let report = json!({
        "id": wamid, "status": "failed", "timestamp": app.now().timestamp().to_string(),
        "errors": [{ "code": code, "title": "It failed" }],
    });
    app.deliver_callback(SOBOT, &report).await;
    app.apply_callbacks().await;
    assert_eq!(app.state(&id).await, "failed");
    id
}

#[actix_web::test]
async fn the_page_says_whether_a_resend_would_fail_again_and_what_to_do() {
    let app = start_app().await;
    for (code, expected) in [
        (131_053, Some("The same image would probably fail again.")),
        (131_049, Some("Wait at least 24 hours before resending")),
        (131_026, Some("Check the number with the customer")),
        (131_000, None),
        (131_056, None),
    ] {
        let id = failed(&app, &image_to(SOBOT, "447700900125"), code).await;
        let page = show(&app, &id).await;
        let warned = page.text.contains("id=\"resend-warning\"");
        assert_eq!(warned, expected.is_some(), "{code}");
        if let Some(words) = expected {
            assert!(page.text.contains(words), "{code}: {}", page.text);
        }
        let offers = page.text.contains("name=\"media.url\"");
        assert_eq!(offers, code == 131_053, "{code}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_closed_window_asks_for_a_template_until_the_customer_writes() {
    let app = start_app().await;
    receive_inbound(&app, SOBOT, PHONE, noon()).await;
    app.advance(TimeDelta::hours(1));
    let id = failed(&app, &image_to(SOBOT, PHONE), 131_047).await;
    let closed = show(&app, &id).await.text;
    assert!(closed.contains("24-hour window had closed by"), "{closed}");
    let link = format!("href=\"/send?like={id}\"");
    assert!(closed.contains(&link), "{closed}");
    let form = load(app.request("GET", &format!("/send?like={id}"))).await;
    let number = format!("value=\"+{PHONE}\"");
    for words in [
        number.as_str(),
        "Your order is on its way",
        "https://media.example.com/a.jpg",
    ] {
        assert!(form.text.contains(words), "{words}: {}", form.text);
    }
    // Without numbers for those who may not see them.
    let masked = app.request_as(Scope::Send, "GET", &format!("/send?like={id}"));
    assert!(!load(masked).await.text.contains(PHONE));

    app.advance(TimeDelta::minutes(5));
    receive_inbound(&app, SOBOT, PHONE, app.now()).await;
    let open = show(&app, &id).await.text;
    assert!(!open.contains("resend-warning"), "{open}");
    app.finish().await;
}

#[actix_web::test]
async fn a_template_is_not_warned_of_a_closed_window() {
    let app = start_app().await;
    receive_inbound(&app, SOBOT, PHONE, noon()).await;
    app.advance(TimeDelta::hours(25));
    let mut body = image_to(SOBOT, PHONE);
    body.as_object_mut().unwrap().remove("caption");
    body["template"] = json!({ "name": "order_update", "language": "en", "body": ["42"] });
    app.force(
        SOBOT,
        ForcedReply::json(400, &json!({ "code": 131_000, "message": "x" })),
    );
    let id = app.send(&body).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "failed");
    let page = show(&app, &id).await.text;
    assert!(!page.contains("resend-warning"), "{page}");
    app.finish().await;
}

#[actix_web::test]
async fn a_media_failure_is_resent_with_another_link_once() {
    let app = start_app().await;
    let id = failed(&app, &message(SOBOT, "image"), 131_053).await;
    let link = "https://media.example.com/other.jpg";
    let form = || {
        Form::new()
            .text("media.url", link)
            .text("media.mime_type", "")
    };
    let resent = submit(&app, &id, form()).await;
    assert_eq!(resent.status, 303, "{}", resent.text);
    assert_eq!(submit(&app, &id, form()).await.status, 409, "only once");
    app.run_jobs_until_idle().await;
    let sent = app.received(SOBOT);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].json()["url"], link);
    let new = resent.location.strip_prefix("/messages/").unwrap();
    assert_eq!(app.message(new).await["resend_of"], id);
    app.finish().await;
}

#[actix_web::test]
async fn an_uploaded_file_must_be_chosen_again() {
    let app = start_app().await;
    let picture = include_bytes!("../fixtures/media/baseline.jpg").to_vec();
    let file = || {
        let part = Part::bytes(picture.clone()).file_name("a.jpg");
        part.mime_str("image/jpeg").unwrap()
    };
    let mut body = message(LANCEPILOT, "image");
    body.as_object_mut().unwrap().remove("media");
    app.force(
        LANCEPILOT,
        ForcedReply::json(422, &json!({ "errors": { "number": ["x"] } })),
    );
    let sending = app.request("POST", "/api/v1/messages");
    let sending = sending.multipart(
        Form::new()
            .text("message", body.to_string())
            .part("file", file()),
    );
    let id: Value = sending.send().await.unwrap().json().await.unwrap();
    let id = id["id"].as_str().unwrap().to_owned();
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "failed");
    assert!(show(&app, &id).await.text.contains("choose it again"));

    let without = submit(&app, &id, Form::new().text("media", "required")).await;
    assert_eq!(without.status, 422);
    assert!(
        without.text.contains("give a link or choose a file"),
        "{}",
        without.text
    );
    let form = Form::new().text("media", "required").part("file", file());
    let resent = submit(&app, &id, form).await;
    assert_eq!(resent.status, 303, "{}", resent.text);
    app.run_jobs_until_idle().await;
    let new = resent.location.strip_prefix("/messages/").unwrap();
    assert_eq!(app.state(new).await, "submitted");
    app.finish().await;
}

#[actix_web::test]
async fn the_api_resends_with_another_link_or_file_like_the_page() {
    let app = start_app().await;
    let resend_of = |id: &str| format!("/api/v1/messages/{id}/resend");
    let id = failed(&app, &message(SOBOT, "image"), 131_053).await;
    for (body, field) in [
        (
            json!({ "media": { "url": "ftp://media.example.com/b.jpg" } }),
            "media.url",
        ),
        (json!({ "media": {} }), "media"),
        (json!({ "media": { "link": "x" } }), "media.link"),
        (json!({ "url": "x" }), "url"),
    ] {
        let (status, refused) = app.post_json(&resend_of(&id), &body).await;
        assert_eq!(status, 422, "{body}: {refused}");
        assert_eq!(refused["errors"][0]["field"], field, "{refused}");
    }
    let link = "https://media.example.com/other.jpg";
    let body = json!({ "media": { "url": link } });
    let (status, resent) = app.post_json(&resend_of(&id), &body).await;
    assert_eq!(status, 200, "{resent}");
    assert_eq!(app.post_json(&resend_of(&id), &body).await.0, 409);
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(SOBOT).last().unwrap().json()["url"], link);
    let new = app.message(resent["id"].as_str().unwrap()).await;
    assert_eq!(new["resend_of"], id);

    let id = failed(&app, &message(SOBOT, "image"), 131_053).await;
    let part = |name: &'static str| {
        let picture = include_bytes!("../fixtures/media/baseline.jpg").to_vec();
        let part = Part::bytes(picture).file_name("a.jpg");
        Form::new().part(name, part.mime_str("image/jpeg").unwrap())
    };
    let post = async |form: Form| {
        let request = app.request("POST", &resend_of(&id)).multipart(form);
        crate::harness::app::read(request).await
    };
    let (status, refused) = post(part("picture")).await;
    assert_eq!(
        (status, &refused["errors"][0]["field"]),
        (422, &json!("picture"))
    );
    assert_eq!(post(Form::new().text("file", "")).await.0, 422);
    let (status, resent) = post(part("file")).await;
    assert_eq!(status, 200, "{resent}");
    app.run_jobs_until_idle().await;
    let url = app.received(SOBOT).last().unwrap().json()["url"].clone();
    assert!(url.as_str().unwrap().contains("/media/"), "{url}");
    assert_eq!(app.state(resent["id"].as_str().unwrap()).await, "submitted");
    app.finish().await;
}

#[actix_web::test]
async fn errors_of_other_media_stand_in_the_form_and_nothing_is_sent() {
    let app = start_app().await;
    let id = failed(&app, &message(SOBOT, "image"), 131_053).await;
    let file = || Part::bytes(vec![0; 10]).file_name("a.jpg");
    let large = Part::bytes(vec![0; 33 * 1024 * 1024]).file_name("a.jpg");
    for (form, words) in [
        (
            Form::new().text("media.url", "nowhere"),
            "error-resend-link",
        ),
        (
            Form::new()
                .text("media.url", "https://media.example.com/b.jpg")
                .part("file", file()),
            "is given with a file; use one of them",
        ),
        (
            Form::new().part("file", large),
            "is larger than 33554432 bytes",
        ),
    ] {
        let page = submit(&app, &id, form).await;
        assert_eq!(page.status, 422, "{}", page.text);
        assert!(
            page.text.contains("<details id=\"resend\" open>"),
            "{}",
            page.text
        );
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    let listed = app.get_ok("/api/v1/messages").await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    app.finish().await;
}

#[actix_web::test]
async fn the_warnings_of_an_acceptance_are_shown_and_end_with_their_message() {
    let app = start_app_with(|_, accounts| {
        for account in accounts {
            account.window_policy = WindowPolicy::Warn;
        }
    })
    .await;
    receive_inbound(&app, KALEYRA, PHONE, noon()).await;
    let open = app.send(&image_to(KALEYRA, PHONE)).await;
    app.advance(TimeDelta::hours(25));
    let id = app.send(&image_to(KALEYRA, PHONE)).await;
    app.run_jobs_until_idle().await;
    let page = show(&app, &id).await.text;
    assert!(page.contains("Warnings when it was accepted"), "{page}");
    let warning = page.split("Warnings when it was accepted").nth(1).unwrap();
    assert!(warning.contains("<li>The 24-hour window"), "{warning}");
    assert!(warning.contains("will probably reject a free-form message with error 131047.</li>"));
    // The time is in the zone of the page.
    assert!(!page.contains("closed by 2026-11-21T12:00:00Z"), "{page}");
    assert!(
        page.contains("datetime=\"2026-11-21T12:00:00.000Z\""),
        "{page}"
    );
    assert!(
        !show(&app, &open)
            .await
            .text
            .contains("Warnings when it was accepted")
    );

    let kept = "SELECT CAST(COUNT(*) AS TEXT) AS line FROM message_warnings";
    assert_eq!(app.database.query(kept).await, ["1"]);
    app.advance(TimeDelta::days(800));
    app.services.retention.purge(&mut |_| {}).await.unwrap();
    assert_eq!(app.database.query(kept).await, ["0"]);
    app.stop().await;
}

#[actix_web::test]
async fn one_advice_is_given_on_the_page_and_in_the_api() {
    let app = start_app().await;
    receive_inbound(&app, SOBOT, PHONE, noon()).await;
    app.advance(TimeDelta::hours(30));
    let mut body = image_to(SOBOT, PHONE);
    body["client_reference"] = json!("MH-33009");
    let id = failed(&app, &body, 131_056).await;
    let page = show(&app, &id).await.text;
    let explained = app.get_ok(&format!("/api/v1/messages/{id}/explain")).await;
    let advice = explained["what_next"][0].as_str().unwrap();
    assert!(
        advice.starts_with("Do not resend yet: the customer's"),
        "{advice}"
    );
    assert_eq!(explained["failure"]["action"], advice);
    for text in [&page, &explained.to_string()] {
        assert!(!text.contains("Wait a minute"), "{text}");
    }
    assert_eq!(page.matches("Do not resend yet").count(), 1, "{page}");
    // A template would not arrive either, or with the same file.
    let (opted_out, unreadable) = (image_to(SOBOT, PHONE), image_to(SOBOT, PHONE));
    let advice = |id: String| {
        let explained = format!("/api/v1/messages/{id}/explain");
        let app = &app;
        async move { app.get_ok(&explained).await["what_next"][0].to_string() }
    };
    let of_opted_out = advice(failed(&app, &opted_out, 131_050).await).await;
    assert!(of_opted_out.contains("for the same reason. Do not resend."));
    assert!(!of_opted_out.contains("template"), "{of_opted_out}");
    let of_unreadable = advice(failed(&app, &unreadable, 131_053).await).await;
    assert!(
        of_unreadable.contains("24-hour window had closed"),
        "{of_unreadable}"
    );
    assert!(of_unreadable.contains("The same image would probably fail again"));
    // What the message is, not its id.
    assert!(
        page.contains("<title>Image MH-33009 · Bluetick</title>"),
        "{page}"
    );

    app.advance(TimeDelta::minutes(5));
    receive_inbound(&app, SOBOT, PHONE, app.now()).await;
    let open = show(&app, &id).await.text;
    assert!(open.contains("Wait a minute before resending."), "{open}");
    assert!(!open.contains("Do not resend"), "{open}");
    app.finish().await;
}

#[actix_web::test]
async fn a_report_that_rewrites_the_row_keeps_every_character() {
    let app = start_app_with(|settings, _| {
        settings.zixflow.reply_without_id_share = 1.0;
        settings.outcome = Some(PlannedOutcome::Failed);
    })
    .await;
    let text = "\"quoted\" \\ back\\\\slash, tab\t, line\nend \u{7f}\u{2028} 🙂 null %s ' -- {}[]";
    for flag in [true, false] {
        let mut body = message(ZIXFLOW, "image");
        body["caption"] = json!(text);
        body["client_reference"] = json!("\\u0000 \"x\"");
        body["options"] = json!({ "source": "API", "linkWithRecord": flag });
        let id = app.send(&body).await;
        app.run_jobs_until_idle().await;
        let before = app.message(&id).await;
        // A report adds ids, which rewrites the whole row.
        app.deliver_simulated().await;
        let after = app.message(&id).await;
        assert_eq!(after["state"], "failed");
        assert_ne!(after["provider_ids"], before["provider_ids"]);
        for field in [
            "caption",
            "client_reference",
            "media",
            "to",
            "name",
            "created_at",
        ] {
            assert_eq!(after[field], before[field], "{field}");
        }
        assert_eq!(after["caption"], text);
        // Resent with the same options.
        let (status, _) = app.post(&format!("/api/v1/messages/{id}/resend")).await;
        assert_eq!(status, 200);
        app.run_jobs_until_idle().await;
        let sent = app.received(ZIXFLOW).pop().unwrap().json();
        assert_eq!(sent["linkWithRecord"], flag);
        assert_eq!(sent["source"], "API");
    }
    app.finish().await;
}
