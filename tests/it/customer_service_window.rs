//! The 24-hour window after a customer's message: opened by inbound callbacks of every provider, queried,
//! and a warning when sending.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::harness::app::{
    ACCOUNTS, App, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, image_to, noon, start_app,
};

pub(crate) const PHONE: &str = "447700900123";
const WAMID: &str = "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAEhgUM0EwOTg3NjU0MzIxMEZFRENCQTkA";

/// A customer's message as the account's provider posts it.
pub(crate) fn inbound(account: &str, from: &str, at: DateTime<Utc>) -> Value {
    let seconds = at.timestamp().to_string();
    let message = json!({
        "from": from, "id": WAMID, "timestamp": seconds, "type": "text",
        "text": { "body": "Is table 7 free?" },
    });
    let change = json!({
        "value": {
            "messaging_product": "whatsapp",
            "contacts": [{ "profile": { "name": "Ines Moreau" }, "wa_id": from }],
            "messages": [message],
        },
        "field": "messages",
    });
    match account {
        SOBOT => json!([change]),
        KALEYRA => json!({ "meta_object": change, "extra_info": { "waba_id": "104" } }),
        ZIXFLOW => json!({
            "event": "incoming.whatsapp.message",
            "eventId": "0b7d2a4e-94c1-4b57-8a54-7f1f3f6f9f01",
            "timestamp": at.timestamp_millis(),
            "messageId": WAMID,
            "sender": { "name": "Ines Moreau", "number": from },
            "message": { "type": "text", "text": "Is table 7 free?" },
        }),
        _ => json!({
            "event": "message.incoming",
            "data": {
                "type": "messages",
                "id": "9d0c7f5e-2f5c-4d56-8b39-4f1f7c1f0a11",
                "attributes": { "timestamp": seconds, "message": { "type": "text" } },
                "relationships": { "contact": { "attributes": { "number": from } } },
            },
        }),
    }
}

pub(crate) async fn receive_inbound(app: &App, account: &str, from: &str, at: DateTime<Utc>) {
    app.deliver_callback(account, &inbound(account, from, at))
        .await;
    app.apply_callbacks().await;
}

pub(crate) async fn window(app: &App, account: &str, phone: &str) -> Value {
    app.get_ok(&format!("/api/v1/windows/{account}/{phone}"))
        .await
}

pub(crate) fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

async fn send_and_return_warnings(app: &App, account: &str, to: &str) -> Vec<String> {
    let body = image_to(account, to);
    let (status, reply) = app.post_json("/api/v1/messages", &body).await;
    assert_eq!(status, 202, "{reply}");
    let warnings = reply["warnings"].as_array().unwrap().iter();
    warnings
        .map(|warning| {
            assert_eq!(warning["code"], "window_closed");
            warning["message"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[actix_web::test]
async fn a_customers_message_opens_the_window_with_every_provider() {
    let app = start_app().await;
    let wrote = noon() - TimeDelta::minutes(3);
    for account in ACCOUNTS {
        assert_eq!(
            window(&app, account, PHONE).await,
            json!({ "state": "unknown" })
        );
        receive_inbound(&app, account, PHONE, wrote).await;
        let open = json!({ "state": "open", "expires_at": rfc3339(wrote + TimeDelta::hours(24)) });
        for spelling in [PHONE, "+447700900123", "%2B44%207700%20900123"] {
            assert_eq!(window(&app, account, spelling).await, open, "{account}");
        }
    }
    app.advance(TimeDelta::hours(24));
    for account in ACCOUNTS {
        let closed =
            json!({ "state": "closed", "expires_at": rfc3339(wrote + TimeDelta::hours(24)) });
        assert_eq!(window(&app, account, PHONE).await, closed, "{account}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_query_string_of_kaleyras_api_v1_opens_the_window_too() {
    let app = start_app().await;
    let query = format!(
        "created_at={}&type=image&from=%2B{PHONE}&name=Ines&media_url=https%3A%2F%2Fmedia.example.com%2Fx",
        noon().timestamp()
    );
    let url = format!("{}?{query}", app.callback_url(KALEYRA));
    assert_eq!(app.client.get(url).send().await.unwrap().status(), 200);
    app.apply_callbacks().await;
    assert_eq!(window(&app, KALEYRA, PHONE).await["state"], "open");
    app.finish().await;
}

#[actix_web::test]
async fn an_older_message_that_comes_late_does_not_shorten_the_window() {
    let app = start_app().await;
    let (older, newer) = (noon() - TimeDelta::hours(30), noon() - TimeDelta::hours(1));
    // In one batch, in batches of their own, and with a repeat.
    for at in [newer, older] {
        app.deliver_callback(SOBOT, &inbound(SOBOT, PHONE, at))
            .await;
    }
    app.apply_callbacks().await;
    for at in [older, newer, older] {
        receive_inbound(&app, SOBOT, PHONE, at).await;
    }
    let expected = json!({ "state": "open", "expires_at": rfc3339(newer + TimeDelta::hours(24)) });
    assert_eq!(window(&app, SOBOT, PHONE).await, expected);
    app.finish().await;
}

#[actix_web::test]
async fn an_implausible_time_is_replaced_by_the_receive_time() {
    let app = start_app().await;
    let from_receive_time =
        json!({ "state": "open", "expires_at": rfc3339(noon() + TimeDelta::hours(24)) });
    for at in [DateTime::UNIX_EPOCH, noon() + TimeDelta::days(400)] {
        receive_inbound(&app, LANCEPILOT, PHONE, at).await;
        assert_eq!(window(&app, LANCEPILOT, PHONE).await, from_receive_time);
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_customer_who_never_wrote_has_no_window_once_the_account_receives_messages() {
    let app = start_app().await;
    receive_inbound(&app, SOBOT, PHONE, noon()).await;
    let never = window(&app, SOBOT, "447700900999").await;
    assert_eq!(never, json!({ "state": "closed" }));
    let elsewhere = window(&app, KALEYRA, PHONE).await;
    assert_eq!(elsewhere, json!({ "state": "unknown" }));
    app.finish().await;
}

#[actix_web::test]
async fn a_status_and_an_unverified_message_open_no_window() {
    let app = crate::harness::app::start_app_with(|_, accounts| {
        accounts[0].callback_auth.header = vec![bluetick::domain::provider_account::HeaderSecret {
            name: "x-key".to_owned(),
            value: bluetick::domain::secret::Secret::new("right"),
        }];
    })
    .await;
    let url = app.callback_url(SOBOT);
    let forged = app.client.post(url).json(&inbound(SOBOT, PHONE, noon()));
    assert_eq!(forged.send().await.unwrap().status(), 401);
    let status = json!({ "event": "message.read", "data": { "type": "messages", "id": "m-1" } });
    app.deliver_callback(LANCEPILOT, &status).await;
    app.apply_callbacks().await;
    for account in [SOBOT, LANCEPILOT] {
        assert_eq!(window(&app, account, PHONE).await["state"], "unknown");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_closed_window_is_only_a_warning_by_default() {
    let app = start_app().await;
    let open = send_and_return_warnings(&app, SOBOT, "+447700900123");
    assert!(open.await.is_empty());
    receive_inbound(&app, SOBOT, PHONE, noon()).await;
    let open = send_and_return_warnings(&app, SOBOT, "+447700900123");
    assert!(open.await.is_empty());
    assert_eq!(
        send_and_return_warnings(&app, SOBOT, "+44 7700 900999").await,
        [
            "the recipient has not written to this account, so no 24-hour window is open; WhatsApp will probably reject a free-form message with error 131047"
        ]
    );
    app.advance(TimeDelta::hours(24));
    assert_eq!(
        send_and_return_warnings(&app, SOBOT, "+44 7700 900123").await,
        [
            "the 24-hour window had closed by 2026-11-21T12:00:00Z; WhatsApp will probably reject a free-form message with error 131047"
        ]
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_repeated_request_gets_the_warnings_of_the_first() {
    let app = start_app().await;
    receive_inbound(&app, SOBOT, PHONE, noon() - TimeDelta::hours(23)).await;
    let send = async || {
        let request = app.request("POST", "/api/v1/messages");
        let request = request
            .header("Idempotency-Key", "k")
            .json(&image_to(SOBOT, PHONE));
        crate::harness::app::read(request).await
    };
    let first = send().await;
    app.advance(TimeDelta::hours(2));
    assert_eq!(first.1["warnings"], json!([]));
    assert_eq!(send().await, first);
    app.finish().await;
}

#[actix_web::test]
async fn what_a_customer_wrote_is_kept_nowhere_but_in_the_journal() {
    let app = start_app().await;
    for account in ACCOUNTS {
        receive_inbound(&app, account, PHONE, noon()).await;
    }
    let rows = app
        .database
        .query(
            "SELECT account || ' ' || phone || ' ' || CAST(last_inbound_at AS TEXT) AS line FROM windows ORDER BY account",
        )
        .await;
    let mut expected =
        ACCOUNTS.map(|account| format!("{account} {PHONE} {}", noon().timestamp_millis()));
    expected.sort();
    assert_eq!(rows, expected);
    let files = std::fs::read_dir(app.database.folder()).unwrap();
    for file in files.map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if file.is_file() && !name.starts_with("journal.db") {
            let bytes = std::fs::read(&file).unwrap();
            let found = bytes.windows(12).any(|part| part == b"table 7 free");
            assert!(!found, "{name}");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn an_unknown_account_and_an_invalid_number_are_distinguished() {
    let app = start_app().await;
    let (status, _) = app.get("/api/v1/windows/unknown/447700900123").await;
    assert_eq!(status, 404);
    let (status, body) = app.get("/api/v1/windows/sobot-main/0770").await;
    assert_eq!(status, 422, "{body}");
    assert_eq!(body["errors"][0]["field"], "phone");
    app.finish().await;
}
