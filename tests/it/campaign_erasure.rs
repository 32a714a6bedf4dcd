//! One customer is erased from campaigns: their ids, texts and waiting recipients.

use chrono::TimeDelta;
use serde_json::json;

use crate::campaigns::{act, called, create, draft, show, upload};
use crate::erasure::{NUMBER, OTHER, ROWS, assert_verified, erase_number, list_traces, personal};
use crate::harness::app::{App, SOBOT, image_to, start_app};

fn called_numbers(app: &App) -> Vec<String> {
    called(app).into_iter().map(|(number, _)| number).collect()
}

#[actix_web::test]
async fn recipients_who_wait_are_counted_as_rejected_when_their_rows_name_the_erased_customer() {
    let app = start_app().await;
    let id = create(&app, &draft("Summer Sale")).await;
    let (_, report) = upload(&app, &id, "text/csv", ROWS.to_owned()).await;
    assert_eq!(report["accepted"], 4, "{report}");
    erase_number(&app).await;
    let recipients = show(&app, &id).await["recipients"].clone();
    assert_eq!(
        (&recipients["accepted"], &recipients["rejected"]),
        (&json!(1), &json!(3)),
        "{recipients}"
    );
    assert_eq!(recipients["waiting"], 1, "{recipients}");
    act(&app, &id, "start").await;
    app.run_jobs_until_idle().await;
    let shown = show(&app, &id).await;
    assert_eq!(shown["state"], "done", "{shown}");
    assert_eq!(shown["recipients"]["waiting"], 0, "{shown}");
    assert_eq!(
        (&shown["progress"]["total"], &shown["progress"]["done"]),
        (&json!(1), &json!(1)),
        "{shown}"
    );
    assert_eq!(called_numbers(&app), ["447700900001"]);
    app.finish().await;
}

#[actix_web::test]
async fn after_an_erasure_the_same_file_messages_the_customer_of_a_campaign_no_second_time() {
    let app = start_app().await;
    let mut slow = draft("Summer Sale");
    slow["rate"] = json!(1);
    let id = create(&app, &slow).await;
    // The customer got the messages; another recipient waits.
    let rows: Vec<&str> = ROWS.lines().collect();
    let sent = [rows[0], rows[2], rows[3], rows[1]].join("\n");
    upload(&app, &id, "text/csv", sent).await;
    act(&app, &id, "start").await;
    app.run_jobs_until_idle().await;
    app.advance(TimeDelta::seconds(1));
    app.run_jobs_until_idle().await;
    assert_eq!(called(&app).len(), 2);
    let second = create(&app, &draft("Waiting")).await;
    upload(&app, &second, "text/csv", ROWS.to_owned()).await;
    erase_number(&app).await;
    for id in [&id, &second] {
        let sent = [rows[0], rows[2], rows[3]].join("\n");
        let (status, report) = upload(&app, id, "text/csv", sent).await;
        assert_eq!(
            (status, &report["accepted"], &report["duplicates"]),
            (200, &json!(0), &json!(2)),
            "{report}"
        );
    }
    let corrected = "to,name,city\n+447700900002,Asha,Leeds\n".to_owned();
    let (_, report) = upload(&app, &second, "text/csv", corrected).await;
    assert_eq!(report["accepted"], 1, "{report}");
    act(&app, &second, "start").await;
    app.advance(TimeDelta::seconds(1));
    app.run_jobs_until_idle().await;
    let mut later = called_numbers(&app).split_off(2);
    later.sort();
    assert_eq!(
        later,
        ["447700900001", "447700900001", "447700900002"],
        "each once per campaign"
    );
    app.finish().await;
}

#[actix_web::test]
async fn texts_of_a_campaign_that_hold_the_number_are_removed_when_the_campaign_has_ended() {
    let app = start_app().await;
    let message = app.send(&personal(SOBOT)).await;
    let mut with_caption = draft("Summer Sale");
    with_caption["caption"] = json!("Call +44 7700 900123");
    let mut with_template = draft("New Number");
    with_template.as_object_mut().unwrap().remove("caption");
    with_template["template"] = json!({ "name": "new_number", "language": "en",
        "body": ["{{name}}", "+447700900123"], "buttons": [] });
    for campaign in [&with_caption, &with_template] {
        let id = create(&app, campaign).await;
        let body = json!({ "phone": NUMBER });
        let (status, refused) = app.post_json("/api/v1/people/erase", &body).await;
        assert_eq!(status, 409, "{refused}");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("campaign `{id}`")), "{detail}");
        // Nothing was changed.
        assert_eq!(app.message(&message).await["to"], NUMBER);
        assert_eq!(app.state(&message).await, "queued");
        act(&app, &id, "cancel").await;
    }
    erase_number(&app).await;
    let shown = show(&app, "summer-sale").await;
    assert_eq!(shown.get("caption"), None, "{shown}");
    let shown = show(&app, "new-number").await;
    assert_eq!(
        shown["template"]["body"],
        json!(["{{name}}", "…"]),
        "{shown}"
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_campaign_named_after_the_customer_gets_another_id_and_keeps_its_messages_and_counts() {
    let app = start_app().await;
    let mut by_slug = image_to(SOBOT, OTHER);
    by_slug["name"] = json!("Ada Lovelace");
    by_slug["campaign"] = json!("order-447700900123-again");
    let message = app.send(&by_slug).await;
    // The id has other characters between the digits than the name.
    let created = create(&app, &draft("Order of +44_7700_900_123")).await;
    assert_eq!(created, "order-of-44-7700-900-123");
    let rows = format!("to,name,city\n{OTHER},Ada Lovelace,Leeds\n");
    upload(&app, &created, "text/csv", rows).await;
    act(&app, &created, "start").await;
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    let sums = "/api/v1/reports/summary.json?by=campaign";
    let before = app.get_ok(sums).await;
    let body = json!({ "phone": NUMBER });
    let (status, refused) = app.post_json("/api/v1/people/erase", &body).await;
    assert_eq!(status, 409, "{refused}");
    act(&app, "order-447700900123-again", "cancel").await;

    erase_number(&app).await;
    if !app.database.is_postgres() {
        assert_eq!(list_traces(app.database.folder()), Vec::<String>::new());
    }
    let renamed = app.message(&message).await["campaign"].clone();
    let renamed = renamed.as_str().unwrap();
    assert!(renamed.starts_with("erased-"), "{renamed}");
    assert_eq!(show(&app, renamed).await["name"], "…");
    let list = app.get_ok("/api/v1/campaigns").await;
    assert_eq!(list["data"].as_array().unwrap().len(), 2, "{list}");
    assert!(!list.to_string().contains("900-123"), "{list}");
    let after = app.get_ok(sums).await;
    assert_eq!(before["total"], after["total"]);
    assert!(!after.to_string().contains("900-123"), "{after}");
    let with_id = format!("/api/v1/messages?campaign={renamed}");
    assert_eq!(app.get_ok(&with_id).await["data"][0]["id"], message);
    assert_verified(&app).await;
    app.finish().await;
}
