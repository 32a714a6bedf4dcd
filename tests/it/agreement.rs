//! The numbers of pages agree: tiles, statistics, lists, summary, export and SQL count the same messages,
//! also those that were accepted before the period in which they were attempted.

use bluetick::domain::delivery_state::Stage;
use bluetick::domain::failure::Failure;
use bluetick::domain::ids::{AttemptId, MessageId};
use bluetick::domain::receipt::ReceiptEvent;
use bluetick::reporting::number_format::percent;
use bluetick::store::send_queue::Claim;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::COOKIE;
use scraper::{ElementRef, Html, Selector};
use uuid::Uuid;

use crate::harness::app::{App, KALEYRA, SOBOT, noon, start_app};
use crate::harness::seeded_messages::SeededMessages;

const CUSTOMER: &str = "+919970012345";

/// The first attempt of a message.
async fn attempt(app: &App, id: MessageId, at: DateTime<Utc>) {
    let store = &app.services.store;
    let mut ledger = store.ledger(at).await.unwrap();
    ledger.load(&[id]).await.unwrap();
    let claim = Claim {
        holder: Uuid::from_u128(1),
        lease_until: at,
        attempt: AttemptId::new(at),
        request: String::new(),
    };
    ledger.claim(vec![(id, claim)]).await.unwrap();
    store.commit(ledger).await.unwrap();
}

/// Thirty days of messages, every nine hours. Each waits for its first attempt for a while: not at
/// all, across a quarter hour, across midnight, for days, or until now.
async fn fill(app: &App) {
    for (number, place) in (0..80_usize).zip(0_i64..) {
        let created = noon() - TimeDelta::hours(9 * place + 1);
        let account = [SOBOT, KALEYRA][number % 2];
        let id = app.accept(account, CUSTOMER, created).await;
        let waits = [
            Some(TimeDelta::zero()),
            Some(TimeDelta::minutes(20)),
            Some(TimeDelta::hours(14)),
            Some(TimeDelta::days(6)),
            None,
        ];
        let attempted = waits[number % 5].map(|wait| created + wait);
        let Some(at) = attempted.filter(|at| *at <= noon()) else {
            continue;
        };
        attempt(app, id, at).await;
        let failure = |code: &str| {
            ReceiptEvent::Failure(Failure {
                code: Some(code.to_owned()),
                ..Failure::default()
            })
        };
        let event = match number % 6 {
            0 => ReceiptEvent::Stage(Stage::Read),
            1 | 2 => ReceiptEvent::Stage(Stage::Delivered),
            3 => ReceiptEvent::Stage(Stage::Sent),
            4 => failure("131026"),
            _ => failure("131053"),
        };
        app.report(id, &format!("id-{number}"), event).await;
    }
}

async fn page(app: &App, path: &str, zone: &str) -> Html {
    let request = app
        .request("GET", path)
        .header(COOKIE, format!("bluetick_zone={zone}"));
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), 200, "{path}");
    Html::parse_document(&reply.text().await.unwrap())
}

fn select<'p>(page: &'p Html, selector: &str) -> Vec<ElementRef<'p>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(element: ElementRef<'_>) -> String {
    let words: Vec<&str> = element.text().flat_map(str::split_whitespace).collect();
    words.join(" ")
}

fn number(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap()
}

/// What a link says, and where it leads.
struct CountingLink {
    href: String,
    count: u64,
}

/// Every link of the overview to a list, with the number that it stands for.
fn counting_links(overview: &Html) -> Vec<CountingLink> {
    let mut links = Vec::new();
    let mut add = |link: ElementRef<'_>, count: u64| {
        links.push(CountingLink {
            href: link.attr("href").unwrap().to_owned(),
            count,
        });
    };
    for tile in select(overview, ".tiles .tile") {
        let part = |selector: &str| {
            let found = tile.select(&Selector::parse(selector).unwrap()).next();
            text(found.unwrap())
        };
        let link = tile.select(&Selector::parse("a").unwrap()).next().unwrap();
        let note = part(".note");
        let noted = note
            .strip_suffix(" messages")
            .or(note.strip_suffix(" message"));
        let value = part(".value");
        add(
            link,
            number(noted.unwrap_or_else(|| value.split(' ').next().unwrap())),
        );
    }
    for row in select(overview, "section[aria-labelledby=per-account] tbody tr") {
        let part = |selector: &str| row.select(&Selector::parse(selector).unwrap()).next();
        let all = part("td.number").unwrap();
        add(part("th a").unwrap(), number(&text(all)));
    }
    for link in select(overview, "section td.number a[href^='/messages?']") {
        let shown = text(link);
        if !shown.contains('%') {
            add(link, number(&shown));
        }
    }
    links
}

/// The rows of a list, page by page.
async fn count_list(app: &App, href: &str, zone: &str) -> u64 {
    let (mut rows, mut next) = (0, Some(href.to_owned()));
    while let Some(path) = next {
        let list = page(app, &path, zone).await;
        rows += select(&list, "table.rows tbody tr a.row-link").len() as u64;
        let older = select(&list, "a[rel=next]");
        next = older
            .first()
            .map(|link| link.attr("href").unwrap().to_owned());
    }
    rows
}

/// The address of the export on the page of a list, as a query of the API.
async fn api_query(app: &App, href: &str, zone: &str) -> String {
    let list = page(app, href, zone).await;
    let links = select(&list, "a[href^='/api/v1/reports/messages.ndjson']");
    let href = links[0].attr("href").unwrap();
    href.split_once('?')
        .map_or("", |(_, query)| query)
        .to_owned()
}

async fn check_link(app: &App, link: &CountingLink, zone: &str) {
    let CountingLink { href, count } = link;
    assert_eq!(count_list(app, href, zone).await, *count, "{zone} {href}");
    let query = api_query(app, href, zone).await;
    let exported = app.exported(&query).await.len() as u64;
    assert_eq!(exported, *count, "export of {zone} {href}");
    let listed = app
        .get_ok(&format!("/api/v1/messages?{query}&limit=500"))
        .await;
    let listed = listed["data"].as_array().unwrap().len() as u64;
    assert_eq!(listed, *count, "API list of {zone} {href}");
}

#[actix_web::test]
async fn every_number_of_the_overview_is_the_length_of_the_list_behind_it() {
    let app = start_app().await;
    fill(&app).await;
    let mut walked = 0;
    for zone in ["UTC", "Asia/Kolkata", "America/New_York"] {
        for path in [
            "/",
            "/?days=1",
            "/?hours=24",
            "/?days=30",
            "/?from=2026-11-03&to=2026-11-12",
        ] {
            let overview = page(&app, path, zone).await;
            for link in counting_links(&overview) {
                check_link(&app, &link, zone).await;
                walked += 1;
            }
        }
    }
    assert!(walked > 200, "{walked}");
    app.finish().await;
}

#[actix_web::test]
async fn shares_of_accounts_are_those_of_the_lists_behind_them() {
    let app = start_app().await;
    fill(&app).await;
    let overview = page(&app, "/?days=30", "Europe/Berlin").await;
    let rows = select(&overview, "section[aria-labelledby=figures] tbody tr");
    assert_eq!(rows.len(), 2);
    for row in rows {
        let cells: Vec<ElementRef<'_>> = row.select(&Selector::parse("td").unwrap()).collect();
        let attempted = number(&text(cells[0]));
        for cell in &cells[1..4] {
            let link = cell.select(&Selector::parse("a").unwrap()).next().unwrap();
            let href = link.attr("href").unwrap();
            let listed = count_list(&app, href, "Europe/Berlin").await;
            assert_eq!(text(link), percent(listed, attempted), "{href}");
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn tiles_statistics_summary_export_and_sql_count_the_same_period() {
    let app = start_app().await;
    fill(&app).await;
    for (zone, days, from, to) in [
        (
            "UTC",
            ("2026-11-03", "2026-11-12"),
            "2026-11-03T00:00:00Z",
            "2026-11-13T00:00:00Z",
        ),
        (
            "Asia/Kolkata",
            ("2026-11-03", "2026-11-12"),
            "2026-11-02T18:30:00Z",
            "2026-11-12T18:30:00Z",
        ),
    ] {
        let overview = page(&app, &format!("/?from={}&to={}", days.0, days.1), zone).await;
        let accepted = counting_links(&overview)[0].count;
        let stats = app
            .get_ok(&format!("/api/v1/stats?from={from}&to={to}"))
            .await;
        let sums = stats["data"].as_array().unwrap().iter().flat_map(|bucket| {
            let states = bucket["states"].as_object().unwrap();
            states.values().map(|number| number.as_u64().unwrap())
        });
        assert_eq!(sums.sum::<u64>(), accepted, "statistics, {zone}");
        let query = format!("from={}&to={}&tz={zone}", days.0, days.1);
        let summary = app
            .get_ok(&format!("/api/v1/reports/summary.json?{query}"))
            .await;
        assert_eq!(summary["total"]["messages"], accepted, "summary, {zone}");
        let query = format!("counted_after={from}&counted_before={to}");
        let exported = app.exported(&query).await;
        assert_eq!(exported.len() as u64, accepted, "export, {zone}");
        let millis = |text: &str| text.parse::<DateTime<Utc>>().unwrap().timestamp_millis();
        let sql = format!(
            "SELECT CAST(COUNT(*) AS TEXT) AS line FROM messages \
             WHERE COALESCE(counted_at, created_at) >= {} AND COALESCE(counted_at, created_at) < {}",
            millis(from),
            millis(to)
        );
        assert_eq!(app.database.query(&sql).await, [accepted.to_string()]);
        // Some were accepted before the period, and some in it are attempted later.
        let created = format!("created_after={from}&created_before={to}");
        let created = app.exported(&created).await;
        let earlier = exported.iter().filter(|row| !created.contains(row));
        assert!(earlier.count() >= 2);
        let later = created.iter().filter(|row| !exported.contains(row));
        assert!(later.count() >= 2);
    }
    app.finish().await;
}

#[actix_web::test]
async fn the_export_form_of_the_reports_counts_as_its_summary() {
    let app = start_app().await;
    fill(&app).await;
    let (from, to) = ("2026-11-03", "2026-11-12");
    let shown = page(&app, &format!("/reports?from={from}&to={to}"), "UTC").await;
    let total = select(&shown, "section[aria-labelledby=by-account] tfoot td");
    let total = number(text(total[0]).split(' ').next().unwrap());
    let path = format!("/messages/export?since={from}&until={to}&format=csv&tz=UTC");
    let file = app.request("GET", &path).send().await.unwrap();
    assert_eq!(file.status(), 200);
    let body = file.bytes().await.unwrap();
    let rows = csv::Reader::from_reader(&body[..]).into_records().count();
    assert_eq!(rows as u64, total);
    for link in select(&shown, "a[href^='/api/v1/reports/summary.']") {
        let href = link.attr("href").unwrap();
        if href.contains("summary.json") {
            assert_eq!(app.get_ok(href).await["total"]["messages"], total);
        } else if href.contains("summary.csv") {
            let reply = app.request("GET", href).send().await.unwrap();
            let body = reply.text().await.unwrap();
            let mut reader =
                csv::Reader::from_reader(body.trim_start_matches('\u{feff}').as_bytes());
            let head = reader.headers().unwrap().clone();
            let column = head.iter().position(|name| name == "messages").unwrap();
            let sum: u64 = reader
                .records()
                .map(|row| number(&row.unwrap()[column]))
                .sum();
            assert_eq!(sum, total);
        }
    }
    app.finish().await;
}
