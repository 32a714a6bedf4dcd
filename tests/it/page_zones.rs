//! Every page has one zone: the viewer's choice, else that of the browser, else `report_time_zone`. Times,
//! days and bars of charts follow it, also where the clock is changed.

use bluetick::domain::user::Role;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use reqwest::header::{COOKIE, SET_COOKIE};
use scraper::{ElementRef, Html, Selector};

use crate::harness::app::{App, KALEYRA, SOBOT, start_app, start_app_configured};
use crate::harness::people::sign_in_new;
use crate::harness::seeded_messages::SeededMessages;

const CUSTOMER: &str = "+919970012345";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn select<'p>(page: &'p Html, selector: &str) -> Vec<ElementRef<'p>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(element: ElementRef<'_>) -> String {
    let words: Vec<&str> = element.text().flat_map(str::split_whitespace).collect();
    words.join(" ")
}

async fn page(app: &App, path: &str, cookies: &str) -> Html {
    let request = app.request("GET", path).header(COOKIE, cookies);
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), 200, "{path}");
    Html::parse_document(&reply.text().await.unwrap())
}

/// One message each hour, from the day before the clocks went back in Berlin to the day after.
async fn fill(app: &App) {
    for hour in 0..72 {
        let created = at("2026-10-23T22:10:00Z") + TimeDelta::hours(hour);
        let account = if hour % 2 == 0 { SOBOT } else { KALEYRA };
        app.accept(account, CUSTOMER, created).await;
    }
}

/// Fails if the page names its zone more than once, names another, or shows a time of another.
fn check_one_zone(page: &Html, path: &str, zone: Tz) {
    let main = select(page, "main")[0];
    assert_eq!(main.attr("data-zone"), Some(zone.name()), "{path}");
    for time in select(page, "main time") {
        let instant = at(time.attr("datetime").unwrap());
        let local = instant.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S");
        assert_eq!(text(time), local.to_string(), "{path}");
        let utc = instant.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        assert_eq!(time.attr("title"), Some(utc.as_str()), "{path}");
    }
    // The settings list every zone.
    let options: String = select(page, "select[name=zone]")
        .into_iter()
        .map(text)
        .collect();
    let shown = text(main).replace(&options, "");
    let named = shown.matches(zone.name()).count();
    assert_eq!(named, 1, "{path} names {zone} {named} times: {shown}");
    assert!(!shown.contains("UTC"), "{path}: {shown}");
}

#[actix_web::test]
async fn every_page_has_the_viewers_zone_and_names_it_once() {
    let app = start_app().await;
    fill(&app).await;
    let body = serde_json::json!({ "reason": "maintenance" });
    let pause = format!("/api/v1/accounts/{SOBOT}/pause");
    assert_eq!(app.post_json(&pause, &body).await.0, 204);
    app.deliver_callback(KALEYRA, &serde_json::json!({ "unknown": 1 }))
        .await;
    app.run_jobs_until_idle().await;
    let listed = app.get_ok("/api/v1/messages?limit=1").await;
    let message = format!("/messages/{}", listed["data"][0]["id"].as_str().unwrap());
    let callbacks = app.get_ok("/api/v1/callbacks?limit=1").await;
    let callback = format!(
        "/callbacks/{}",
        callbacks["data"][0]["id"].as_str().unwrap()
    );
    let email = "admin@example.com";
    let (_, browser) = sign_in_new(&app, email, Role::Admin).await;
    for zone in [
        chrono_tz::Asia::Kolkata,
        chrono_tz::America::New_York,
        chrono_tz::Europe::Berlin,
    ] {
        for path in [
            "/",
            "/?days=1",
            "/?hours=24",
            "/?from=2026-10-24&to=2026-10-26",
            "/messages",
            "/messages?since=2026-10-25&until=2026-10-25",
            &message,
            "/campaigns",
            "/problems",
            "/orphans/put-aside",
            "/callbacks",
            &callback,
            "/callbacks/replay?outcome=quarantined",
            "/accounts",
            "/audit",
            "/settings",
        ] {
            let session = browser.cookie.as_deref().unwrap();
            let cookies = format!("{session}; bluetick_zone={zone}");
            let reply = app
                .client
                .get(app.url(path))
                .header(COOKIE, cookies)
                .send()
                .await
                .unwrap();
            assert_eq!(reply.status(), 200, "{path}");
            let html = Html::parse_document(&reply.text().await.unwrap());
            check_one_zone(&html, path, zone);
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn days_and_bars_begin_and_end_with_the_days_of_the_zone_where_the_clock_is_changed() {
    let app = start_app().await;
    fill(&app).await;
    for (zone, messages) in [
        // The day of 25 hours, from 22:00 to 23:00 UTC.
        (chrono_tz::Europe::Berlin, 25),
        (chrono_tz::Asia::Kolkata, 24),
        (chrono_tz::America::New_York, 24),
    ] {
        let cookies = format!("bluetick_zone={zone}");
        let list = "/messages?since=2026-10-25&until=2026-10-25";
        let listed = page(&app, list, &cookies).await;
        assert_eq!(
            select(&listed, "tbody a.row-link").len(),
            messages,
            "{zone}"
        );
        let overview = page(&app, "/?from=2026-10-25&to=2026-10-25", &cookies).await;
        let accepted = text(select(&overview, ".tile .value")[0]);
        assert!(accepted.starts_with(&messages.to_string()), "{accepted}");
        let tile = select(&overview, ".tile a")[0].attr("href").unwrap();
        assert_eq!(tile, list);
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_choice_precedes_the_browser_which_precedes_the_configuration() {
    let app = start_app_configured(|_, config| {
        config.report_time_zone = chrono_tz::Asia::Kolkata;
    })
    .await;
    for (cookies, zone) in [
        ("", "Asia/Kolkata"),
        ("bluetick_browser_zone=Europe/Berlin", "Europe/Berlin"),
        (
            "bluetick_zone=America/New_York; bluetick_browser_zone=Europe/Berlin",
            "America/New_York",
        ),
        ("bluetick_zone=Mars/Base", "Asia/Kolkata"),
    ] {
        let shown = page(&app, "/", cookies).await;
        let main = select(&shown, "main")[0];
        assert_eq!(main.attr("data-zone"), Some(zone), "{cookies}");
    }
    // What is sent to others does not depend on the viewer.
    let reports = page(&app, "/reports", "bluetick_zone=America/New_York").await;
    let main = select(&reports, "main")[0];
    assert_eq!(main.attr("data-zone"), Some("Asia/Kolkata"));
    app.finish().await;
}

#[actix_web::test]
async fn the_zone_is_chosen_in_the_settings_without_a_script() {
    let app = start_app().await;
    let (_, mut browser) = sign_in_new(&app, "viewer@example.com", Role::Viewer).await;
    let session = browser.cookie.clone().unwrap();
    let reply = browser
        .post(&app, "/settings/zone", &[("zone", "Asia/Kolkata")])
        .await;
    assert_eq!(reply.status(), 303);
    let cookie = reply.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(
        cookie.starts_with("bluetick_zone=Asia/Kolkata;"),
        "{cookie}"
    );
    browser.cookie = Some(format!("{session}; bluetick_zone=Asia/Kolkata"));
    let shown = browser.get(&app, "/settings").await.text().await.unwrap();
    let shown = Html::parse_document(&shown);
    let chosen = select(&shown, "select[name=zone] option[selected]");
    assert_eq!(text(chosen[0]), "Asia/Kolkata");
    let reply = browser
        .post(&app, "/settings/zone", &[("zone", "Mars/Base")])
        .await;
    assert_eq!(reply.status(), 422);
    let words = reply.text().await.unwrap();
    assert!(words.contains("The time zone must be a time zone such as"));
    let reply = browser.post(&app, "/settings/zone", &[("zone", "")]).await;
    let cookie = reply.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("Max-Age=0"), "{cookie}");
    app.finish().await;
}

#[actix_web::test]
async fn a_wrong_range_is_explained_beside_its_field_and_the_week_is_shown() {
    let app = start_app().await;
    fill(&app).await;
    for (query, field, words) in [
        (
            "from=2026-11-12&to=2026-11-01",
            "to",
            "The last day is before the first day.",
        ),
        (
            "from=2024-11-12&to=2026-11-01",
            "to",
            "The last day is more than 366 days after the first.",
        ),
        (
            "from=soon&to=2026-11-01",
            "from",
            "The first day must be a day, such as 2026-11-20.",
        ),
    ] {
        let shown = page(&app, &format!("/?{query}"), "").await;
        let error = select(&shown, &format!("#{field}-error"));
        assert_eq!(text(error[0]), words, "{query}");
        let input = select(&shown, &format!("input[name={field}]"))[0];
        let described = format!("{field}-error");
        assert_eq!(input.attr("aria-describedby"), Some(described.as_str()));
        let current = select(&shown, ".periods a[aria-current]");
        assert_eq!(text(current[0]), "7 d");
    }
    app.finish().await;
}
