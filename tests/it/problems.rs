//! Open problems: counts equal lists, every item shows a next step, and resolved items leave.

use bluetick::domain::provider_account::HeaderSecret;
use bluetick::domain::scope::Scope;
use bluetick::domain::secret::Secret;
use bluetick::domain::user::Role;
use bluetick::simulator::ForcedReply;
use chrono::TimeDelta;
use reqwest::header::CONTENT_TYPE;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use crate::harness::app::{
    App, CUSTOMER, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, read, start_app, start_app_with,
};
use crate::harness::people::sign_in_new;

/// A page as served.
struct Page(Html);

impl Page {
    fn find(&self, selector: &str) -> Vec<scraper::ElementRef<'_>> {
        self.0.select(&Selector::parse(selector).unwrap()).collect()
    }

    fn text(&self, selector: &str) -> String {
        let words = self
            .find(selector)
            .into_iter()
            .flat_map(|found| found.text());
        words
            .flat_map(str::split_whitespace)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Items listed under one kind.
    fn listed(&self, kind: &str) -> usize {
        self.find(&format!("section[aria-labelledby={kind}] .needs > li"))
            .len()
    }

    fn forms(&self, kind: &str) -> Vec<String> {
        self.find(&format!("section[aria-labelledby={kind}] form"))
            .iter()
            .map(|form| form.attr("action").unwrap().to_owned())
            .collect()
    }
}

async fn page(app: &App, scope: Scope) -> Page {
    let reply = app
        .request_as(scope, "GET", "/problems")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    Page(Html::parse_document(&reply.text().await.unwrap()))
}

/// Submits a form of the page; returns the redirect target.
async fn submit(app: &App, action: &str, form: &str) -> String {
    let client = bluetick::http_client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let reply = client
        .post(app.url(action))
        .bearer_auth(app.token(Scope::Operate))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.to_owned())
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 303, "{action}");
    reply.headers()["location"].to_str().unwrap().to_owned()
}

async fn uncertain(app: &App, account: &str) -> String {
    app.force(account, ForcedReply::raw(502, "text/html", "bad gateway"));
    let id = app.send_image(account).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "uncertain");
    id
}

async fn count(app: &App, kind: &str) -> u64 {
    app.get_ok("/api/v1/problems").await[kind].as_u64().unwrap()
}

/// What the API lists behind a count.
async fn behind(app: &App, scope: Scope, key: &str) -> Value {
    let path = format!("/api/v1/problems/{key}");
    let (status, list) = read(app.request_as(scope, "GET", &path)).await;
    assert_eq!((status, &list["kind"]), (200, &json!(key)), "{list}");
    assert_eq!(list["count"], count(app, key).await, "{list}");
    for words in ["why", "next_step"] {
        assert!(list[words].as_str().unwrap().ends_with('.'), "{list}");
    }
    list
}

async fn listed(app: &App, query: &str) -> Vec<String> {
    let list = app
        .get_ok(&format!("/api/v1/messages?{query}&limit=500"))
        .await;
    let ids = list["data"].as_array().unwrap().iter();
    ids.map(|message| message["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Asserts that the API's count and list and the page's count and list agree.
async fn check_agreement(app: &App, kind: &str, query: &str, expected: usize) {
    assert_eq!(count(app, kind).await, expected as u64, "{kind}");
    assert_eq!(listed(app, query).await.len(), expected, "{query}");
    let list = behind(app, Scope::Operate, kind).await;
    assert_eq!(list["data"].as_array().unwrap().len(), expected, "{list}");
    let page = page(app, Scope::Operate).await;
    assert_eq!(page.listed(kind), expected, "{kind}");
    if expected > 0 {
        let number = page.text(&format!("section[aria-labelledby={kind}] h2 .number"));
        assert_eq!(number, expected.to_string());
    }
}

fn status(id: &str, word: &str) -> Value {
    json!({ "id": id, "status": word, "timestamp": "1795176000" })
}

#[actix_web::test]
async fn uncertain_messages_are_counted_as_listed_and_leave_when_resolved() {
    let app = start_app().await;
    let mut ids = Vec::new();
    for account in [SOBOT, KALEYRA, ZIXFLOW] {
        ids.push(uncertain(&app, account).await);
    }
    let query = "state=uncertain&resent=false";
    check_agreement(&app, "uncertain", query, 3).await;
    let forms = page(&app, Scope::Operate).await.forms("uncertain");
    for id in &ids {
        for verb in ["resend", "mark-failed"] {
            assert!(
                forms.contains(&format!("/messages/{id}/{verb}")),
                "{forms:?}"
            );
        }
    }
    submit(&app, &format!("/messages/{}/resend", ids[0]), "").await;
    check_agreement(&app, "uncertain", query, 2).await;
    assert_eq!(app.state(&ids[0]).await, "uncertain", "it keeps its truth");
    submit(&app, &format!("/messages/{}/mark-failed", ids[1]), "").await;
    check_agreement(&app, "uncertain", query, 1).await;
    assert_eq!(listed(&app, "state=uncertain").await.len(), 2);
    assert_eq!(listed(&app, "resent=true").await, [ids[0].clone()]);
    app.finish().await;
}

#[actix_web::test]
async fn overdue_messages_are_counted_as_listed_and_leave_when_resolved() {
    let app = start_app().await;
    let unclear = uncertain(&app, SOBOT).await;
    let mut ids = Vec::new();
    for account in [SOBOT, KALEYRA] {
        ids.push(app.send_image(account).await);
    }
    app.run_jobs_until_idle().await;
    let query = "overdue=true&resent=false";
    check_agreement(&app, "overdue", query, 0).await;
    // It is resent, and then the provider turns out to have accepted the first one too.
    submit(&app, &format!("/messages/{unclear}/resend"), "").await;
    app.force(
        SOBOT,
        ForcedReply::raw(400, "application/json", r#"{"message":"no","code":400}"#),
    );
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::hours(25));
    check_agreement(&app, "overdue", query, 2).await;
    let forms = page(&app, Scope::Operate).await.forms("overdue");
    assert_eq!(forms.len(), 2, "only giving up is offered: {forms:?}");
    submit(&app, &format!("/messages/{}/mark-failed", ids[0]), "").await;
    check_agreement(&app, "overdue", query, 1).await;
    app.finish().await;
}

#[actix_web::test]
async fn contradicting_reports_are_counted_as_listed() {
    let app = start_app().await;
    for id in ["wamid.c1", "wamid.c2"] {
        let reply = json!({ "data": { "id": id, "status": "submitted" }, "code": 200 });
        app.force(SOBOT, ForcedReply::json(200, &reply));
        app.send_image(SOBOT).await;
        app.run_jobs_until_idle().await;
    }
    for word in ["delivered", "failed"] {
        app.deliver_callback(SOBOT, &status("wamid.c1", word)).await;
    }
    app.apply_callbacks().await;
    check_agreement(&app, "conflicts", "conflict=true&resent=false", 1).await;
    let forms = page(&app, Scope::Operate).await.forms("conflicts");
    let [aside] = forms.as_slice() else {
        panic!("nothing can be done but to put it aside: {forms:?}");
    };
    let reply = app.request("POST", aside).send().await.unwrap();
    assert_eq!(reply.status(), 200, "led back to the problems");
    assert_eq!(count(&app, "conflicts").await, 0);
    app.deliver_callback(SOBOT, &status("wamid.c1", "read"))
        .await;
    app.apply_callbacks().await;
    assert_eq!(count(&app, "conflicts").await, 1, "there is something new");
    app.finish().await;
}

#[actix_web::test]
async fn an_orphan_is_matched_with_the_suggested_message() {
    let app = start_app().await;
    let mut sent = Vec::new();
    for _ in 0..2 {
        sent.push(app.send_image(LANCEPILOT).await);
    }
    app.run_jobs_until_idle().await;
    let digits: String = CUSTOMER.chars().filter(char::is_ascii_digit).collect();
    let report = json!({
        "event": "message.delivered",
        "data": {
            "type": "messages", "id": "lp-77",
            "relationships": { "contact": { "attributes": { "number": digits } } },
        },
    });
    app.deliver_callback(LANCEPILOT, &report).await;
    app.apply_callbacks().await;
    let shown = page(&app, Scope::Operate).await;
    assert_eq!(
        (shown.listed("orphans"), count(&app, "orphans").await),
        (1, 1)
    );
    let section = "section[aria-labelledby=orphans]";
    let suggested: Vec<_> = shown
        .find(&format!("{section} input[type=hidden]"))
        .iter()
        .map(|input| input.attr("value").unwrap().to_owned())
        .collect();
    assert_eq!(suggested.len(), 2);
    assert!(
        suggested.iter().all(|id| sent.contains(id)),
        "{suggested:?}"
    );
    let action = shown.forms("orphans").remove(0);
    let leads_to = submit(&app, &action, &format!("message_id={}", sent[1])).await;
    assert_eq!(leads_to, format!("/messages/{}", sent[1]));
    assert_eq!(app.state(&sent[1]).await, "delivered");
    assert_eq!(page(&app, Scope::Operate).await.listed("orphans"), 0);
    app.finish().await;
}

#[actix_web::test]
async fn duplicate_ids_unparseable_parts_and_unverified_callbacks_are_listed() {
    let app = start_app_with(|_, accounts| {
        accounts[1].callback_auth.header = vec![HeaderSecret {
            name: "x-key".to_owned(),
            value: Secret::new("right"),
        }];
    })
    .await;
    let reply = json!({ "data": { "id": "wamid.twice", "status": "submitted" }, "code": 200 });
    for _ in 0..2 {
        app.force(SOBOT, ForcedReply::json(200, &reply));
        app.send_image(SOBOT).await;
        app.run_jobs_until_idle().await;
    }
    // A valid status beside two invalid ones: the outcome is "receipts", and the callback is listed
    // once among the unparseable ones.
    let batch = json!([status("wamid.twice", "read"), 7, { "id": "x" }]);
    app.deliver_callback(SOBOT, &batch).await;
    let forged = app.client.post(app.callback_url(KALEYRA)).json(&json!({}));
    assert_eq!(forged.send().await.unwrap().status(), 401);
    let wrong = app.client.post(app.url("/callbacks/sobot-main/wrong"));
    assert_eq!(wrong.send().await.unwrap().status(), 404);
    app.apply_callbacks().await;
    let shown = page(&app, Scope::Operate).await;
    for (kind, key, number) in [
        ("id-conflicts", "id_conflicts", 1),
        ("quarantine", "quarantine", 1),
        ("unverified", "unverified", 1),
    ] {
        assert_eq!(shown.listed(kind), number, "{kind}");
        assert_eq!(count(&app, key).await, number as u64, "{kind}");
        let list = behind(&app, Scope::Read, key).await;
        assert_eq!(list["data"].as_array().unwrap().len(), number, "{list}");
    }
    let twice = behind(&app, Scope::Operate, "id_conflicts").await;
    let claim = &twice["data"][0];
    assert_eq!(claim["provider_id"], "wamid.twice");
    assert_ne!(claim["message_id"], claim["claimant_id"]);
    let unverified = behind(&app, Scope::Operate, "unverified").await;
    let reason = unverified["data"][0]["detail"].as_str().unwrap();
    assert_eq!(reason, "none of the configured headers was presented");
    let rejected = behind(&app, Scope::Operate, "rejected").await;
    assert_eq!(
        (&rejected["count"], &rejected["data"]),
        (&json!(1), &json!([]))
    );
    assert_eq!(app.get("/api/v1/problems/bad_luck").await.0, 404);
    let quarantined = shown.text("section[aria-labelledby=quarantine] .needs");
    assert!(
        quarantined.contains("2 parts of its callback cannot be parsed, first part 2"),
        "{quarantined}"
    );
    let refused = shown.text("section[aria-labelledby=rejected]");
    assert!(refused.contains("Rejected requests"), "{refused}");
    app.finish().await;
}

#[actix_web::test]
async fn a_reason_of_a_pause_that_is_too_long_stays_in_the_form_with_its_error() {
    let app = start_app().await;
    let reason = "x".repeat(1_001);
    let reply = app
        .request("POST", &format!("/accounts/{KALEYRA}/pause"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(format!("reason={reason}"))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 422);
    let shown = Page(Html::parse_document(&reply.text().await.unwrap()));
    let form = format!("#pause-{KALEYRA}[open]");
    let error = shown.text(&format!("{form} .field-error"));
    assert!(error.contains("longer than 1000 characters"), "{error}");
    let field = shown.find(&format!("{form} input[name=reason][aria-invalid]"));
    assert_eq!(field[0].attr("value"), Some(reason.as_str()));
    assert_eq!(shown.find(".field-error").len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn a_paused_account_can_be_resumed_and_the_navigation_counts_open_problems() {
    let app = start_app().await;
    let quiet = page(&app, Scope::Operate).await;
    let refusal = json!({ "code": "RBC001", "message": "Incorrect SID or API key.", "data": [], "error": { "error": "Incorrect SID or API key." } });
    app.force(KALEYRA, ForcedReply::json(401, &refusal));
    app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    let shown = page(&app, Scope::Operate).await;
    assert_eq!(open(&shown), open(&quiet) + 1);
    // The alarm about the account is not counted again.
    assert_eq!(app.alarms().await.len(), 1);
    let alarm = shown.text(".alarm");
    assert!(alarm.contains("has stopped sending since"), "{alarm}");
    assert!(alarm.contains("then resume the account"), "{alarm}");
    // An unknown address has the same frame for those who are signed in.
    for (role, sends) in [(Role::Operator, 1), (Role::Viewer, 0)] {
        let email = format!("{}@example.com", role.as_str());
        let (_, browser) = sign_in_new(&app, &email, role).await;
        let missing = browser.get(&app, "/nowhere").await;
        assert_eq!(missing.status(), 404);
        let missing = Page(Html::parse_document(&missing.text().await.unwrap()));
        assert_eq!(open(&missing), open(&shown));
        assert_eq!(missing.find(".nav a[href='/send']").len(), sends);
        assert_eq!(missing.text(".alarm strong"), shown.text(".alarm strong"));
    }
    let ended = app
        .request("GET", "/nowhere")
        .header("Cookie", "bluetick_session=x");
    let ended = Page(Html::parse_document(
        &ended.send().await.unwrap().text().await.unwrap(),
    ));
    assert!(ended.find(".nav a, .alarm").is_empty());
    let reason = shown.text("section[aria-labelledby=paused-accounts] .needs");
    assert!(reason.contains("Incorrect SID or API key"), "{reason}");
    assert_eq!(
        shown.forms("paused-accounts"),
        [format!("/accounts/{KALEYRA}/resume")]
    );
    submit(&app, &format!("/accounts/{KALEYRA}/resume"), "").await;
    let shown = page(&app, Scope::Operate).await;
    assert_eq!(open(&shown), open(&quiet));
    assert_eq!(shown.text("main h1"), quiet.text("main h1"));
    app.finish().await;
}

/// The number of open problems in the navigation.
fn open(shown: &Page) -> usize {
    let badge = shown.text(".nav .badge");
    badge
        .split(' ')
        .next()
        .map_or(0, |count| count.parse().unwrap_or(0))
}

#[actix_web::test]
async fn with_the_scope_read_problems_are_masked_and_have_no_forms() {
    let app = start_app().await;
    uncertain(&app, SOBOT).await;
    app.deliver_callback(SOBOT, &status("wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgS", "read"))
        .await;
    app.apply_callbacks().await;
    let shown = page(&app, Scope::Read).await;
    assert_eq!((shown.listed("uncertain"), shown.listed("orphans")), (1, 1));
    let orphans = behind(&app, Scope::Read, "orphans").await.to_string();
    assert!(orphans.contains("message_id") && !orphans.contains("HBgMNDQ3NzAw"));
    assert!(shown.find("main form").is_empty());
    let text = shown.text("main");
    for hidden in ["447700900123", "Ines", "HBgMNDQ3NzAw"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn an_unknown_status_of_an_unknown_id_makes_no_uncertain_message() {
    let app = start_app().await;
    let strange = json!({ "id": "wamid.strange1", "status": "teleported" });
    app.deliver_callback(SOBOT, &strange).await;
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::minutes(30));
    app.run_jobs_until_idle().await;
    assert_eq!(count(&app, "uncertain").await, 0);
    assert_eq!(count(&app, "orphans").await, 1, "it is listed as an orphan");
    assert!(
        !page(&app, Scope::Operate)
            .await
            .text("main")
            .contains("left us")
    );

    let report = json!({ "id": "wamid.strange1", "status": "delivered" });
    app.deliver_callback(SOBOT, &report).await;
    app.run_jobs_until_idle().await;
    assert_eq!(
        count(&app, "orphans").await,
        0,
        "now it says how far it got"
    );
    app.finish().await;
}

#[actix_web::test]
async fn every_item_of_a_kind_is_listed_over_several_pages() {
    let app = start_app().await;
    for number in 0..5 {
        let report = json!({ "id": format!("wamid.page{number}"), "status": "sent" });
        app.deliver_callback(SOBOT, &report).await;
        let broken = json!([{ "nonsense": number }]);
        app.deliver_callback(SOBOT, &broken).await;
    }
    app.run_jobs_until_idle().await;
    for (kind, key) in [("orphans", "message_id"), ("quarantine", "callback_id")] {
        let mut seen = std::collections::BTreeSet::new();
        let mut address = format!("/api/v1/problems/{kind}?limit=2");
        let mut pages = 0;
        loop {
            let list = app.get_ok(&address).await;
            pages += 1;
            for item in list["data"].as_array().unwrap() {
                assert!(seen.insert(item[key].as_str().unwrap().to_owned()));
            }
            let Some(cursor) = list["next_cursor"].as_str() else {
                break;
            };
            address = format!("/api/v1/problems/{kind}?limit=2&cursor={cursor}");
        }
        assert_eq!((seen.len(), pages), (5, 3), "{kind}");
    }
    let list = app.get_ok("/api/v1/problems/orphans?limit=1").await;
    let cursor = list["next_cursor"].as_str().unwrap();
    let foreign = format!("/api/v1/problems/quarantine?cursor={cursor}");
    assert_eq!(app.get(&foreign).await.0, 422, "a cursor is of its kind");
    app.finish().await;
}

#[actix_web::test]
async fn a_callback_shows_its_unparseable_parts_and_reasons() {
    let app = start_app().await;
    let mut statuses = vec![
        json!({ "id": "wamid.good", "status": "sent", "timestamp": "1795176000", "recipient_id": "447700900123" }),
    ];
    statuses.extend((0..30).map(|_| json!("nothing")));
    let batch = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [{
        "field": "messages", "value": { "messaging_product": "whatsapp", "statuses": statuses } }] }] });
    app.deliver_callback(SOBOT, &batch).await;
    app.run_jobs_until_idle().await;
    let listed = app.get_ok("/api/v1/problems/quarantine").await;
    let id = listed["data"][0]["callback_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let html = app
        .request("GET", &format!("/callbacks/{id}"))
        .send()
        .await
        .unwrap();
    let html = html.text().await.unwrap();
    assert!(html.contains("30 unparseable parts"), "{html}");
    assert!(html.contains("Part 2") && html.contains("and 10 more"));
    let problems = page(&app, Scope::Operate).await.text("main");
    assert!(
        problems.contains("30 parts of its callback cannot be parsed, first part 2"),
        "{problems}"
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_dismissed_problem_returns_with_the_next_report() {
    let app = start_app().await;
    let report = json!({ "id": "wamid.aside1", "status": "sent" });
    app.deliver_callback(SOBOT, &report).await;
    app.deliver_callback(SOBOT, &json!([{ "nonsense": 1 }]))
        .await;
    app.run_jobs_until_idle().await;
    let shown = page(&app, Scope::Operate).await;
    for kind in ["orphans", "quarantine"] {
        assert_eq!(count(&app, kind).await, 1, "{kind}");
        let forms = shown.forms(kind);
        let aside = forms.iter().find(|form| form.ends_with("/put-aside"));
        let reply = app.request("POST", aside.unwrap()).send().await.unwrap();
        assert_eq!(reply.status(), 200, "led back to the problems");
        assert_eq!(count(&app, kind).await, 0, "{kind}");
        let list = app.get_ok(&format!("/api/v1/problems/{kind}")).await;
        assert_eq!(list["data"], json!([]), "{kind}");
    }
    assert_eq!(app.orphans().await.len(), 1, "it is an orphan all the same");
    let more = json!({ "id": "wamid.aside1", "status": "delivered" });
    app.deliver_callback(SOBOT, &more).await;
    app.run_jobs_until_idle().await;
    assert_eq!(count(&app, "orphans").await, 1, "there is something new");

    let id = app.orphans().await[0]["id"].as_str().unwrap().to_owned();
    let aside = format!("/api/v1/messages/{id}/put-aside");
    let (refused, _) = read(app.request_as(Scope::Read, "POST", &aside)).await;
    assert_eq!(refused, 403);
    assert_eq!(app.post(&aside).await.0, 200);
    assert_eq!(count(&app, "orphans").await, 0);
    let actions = app.services.store.list_actions(50).await.unwrap();
    let kind = bluetick::domain::audit_action::ActionKind::Dismiss;
    assert_eq!(
        actions.iter().filter(|action| action.kind == kind).count(),
        3
    );

    let mine = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let path = format!("/api/v1/messages/{mine}/put-aside");
    assert_eq!(
        app.post(&path).await.0,
        409,
        "nothing about it is a problem"
    );
    app.finish().await;
}
