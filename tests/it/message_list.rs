//! The list of messages: its order and its columns.

use chrono::TimeDelta;
use scraper::{Html, Selector};
use serde_json::json;

use crate::harness::app::{App, KALEYRA, SOBOT, image_to, start_app};

/// Three messages; the first changes last.
async fn with_messages() -> (App, Vec<String>) {
    let app = start_app().await;
    let mut ids = Vec::new();
    for (number, account) in [SOBOT, KALEYRA, SOBOT].into_iter().enumerate() {
        let mut message = image_to(account, &format!("+44770090000{number}"));
        message["client_reference"] = json!(format!("order-{number}"));
        ids.push(app.send(&message).await);
        app.advance(TimeDelta::minutes(1));
    }
    let path = format!("/api/v1/messages/{}/cancel", ids[0]);
    assert_eq!(app.post(&path).await.0, 200);
    (app, ids)
}

async fn page(app: &App, path: &str) -> Html {
    let reply = app.request("GET", path).send().await.unwrap();
    assert_eq!(reply.status(), 200, "{path}");
    Html::parse_document(&reply.text().await.unwrap())
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let text = |found: scraper::ElementRef<'_>| {
        let words: Vec<&str> = found.text().flat_map(str::split_whitespace).collect();
        words.join(" ")
    };
    page.select(&selector).map(text).collect()
}

fn values(page: &Html, selector: &str, name: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let found = page.select(&selector);
    found
        .filter_map(|element| element.attr(name).map(str::to_owned))
        .collect()
}

#[actix_web::test]
async fn the_last_changed_messages_come_first_on_request() {
    let (app, ids) = with_messages().await;
    let by_change = [&ids[0], &ids[2], &ids[1]];
    let mut listed = Vec::new();
    let mut path = "/api/v1/messages?sort=changed&limit=1".to_owned();
    for _ in 0..3 {
        let found = app.get_ok(&path).await;
        listed.push(found["data"][0]["id"].as_str().unwrap().to_owned());
        let Some(next) = found["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/messages?sort=changed&limit=1&cursor={next}");
    }
    assert_eq!(listed.iter().collect::<Vec<_>>(), by_change);
    let of_account = app
        .get_ok(&format!("/api/v1/messages?sort=changed&account={SOBOT}"))
        .await;
    assert_eq!(of_account["data"][0]["id"], json!(ids[0]));
    assert_eq!(of_account["data"][1]["id"], json!(ids[2]));

    let created = app.get_ok("/api/v1/messages?limit=1").await;
    let cursor = created["next_cursor"].as_str().unwrap();
    for query in [
        "sort=changed&created_before=2026-11-21T00:00:00Z".to_owned(),
        "sort=size".to_owned(),
        format!("sort=changed&cursor={cursor}"),
    ] {
        let (status, problem) = app.get(&format!("/api/v1/messages?{query}")).await;
        assert_eq!(status, 422, "{query}");
        let field = problem["errors"][0]["field"].as_str().unwrap();
        assert!(["sort", "cursor"].contains(&field), "{query}: {problem}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn the_column_heads_sort_the_list_and_links_keep_order_and_columns() {
    let (app, ids) = with_messages().await;
    let first = page(&app, "/messages").await;
    assert_eq!(values(&first, "input.select", "value")[0], ids[2]);
    let link = values(&first, "thead a[href*=sort]", "href");
    assert_eq!(link, ["/messages?sort=changed"]);
    let sorted = page(&app, &link[0]).await;
    assert_eq!(values(&sorted, "input.select", "value")[0], ids[0]);
    assert_eq!(texts(&sorted, "th[aria-sort=descending]"), ["Changed ↓"]);

    let shown = page(&app, "/messages?sort=changed&column=sender&column=changed").await;
    assert_eq!(
        texts(&shown, "thead th"),
        ["Select", "State", "Recipient", "Sender", "Changed ↓"]
    );
    let pills = values(&shown, ".filter-pills a", "href");
    let kept = |href: &String| href.contains("sort=changed&column=sender%2Cchanged");
    assert!(!pills.is_empty() && pills.iter().all(kept), "{pills:?}");
    let hidden = values(&shown, "form.filters input[type=hidden]", "value");
    assert_eq!(hidden, ["changed", "sender,changed"]);
    let checked = values(&shown, "details.columns input[checked]", "value");
    assert_eq!(checked, ["sender", "changed"]);
    app.finish().await;
}

#[actix_web::test]
async fn a_row_shows_the_reference_and_columns_that_are_chosen() {
    let (app, _) = with_messages().await;
    let usual = page(&app, "/messages").await;
    assert_eq!(
        texts(&usual, "thead th"),
        [
            "Select",
            "State",
            "Recipient",
            "Reference",
            "Account",
            "Detail",
            "Created ↓",
            "Changed"
        ]
    );
    assert_eq!(texts(&usual, "td[data-label=Reference]")[0], "order-2");
    let chosen = page(&app, "/messages?column=kind").await;
    assert_eq!(texts(&chosen, "td[data-label=Kind]"), ["image"; 3]);
    assert!(texts(&chosen, "td[data-label=Reference]").is_empty());
    let unknown = page(&app, "/messages?column=colour").await;
    assert_eq!(texts(&unknown, "[role=alert] code"), ["column=colour"]);
    app.finish().await;
}

#[actix_web::test]
async fn an_export_says_how_many_messages_it_has() {
    let (app, _) = with_messages().await;
    for (path, expected) in [
        ("/messages", "Export 3 messages:"),
        ("/messages?q=order-1", "Export 1 message:"),
        ("/messages?q=none", "Export 0 messages:"),
    ] {
        let exports = texts(&page(&app, path).await, ".exports").join(" ");
        assert!(exports.starts_with(expected), "{path}: {exports}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_reference_is_found_in_capitals_and_with_marks_around_it() {
    let (app, _) = with_messages().await;
    for typed in ["ORDER-1", "%23order-1", "%E2%80%9COrder-1%E2%80%9D"] {
        let found = page(&app, &format!("/messages?q={typed}")).await;
        assert_eq!(values(&found, "input[name=q]", "value"), ["order-1"; 2]);
        assert_eq!(texts(&found, "tbody tr").len(), 1, "{typed}");
    }
    let missing = page(&app, "/messages?q=ORDER-7").await;
    assert_eq!(texts(&missing, "tbody tr").len(), 0);
}
