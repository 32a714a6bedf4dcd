//! Actions on selected messages and orphans: the page first says how many they change, and why others
//! stay.

use bluetick::domain::scope::Scope;
use bluetick::domain::user::Role;
use bluetick::simulator::ForcedReply;
use chrono::TimeDelta;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use crate::harness::app::{App, SOBOT, image_to, read, start_app};
use crate::harness::people::{Browser, sign_in_new};

/// A page as an operator gets it.
struct Shown {
    status: u16,
    html: Html,
}

impl Shown {
    fn text(&self, selector: &str) -> String {
        let selector = Selector::parse(selector).unwrap();
        let texts = self.html.select(&selector).flat_map(|found| found.text());
        let words: Vec<&str> = texts.flat_map(str::split_whitespace).collect();
        words.join(" ")
    }

    fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        let selector = Selector::parse(selector).unwrap();
        let found = self.html.select(&selector);
        let values = found.filter_map(|element| element.attr(name));
        values.map(str::to_owned).collect()
    }

    /// Names and values of the form that confirms the action.
    fn fields(&self) -> Vec<(String, String)> {
        const FIELDS: &str =
            "form[method=post] input[type=hidden], form[method=post] input[type=url]";
        let names = self.attributes(FIELDS, "name");
        let values = self.attributes(FIELDS, "value");
        names.into_iter().zip(values).collect()
    }
}

async fn show(app: &App, path: &str) -> Shown {
    let reply = app.request_as(Scope::Operate, "GET", path).send().await;
    shown(reply.unwrap()).await
}

async fn shown(reply: reqwest::Response) -> Shown {
    let status = reply.status().as_u16();
    let html = Html::parse_document(&reply.text().await.unwrap());
    Shown { status, html }
}

async fn submit(app: &App, path: &str, fields: &[(String, String)]) -> Shown {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let request = app
        .request_as(Scope::Operate, "POST", path)
        .body(form.extend_pairs(fields).finish());
    shown(request.send().await.unwrap()).await
}

/// So many messages that failed, then so many that were submitted.
async fn send(app: &App, failed: usize, submitted: usize) -> Vec<String> {
    for _ in 0..failed {
        let refusal = json!({ "code": 400, "message": "bad media" });
        app.force(SOBOT, ForcedReply::json(400, &refusal));
    }
    let mut ids = Vec::new();
    for number in 0..failed + submitted {
        let to = format!("+4477009000{number:02}");
        ids.push(app.send(&image_to(SOBOT, &to)).await);
        app.run_jobs_until_idle().await;
        app.advance(TimeDelta::seconds(1));
    }
    ids
}

async fn listed(app: &App, query: &str) -> Vec<Value> {
    let list = app.get_ok(&format!("/api/v1/messages?{query}")).await;
    list["data"].as_array().unwrap().clone()
}

async fn audited(app: &App, action: &str) -> usize {
    let list = app.get_ok(&format!("/api/v1/audit?action={action}")).await;
    list["data"].as_array().unwrap().len()
}

#[actix_web::test]
async fn selected_messages_are_resent_with_other_media_after_the_page_named_what_stays() {
    let app = start_app().await;
    let ids = send(&app, 2, 2).await;
    let list = show(&app, "/messages").await;
    let boxes = list.attributes("input[form=selection][name=id]", "value");
    let newest_first: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(boxes, newest_first);
    assert_eq!(
        list.attributes("#selection button[formaction]", "formaction"),
        [
            "/messages/resend",
            "/messages/cancel",
            "/messages/mark-failed"
        ]
    );

    let path = format!("/messages/resend?id={}&id={}&id={}", ids[0], ids[1], ids[2]);
    let preview = show(&app, &path).await;
    assert_eq!(preview.text("h1"), "Resend 2 of 3 messages");
    let text = preview.text("main");
    for words in [
        "3 selected messages",
        "1 message stays as it is:",
        "1 message: it is submitted; only a message that is uncertain, failed or cancelled can be sent again",
        "Nothing has changed yet.",
        "Resend 2 messages",
        "with the media in the field, or with their own if it is empty",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert_eq!(listed(&app, "").await.len(), 4);

    // What is typed counts, whether it was checked before or not.
    let media = "https://media.example.com/b.jpg";
    let mut fields = preview.fields();
    let typed = fields.iter_mut().find(|(name, _)| name == "media").unwrap();
    assert_eq!(typed.1, "");
    media.clone_into(&mut typed.1);
    let checked = show(&app, &format!("{path}&media={media}")).await;
    assert_eq!(checked.fields(), fields);
    let mut refused = fields.clone();
    let typed = refused.iter_mut().find(|(name, _)| name == "media");
    "ftp://media.example.com/b.jpg".clone_into(&mut typed.unwrap().1);
    let refused = submit(&app, "/messages/resend", &refused).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text("#error-media").starts_with("media.url "));
    assert_eq!(
        refused.attributes("#bulk-media", "value"),
        ["ftp://media.example.com/b.jpg"]
    );
    let done = submit(&app, "/messages/resend", &fields).await;
    assert_eq!(
        (done.status, done.text("h1").as_str()),
        (200, "2 messages were resent")
    );
    let links = done.attributes("main .actions a[href*='id=']", "href");
    let created = show(&app, &links[0]).await;
    let mut created = created.attributes("input[form=selection][name=id]", "value");
    let mut became = Vec::new();
    for id in &ids[..2] {
        let message = app.message(id).await;
        became.push(message["resent_as"].as_str().unwrap().to_owned());
    }
    // They were created at the same time, so their order is any.
    created.sort();
    became.sort();
    assert_eq!(created, became);
    app.run_jobs_until_idle().await;
    let sent = app.received(SOBOT);
    assert_eq!(sent.len(), 6);
    for request in &sent[4..] {
        assert_eq!(request.json()["url"], media);
    }
    assert_eq!(audited(&app, "resend").await, 2);

    let again = submit(&app, "/messages/resend", &fields).await;
    assert_eq!(again.text("h1"), "0 messages were resent");
    let text = again.text("main");
    assert!(
        text.contains("2 messages: already resent · show the new messages"),
        "{text}"
    );
    app.run_jobs_until_idle().await;
    assert_eq!(app.received(SOBOT).len(), 6);
    app.finish().await;
}

#[actix_web::test]
async fn a_resend_that_would_fail_again_is_announced_with_numbers_and_reasons() {
    let app = start_app().await;
    let ids = send(&app, 0, 3).await;
    for (id, code) in ids.iter().zip(["131053", "131026"]) {
        let message = app.message(id).await;
        let wamid = message["provider_id"].as_str().unwrap();
        let report = json!({ "id": wamid, "status": "failed", "errors": [{ "code": code }] });
        app.deliver_callback(SOBOT, &report).await;
        app.apply_callbacks().await;
    }
    let path = format!("/messages/resend?id={}", ids.join(","));
    let preview = show(&app, &path).await;
    assert_eq!(
        preview.text("main .notice strong"),
        "2 of 2 would probably fail again"
    );
    let reasons = preview.text("main .notice li");
    assert!(
        reasons.contains("Give a link to another image."),
        "{reasons}"
    );
    let other = show(
        &app,
        &format!("{path}&media=https://media.example.com/b.jpg"),
    )
    .await;
    assert_eq!(
        other.text("main .notice strong"),
        "1 of 2 would probably fail again"
    );
    app.finish().await;
}

#[actix_web::test]
async fn all_messages_of_the_list_are_offered_and_later_ones_are_left_out() {
    let app = start_app().await;
    let ids = send(&app, 3, 1).await;
    let path = format!("/messages/resend?id={}&list=account%3D{SOBOT}", ids[0]);
    let preview = show(&app, &path).await;
    let link = format!("a[href='/messages/resend?account={SOBOT}']");
    assert_eq!(preview.text(&link), "All 4 that match the list");

    let whole = show(&app, &format!("/messages/resend?account={SOBOT}")).await;
    assert_eq!(whole.text("h1"), "Resend 3 of 4 messages");
    let text = whole.text("main");
    assert!(
        text.contains("1 message: not failed, or resent already"),
        "{text}"
    );
    app.force(SOBOT, ForcedReply::json(400, &json!({ "code": 400 })));
    app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    assert_eq!(listed(&app, "state=failed").await.len(), 4);
    let done = submit(&app, "/messages/resend", &whole.fields()).await;
    assert_eq!(done.text("h1"), "3 messages were resent");
    app.finish().await;
}

#[actix_web::test]
async fn queued_messages_are_cancelled_and_submitted_ones_marked_as_failed() {
    let app = start_app().await;
    let submitted = send(&app, 0, 2).await;
    let mut queued = Vec::new();
    for number in 0..2 {
        queued.push(
            app.send(&image_to(SOBOT, &format!("+44770090010{number}")))
                .await,
        );
    }
    let ids = [submitted.as_slice(), &queued].concat().join(",");
    let preview = show(&app, &format!("/messages/cancel?id={ids}")).await;
    assert_eq!(preview.text("h1"), "Cancel 2 of 4 messages");
    let done = submit(&app, "/messages/cancel", &preview.fields()).await;
    assert_eq!(done.text("h1"), "2 messages were cancelled");
    assert_eq!(app.state(&queued[0]).await, "cancelled");
    assert_eq!(app.state(&submitted[0]).await, "submitted");

    let preview = show(&app, &format!("/messages/mark-failed?id={ids}")).await;
    assert_eq!(preview.text("h1"), "Mark 2 of 4 messages as failed");
    let mut fields = preview.fields();
    fields.push(("reason".to_owned(), "the provider lost them".to_owned()));
    let done = submit(&app, "/messages/mark-failed", &fields).await;
    assert_eq!(done.text("h1"), "2 messages were marked as failed");
    for id in &submitted {
        let message = app.message(id).await;
        assert_eq!(message["state"], "failed");
        assert_eq!(message["failure"]["detail"], "the provider lost them");
    }
    assert_eq!(audited(&app, "cancel").await, 2);
    assert_eq!(audited(&app, "mark-failed").await, 2);
    app.finish().await;
}

#[actix_web::test]
async fn a_selection_that_is_not_understood_changes_nothing() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    for (query, words) in [
        ("", "select messages, or filter the list"),
        ("list=state%3Dqueued", "select messages, or filter the list"),
        ("state=quede", "is no filter of messages with this value"),
        (
            "id=7&state=queued",
            "is no filter of messages with this value",
        ),
    ] {
        let fields: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        for answer in [
            show(&app, &format!("/messages/cancel?{query}")).await,
            submit(&app, "/messages/cancel", &fields).await,
        ] {
            assert_eq!(answer.status, 422, "{query}");
            let text = answer.text("main");
            assert!(text.contains(words), "{query}: {text}");
        }
    }
    assert_eq!(app.state(&id).await, "queued");
    app.finish().await;
}

#[actix_web::test]
async fn a_viewer_may_export_a_selection_and_change_none() {
    let app = start_app().await;
    let ids = send(&app, 0, 3).await;
    let (_, browser) = sign_in_new(&app, "viewer@example.com", Role::Viewer).await;
    let list = shown(browser.get(&app, "/messages").await).await;
    assert_eq!(
        list.text("#selection"),
        "selected Select this page Export CSV Export XLSX"
    );
    let path = format!("/messages/cancel?id={}", ids[0]);
    assert_eq!(browser.get(&app, &path).await.status(), 403);

    let path = format!("/messages/export?id={}&id={}&format=csv", ids[0], ids[2]);
    let to = browser.get(&app, &path).await;
    let file = to.headers()["location"].to_str().unwrap().to_owned();
    let csv = browser.get(&app, &file).await.text().await.unwrap();
    assert_eq!(csv.trim_end().lines().count(), 3, "{csv}");
    assert!(csv.contains(&ids[0]) && csv.contains(&ids[2]), "{csv}");
    app.finish().await;
}

#[actix_web::test]
async fn another_site_cannot_post_an_action() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    let (_, browser): (_, Browser) = sign_in_new(&app, "op@example.com", Role::Operator).await;
    let body = format!("id={id}");
    let post = |origin: String| {
        let request = browser.request(&app, "POST", "/messages/cancel");
        request.header("Origin", origin).body(body.clone()).send()
    };
    let foreign = post("https://evil.example.com".to_owned()).await.unwrap();
    assert_eq!(foreign.status(), 403);
    assert_eq!(app.state(&id).await, "queued");
    assert_eq!(post(app.url("")).await.unwrap().status(), 200);
    assert_eq!(app.state(&id).await, "cancelled");
    app.finish().await;
}

#[actix_web::test]
async fn only_the_selected_orphans_are_dismissed() {
    let app = start_app().await;
    for number in 0..3 {
        let report = json!({ "id": format!("wamid.lost{number}"), "status": "delivered" });
        app.deliver_callback(SOBOT, &report).await;
        app.advance(TimeDelta::seconds(1));
    }
    app.apply_callbacks().await;
    let problems = show(&app, "/problems").await;
    let ids = problems.attributes("input[form=selection][name=id]", "value");
    assert_eq!(ids.len(), 3, "{}", problems.text("main"));
    assert_eq!(problems.text("form#selection"), "selected Dismiss…");

    let preview = show(
        &app,
        &format!("/orphans/put-aside?id={}&id={}", ids[0], ids[2]),
    )
    .await;
    assert!(preview.text("main").contains("Dismiss 2 unmatched reports"));
    assert_eq!(app.get_ok("/api/v1/problems").await["orphans"], 3);
    let fields = preview.fields();
    submit(&app, "/orphans/put-aside", &fields).await;
    let left = show(&app, "/problems").await;
    let left = left.attributes("input[form=selection][name=id]", "value");
    assert_eq!(left, [ids[1].clone()]);
    assert_eq!(audited(&app, "put-aside").await, 2);

    let again = show(&app, &format!("/orphans/put-aside?id={}", ids[0])).await;
    assert!(again.text("main").contains("There is nothing to dismiss."));
    let masked = app.request_as(Scope::Read, "GET", "/problems");
    let masked = shown(masked.send().await.unwrap()).await;
    assert!(
        masked
            .attributes("input[type=checkbox]", "value")
            .is_empty()
    );
    app.finish().await;
}

#[actix_web::test]
async fn the_api_selects_by_id_what_it_lists_exports_and_changes() {
    let app = start_app().await;
    let ids = send(&app, 1, 2).await;
    let both = format!("id={},{}", ids[0], ids[2]);
    let found = listed(&app, &both).await;
    let found: Vec<&str> = found.iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(found, [ids[2].as_str(), &ids[0]]);
    assert_eq!(listed(&app, &format!("{both}&state=failed")).await.len(), 1);
    let (status, problem) = app.get("/api/v1/messages?id=7").await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (422, &json!("id"))
    );
    let many: Vec<String> = (0..501)
        .map(|number| format!("019a9f3e-5d2c-7c41-9a55-{number:012x}"))
        .collect();
    let (status, problem) = app
        .get(&format!("/api/v1/messages?id={}", many.join(",")))
        .await;
    assert_eq!(status, 422);
    let message = problem["errors"][0]["message"].as_str().unwrap();
    assert_eq!(message, "names more than 500 messages");

    let mut request = json!({ "filter": { "id": &ids }, "reason": "lost", "dry_run": true });
    let path = "/api/v1/messages/mark-failed";
    let (status, counted) = app.post_json(path, &request).await;
    assert_eq!(status, 200, "{counted}");
    assert_eq!(
        (&counted["count"], &counted["skipped"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(counted["skipped_messages"][0]["id"], json!(ids[0]));
    assert_eq!(listed(&app, "state=failed").await.len(), 1);
    request["dry_run"] = json!(false);
    let reader = app.request_as(Scope::Read, "POST", path).json(&request);
    assert_eq!(read(reader).await.0, 403);
    let (_, marked) = app.post_json(path, &request).await;
    assert_eq!(marked["count"], 2);
    assert_eq!(listed(&app, "state=failed").await.len(), 3);
    let unnamed = json!({ "filter": { "account": SOBOT }, "dry_run": true });
    let (_, counted) = app.post_json(path, &unnamed).await;
    assert_eq!(
        counted["count"], 0,
        "only uncertain ones without a state or an id"
    );
    app.finish().await;
}
