//! Many messages that belong together: sent once each, counted, filtered, stopped and sent again.

use serde_json::{Value, json};

use crate::harness::app::{App, SOBOT, image_to, start_app};

/// An image that belongs to a campaign.
fn image_of(campaign: &str, to: &str) -> Value {
    let mut body = image_to(SOBOT, to);
    body["campaign"] = json!(campaign);
    body
}

async fn listed(app: &App, query: &str) -> Vec<Value> {
    let list = app.found(&format!("/api/v1/messages?{query}")).await;
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["id"].clone())
        .collect()
}

#[actix_web::test]
async fn a_message_belongs_to_the_campaign_it_names_everywhere() {
    let app = start_app().await;
    let one = app.send(&image_of("summer-sale", "+447700900001")).await;
    let other = app.send(&image_of("winter-sale", "+447700900002")).await;
    let none = app.send(&image_to(SOBOT, "+447700900003")).await;
    app.run_jobs_until_idle().await;

    assert_eq!(app.message(&one).await["campaign"], "summer-sale");
    assert_eq!(app.message(&none).await.get("campaign"), None);
    assert_eq!(listed(&app, "campaign=summer-sale").await, [json!(one)]);
    let both = "campaign=winter-sale&state=submitted,sent,delivered,read";
    assert_eq!(listed(&app, both).await, [json!(other)]);
    let export = app.request("GET", "/api/v1/reports/messages.csv?campaign=summer-sale");
    let csv = export.send().await.unwrap().text().await.unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(lines[0].ends_with(",campaign") && lines[1].ends_with(",summer-sale"));
    let page = app.request("GET", &format!("/messages/{one}"));
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("summer-sale"));
    app.finish().await;
}

#[actix_web::test]
async fn a_campaign_that_is_no_slug_is_refused_by_name() {
    let app = start_app().await;
    let reply = app
        .post_json(
            "/api/v1/messages",
            &image_of("Summer Sale", "+447700900001"),
        )
        .await;
    assert_eq!(reply.0, 422);
    assert_eq!(reply.1["errors"][0]["field"], "campaign");
    let (status, problem) = app.get("/api/v1/messages?campaign=Summer+Sale").await;
    assert_eq!(status, 422, "{problem}");
    app.finish().await;
}
