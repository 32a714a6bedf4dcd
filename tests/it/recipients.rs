//! One customer whose number is written with a digit more or less: Brazil's ninth digit, Argentina's 9, Mexico's 1; and customers without a number.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::app::{App, LANCEPILOT, SOBOT, image_to, noon, start_app};

/// The number as it was dialled, and as the provider reports it.
const SPELLINGS: [(&str, &str); 3] = [
    ("5511987654321", "551187654321"),
    ("541123456789", "5491123456789"),
    ("525512345678", "5215512345678"),
];

async fn post_report(app: &App, resource: &str, wamid: &str, number: &str) {
    let body = json!({
        "event": "message.delivered",
        "data": {
            "type": "messages",
            "id": resource,
            "attributes": { "wamid": wamid, "status": "delivered", "to": number,
                "timestamp": noon().timestamp().to_string() },
        },
    });
    app.deliver_callback(LANCEPILOT, &body).await;
    app.run_jobs_until_idle().await;
}

async fn receive_inbound(app: &App, from: &Value) {
    let body = json!([{ "field": "messages", "value": { "messages": [{
        "from": from["phone"], "from_user_id": from["user_id"], "id": "wamid.IN", "type": "text",
        "timestamp": noon().timestamp().to_string(), "text": { "body": "Hello" },
    }] } }]);
    app.deliver_callback(SOBOT, &body).await;
    app.apply_callbacks().await;
}

fn ids(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["id"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn number_variants_of_brazil_argentina_and_mexico_are_one_customer_when_a_report_is_matched()
{
    let app = start_app().await;
    for (number, (dialled, reported)) in SPELLINGS.into_iter().enumerate() {
        let id = app.send(&image_to(LANCEPILOT, dialled)).await;
        app.run_jobs_until_idle().await;
        post_report(
            &app,
            &format!("r-{number}"),
            &format!("wamid.R{number}"),
            reported,
        )
        .await;
        let shown = app.message(&id).await;
        assert_eq!(
            (&shown["state"], &shown["matched_by"]),
            (&json!("delivered"), &json!("recipient")),
            "{dialled}"
        );
        assert_eq!(shown["to"], dialled);
    }
    assert!(app.orphans().await.is_empty());
    app.finish().await;
}

#[actix_web::test]
async fn number_variants_are_suggested_and_keep_their_report_from_being_adopted() {
    let app = start_app().await;
    let (dialled, reported) = SPELLINGS[0];
    let sent = [
        app.send(&image_to(LANCEPILOT, dialled)).await,
        app.send(&image_to(LANCEPILOT, dialled)).await,
    ];
    app.run_jobs_until_idle().await;
    post_report(&app, "r-1", "wamid.R1", reported).await;
    app.advance(TimeDelta::minutes(11));
    app.run_jobs_until_idle().await;
    let orphans = app.orphans().await;
    let suggested = orphans[0]["suggestions"].as_array().unwrap();
    assert!(
        sent.iter().all(|id| suggested.contains(&json!(id))),
        "{orphans:?}"
    );
    for spelling in [dialled, reported] {
        let path = format!("/api/v1/orphans?recipient={spelling}");
        assert_eq!(app.get_ok(&path).await["data"].as_array().unwrap().len(), 1);
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_customers_message_opens_the_window_of_both_spellings() {
    let app = start_app().await;
    for (dialled, reported) in SPELLINGS {
        receive_inbound(&app, &json!({ "phone": reported })).await;
        for spelling in [dialled, reported] {
            let window = app
                .get_ok(&format!("/api/v1/windows/{SOBOT}/{spelling}"))
                .await;
            assert_eq!(window["state"], "open", "{spelling}");
        }
        let body = image_to(SOBOT, dialled);
        let (_, reply) = app.post_json("/api/v1/messages", &body).await;
        assert_eq!(reply["warnings"], json!([]));
    }
    // A similar number belongs to another customer.
    let window = app
        .get_ok(&format!("/api/v1/windows/{SOBOT}/5511987654322"))
        .await;
    assert_eq!(window["state"], "closed");
    app.finish().await;
}

#[actix_web::test]
async fn a_message_is_found_by_either_spelling_of_its_number() {
    let app = start_app().await;
    for (dialled, reported) in SPELLINGS {
        let id = app.send(&image_to(SOBOT, dialled)).await;
        for spelling in [dialled, reported] {
            for query in ["to", "q"] {
                let found = app
                    .get_ok(&format!("/api/v1/messages?{query}={spelling}"))
                    .await;
                assert_eq!(ids(&found), [id.as_str()], "{query}={spelling}");
            }
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_customer_without_a_number_opens_no_window_of_a_number() {
    let app = start_app().await;
    receive_inbound(&app, &json!({ "user_id": "BR.13491208655302741918" })).await;
    assert_eq!(app.callbacks().await[0]["outcome"], "inbound");
    let window = app
        .get_ok(&format!("/api/v1/windows/{SOBOT}/5511987654321"))
        .await;
    assert_eq!(window, json!({ "state": "unknown" }));
    let rows = app
        .database
        .query("SELECT phone AS line FROM windows")
        .await;
    // Kept for the number that may turn out to be theirs.
    assert_eq!(rows, ["BR.13491208655302741918"]);
    app.finish().await;
}
