//! Messages on their way out: sent exactly as documented, once, and with what the provider answered.

use std::time::Duration;

use bluetick::domain::scope::Scope;
use bluetick::simulator::ForcedReply;
use chrono::{DateTime, TimeDelta};
use serde_json::json;

use crate::harness::app::{
    ACCOUNTS, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, message, read, start_app, start_app_with,
};
use crate::send_limits::{fields, named, submit, with};

#[actix_web::test]
async fn every_provider_gets_exactly_what_it_documents() {
    let app = start_app().await;
    for kind in ["image", "video"] {
        let file = if kind == "image" { "a.jpg" } else { "a.mp4" };
        let url = format!("https://media.example.com/{file}");
        let mime_type = if kind == "image" {
            "image/jpeg"
        } else {
            "video/mp4"
        };
        let caption = "Your order is on its way";
        let mut sent = Vec::new();
        for account in ACCOUNTS {
            sent.push(app.send(&message(account, kind)).await);
            app.run_jobs_until_idle().await;
        }
        let last = |account| app.received(account).pop().unwrap();

        let request = last(SOBOT);
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/message/")
        );
        assert_eq!(request.header("x-api-key"), Some("sobot-key"));
        assert_eq!(request.header("x-api-secret"), Some("sobot-secret"));
        let expected = json!({ "type": kind, "url": url, "customer_number": "447700900123", "customer_name": "Ines Moreau", "mime_type": mime_type, "caption": caption });
        assert_eq!(request.json(), expected);

        let request = last(KALEYRA);
        assert_eq!(
            request.path,
            "/v2/HXAP1700000000IN/whatsapp/+919000000002/messages"
        );
        assert_eq!(request.header("api-key"), Some("kaleyra-key"));
        let tag = bluetick::domain::correlation_tag::format_tag(sent[1].parse().unwrap());
        let expected = json!({
            "messaging_object": { "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+447700900123", "type": kind, (kind): { "link": url, "caption": caption } },
            "extra_info": { "ref2": tag, "wa_source": "api" },
        });
        assert_eq!(request.json(), expected);

        let request = last(ZIXFLOW);
        assert_eq!(request.path, "/api/v1/campaign/whatsapp/message/send");
        assert_eq!(
            request.header("authorization"),
            Some("Bearer zixflow-token")
        );
        let body = request.json();
        let report_url = body["reportURL"].as_str().unwrap();
        assert!(report_url.starts_with(&app.url("/reports/")));
        let expected = json!({ "to": "447700900123", "phoneId": "104898309288001", "type": kind, (kind): { "link": url, "caption": caption }, "submissionStatus": true, "reportURL": report_url });
        assert_eq!(body, expected);

        let request = last(LANCEPILOT);
        assert_eq!(
            request.path,
            format!(
                "/api/v3/workspaces/9c0e1b1e-0000-4000-8000-00000000000a/contacts/number/447700900123/messages/{kind}"
            )
        );
        assert_eq!(
            request.header("authorization"),
            Some("Bearer lancepilot-token")
        );
        assert_eq!(request.header("accept"), Some("application/json"));
        assert_eq!(request.json(), json!({ "file": url, "caption": caption }));

        for id in &sent {
            assert_eq!(app.state(id).await, "submitted");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn options_and_references_travel_as_the_caller_wrote_them() {
    let app = start_app().await;
    let mut kaleyra = message(KALEYRA, "video");
    kaleyra["media"] = json!({ "id": "media-77" });
    kaleyra["refs"] = json!({ "ref": "spring", "ref1": "" });
    kaleyra["options"] = json!({ "wa_source": "shopify" });
    app.send(&kaleyra).await;
    let mut zixflow = message(ZIXFLOW, "image");
    zixflow["options"] = json!({ "source": "API", "linkWithRecord": true });
    zixflow["refs"] = json!({ "ref": "kept by us" });
    let kept = app.send(&zixflow).await;
    app.run_jobs_until_idle().await;
    let body = app.received(KALEYRA)[0].json();
    assert_eq!(body["messaging_object"]["video"]["id"], "media-77");
    assert!(body["messaging_object"]["video"].get("link").is_none());
    assert_eq!(body["extra_info"]["ref"], "spring");
    assert!(body["extra_info"].get("ref1").is_none());
    assert_eq!(body["extra_info"]["wa_source"], "shopify");
    let body = app.received(ZIXFLOW)[0].json();
    assert_eq!(body["source"], "API");
    assert_eq!(body["linkWithRecord"], true);
    assert!(!body.to_string().contains("kept by us"));
    assert_eq!(app.message(&kept).await["refs"]["ref"], "kept by us");
    app.finish().await;
}

#[actix_web::test]
async fn sending_needs_its_scope_and_reading_hides_people() {
    let app = start_app().await;
    let body = message(LANCEPILOT, "image");
    for (scope, status) in [
        (Scope::Send, 202),
        (Scope::Read, 403),
        (Scope::Operate, 403),
        (Scope::Admin, 202),
    ] {
        let request = app
            .request_as(scope, "POST", "/api/v1/messages")
            .json(&body);
        assert_eq!(read(request).await.0, status, "{scope}");
    }
    let bare = app.client.post(app.url("/api/v1/messages")).json(&body);
    assert_eq!(read(bare).await.0, 401);
    let id = app.send(&message(SOBOT, "image")).await;
    app.run_jobs_until_idle().await;
    let path = format!("/api/v1/messages/{id}");
    let (status, shown) = read(app.request_as(Scope::Read, "GET", &path)).await;
    assert_eq!(status, 200);
    assert_eq!(shown["to"], "4477•••••123");
    let text = shown.to_string();
    for secret in ["447700900123", "Ines", "Your order", "media.example.com/"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(shown["media"]["url"], "media.example.com");
    assert!(
        shown["provider_id"]
            .as_str()
            .unwrap()
            .starts_with("wamid.…")
    );
    assert_eq!(read(app.request_as(Scope::Send, "GET", &path)).await.0, 403);
    app.finish().await;
}

#[actix_web::test]
async fn two_workers_never_submit_the_same_message() {
    let app = start_app().await;
    for _ in 0..12 {
        app.send_image(SOBOT).await;
    }
    let mut number = 0;
    loop {
        let workers = (0..4).map(|_| app.services.dispatcher.claim_due());
        let mut claimed = Vec::new();
        for work in futures_util::future::join_all(workers).await {
            claimed.extend(work.unwrap());
        }
        if claimed.is_empty() {
            break;
        }
        number += claimed.len();
        for work in claimed {
            app.services.dispatcher.submit(work).await;
        }
    }
    assert_eq!(number, 12);
    assert_eq!(app.received(SOBOT).len(), 12);
    app.finish().await;
}

#[actix_web::test]
async fn a_caller_that_waits_learns_the_outcome() {
    let app = start_app().await;
    let wait = |scope, seconds: u32| {
        let request = app.request_as(scope, "POST", "/api/v1/messages");
        let request = request.header("prefer", format!("wait={seconds}"));
        read(request.json(&message(SOBOT, "image")))
    };
    let work = async {
        loop {
            app.run_jobs_until_idle().await;
            tokio::task::yield_now().await;
        }
    };
    let rejected = json!({ "message": "Invalid number 447700900123", "code": 400 });
    let all = async {
        let submitted = wait(Scope::Send, 30).await;
        let mut failed = Vec::new();
        for scope in [Scope::Admin, Scope::Send] {
            app.force(SOBOT, ForcedReply::json(200, &rejected));
            failed.push(wait(scope, 30).await);
        }
        (submitted, failed)
    };
    let ((status, body), failed) = tokio::select! {
        replies = all => replies,
        () = work => unreachable!(),
    };
    assert_eq!((status, body["state"].as_str()), (201, Some("submitted")));
    assert_eq!(body.get("failure"), None);
    for ((status, body), title) in failed
        .iter()
        .zip(["Invalid number 447700900123", "Invalid number 4477•••••123"])
    {
        assert_eq!((*status, body["state"].as_str()), (202, Some("failed")));
        assert_eq!(body["failure"]["title"], title);
    }
    let (status, body) = wait(Scope::Send, 0).await;
    assert_eq!((status, body["state"].as_str()), (202, Some("queued")));
    assert_eq!(fields(&wait(Scope::Send, 31).await), named(["Prefer"]));
    app.finish().await;
}

#[actix_web::test]
async fn a_failed_attempt_is_kept_without_keys_and_report_token() {
    let app = start_app().await;
    for (account, secrets) in [
        (SOBOT, vec!["sobot-key", "sobot-secret"]),
        (KALEYRA, vec!["kaleyra-key"]),
        (ZIXFLOW, vec!["zixflow-token"]),
        (LANCEPILOT, vec!["lancepilot-token"]),
    ] {
        // A provider that repeats what it was shown.
        let words = format!("bad credentials {}", secrets.join(" "));
        app.force(
            account,
            ForcedReply::json(
                403,
                &json!({ "message": words, "error": { "x": words }, "status": 403 }),
            ),
        );
        let id = app.send_image(account).await;
        app.run_jobs_until_idle().await;
        let (status, refused) = app.get(&format!("/api/v1/messages/{id}")).await;
        assert_eq!(
            (status, refused["state"].as_str()),
            (200, Some("failed")),
            "{refused}"
        );
        let attempt = &refused["attempts"][0];
        assert_eq!(attempt["http_status"], 403);
        let request = attempt["request"].as_str().unwrap();
        assert!(request.starts_with("POST http://"), "{request}");
        assert!(request.contains('…') && attempt["reply"].as_str().unwrap().contains('…'));
        let token = app
            .services
            .keys
            .report_token(&account.parse().unwrap(), id.parse().unwrap());
        let timeline = app.get_ok(&format!("/api/v1/messages/{id}/timeline")).await;
        let shown = format!("{refused}{timeline}");
        for secret in secrets.iter().copied().chain([token.as_str()]) {
            assert!(!shown.contains(secret), "{account}: {secret} in {shown}");
        }
        assert!(shown.contains("bad credentials …"));
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_reply_id_that_is_too_long_is_kept_whole_in_the_attempt_and_reported() {
    let app = start_app().await;
    let long = format!("wamid.{}", "A".repeat(507));
    app.force(
        SOBOT,
        ForcedReply::json(
            200,
            &json!({ "data": { "id": long, "status": "submitted" }, "code": 200 }),
        ),
    );
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "submitted");
    assert_eq!(shown["provider_ids"], json!([]));
    let attempt = &shown["attempts"][0];
    assert!(attempt["reply"].as_str().unwrap().contains(&long));
    assert!(
        attempt["detail"]
            .as_str()
            .unwrap()
            .contains("513 characters")
    );
    app.finish().await;
}

#[actix_web::test]
async fn refusals_show_the_providers_own_code_and_words() {
    let app = start_app().await;
    for (account, reply, code, words) in [
        (
            SOBOT,
            ForcedReply::json(
                200,
                &json!({ "message": "Invalid mobile number", "code": 400 }),
            ),
            "400",
            "Invalid mobile number",
        ),
        (
            KALEYRA,
            ForcedReply::json(
                400,
                &json!({ "code": "WA400", "message": "Refer to correct payload format", "data": {}, "error": { "payload": "Incorrect payload format" } }),
            ),
            "WA400",
            "Refer to correct payload format",
        ),
        (
            ZIXFLOW,
            ForcedReply::json(
                400,
                &json!({ "status": false, "message": "Invalid data Provided" }),
            ),
            "400",
            "Invalid data Provided",
        ),
        (
            LANCEPILOT,
            ForcedReply::json(
                422,
                &json!({ "message": "Validation error", "errors": { "file": ["The file field is required."], "caption": ["Too long."] } }),
            ),
            "422",
            "Validation error",
        ),
    ] {
        app.force(account, reply);
        let id = app.send_image(account).await;
        app.run_jobs_until_idle().await;
        let shown = app.message(&id).await;
        assert_eq!(shown["state"], "failed", "{account}");
        assert_eq!(shown["failure"]["code"], code, "{account}: {shown}");
        assert_eq!(shown["failure"]["title"], words);
        assert!(!shown["failure"]["meaning"].as_str().unwrap().is_empty());
        assert!(!shown["failure"]["action"].as_str().unwrap().is_empty());
        if account == LANCEPILOT {
            let detail = shown["failure"]["detail"].as_str().unwrap();
            assert!(detail.contains("The file field is required.") && detail.contains("Too long."));
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_message_accepted_in_a_dry_run_is_never_submitted() {
    let app = start_app_with(|_, accounts| {
        accounts[0].mode = bluetick::domain::provider_account::AccountMode::DryRun;
        accounts[0].timeout = Duration::from_secs(1);
    })
    .await;
    let (status, reply) = submit(&app, &message(SOBOT, "image")).await;
    assert_eq!(status, 202);
    let warning = &reply["warnings"][0];
    assert_eq!(warning["code"], "dry_run");
    assert!(warning["message"].as_str().unwrap().contains("dry-run"));
    app.run_jobs_until_idle().await;
    let id = reply["id"].as_str().unwrap();
    let begun = std::time::Instant::now();
    let waiting = app
        .request("POST", "/api/v1/messages")
        .header("prefer", "wait=30")
        .json(&message(SOBOT, "video"));
    let (status, waited) = read(waiting).await;
    assert_eq!((status, &waited["state"]), (202, &json!("queued")));
    assert!(
        begun.elapsed() < Duration::from_secs(25),
        "there is nothing to wait for"
    );
    let (status, _) = app
        .post(&format!(
            "/api/v1/messages/{}/cancel",
            waited["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(status, 200);
    // Later than any message may wait.
    app.advance(TimeDelta::hours(48));
    app.run_jobs_until_idle().await;
    let shown = app.message(id).await;
    assert_eq!(shown["origin"], "dry-run");
    assert_eq!(shown["state"], "queued", "no provider has it");
    let explained = app.get_ok(&format!("/api/v1/messages/{id}/explain")).await;
    assert!(explained.to_string().contains("dry-run"), "{explained}");
    assert!(app.received(SOBOT).is_empty());
    let counts = app
        .services
        .store
        .count_messages(DateTime::UNIX_EPOCH)
        .await
        .unwrap();
    assert!(counts.sent.is_empty(), "{counts:?}");
    assert_eq!(
        counts
            .dry_run
            .values()
            .flat_map(|states| states.values())
            .sum::<i64>(),
        2
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_national_number_gets_the_accounts_country() {
    let app =
        start_app_with(|_, accounts| accounts[0].default_country = Some("IN".to_owned())).await;
    let id = app
        .send(&with(SOBOT, "image", "/to", json!("099701 23456")))
        .await;
    assert_eq!(app.message(&id).await["to"], "919970123456");
    app.finish().await;
}
