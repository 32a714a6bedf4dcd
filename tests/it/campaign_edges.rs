//! Campaigns at their edges: cancelled in a race, without their account, resent, ended, sent to closed windows.

use bluetick::domain::campaign::CampaignId;
use bluetick::domain::provider_account::{Account, WindowPolicy};
use bluetick::simulator::ForcedReply;
use bluetick::store::campaigns::NewRecipient;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::campaigns::{act, called, create, csv, draft, show, upload};
use crate::harness::app::{App, SOBOT, image_to, start_app, start_app_with};

async fn submit_due(app: &App) -> usize {
    let claimed = app.services.dispatcher.claim_due().await.unwrap();
    let number = claimed.len();
    for work in claimed {
        app.services.dispatcher.submit(work).await;
    }
    number
}

/// A running campaign of so many recipients, of which the first are queued.
async fn started(app: &App, body: &Value, recipients: usize) -> String {
    let id = create(app, body).await;
    let (status, report) = upload(app, &id, "text/csv", csv(0..recipients)).await;
    assert_eq!(status, 200, "{report}");
    act(app, &id, "start").await;
    app.advance_campaigns().await;
    id
}

fn refuse_next(app: &App, number: usize) {
    for _ in 0..number {
        let refusal = json!({ "code": 400, "message": "bad media" });
        app.force(SOBOT, ForcedReply::json(400, &refusal));
    }
}

#[actix_web::test]
async fn nothing_of_a_cancelled_campaign_is_claimed_before_its_messages_are_cancelled() {
    let app = start_app().await;
    let id = started(&app, &draft("cut short"), 30).await;
    assert_eq!(act(&app, &id, "cancel").await["state"], "cancelled");
    assert_eq!(submit_due(&app).await, 0);
    app.run_jobs_until_idle().await;
    assert!(called(&app).is_empty());
    assert_eq!(show(&app, &id).await["counts"], json!({ "cancelled": 30 }));
    // An operator may send one of them all the same.
    app.advance(TimeDelta::seconds(1));
    let list = app.get_ok("/api/v1/messages?campaign=cut-short").await;
    let first = list["data"][0]["id"].as_str().unwrap().to_owned();
    let (status, resent) = app.post(&format!("/api/v1/messages/{first}/resend")).await;
    assert_eq!(status, 200, "{resent}");
    app.run_jobs_until_idle().await;
    assert_eq!(called(&app).len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn one_step_clears_at_most_5000_recipients_of_a_cancelled_campaign() {
    let app = start_app().await;
    let id = create(&app, &draft("large and cancelled")).await;
    let campaign: CampaignId = id.parse().unwrap();
    let store = &app.services.store;
    let waiting = async || {
        let listed = store.list_waiting_recipients(&campaign, 20_000).await;
        let listed = listed.unwrap().into_iter();
        listed.map(|it| it.position).collect::<Vec<i64>>()
    };
    let recipients = (0..10_010).map(|number| NewRecipient {
        row_key: format!("key {number}"),
        erased_keys: Vec::new(),
        content: "{}".to_owned(),
    });
    let mut ledger = store.ledger(app.now()).await.unwrap();
    let recipients = recipients.collect();
    ledger.add_recipients(&campaign, recipients).await.unwrap();
    // Rejected rows leave gaps between the positions.
    ledger.delete_recipients(&campaign, &[2, 3]).await.unwrap();
    store.commit(ledger).await.unwrap();
    let all = waiting().await;
    for cleared in [5_000, 10_000, all.len(), all.len()] {
        let mut ledger = store.ledger(app.now()).await.unwrap();
        ledger.clear_waiting_recipients(&campaign).await.unwrap();
        store.commit(ledger).await.unwrap();
        assert_eq!(waiting().await, all[cleared..]);
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_campaign_waits_for_an_account_that_is_not_configured() {
    let app = start_app().await;
    let id = started(&app, &draft("left alone"), 1_200).await;
    let queued = show(&app, &id).await["recipients"]["waiting"].clone();
    let mut removed: Option<Account> = None;
    let app = app
        .restart_with(|accounts| {
            let place = accounts.iter().position(|it| it.id.as_str() == SOBOT);
            removed = place.map(|place| accounts.remove(place));
        })
        .await;
    app.advance_campaigns().await;
    let campaign = show(&app, &id).await;
    assert_eq!(campaign["recipients"]["rejected"], 0, "{campaign}");
    assert_eq!(campaign["recipients"]["waiting"], queued, "{campaign}");
    let app = app.restart_with(|accounts| accounts.extend(removed)).await;
    while show(&app, &id).await["state"] != "done" {
        app.run_jobs_until_idle().await;
        app.advance(TimeDelta::seconds(1));
    }
    let counts = show(&app, &id).await["counts"].clone();
    assert_eq!(counts, json!({ "submitted": 1_200 }));
    app.finish().await;
}

#[actix_web::test]
async fn a_rate_that_means_never_is_refused() {
    let app = start_app().await;
    for rate in [1e-13, 0.0, -1.0, 1e9] {
        let mut body = draft("slow");
        body["rate"] = json!(rate);
        let (status, problem) = app.post_json("/api/v1/campaigns", &body).await;
        assert_eq!(status, 422, "{rate}: {problem}");
        assert_eq!(problem["errors"][0]["field"], "rate");
    }
    app.finish().await;
}

#[actix_web::test]
async fn an_empty_list_selects_nothing() {
    let app = start_app().await;
    for action in ["cancel", "resend"] {
        let path = format!("/api/v1/messages/{action}");
        let (status, problem) = app
            .post_json(&path, &json!({ "filter": { "state": [] } }))
            .await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (422, &json!("filter.state")),
            "{problem}"
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_campaign_that_had_ended_runs_again_for_a_new_message_and_can_be_paused() {
    let app = start_app().await;
    let id = started(&app, &draft("over"), 1).await;
    app.run_jobs_until_idle().await;
    assert_eq!(show(&app, &id).await["state"], "done");
    let mut body = image_to(SOBOT, "+447700900777");
    body["campaign"] = json!("over");
    assert_eq!(app.post_json("/api/v1/messages", &body).await.0, 202);
    assert_eq!(act(&app, &id, "pause").await["state"], "paused");
    app.run_jobs_until_idle().await;
    assert_eq!(called(&app).len(), 1);
    act(&app, &id, "resume").await;
    app.run_jobs_until_idle().await;
    assert_eq!(called(&app).len(), 2);
    assert_eq!(show(&app, &id).await["state"], "done");
    app.finish().await;
}

#[actix_web::test]
async fn what_a_campaign_resends_keeps_its_rate() {
    let app = start_app().await;
    let mut body = draft("paced");
    body["rate"] = json!(1.0);
    let id = create(&app, &body).await;
    upload(&app, &id, "text/csv", csv(0..5)).await;
    refuse_next(&app, 5);
    act(&app, &id, "start").await;
    while show(&app, &id).await["state"] != "done" {
        app.run_jobs_until_idle().await;
        app.advance(TimeDelta::seconds(1));
    }
    let path = format!("/api/v1/campaigns/{id}/resend");
    let (_, resent) = app.post_json(&path, &json!({ "state": "failed" })).await;
    assert_eq!(resent["count"], 5, "{resent}");
    assert_eq!(show(&app, &id).await["state"], "running");
    for second in 1..=5 {
        app.run_jobs_until_idle().await;
        assert_eq!(called(&app).len(), 5 + second);
        app.advance(TimeDelta::seconds(1));
    }
    app.finish().await;
}

#[actix_web::test]
async fn what_a_campaign_resends_keeps_its_rate_after_a_pause() {
    let app = start_app().await;
    let mut body = draft("interrupted");
    body["rate"] = json!(1.0);
    let id = create(&app, &body).await;
    upload(&app, &id, "text/csv", csv(0..5)).await;
    refuse_next(&app, 5);
    act(&app, &id, "start").await;
    while show(&app, &id).await["state"] != "done" {
        app.run_jobs_until_idle().await;
        app.advance(TimeDelta::seconds(1));
    }
    let path = format!("/api/v1/campaigns/{id}/resend");
    let (_, resent) = app.post_json(&path, &json!({ "state": "failed" })).await;
    assert_eq!(resent["count"], 5, "{resent}");
    act(&app, &id, "pause").await;
    app.advance(TimeDelta::minutes(10));
    app.run_jobs_until_idle().await;
    assert_eq!(called(&app).len(), 5);
    act(&app, &id, "resume").await;
    for second in 1..=5 {
        app.run_jobs_until_idle().await;
        assert_eq!(called(&app).len(), 5 + second);
        app.advance(TimeDelta::seconds(1));
    }
    app.finish().await;
}

/// A campaign at one message a second, of which the first five of `recipients` were refused.
async fn running_at_one_a_second(app: &App, name: &str, recipients: usize) -> String {
    let mut body = draft(name);
    body["rate"] = json!(1.0);
    let id = create(app, &body).await;
    upload(app, &id, "text/csv", csv(0..recipients)).await;
    refuse_next(app, 5);
    act(app, &id, "start").await;
    for second in 1..=5 {
        app.run_jobs_until_idle().await;
        assert_eq!(called(app).len(), second);
        app.advance(TimeDelta::seconds(1));
    }
    id
}

/// One message a second until the campaign has ended, `all` together.
async fn runs_at_one_a_second(app: &App, id: &str, all: usize) {
    let before = called(app).len();
    for second in 1..=all - before {
        app.run_jobs_until_idle().await;
        assert_eq!(called(app).len(), before + second, "in second {second}");
        app.advance(TimeDelta::seconds(1));
    }
    app.run_jobs_until_idle().await;
    assert_eq!(show(app, id).await["state"], "done");
    assert_eq!(called(app).len(), all);
}

#[actix_web::test]
async fn a_resend_and_the_running_campaign_share_the_rate_of_the_campaign() {
    let app = start_app().await;
    let id = running_at_one_a_second(&app, "shared", 40).await;
    let path = format!("/api/v1/campaigns/{id}/resend");
    let (_, resent) = app.post_json(&path, &json!({ "state": "failed" })).await;
    assert_eq!(resent["count"], 5, "{resent}");
    runs_at_one_a_second(&app, &id, 45).await;
    app.finish().await;
}

#[actix_web::test]
async fn messages_that_are_resent_one_by_one_share_the_rate_of_their_campaign() {
    let app = start_app().await;
    let id = running_at_one_a_second(&app, "singly", 15).await;
    let failed = app
        .get_ok(&format!("/api/v1/messages?campaign={id}&state=failed"))
        .await;
    for message in failed["data"].as_array().unwrap() {
        let message = message["id"].as_str().unwrap();
        let (status, resent) = app
            .post(&format!("/api/v1/messages/{message}/resend"))
            .await;
        assert_eq!(status, 200, "{resent}");
    }
    runs_at_one_a_second(&app, &id, 20).await;
    app.finish().await;
}

#[actix_web::test]
async fn what_a_resume_releases_and_the_next_recipients_share_the_rate_of_the_campaign() {
    let app = start_app().await;
    let id = running_at_one_a_second(&app, "released", 25).await;
    let path = format!("/api/v1/campaigns/{id}/resend");
    let (_, resent) = app.post_json(&path, &json!({ "state": "failed" })).await;
    assert_eq!(resent["count"], 5, "{resent}");
    act(&app, &id, "pause").await;
    app.advance(TimeDelta::seconds(3));
    app.run_jobs_until_idle().await;
    assert_eq!(called(&app).len(), 5);
    act(&app, &id, "resume").await;
    runs_at_one_a_second(&app, &id, 30).await;
    app.finish().await;
}

#[actix_web::test]
async fn slots_of_cancelled_messages_are_free_again() {
    let app = start_app().await;
    let id = running_at_one_a_second(&app, "freed", 8).await;
    let path = format!("/api/v1/campaigns/{id}/resend");
    app.post_json(&path, &json!({ "state": "failed" })).await;
    let queued = json!({ "filter": { "campaign": id, "state": "queued" } });
    let (_, cancelled) = app.post_json("/api/v1/messages/cancel", &queued).await;
    assert_eq!(cancelled["count"], 5, "{cancelled}");
    runs_at_one_a_second(&app, &id, 8).await;
    app.finish().await;
}

#[actix_web::test]
async fn an_account_that_refuses_closed_windows_refuses_them_in_campaigns_and_resends() {
    let app = start_app_with(|_, accounts| accounts[0].window_policy = WindowPolicy::Refuse).await;
    let closed = json!({ "code": 131_047, "message": "Re-engagement message" });
    app.force(SOBOT, ForcedReply::json(400, &closed));
    let id = started(&app, &draft("too late"), 1).await;
    app.run_jobs_until_idle().await;
    assert_eq!(show(&app, &id).await["counts"], json!({ "failed": 1 }));
    // The failure closed the window.
    let again = create(&app, &draft("again")).await;
    let (_, report) = upload(&app, &again, "text/csv", csv(0..2)).await;
    assert_eq!(report["accepted"], 1, "{report}");
    assert_eq!(report["rejected"][0]["field"], "to", "{report}");
    let path = format!("/api/v1/campaigns/{id}/resend");
    let (_, resent) = app.post_json(&path, &json!({ "state": "failed" })).await;
    assert_eq!(
        (&resent["count"], &resent["skipped"]),
        (&json!(0), &json!(1)),
        "{resent}"
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_file_that_is_uploaded_again_has_nothing_new_and_its_bad_lines_count_once() {
    let app = start_app().await;
    let id = create(&app, &draft("twice")).await;
    let rows = format!("{}nonsense,Asha,Pune\n", csv(0..10));
    upload(&app, &id, "text/csv", rows.clone()).await;
    let path = format!("/api/v1/campaigns/{id}/recipients?dry_run=true");
    let request = app.request("POST", &path);
    let request = request.header("content-type", "text/csv");
    let (_, dry) = crate::harness::app::read(request.body(rows.clone())).await;
    assert_eq!(
        (&dry["accepted"], &dry["duplicates"]),
        (&json!(0), &json!(10)),
        "{dry}"
    );
    upload(&app, &id, "text/csv", rows).await;
    let recipients = show(&app, &id).await["recipients"].clone();
    assert_eq!(
        (&recipients["accepted"], &recipients["rejected"]),
        (&json!(10), &json!(1)),
        "{recipients}"
    );
    app.finish().await;
}
