//! A provider's own file against our messages: `bluetick report diff`, and the page `/settlement`.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bluetick::cli::report::run;
use bluetick::cli::report_context::ReportContext;
use bluetick::cli::{Arguments, Command, ErrorWithStatus};
use bluetick::domain::correlation_tag::format_tag;
use bluetick::domain::delivery_state::Stage;
use bluetick::domain::failure::Failure;
use bluetick::domain::ids::MessageId;
use bluetick::domain::receipt::ReceiptEvent;
use bluetick::domain::scope::Scope;
use bluetick::reporting::settlement::{
    ColumnMap, CompareError, ComparisonRequest, compare, read_provider_file,
};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use reqwest::multipart::{Form, Part};
use scraper::{Html, Selector};

use crate::harness::app::{App, KALEYRA, SOBOT, start_app, start_app_configured};
use crate::harness::seeded_messages::SeededMessages;

const HEAD: &str = "WABA ID,WHATSAPP_ID,FROM,TO,MESSAGE_DIRECTION,CREATED_AT,FAILED_AT,SENT_AT,DELIVERED_AT,SEEN_AT,REF2";

fn start() -> DateTime<Utc> {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

fn stage(stage: Stage) -> ReceiptEvent {
    ReceiptEvent::Stage(stage)
}

fn failure() -> ReceiptEvent {
    ReceiptEvent::Failure(Failure {
        code: Some("131026".to_owned()),
        ..Failure::default()
    })
}

/// Messages of ours with the provider ids `id-0`, `id-1` …, a minute apart.
async fn seed(app: &App, account: &str, events: &[ReceiptEvent]) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for (number, event) in (0..).zip(events) {
        let at = start() + TimeDelta::minutes(number);
        let id = app.accept(account, &number_of(number), at).await;
        app.report(id, &format!("id-{number}"), event.clone()).await;
        ids.push(id);
    }
    ids
}

fn number_of(number: i64) -> String {
    format!("+9199700000{number:02}")
}

/// A line of Kaleyra's report; `filled` is the last time that it has.
fn line(id: &str, number: i64, filled: &str) -> String {
    let at = (start() + TimeDelta::minutes(number))
        .format("%Y-%m-%dT%H:%M:%S.000Z")
        .to_string();
    let column = |name: &str| if filled == name { at.as_str() } else { "" };
    let later = |name: &str, reached: &[&str]| {
        if filled == name || reached.contains(&filled) {
            at.as_str()
        } else {
            ""
        }
    };
    format!(
        "1,{id},918600000001,{},false,{at},{},{},{},{},",
        number_of(number).trim_start_matches('+'),
        column("failed"),
        later("sent", &["delivered", "read"]),
        later("delivered", &["read"]),
        column("read"),
    )
}

/// Exit status, message and rows of the command on a file with these lines.
async fn diff(
    app: &App,
    lines: &[String],
    options: &[&str],
) -> (u8, String, Vec<BTreeMap<String, String>>) {
    let folder = app.database.folder();
    let (file, output) = (folder.join("theirs.csv"), folder.join("differences.csv"));
    fs::write(&file, lines.join("\n")).unwrap();
    let _ = fs::remove_file(&output);
    let mut words = vec![
        "bluetick",
        "report",
        "diff",
        file.to_str().unwrap(),
        "--format",
        "csv",
    ];
    words.extend(["--output", output.to_str().unwrap()]);
    words.extend(options);
    let Command::Report(arguments) = Arguments::try_parse_from(words).unwrap().command else {
        panic!("another command");
    };
    let context = ReportContext {
        config: &app.services.config,
        costs: &app.services.costs,
        now: app.now(),
    };
    let (code, message) = match run(*arguments, &context).await {
        Ok(()) => (0, String::new()),
        Err(error) => {
            let status = error.downcast_ref::<ErrorWithStatus>().unwrap();
            (status.code, status.message.clone())
        }
    };
    let rows = fs::read(&output).map_or_else(
        |_| Vec::new(),
        |bytes| {
            csv::Reader::from_reader(&bytes[..])
                .deserialize()
                .map(Result::unwrap)
                .collect()
        },
    );
    (code, message, rows)
}

fn shown(rows: &[BTreeMap<String, String>]) -> Vec<[&str; 5]> {
    rows.iter()
        .map(|row| {
            ["difference", "their_id", "our_id", "ours", "theirs"].map(|name| row[name].as_str())
        })
        .collect()
}

/// Status and text of the reply to a submission of the page's form.
async fn submit(app: &App, lines: &[String], fields: &[(&str, &str)]) -> (u16, String) {
    let file = Part::bytes(lines.join("\n").into_bytes()).file_name("theirs.csv");
    let mut form = Form::new().part("file", file);
    for (name, value) in fields {
        form = form.text((*name).to_owned(), (*value).to_owned());
    }
    let request = app.request("POST", "/settlement").multipart(form);
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

fn texts(page: &str, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let page = Html::parse_document(page);
    let words = |element: scraper::ElementRef<'_>| {
        let text: String = element.text().collect();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    page.select(&selector).map(words).collect()
}

fn attributes(page: &str, selector: &str, name: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let page = Html::parse_document(page);
    let found = page.select(&selector);
    found
        .filter_map(|element| element.attr(name).map(str::to_owned))
        .collect()
}

#[actix_web::test]
async fn seven_seeded_differences_come_out_as_exactly_those_seven() {
    let app = start_app_configured(|_, config| {
        let file = config.data_dir.join("rates.csv");
        let rates =
            "valid_from,account,country,category,amount,currency\n2026-01-01,*,IN,*,0.5,INR\n";
        fs::write(&file, rates).unwrap();
        config.rates_file = Some(file);
    })
    .await;
    let events = [
        stage(Stage::Delivered),
        stage(Stage::Read),
        stage(Stage::Sent),
        failure(),
        stage(Stage::Delivered),
        stage(Stage::Delivered),
        stage(Stage::Delivered),
        stage(Stage::Played),
        stage(Stage::Delivered),
    ];
    let ids = seed(&app, KALEYRA, &events).await;
    // Never submitted, of another provider, of another day: none of them is missing in the file.
    app.accept(KALEYRA, &number_of(50), start()).await;
    seed_other_messages(&app).await;
    let priced = |line: String, price: &str| format!("{line},{price},INR");
    let lines = [
        format!("{HEAD},PRICE,CURRENCY"),
        priced(line("id-0", 0, "delivered"), "0.50"),
        priced(line("id-1", 1, "read"), "0.5"),
        priced(line("id-2", 2, "sent"), ""),
        priced(line("id-3", 3, "failed"), "0"),
        // 1 and 2: another state. The second costs another amount, too: 3.
        priced(line("id-4", 4, "read"), "0.5"),
        priced(line("id-5", 5, "failed"), "0"),
        // 4: another price. 5: one row twice.
        priced(line("id-6", 6, "delivered"), "0.7"),
        priced(line("id-7:0", 7, "read"), "0.5"),
        priced(line("id-7:0", 7, "read"), "0.5"),
        // 6: not ours. 7: `id-8` is missing.
        priced(line("id-99", 8, "delivered"), "0.5"),
        priced(
            "1,in:0,919970000001,918600000001,true,2026-11-20T09:00:00.000Z,,,,,".to_owned(),
            "",
        ),
    ];
    let options = [
        "--provider",
        "kaleyra",
        "--map",
        "cost=PRICE,currency=CURRENCY",
    ];
    let (code, message, rows) = diff(&app, &lines, &options).await;
    let our = |number: usize| ids[number].to_string();
    let (four, five, six, eight) = (our(4), our(5), our(6), our(8));
    assert_eq!(
        shown(&rows),
        [
            ["only_ours", "", &eight, "delivered", ""],
            ["only_theirs", "id-7:0", "", "", "repeats line 9"],
            ["only_theirs", "id-99", "", "", "delivered"],
            ["state", "id-4", &four, "delivered", "read"],
            ["state", "id-5", &five, "delivered", "failed"],
            ["cost", "id-5", &five, "0.5 INR", "0 INR"],
            ["cost", "id-6", &six, "0.5 INR", "0.7 INR"],
        ]
    );
    assert_eq!(code, 1);
    assert!(message.starts_with("7 differences ("), "{message}");
    let folder = app.database.folder();
    let printed = fs::read_to_string(folder.join("differences.csv")).unwrap();
    check_page(&app, &lines, &printed, &four).await;
    app.finish().await;
}

async fn check_page(app: &App, lines: &[String], printed: &str, of_state: &str) {
    let fields = [
        ("account", KALEYRA),
        ("map", "cost=PRICE,currency=CURRENCY"),
        ("tz", "UTC"),
        ("from", ""),
    ];
    let (status, page) = submit(app, lines, &fields).await;
    assert_eq!(status, 200, "{page}");
    assert_eq!(texts(&page, "h1"), ["7 differences in theirs.csv"]);
    assert_eq!(
        texts(&page, "section[aria-labelledby] > h2")[..4],
        [
            "Only ours 1",
            "Only theirs 2",
            "Different state 2",
            "Different cost 2"
        ]
    );
    let state = texts(&page, "section[aria-labelledby=state] tbody tr td");
    assert_eq!(state[0], "+919970000004");
    assert_eq!(state[1..3], ["delivered", "read"]);
    let hrefs = attributes(&page, "section[aria-labelledby=state] td a", "href");
    assert_eq!(hrefs[0], format!("/messages/{of_state}"));
    let marked = format!("\u{feff}{printed}");
    let download = attributes(&page, "a[download='differences.csv']", "href");
    let (_, encoded) = download[0].split_once("base64,").unwrap();
    assert_eq!(STANDARD.decode(encoded).unwrap(), marked.as_bytes());
    let as_csv = [&fields[..], &[("format", "csv")]].concat();
    assert_eq!(submit(app, lines, &as_csv).await, (200, marked));
}

async fn seed_other_messages(app: &App) {
    let sobot = app.accept(SOBOT, &number_of(51), start()).await;
    app.report(sobot, "sobot-id", stage(Stage::Sent)).await;
    let earlier = app
        .accept(KALEYRA, &number_of(52), start() - TimeDelta::days(1))
        .await;
    app.report(earlier, "earlier-id", stage(Stage::Sent)).await;
}

#[actix_web::test]
async fn without_differences_the_status_is_0() {
    let app = start_app().await;
    seed(&app, KALEYRA, &[stage(Stage::Delivered), failure()]).await;
    let lines = [
        HEAD.to_owned(),
        line("id-0", 0, "delivered"),
        line("id-1", 1, "failed"),
    ];
    let (code, message, rows) = diff(&app, &lines, &["--provider", "kaleyra"]).await;
    assert_eq!((code, message.as_str(), rows.len()), (0, "", 0));
    let (status, page) = submit(&app, &lines, &[("account", KALEYRA)]).await;
    assert_eq!(status, 200);
    assert_eq!(texts(&page, "h1"), ["No differences in theirs.csv"]);
    check_message_limit(&app, &lines.join("\n")).await;
    app.finish().await;
}

async fn check_message_limit(app: &App, text: &str) {
    let provider = bluetick::domain::provider::ProviderId::Kaleyra;
    let columns = ColumnMap::new(provider, &[]).unwrap();
    let file = read_provider_file(text.as_bytes(), &columns, chrono_tz::Tz::UTC, 2).unwrap();
    let request = |limit| ComparisonRequest {
        provider,
        account: None,
        from: start(),
        to: start() + TimeDelta::days(1),
        message_limit: Some(limit),
    };
    let costs = &app.services.costs;
    assert_eq!(compare(costs, &file, &request(2)).await.unwrap().matched, 2);
    let error = compare(costs, &file, &request(1)).await.unwrap_err();
    assert!(matches!(error, CompareError::TooManyMessages(1)), "{error}");
}

#[actix_web::test]
async fn rows_with_ids_that_we_never_saw_are_matched_by_tag_or_by_recipient_and_time() {
    let app = start_app().await;
    let ids = seed(
        &app,
        KALEYRA,
        &[stage(Stage::Delivered), stage(Stage::Read)],
    )
    .await;
    let tagged = format!(
        "{}order 7 {}",
        line("other-0", 40, "delivered"),
        format_tag(ids[0])
    );
    let lines = [HEAD.to_owned(), tagged];
    let to = ["--provider", "kaleyra", "--to", "2026-11-20T09:00:30Z"];
    let (code, message, _) = diff(&app, &lines, &to).await;
    assert_eq!(code, 0, "{message}");
    // Without a tag: the recipient and the nearest time.
    let lines = [
        HEAD.to_owned(),
        line("other-0", 0, "delivered"),
        line("other-1", 1, "sent"),
    ];
    let (_, _, rows) = diff(&app, &lines, &["--provider", "kaleyra"]).await;
    assert_eq!(
        shown(&rows),
        [["state", "other-1", &ids[1].to_string(), "read", "sent"]]
    );
    app.finish().await;
}

#[actix_web::test]
async fn columns_of_other_providers_are_named_by_hand() {
    let app = start_app().await;
    let ids = seed(
        &app,
        SOBOT,
        &[stage(Stage::Delivered), stage(Stage::Delivered)],
    )
    .await;
    let lines = [
        "Msg,State,When",
        "id-0,DELIVERED,2026-11-20 09:00:00",
        "id-1,undelivered,2026-11-20 09:01:00",
    ];
    let lines = lines.map(str::to_owned);
    let map = [
        "--provider",
        "sobot",
        "--map",
        "id=Msg",
        "--map",
        "status=State,time=When",
    ];
    let (code, _, rows) = diff(&app, &lines, &map).await;
    assert_eq!(
        shown(&rows),
        [[
            "state",
            "id-1",
            &ids[1].to_string(),
            "delivered",
            "undelivered"
        ]]
    );
    assert_eq!(code, 1);
    app.finish().await;
}

#[actix_web::test]
async fn a_file_that_cannot_be_read_ends_with_2_and_says_why() {
    let app = start_app().await;
    let text = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    for (lines, options, reason) in [
        (
            text(&["WHATSAPP_ID,CREATED_AT"]),
            vec!["--provider", "kaleyra"],
            "lacks the column `TO` (to)",
        ),
        (
            text(&["A,B", "1,2"]),
            vec!["--provider", "sobot"],
            "no columns are known for sobot",
        ),
        (
            text(&["A,B", "1,2"]),
            vec!["--provider", "telegram"],
            "--provider `telegram` is not",
        ),
        (
            text(&["A,B", "1,2"]),
            vec!["--provider", "sobot", "--map", "id=A"],
            "has no times",
        ),
        (
            text(&["A,B", "1,2"]),
            vec!["--provider", "sobot", "--map", "id=A,status=C"],
            "lacks the column `C` (status)",
        ),
    ] {
        let (code, message, _) = diff(&app, &lines, &options).await;
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(reason), "{message}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn the_page_names_what_is_wrong_beside_the_field_and_keeps_the_others() {
    let app = start_app().await;
    let lines = |head: &str| [head.to_owned(), "1,2".to_owned()];
    for (lines, fields, place, reason) in [
        (
            lines("WHATSAPP_ID,CREATED_AT"),
            vec![("account", KALEYRA)],
            "file",
            "lacks the column `TO` (to); it has WHATSAPP_ID, CREATED_AT",
        ),
        (
            lines("A,B"),
            vec![("account", SOBOT)],
            "map",
            "no columns are known for sobot; name them, at least id=COLUMN or to=COLUMN",
        ),
        (
            lines("A,B"),
            vec![("account", SOBOT), ("map", "identity=A")],
            "map",
            "`identity=A` is not FIELD=COLUMN",
        ),
        (
            lines("A,B"),
            vec![("account", SOBOT), ("map", "id=A")],
            "file",
            "has no times; give the days that it covers",
        ),
        (
            lines("A,B"),
            vec![
                ("account", SOBOT),
                ("map", "id=A"),
                ("from", "2026-11-20"),
                ("to", "2026-11-19"),
            ],
            "to",
            "is before the first day",
        ),
        (
            lines("A,B"),
            vec![("account", "other")],
            "account",
            "is missing",
        ),
        (
            lines("A,B"),
            vec![("account", SOBOT), ("map", "id=A"), ("tz", "Asia/Calcuta")],
            "tz",
            "",
        ),
    ] {
        let (status, page) = submit(&app, &lines, &fields).await;
        assert_eq!(status, 422, "{reason}");
        let shown = texts(&page, &format!("#error-{place}")).concat();
        assert!(shown.starts_with(reason) && !shown.is_empty(), "{shown}");
        let file = texts(&page, "#error-file").concat();
        assert!(
            file.contains("Choose the file again: the browser did not keep"),
            "{file}"
        );
        for (name, value) in fields[1..].iter().filter(|(name, _)| *name != "tz") {
            let kept = attributes(&page, &format!("input[name={name}]"), "value");
            assert_eq!(kept, [*value]);
        }
    }
    let (_, page) = submit(&app, &lines("NUMBER,Date"), &[("account", KALEYRA)]).await;
    let columns = texts(&page, "main .notice").concat();
    for words in ["NUMBER", "Date", "It needs WHATSAPP_ID, TO, CREATED_AT"] {
        assert!(columns.contains(words), "{words}: {columns}");
    }
    check_form_access(&app).await;
    app.finish().await;
}

async fn check_form_access(app: &App) {
    for (scope, forms) in [(Scope::Operate, 1), (Scope::Read, 0)] {
        let request = app.request_as(scope, "GET", "/reports");
        let page = request.send().await.unwrap().text().await.unwrap();
        assert_eq!(texts(&page, "form[action='/settlement']").len(), forms);
    }
}
