//! Lists of the API: order, cursors, filters, invalid parameters.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::api::{WAMID, status};
use crate::harness::app::{KALEYRA, LANCEPILOT, SOBOT, start_app};

#[actix_web::test]
async fn lists_are_newest_first_and_a_cursor_belongs_to_its_filters() {
    let app = start_app().await;
    let mut sent = Vec::new();
    for number in 0..5 {
        app.advance(TimeDelta::milliseconds(number % 2));
        sent.push(app.send_image(LANCEPILOT).await);
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/messages?limit=2&account=lancepilot-br".to_owned();
    loop {
        let page = app.get_ok(&path).await;
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 2);
        seen.extend(data.iter().map(|row| {
            (
                row["created_at"].as_str().unwrap().to_owned(),
                row["id"].as_str().unwrap().to_owned(),
            )
        }));
        let Some(cursor) = page.get("next_cursor") else {
            break;
        };
        let cursor = cursor.as_str().unwrap();
        let (status, problem) = app.get(&format!("/api/v1/messages?cursor={cursor}")).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (422, &json!("cursor"))
        );
        path = format!("/api/v1/messages?limit=2&account=lancepilot-br&cursor={cursor}");
    }
    let mut sorted = seen.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!(seen, sorted);
    let ids: BTreeSet<&String> = seen.iter().map(|(_, id)| id).collect();
    assert_eq!(ids, sent.iter().collect());
    for list in ["messages", "callbacks", "orphans"] {
        for limit in ["0", "501", "x", "-1"] {
            let (status, problem) = app.get(&format!("/api/v1/{list}?limit={limit}")).await;
            assert_eq!(
                (status, &problem["errors"][0]["field"]),
                (422, &json!("limit")),
                "{list}"
            );
        }
        app.get_ok(&format!("/api/v1/{list}?limit=500")).await;
    }
    app.finish().await;
}

#[actix_web::test]
async fn every_list_names_its_invalid_parameters() {
    let app = start_app().await;
    for list in ["messages", "callbacks", "orphans"] {
        for (query, field) in [
            ("colour=red", "colour"),
            ("account=a&account=b", "account"),
            ("account=", "account"),
            ("account=No+Slug", "account"),
            ("limit=501", "limit"),
            ("cursor=12345.AAAAAAAAAAA", "cursor"),
            ("cursor=AAAAAAAAAAAAAAAAAAAAAA", "cursor"),
        ] {
            let (status, problem) = app.get(&format!("/api/v1/{list}?{query}")).await;
            assert_eq!(status, 422, "{list}?{query}: {problem}");
            assert_eq!(problem["errors"][0]["field"], field, "{list}?{query}");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_long_list_of_invalid_parameters_has_a_short_response() {
    let app = start_app().await;
    let many: Vec<String> = (0..6_000).map(|number| format!("x{number}=1")).collect();
    let long = format!("{}=1", "y".repeat(60_000));
    for query in [many.join("&"), long] {
        let path = format!("/api/v1/messages?{query}");
        let response = app.request("GET", &path).send().await.unwrap();
        assert_eq!(response.status(), 422);
        let body = response.text().await.unwrap();
        assert!(body.len() < 10_000, "{} bytes", body.len());
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert!(!problem["errors"].as_array().unwrap().is_empty());
    }
    app.finish().await;
}

#[actix_web::test]
async fn orphans_are_found_by_their_recipient_in_any_spelling() {
    let app = start_app().await;
    let mut body = status(&json!(WAMID), "sent", 1);
    body["recipient_id"] = json!("447700900123");
    app.deliver_callback(SOBOT, &body).await;
    app.apply_callbacks().await;
    for (recipient, found) in [
        ("447700900123", 1),
        ("%2B44%207700%20900123", 1),
        ("+44-7700-900123", 1),
        ("447700900124", 0),
        ("group-7", 0),
    ] {
        let path = format!("/api/v1/orphans?recipient={recipient}");
        let listed = app.get_ok(&path).await["data"].as_array().unwrap().len();
        assert_eq!(listed, found, "{recipient}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn cursors_of_callbacks_and_orphans_belong_to_their_filters_too() {
    let app = start_app().await;
    for number in 0..3 {
        app.advance(TimeDelta::seconds(1));
        let id = json!(format!("wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERg{number}"));
        app.deliver_callback(SOBOT, &status(&id, "sent", number))
            .await;
    }
    app.apply_callbacks().await;
    for list in ["callbacks", "orphans"] {
        let filter = format!("/api/v1/{list}?account={SOBOT}&limit=2");
        let page = app.get_ok(&filter).await;
        let cursor = page["next_cursor"].as_str().unwrap();
        assert!(!cursor.contains('.'), "{list}: {cursor} is not opaque");
        let rest = app.get_ok(&format!("{filter}&cursor={cursor}")).await;
        assert_eq!(rest["data"].as_array().unwrap().len(), 1, "{list}");
        assert!(rest.get("next_cursor").is_none());
        let (status, problem) = app
            .get(&format!("/api/v1/{list}?account={KALEYRA}&cursor={cursor}"))
            .await;
        assert_eq!(status, 422, "{list}: {problem}");
        assert_eq!(problem["errors"][0]["field"], "cursor");
    }
    app.finish().await;
}
