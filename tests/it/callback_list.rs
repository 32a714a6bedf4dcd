//! The list of callbacks: what each meant and for whom; by account, outcome, time and text in the body.

use bluetick::domain::callback_record::{Authenticity, CallbackRecord, Route};
use bluetick::domain::ids::CallbackId;
use bluetick::domain::scope::Scope;
use chrono::TimeDelta;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, SOBOT, image_to, read, start_app};

/// The cells of each row.
async fn rows(app: &App, scope: Scope, query: &str) -> Vec<Vec<String>> {
    let path = format!("/callbacks?{query}");
    let reply = app.request_as(scope, "GET", &path).send().await.unwrap();
    assert_eq!(reply.status(), 200, "{path}");
    let page = Html::parse_document(&reply.text().await.unwrap());
    let (row, cell) = (
        Selector::parse("table.rows tbody tr").unwrap(),
        Selector::parse("td").unwrap(),
    );
    let text = |cell: scraper::ElementRef<'_>| {
        let words: Vec<&str> = cell.text().flat_map(str::split_whitespace).collect();
        words.join(" ")
    };
    page.select(&row)
        .map(|row| row.select(&cell).map(text).collect())
        .collect()
}

async fn listed(app: &App, query: &str) -> Vec<String> {
    let list = app.get_ok(&format!("/api/v1/callbacks?{query}")).await;
    let ids = list["data"].as_array().unwrap().iter();
    ids.map(|callback| callback["id"].as_str().unwrap().to_owned())
        .collect()
}

#[actix_web::test]
async fn each_row_shows_what_the_callback_meant_for_which_message_and_recipient() {
    let app = start_app().await;
    let id = app.send(&image_to(SOBOT, "+447700900001")).await;
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    let shown = rows(&app, Scope::Operate, "account=sobot-main").await;
    let meanings: Vec<&str> = shown.iter().map(|row| row[1].as_str()).collect();
    assert!(meanings.contains(&"receipts delivered"), "{meanings:?}");
    assert!(meanings.contains(&"receipts read"), "{meanings:?}");
    let short = format!("…{}", id.rsplit('-').next().unwrap());
    for row in &shown {
        assert_eq!(row[0], SOBOT);
        assert_eq!(
            (row[2].as_str(), row[3].as_str()),
            (short.as_str(), "+447700900001")
        );
        assert!(row[4].starts_with("2026-11-20 12:00"), "{row:?}");
    }
    let masked = rows(&app, Scope::Read, "").await;
    assert_eq!(masked[0][3], "4477•••••001");
    app.finish().await;
}

#[actix_web::test]
async fn the_page_and_the_api_filter_by_the_time_of_reception() {
    let app = start_app().await;
    let mut sent = Vec::new();
    for day in 0..3 {
        for account in [SOBOT, KALEYRA] {
            let report = json!({ "id": format!("wamid.{account}.{day}"), "status": "delivered" });
            app.deliver_callback(account, &report).await;
        }
        app.apply_callbacks().await;
        sent.extend(listed(&app, "limit=2").await);
        app.advance(TimeDelta::days(1));
    }
    let second = "received_after=2026-11-21T00:00:00Z&received_before=2026-11-22T00:00:00Z";
    assert_eq!(listed(&app, second).await, sent[2..4]);
    assert_eq!(
        listed(&app, &format!("{second}&account={SOBOT}"))
            .await
            .len(),
        1
    );
    for outcome in ["receipts", "quarantined", "pending"] {
        let of_outcome = listed(&app, &format!("{second}&outcome={outcome}")).await;
        let all = listed(&app, &format!("outcome={outcome}")).await;
        let of_day: Vec<String> = all
            .into_iter()
            .filter(|id| sent[2..4].contains(id))
            .collect();
        assert_eq!(of_outcome, of_day, "{outcome}");
    }
    assert_eq!(
        listed(&app, "received_before=2026-11-20T12:00:00Z")
            .await
            .len(),
        0
    );
    assert_eq!(
        listed(&app, "received_after=2026-11-23T00:00:00Z")
            .await
            .len(),
        0
    );
    assert_eq!(
        listed(&app, "received_after=2026-11-22T12:00:00Z").await,
        sent[4..]
    );
    let (status, problem) = app.get("/api/v1/callbacks?received_after=noon").await;
    assert_eq!(status, 422);
    assert_eq!(problem["errors"][0]["field"], "received_after");

    let by_day = rows(&app, Scope::Operate, "since=2026-11-21&until=2026-11-21").await;
    assert_eq!(by_day.len(), 2, "{by_day:?}");
    let by_instant = rows(&app, Scope::Operate, &format!("{second}&account={SOBOT}")).await;
    assert_eq!(by_instant.len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn pages_of_an_outcome_continue_behind_callbacks_that_have_left_the_journal() {
    let app = start_app().await;
    for number in 0..12 {
        let report = json!({ "id": format!("wamid.GONE{number}"), "status": "delivered" });
        app.deliver_callback(SOBOT, &report).await;
    }
    app.apply_callbacks().await;
    app.database
        .execute_in_journal("DELETE FROM journal WHERE seq % 3 = 0 OR seq IN (7, 8)")
        .await;
    let left = listed(&app, "limit=100").await;
    assert!(left.len() < 10, "{left:?}");
    for filter in ["outcome=receipts", "outcome=receipts&q=wamid.GONE"] {
        let (mut shown, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/callbacks?{filter}&limit=2{cursor}");
            let page = app.get_ok(&path).await;
            let rows = page["data"].as_array().unwrap().iter();
            shown.extend(rows.map(|row| row["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(shown, left, "{filter}");
    }
    let on_the_page = rows(&app, Scope::Operate, "outcome=receipts").await;
    assert_eq!(on_the_page.len(), left.len());
    app.finish().await;
}

#[actix_web::test]
async fn a_text_in_the_body_is_found_exactly_as_it_was_received() {
    let app = start_app().await;
    for (account, code) in [(SOBOT, "131026"), (SOBOT, "131053"), (KALEYRA, "131026")] {
        let report = json!({ "id": "wamid.x", "status": "failed", "errors": [{ "code": code }] });
        app.deliver_callback(account, &report).await;
    }
    assert_eq!(listed(&app, "q=131026").await.len(), 2);
    assert_eq!(
        listed(&app, &format!("q=131026&account={SOBOT}"))
            .await
            .len(),
        1
    );
    assert_eq!(listed(&app, "q=%22code%22%3A%22131053%22").await.len(), 1);
    assert_eq!(listed(&app, "q=WAMID").await.len(), 0);
    assert_eq!(listed(&app, "q=1310&outcome=pending").await.len(), 3);
    app.apply_callbacks().await;
    assert_eq!(listed(&app, "q=1310&outcome=pending").await.len(), 0);
    assert_eq!(listed(&app, "q=131026").await.len(), 2);
    let first = app.get_ok("/api/v1/callbacks?q=131026&limit=1").await;
    let next = first["next_cursor"].as_str().unwrap();
    let second = app
        .get_ok(&format!("/api/v1/callbacks?q=131026&limit=1&cursor={next}"))
        .await;
    assert_eq!(second["data"].as_array().unwrap().len(), 1);
    assert_ne!(first["data"][0]["id"], second["data"][0]["id"]);

    let (status, problem) = app.get("/api/v1/callbacks?q=13").await;
    assert_eq!((status, &problem["errors"][0]["field"]), (422, &json!("q")));
    for path in ["/api/v1/callbacks?q=131026", "/callbacks?q=131026"] {
        let reader = app.request_as(Scope::Read, "GET", path);
        assert_eq!(read(reader).await.0, 403, "bodies need the scope operate");
    }
    let reply = app
        .request("GET", "/callbacks?q=131053")
        .send()
        .await
        .unwrap();
    let page = reply.text().await.unwrap();
    assert!(
        page.contains("The bodies of 3 callbacks were searched."),
        "{page}"
    );
    app.finish().await;
}

/// 13 bodies of 3 MB: one more than a page searches, and the text is in the oldest.
#[actix_web::test]
async fn a_page_searches_a_bounded_number_of_bytes_and_the_next_continues() {
    let app = start_app().await;
    for number in 0..13 {
        let text = if number == 0 { "needle" } else { "straw" };
        let record = CallbackRecord {
            id: CallbackId::new(app.now()),
            account: SOBOT.parse().unwrap(),
            route: Route::Callback,
            method: "POST".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            remote: None,
            received_at: app.now(),
            body: text.repeat(3_000_000 / text.len()).into_bytes(),
            authenticity: Authenticity::Verified,
        };
        let journal = &app.services.journal;
        let permit = journal.reserve(record.body.len()).await.unwrap();
        journal.append(record, permit).await.unwrap();
        app.advance(TimeDelta::seconds(1));
    }
    let first: Value = app.get_ok("/api/v1/callbacks?q=needle").await;
    assert_eq!(first["data"].as_array().unwrap().len(), 0);
    let next = first["next_cursor"].as_str().unwrap();
    let second = app
        .get_ok(&format!("/api/v1/callbacks?q=needle&cursor={next}"))
        .await;
    assert_eq!(second["data"].as_array().unwrap().len(), 1);
    assert_eq!(second.get("next_cursor"), None);
    let reply = app
        .request("GET", "/callbacks?q=needle")
        .send()
        .await
        .unwrap();
    let page = reply.text().await.unwrap();
    assert!(
        page.contains("The bodies of 12 callbacks were searched, back to"),
        "{page}"
    );
    assert!(page.contains("Search further →"));
    app.stop().await;
}
