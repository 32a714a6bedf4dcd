//! `/reports` and its files: all formats show the same numbers.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use bluetick::cli::report::run;
use bluetick::cli::report_context::ReportContext;
use bluetick::cli::{Arguments, Command};
use bluetick::domain::delivery_state::Stage;
use bluetick::domain::message::MessageDraft;
use bluetick::domain::receipt::{Pricing, ReceiptEvent};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use scraper::{Html, Selector};
use serde_json::{Value, json};
use zip::ZipArchive;

use crate::harness::app::{App, KALEYRA, SOBOT, start_app, start_app_configured};
use crate::harness::seeded_messages::{SeededMessages, draft};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Two weeks of messages of two accounts, some of them in a campaign.
async fn fill(app: &App) {
    for day in 8..21 {
        let created = at(&format!("2026-11-{day:02}T08:00:00Z"));
        for (number, account) in (0..).zip([SOBOT, KALEYRA, KALEYRA]) {
            let draft = MessageDraft {
                campaign: (number == 2).then(|| "diwali".parse().unwrap()),
                name: Some("Zoë Müller".to_owned()),
                ..draft(account, "+919970012345")
            };
            let id = app
                .accept_draft(&draft, created + TimeDelta::minutes(number))
                .await;
            let provider_id = format!("{account}-{day}-{number}");
            let event = match (day + number) % 3 {
                0 => ReceiptEvent::Stage(Stage::Read),
                1 => ReceiptEvent::Stage(Stage::Delivered),
                _ => ReceiptEvent::Stage(Stage::Sent),
            };
            app.report(id, &provider_id, event).await;
        }
    }
}

async fn bytes(app: &App, path: &str) -> Vec<u8> {
    let reply = app.request("GET", path).send().await.unwrap();
    assert_eq!(reply.status(), 200, "{path}");
    reply.bytes().await.unwrap().to_vec()
}

async fn page(app: &App, path: &str) -> Html {
    Html::parse_document(&String::from_utf8(bytes(app, path).await).unwrap())
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let elements = page.select(&selector);
    elements
        .map(|element| {
            let text: Vec<&str> = element.text().flat_map(str::split_whitespace).collect();
            text.join(" ")
        })
        .collect()
}

fn rows(csv: &[u8]) -> Vec<BTreeMap<String, String>> {
    let csv = csv.strip_prefix("\u{feff}".as_bytes()).unwrap_or(csv);
    csv::Reader::from_reader(csv)
        .deserialize()
        .map(Result::unwrap)
        .collect()
}

/// A file inside a workbook, which is a zip archive.
fn read_zip_entry(workbook: &[u8], name: &str) -> String {
    let mut archive = ZipArchive::new(Cursor::new(workbook)).unwrap();
    let mut text = String::new();
    archive
        .by_name(name)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[actix_web::test]
async fn summary_csv_json_page_and_message_export_agree() {
    let app = start_app().await;
    fill(&app).await;
    let period = "from=2026-11-14&to=2026-11-20";
    for by in [
        "account",
        "kind",
        "campaign",
        "account,kind,campaign",
        "none",
    ] {
        let query = format!("{period}&by={by}&interval=week");
        let json = app
            .get_ok(&format!("/api/v1/reports/summary.json?{query}"))
            .await;
        let csv = rows(&bytes(&app, &format!("/api/v1/reports/summary.csv?{query}&bom=1")).await);
        let data = json["data"].as_array().unwrap();
        assert_eq!(data.len(), csv.len(), "{by}");
        let mut sum = 0;
        for (row, line) in data.iter().zip(&csv) {
            let number = |value: &Value| value.as_i64().unwrap().to_string();
            assert_eq!(line["messages"], number(&row["messages"]));
            assert_eq!(line["delivered_or_read"], number(&row["delivered"]));
            assert_eq!(line["read_or_played"], number(&row["read"]));
            for state in ["sent", "delivered", "read", "failed"] {
                assert_eq!(line[state], number(&row["states"][state]), "{state}");
            }
            for column in ["day", "account", "kind", "campaign"] {
                let expected = row[column].as_str().unwrap_or_default();
                assert_eq!(line[column], expected, "{column}");
            }
            sum += row["messages"].as_i64().unwrap();
        }
        assert_eq!(json["total"]["messages"], sum, "{by}");
        assert_eq!(sum, 21);
    }
    let exported = app
        .exported("created_after=2026-11-14T00:00:00Z&created_before=2026-11-21T00:00:00Z")
        .await;
    assert_eq!(exported.len(), 21);
    let delivered = exported
        .iter()
        .filter(|row| ["delivered", "read"].contains(&row["state"].as_str()));
    let json = app
        .get_ok(&format!("/api/v1/reports/summary.json?{period}"))
        .await;
    assert_eq!(json["total"]["delivered"], delivered.count());
    let shown = page(&app, &format!("/reports?{period}&by=account")).await;
    assert_eq!(
        texts(&shown, "h1"),
        ["66.7 % of 21 attempted messages delivered, 14 November to 20 November 2026"]
    );
    let accounts = texts(&shown, "section[aria-labelledby=by-account] tbody tr");
    assert!(accounts[0].starts_with("kaleyra-in 14"), "{accounts:?}");
    assert!(accounts[1].starts_with("sobot-main 7"), "{accounts:?}");
    let campaigns = texts(&shown, "section[aria-labelledby=by-campaign] tbody tr");
    assert!(campaigns[0].starts_with("diwali 7"), "{campaigns:?}");
    assert_eq!(
        texts(&shown, "section[aria-labelledby=rows] tbody tr").len(),
        14
    );
    app.finish().await;
}

/// The numbers of a sheet's row, by the labels of its header.
fn numbers(sheet: &str, row: usize) -> BTreeMap<String, f64> {
    let cells = |row: usize| {
        let row = sheet.split("<row ").nth(row).unwrap();
        let cells = row.split("<c r=\"").skip(1).map(|cell| {
            let column: String = cell.chars().take_while(char::is_ascii_uppercase).collect();
            let between = |start: &str, end: &str| {
                let rest = cell.split_once(start)?.1;
                Some(rest.split_once(end)?.0.to_owned())
            };
            let text = between("<t>", "</t>").or_else(|| between("<v>", "</v>"));
            (column, text.unwrap_or_default())
        });
        cells.collect::<BTreeMap<_, _>>()
    };
    let labels = cells(1);
    let values = cells(row).into_iter();
    values
        .filter_map(|(column, text)| Some((labels[&column].clone(), text.parse().ok()?)))
        .collect()
}

#[actix_web::test]
async fn the_workbook_of_the_summary_has_the_labels_and_numbers_of_the_page() {
    let app = start_app().await;
    fill(&app).await;
    let query = "from=2026-11-14&to=2026-11-20&by=account&interval=month";
    let workbook = bytes(&app, &format!("/api/v1/reports/summary.xlsx?{query}")).await;
    let sheet = read_zip_entry(&workbook, "xl/worksheets/sheet1.xml");
    let json = app
        .get_ok(&format!("/api/v1/reports/summary.json?{query}"))
        .await;
    assert!(json["total"]["states"]["read"].as_i64().unwrap() > 0);
    // Two accounts, then the total.
    let total = numbers(&sheet, 4);
    for (label, key) in [
        ("Messages", "messages"),
        ("Attempted", "attempted"),
        ("Delivered", "delivered"),
        ("Read", "read"),
        ("Failed", "failed"),
    ] {
        assert_eq!(json["total"][key].as_f64(), Some(total[label]), "{label}");
    }
    let now = json["total"]["states"]["delivered"].as_f64();
    assert_eq!(now, Some(total["Now Delivered"]));
    let first = sheet.split("<row ").nth(1).unwrap();
    assert!(!first.contains('_'), "a technical name in {first}");
    let shown = page(&app, &format!("/reports?{query}")).await;
    let accounts = texts(&shown, "section[aria-labelledby=by-account] tfoot td");
    assert_eq!(accounts[1], json["total"]["delivered"].to_string());
    app.finish().await;
}

#[actix_web::test]
async fn average_cost_counts_only_deliveries_priced_in_that_currency() {
    let app = start_app().await;
    let price = |price: &str, currency: Option<&str>| Pricing {
        price: Some(price.to_owned()),
        currency: currency.map(str::to_owned),
        ..Pricing::default()
    };
    for (day, pricing) in [
        (5, price("1", Some("INR"))),
        (6, price("3", Some("INR"))),
        (7, price("8", Some("USD"))),
        (8, price("0.5", None)),
        (9, Pricing::default()),
    ] {
        let at = format!("2026-11-{day:02}T10:00:00Z");
        app.deliver_one(SOBOT, "+919970012345", &at, pricing).await;
    }
    let shown = page(&app, "/reports").await;
    let rows = texts(&shown, "section[aria-labelledby=money] tbody tr");
    let averages = "0.5000 (no currency) · INR 2.00 · USD 8.00 –";
    assert!(rows[0].ends_with(averages), "{rows:?}");
    let notes = texts(&shown, "section[aria-labelledby=money] p").join(" ");
    assert!(notes.contains("without naming its currency"), "{notes}");
    app.finish().await;
}

#[actix_web::test]
async fn a_period_is_compared_with_the_one_before_and_a_campaign_can_be_chosen() {
    let app = start_app().await;
    fill(&app).await;
    let json = app
        .get_ok("/api/v1/reports/summary.json?from=2026-11-18&to=2026-11-19")
        .await;
    assert_eq!(
        (&json["previous"]["from"], &json["previous"]["to"]),
        (
            &json!("2026-11-16T00:00:00.000Z"),
            &json!("2026-11-18T00:00:00.000Z")
        )
    );
    assert_eq!(
        (
            &json["total"]["messages"],
            &json["previous"]["total"]["messages"]
        ),
        (&json!(6), &json!(6))
    );
    let of_campaign = app
        .get_ok("/api/v1/reports/summary.json?from=2026-11-08&campaign=diwali&by=account&interval=month")
        .await;
    assert_eq!(of_campaign["data"].as_array().unwrap().len(), 1);
    assert_eq!(of_campaign["total"]["messages"], 13);
    // The 20th is not over.
    let shown = page(&app, "/reports?from=2026-11-19&to=2026-11-20").await;
    let note = texts(&shown, ".report-heading p").join(" ");
    assert!(
        note.contains("Days and times in UTC, as of 12:00 on Fri 20 Nov 2026"),
        "{note}"
    );
    assert!(note.contains("Shares are preliminary"), "{note}");
    let earlier = page(&app, "/reports?from=2026-11-12&to=2026-11-14").await;
    let note = texts(&earlier, ".report-heading p").join(" ");
    assert!(!note.contains("preliminary"), "{note}");
    app.finish().await;
}

#[actix_web::test]
async fn an_invalid_parameter_is_reported_and_the_last_seven_days_are_shown() {
    let app = start_app().await;
    fill(&app).await;
    for (query, field) in [
        ("interval=year", "interval"),
        ("by=colour", "by"),
        ("from=2026-11-20&to=2026-11-19", "from"),
        ("from=2001-01-01", "from"),
        ("campaign=No%20Slug", "campaign"),
        ("bom=2", "bom"),
    ] {
        let (status, problem) = app
            .get(&format!("/api/v1/reports/summary.csv?{query}"))
            .await;
        assert_eq!(status, 422, "{query}");
        assert_eq!(problem["errors"][0]["field"], field, "{query}");
        if field != "bom" {
            let shown = page(&app, &format!("/reports?{query}")).await;
            let notice = texts(&shown, ".notice:not(.alarm)").join(" ");
            assert!(notice.starts_with(field), "{notice}");
            assert!(
                texts(&shown, "h1")[0].contains("of 21 attempted"),
                "{query}"
            );
        }
    }
    let (status, _) = app.get("/api/v1/reports/summary.json?bom=1").await;
    assert_eq!(status, 422);
    app.finish().await;
}

#[actix_web::test]
async fn a_summary_of_too_many_campaigns_is_refused_before_it_takes_memory() {
    let app = start_app().await;
    let yesterday = (app.now().timestamp_millis() / 86_400_000 - 1) * 86_400_000;
    app.database
        .execute(&format!(
            "INSERT INTO message_sums (width, start, account, kind, origin, state, code, class, campaign, messages) \
             WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 200001) \
             SELECT 86400000, {yesterday}, 'sobot-main', 'image', 'api', 'read', '', '', 'c' || number, 1 FROM numbers"
        ))
        .await;
    let (status, problem) = app.get("/api/v1/reports/summary.json?by=none").await;
    assert_eq!(status, 422, "{problem}");
    let error = &problem["errors"][0];
    assert_eq!(error["field"], "from", "{problem}");
    assert!(error.to_string().contains("200,000 sums"), "{problem}");
    app.database
        .execute("DELETE FROM message_sums WHERE campaign LIKE 'c%'")
        .await;
    app.finish().await;
}

#[actix_web::test]
async fn the_command_line_writes_the_same_summary() {
    let app = start_app().await;
    fill(&app).await;
    for format in ["csv", "json", "xlsx"] {
        let output = app.database.folder().join(format!("summary.{format}"));
        let words = [
            "bluetick",
            "report",
            "--format",
            format,
            "--from",
            "2026-11-14",
            "--by",
            "account",
            "--output",
        ];
        let words = words.into_iter().chain([output.to_str().unwrap()]);
        let Command::Report(arguments) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("another command");
        };
        let context = ReportContext {
            config: &app.services.config,
            costs: &app.services.costs,
            now: app.now(),
        };
        run(*arguments, &context).await.unwrap();
        let written = std::fs::read(&output).unwrap();
        let served = bytes(
            &app,
            &format!("/api/v1/reports/summary.{format}?from=2026-11-14&by=account"),
        )
        .await;
        match format {
            "csv" => assert_eq!(written, served),
            "json" => assert_eq!(
                serde_json::from_slice::<Value>(&written).unwrap(),
                serde_json::from_slice::<Value>(&served).unwrap()
            ),
            _ => {
                let sheet = "xl/worksheets/sheet1.xml";
                let expected = read_zip_entry(&served, sheet);
                assert_eq!(read_zip_entry(&written, sheet), expected);
                assert!(expected.contains(">Total<"));
            }
        }
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_workbook_has_texts_dates_a_frozen_header_and_a_sheet_about_it() {
    let app = start_app_configured(|_, config| {
        config.report_time_zone = chrono_tz::Asia::Kolkata;
    })
    .await;
    fill(&app).await;
    let query = "tz=Asia/Kolkata&account=sobot-main&state=read&created_after=2026-11-20T00:00:00Z";
    assert_eq!(
        app.exported(query).await.len(),
        0,
        "the message of the 20th is only sent"
    );
    let query = query.replace("2026-11-20", "2026-11-18");
    let workbook = bytes(&app, &format!("/api/v1/reports/messages.xlsx?{query}")).await;
    let row = &app.exported(&query).await[0];
    let sheet = read_zip_entry(&workbook, "xl/worksheets/sheet1.xml");
    assert!(
        sheet.contains(
            "<pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>"
        ),
        "{sheet}"
    );
    for text in [
        row["id"].as_str(),
        "+919970012345",
        "+919000000002",
        "Zoë Müller",
    ] {
        assert!(
            sheet.contains(&format!("t=\"inlineStr\"><is><t>{text}</t>")),
            "{text} in {sheet}"
        );
    }
    // 13:30 in Kolkata, on the 46,344th day of Excel.
    assert!(sheet.contains("<v>46344.5625</v>"), "{sheet}");
    assert_eq!(sheet.matches("<row ").count(), 2);
    let about = read_zip_entry(&workbook, "xl/worksheets/sheet2.xml");
    for text in [
        "as_of",
        "Asia/Kolkata",
        "filter account",
        "sobot-main",
        "filter state",
        "read",
    ] {
        assert!(about.contains(&format!(">{text}<")), "{text} in {about}");
    }
    let leftover_files: Vec<_> = std::fs::read_dir(app.database.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("tmp"))
        .collect();
    assert!(leftover_files.is_empty(), "{leftover_files:?}");
    app.finish().await;
}

#[actix_web::test]
async fn the_form_leads_to_a_file_for_excel() {
    let app = start_app().await;
    let shown = page(&app, "/reports?state=failed").await;
    assert_eq!(
        texts(&shown, "select[name=state] option[selected]"),
        ["Failed"]
    );
    let buttons = texts(&shown, "form[action='/messages/export'] button");
    assert_eq!(buttons, ["Download XLSX", "CSV for Excel", "NDJSON"]);
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    for (format, end) in [
        ("csv", ".csv?state=failed&bom=1&tz=Asia%2FKolkata"),
        ("xlsx", ".xlsx?state=failed&tz=Asia%2FKolkata"),
        ("ndjson", ".ndjson?state=failed&tz=Asia%2FKolkata"),
    ] {
        let path = format!("/messages/export?state=failed&tz=Asia/Kolkata&format={format}");
        let request = client.get(app.url(&path));
        let reply = request
            .bearer_auth(app.token(bluetick::domain::scope::Scope::Read))
            .send()
            .await
            .unwrap();
        let location = reply.headers()["location"].to_str().unwrap();
        assert!(location.ends_with(end), "{location}");
        assert!(
            app.request("GET", location)
                .send()
                .await
                .unwrap()
                .status()
                .is_success()
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn the_page_shows_the_costs_of_the_month() {
    let app = start_app_configured(|_, config| {
        config.monthly_budget = Some(bluetick::domain::budget::Budget::parse("2 INR").unwrap());
    })
    .await;
    let price = |price: &str, category: &str| Pricing {
        price: Some(price.to_owned()),
        currency: Some("INR".to_owned()),
        category: Some(category.to_owned()),
        ..Pricing::default()
    };
    app.deliver_one(
        SOBOT,
        "+919970012345",
        "2026-11-05T10:00:00Z",
        price("1.25", "marketing"),
    )
    .await;
    app.deliver_one(
        SOBOT,
        "+919970012345",
        "2026-11-06T10:00:00Z",
        price("0.5", "utility"),
    )
    .await;
    app.deliver_one(
        KALEYRA,
        "+919970012345",
        "2026-11-06T10:00:00Z",
        Pricing::default(),
    )
    .await;
    app.deliver_one(
        KALEYRA,
        "+919970012345",
        "2026-11-07T10:00:00Z",
        Pricing {
            price: Some("3".to_owned()),
            currency: Some("USD".to_owned()),
            ..Pricing::default()
        },
    )
    .await;
    app.deliver_one(
        SOBOT,
        "+919970012345",
        "2026-10-06T10:00:00Z",
        price("1", "marketing"),
    )
    .await;
    let shown = page(&app, "/reports").await;
    assert_eq!(
        texts(&shown, "#money"),
        ["INR 1.75 · USD 3.00 in November 2026 so far"]
    );
    let rows = texts(&shown, "section[aria-labelledby=money] tbody tr");
    assert_eq!(
        rows,
        [
            "kaleyra-in 2 0 1 USD 3.00 – USD 3.00 –",
            "sobot-main 2 0 0 INR 1.75 +75 % INR 1.00 INR 0.8750 –",
            "marketing 1 0 0 INR 1.25 +25 % INR 1.00",
            "utility 1 0 0 INR 0.5000 –",
        ]
    );
    let budget = texts(&shown, ".budget");
    assert_eq!(
        budget,
        ["87 % of the budget of all accounts: INR 1.75 of INR 2.00"]
    );
    let note = texts(&shown, "section[aria-labelledby=money] p").join(" ");
    assert!(note.contains("1 delivery has no price"), "{note}");
    check_period_presets(&app).await;
    app.finish().await;
}

async fn check_period_presets(app: &App) {
    let shown = page(app, "/reports").await;
    let presets = "nav[aria-label=Periods] a";
    assert_eq!(
        texts(&shown, presets),
        ["Last 7 days", "This month", "Last month"]
    );
    assert_eq!(
        texts(&shown, "nav[aria-label=Periods] [aria-current]"),
        ["Last 7 days"]
    );
    let october = page(app, "/reports?month=2026-10").await;
    assert_eq!(
        texts(&october, "h1"),
        ["100 % of 1 attempted messages delivered, October 2026"]
    );
    assert_eq!(texts(&october, "#money"), ["INR 1.00 in October 2026"]);
    assert_eq!(
        texts(&october, "nav[aria-label=Periods] [aria-current]"),
        ["Last month"]
    );
    // No #rows table: it would repeat the per-account table.
    assert_eq!(texts(&october, "#rows"), Vec::<String>::new());
    let files = Selector::parse(".files a[download]").unwrap();
    let files: Vec<_> = october.select(&files).map(|it| it.attr("href")).collect();
    assert!(files[0].unwrap().contains("from=2026-10-01&to=2026-10-31"));
    let wrong = page(app, "/reports?month=2026-13").await;
    assert_eq!(
        texts(&wrong, ".notice"),
        ["month must be a month (2026-10). The last seven days are shown instead."]
    );
}
