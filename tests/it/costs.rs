//! What messages cost: one month against a sum made by hand, and the same numbers everywhere.

use std::collections::BTreeMap;
use std::fs;

use bluetick::domain::budget::Budget;
use bluetick::domain::delivery_state::Stage;
use bluetick::domain::receipt::{Pricing, Receipt, ReceiptEvent, SourceKind};
use bluetick::reporting::costs::{RatesFile, month_costs};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::harness::app::{App, KALEYRA, SOBOT, noon, start_app_configured};
use crate::harness::seeded_messages::SeededMessages;

const RATES: &str = "\
valid_from,account,country,category,amount,currency
2026-01-01,*,IN,marketing,0.7846,INR
2026-11-16,*,IN,marketing,0.8631,INR
2026-01-01,*,GB,marketing,0.0529,USD
2026-01-01,*,BR,marketing,0.0625,USD
2026-01-01,sobot-main,BR,*,1.5,BRL
";

const INDIA: &str = "+919970012345";
const BRITAIN: &str = "+447700900123";
const BRAZIL: &str = "+5511987654321";
const FRANCE: &str = "+33612345678";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn marketing() -> Pricing {
    Pricing {
        billable: Some(true),
        category: Some("marketing".to_owned()),
        kind: Some("regular".to_owned()),
        ..Pricing::default()
    }
}

/// With the rates in a file, days in Kolkata, and 1,000 free messages a month for one account.
async fn start(free: u32, budget: Option<&str>) -> App {
    start_app_configured(|_, config| {
        let file = config.data_dir.join("rates.csv");
        fs::write(&file, RATES).unwrap();
        config.rates_file = Some(file);
        config.report_time_zone = chrono_tz::Asia::Kolkata;
        config.monthly_budget = budget.map(|text| Budget::parse(text).unwrap());
        let kaleyra = config
            .accounts
            .iter_mut()
            .find(|account| account.id.as_str() == KALEYRA);
        kaleyra.unwrap().free_deliveries_per_month = free;
    })
    .await
}

/// Ten-thousandths, so that the sum by hand is made of whole numbers.
fn units(amount: &str) -> i64 {
    let (whole, decimals) = amount.split_once('.').unwrap_or((amount, ""));
    assert!(decimals.len() <= 4, "{amount}");
    whole.parse::<i64>().unwrap() * 10_000 + format!("{decimals:0<4}").parse::<i64>().unwrap()
}

fn amounts(cost: &Value) -> BTreeMap<String, i64> {
    let amounts = cost["amounts"].as_array().unwrap().iter();
    amounts
        .map(|amount| {
            let currency = amount["currency"].as_str().unwrap().to_owned();
            (currency, units(amount["amount"].as_str().unwrap()))
        })
        .collect()
}

#[actix_web::test]
async fn a_month_with_three_countries_a_rate_change_and_1000_free_equals_the_sum_by_hand() {
    let app = start(1_000, None).await;
    // 103 messages on each of 13 days, within a quarter hour: the free ones end in the middle of one.
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    let mut sent = 0;
    for day in 7..20 {
        let start = at(&format!("2026-11-{day:02}T06:30:00Z"));
        let mut delivered = Vec::new();
        for number in 0..103 {
            let (to, before, after, currency) = match number % 10 {
                0..6 => (INDIA, 7_846, 8_631, "INR"),
                6..9 => (BRITAIN, 529, 529, "USD"),
                _ => (BRAZIL, 625, 625, "USD"),
            };
            let id = app
                .accept(KALEYRA, to, start + TimeDelta::seconds(number * 8))
                .await;
            delivered.push((id, marketing()));
            sent += 1;
            if sent > 1_000 {
                let rate = if day < 16 { before } else { after };
                *expected.entry(currency.to_owned()).or_default() += rate;
            }
        }
        app.deliver(&delivered).await;
    }
    app.advance(TimeDelta::hours(1));
    let costs = app.get_ok("/api/v1/reports/costs.json").await;
    assert_eq!(costs["month"], "2026-11");
    assert_eq!(amounts(&costs["total"]), expected, "{costs}");
    assert_eq!(costs["total"]["deliveries"], 1339);
    assert_eq!(
        (&costs["total"]["free"], &costs["total"]["unknown"]),
        (&1000.into(), &0.into())
    );
    assert_eq!(costs["total"]["estimated"], true);

    // The summary, by day or by month, and the export give the same.
    for interval in ["day", "week", "month"] {
        let query = format!("from=2026-11-01&interval={interval}");
        let summary = app
            .get_ok(&format!("/api/v1/reports/summary.json?{query}"))
            .await;
        assert_eq!(amounts(&summary["total"]["cost"]), expected, "{interval}");
        let mut rows: BTreeMap<String, i64> = BTreeMap::new();
        for row in summary["data"].as_array().unwrap() {
            for (currency, amount) in amounts(&row["cost"]) {
                *rows.entry(currency).or_default() += amount;
            }
        }
        assert_eq!(rows, expected, "{interval}");
    }
    let mut exported: BTreeMap<String, i64> = BTreeMap::new();
    let mut bases: BTreeMap<String, i64> = BTreeMap::new();
    for row in app.exported("").await {
        *bases.entry(row["cost_basis"].clone()).or_default() += 1;
        if row["cost_basis"] == "estimated" {
            let sum = exported.entry(row["cost_currency"].clone()).or_default();
            *sum += units(&row["cost"]);
        }
        assert_eq!(row["pricing_type"], "regular");
    }
    assert_eq!(exported, expected);
    assert_eq!(
        bases,
        BTreeMap::from([("estimated".to_owned(), 339), ("free".to_owned(), 1000)])
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_cost_says_how_it_is_known() {
    let app = start(0, None).await;
    let created = "2026-11-20T10:00:00Z";
    let priced = |price: &str, currency: Option<&str>| Pricing {
        price: Some(price.to_owned()),
        currency: currency.map(str::to_owned),
        ..marketing()
    };
    let free_type = Pricing {
        kind: Some("free_customer_service".to_owned()),
        ..marketing()
    };
    let not_billable = Pricing {
        billable: Some(false),
        ..priced("0.9", Some("INR"))
    };
    let rows = [
        (SOBOT, INDIA, marketing(), ("estimated", "0.8631", "INR")),
        (
            SOBOT,
            BRAZIL,
            Pricing::default(),
            ("estimated", "1.5", "BRL"),
        ),
        (KALEYRA, BRAZIL, Pricing::default(), ("unknown", "", "")),
        (KALEYRA, FRANCE, marketing(), ("unknown", "", "")),
        (
            KALEYRA,
            INDIA,
            priced("0.50", Some("inr")),
            ("reported", "0.5", "INR"),
        ),
        (KALEYRA, INDIA, priced("0.7", None), ("reported", "0.7", "")),
        (
            KALEYRA,
            INDIA,
            priced("soon", Some("INR")),
            ("estimated", "0.8631", "INR"),
        ),
        (KALEYRA, INDIA, free_type, ("free", "0", "")),
        (KALEYRA, INDIA, not_billable, ("free", "0", "")),
    ];
    for (account, to, pricing, (basis, amount, currency)) in rows {
        let id = app.deliver_one(account, to, created, pricing).await;
        let shown = app.message(&id.to_string()).await;
        let text = |name: &str| shown["cost"][name].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (text("basis"), text("amount"), text("currency")),
            (basis.to_owned(), amount.to_owned(), currency.to_owned()),
            "{shown}"
        );
        let row = &app.exported(&format!("q={id}")).await[0];
        assert_eq!(
            (
                row["cost_basis"].as_str(),
                row["cost"].as_str(),
                row["cost_currency"].as_str()
            ),
            (basis, amount, currency)
        );
    }
    let waiting = app.accept(KALEYRA, INDIA, at(created)).await;
    let shown = app.message(&waiting.to_string()).await;
    assert_eq!(shown["cost"]["basis"], "none");
    assert!(shown["cost"].get("amount").is_none());
    let listed = app
        .get_ok("/api/v1/messages?account=sobot-main&state=delivered")
        .await;
    let bases = listed["data"].as_array().unwrap().iter();
    assert!(
        bases
            .map(|message| &message["cost"]["basis"])
            .all(|basis| basis == "estimated")
    );
    let costs = app.get_ok("/api/v1/reports/costs.json").await;
    assert_eq!(
        (&costs["total"]["free"], &costs["total"]["unknown"]),
        (&2.into(), &2.into())
    );
    app.finish().await;
}

#[actix_web::test]
async fn a_message_to_a_group_costs_once_per_participant_that_it_reached() {
    let app = start(0, None).await;
    let id = app
        .deliver_one(KALEYRA, INDIA, "2026-11-20T10:00:00Z", marketing())
        .await;
    let store = &app.services.store;
    let mut ledger = store.ledger(app.now()).await.unwrap();
    ledger.load(&[id]).await.unwrap();
    let participants = [
        "919970000001",
        "919970000002",
        "919970000002",
        "5511987654321",
        "551187654321",
    ];
    for (part, participant) in (1..).zip(participants) {
        let receipt = Receipt {
            recipient: Some(participant.to_owned()),
            part,
            ..Receipt::ours(
                SourceKind::Callback,
                Uuid::from_u128(7),
                ReceiptEvent::Stage(Stage::Delivered),
                app.now(),
            )
        };
        ledger.add(id, receipt).unwrap();
    }
    store.commit(ledger).await.unwrap();
    let shown = app.message(&id.to_string()).await;
    assert_eq!(shown["cost"]["amount"], "2.5893", "three times 0.8631");
    app.finish().await;
}

#[actix_web::test]
async fn rates_begin_at_midnight_of_the_report_zone() {
    let app = start(0, None).await;
    for (created, amount) in [
        ("2026-11-15T18:29:59Z", "0.7846"),
        ("2026-11-15T18:30:00Z", "0.8631"),
    ] {
        let id = app.deliver_one(SOBOT, INDIA, created, marketing()).await;
        assert_eq!(
            app.message(&id.to_string()).await["cost"]["amount"],
            amount,
            "{created}"
        );
    }
    let costs = app.get_ok("/api/v1/reports/costs.json").await;
    assert_eq!(costs["total"]["amounts"][0]["amount"], "1.6477");
    app.finish().await;
}

#[actix_web::test]
async fn a_changed_file_of_rates_prices_history_again_and_a_broken_one_changes_nothing() {
    let app = start(0, None).await;
    let id = app
        .deliver_one(SOBOT, INDIA, "2026-11-10T10:00:00Z", marketing())
        .await;
    let file = app.services.config.rates_file.clone().unwrap();
    let amount = async || app.message(&id.to_string()).await["cost"]["amount"].clone();
    assert_eq!(amount().await, "0.7846");
    fs::write(&file, RATES.replace("0.7846", "12.25")).unwrap();
    assert_eq!(amount().await, "12.25");
    fs::write(&file, "valid_from,account\n2026-01-01,*\n").unwrap();
    assert_eq!(amount().await, "12.25");
    let problem = app.services.costs.rates_file.problem().unwrap();
    assert!(problem.starts_with("lacks the column country"), "{problem}");
    let error = RatesFile::open(Some(file)).unwrap_err().to_string();
    assert!(error.starts_with("rates_file: "), "{error}");
    app.finish().await;
}

#[actix_web::test]
async fn the_month_before_is_cut_where_the_summary_cuts_it() {
    let app = start(0, None).await;
    let priced = Pricing {
        price: Some("1".to_owned()),
        currency: Some("INR".to_owned()),
        ..marketing()
    };
    // February has no 31st: its last day up to the same hour.
    for created in ["2026-02-28T09:00:00Z", "2026-02-28T15:00:00Z"] {
        app.deliver_one(KALEYRA, INDIA, created, priced.clone())
            .await;
    }
    let now = at("2026-03-31T12:00:00Z");
    let month = month_costs::compute(&app.services.costs, &app.services.config, now, now)
        .await
        .unwrap();
    assert_eq!(month.previous_total().deliveries, 1);
    app.finish().await;
}

#[actix_web::test]
async fn the_month_is_compared_with_the_same_part_of_the_month_before() {
    let app = start(0, None).await;
    for created in [
        "2026-10-05T10:00:00Z",
        "2026-10-19T10:00:00Z",
        "2026-10-25T10:00:00Z",
        "2026-11-05T10:00:00Z",
    ] {
        app.deliver_one(SOBOT, BRAZIL, created, marketing()).await;
    }
    // It is the 20th: the 25th of October does not count.
    let costs = app.get_ok("/api/v1/reports/costs.json").await;
    assert_eq!(costs["total"]["amounts"][0]["amount"], "1.5");
    assert_eq!(costs["previous_total"]["amounts"][0]["amount"], "3");
    let group = &costs["data"][0];
    assert_eq!(
        (&group["account"], &group["category"]),
        (&SOBOT.into(), &"marketing".into())
    );
    assert_eq!(group["previous"]["amounts"][0]["amount"], "3");
    app.finish().await;
}

#[actix_web::test]
async fn a_budget_raises_an_alarm_at_80_and_at_100_percent() {
    let app = start(0, Some("6 BRL")).await;
    let refresh = async || {
        let services = &app.services;
        let (costs, config) = (&services.costs, &services.config);
        services
            .month_costs
            .refresh(costs, config, app.now())
            .await
            .unwrap();
        app.alarms().await
    };
    for _ in 0..3 {
        app.deliver_one(SOBOT, BRAZIL, "2026-11-05T10:00:00Z", marketing())
            .await;
    }
    assert_eq!(refresh().await, Vec::<Value>::new(), "75 percent");
    app.deliver_one(SOBOT, BRAZIL, "2026-11-06T10:00:00Z", marketing())
        .await;
    let alarms = refresh().await;
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!(alarms[0]["alarm"], "budget");
    assert!(
        alarms[0]["message"].as_str().unwrap().contains("used up"),
        "{alarms:?}"
    );
    let costs = app.get_ok("/api/v1/reports/costs.json").await;
    assert_eq!(costs["budgets"][0]["percent"], 100);
    app.finish().await;
}

#[actix_web::test]
async fn free_messages_are_taken_from_counts_where_the_messages_were_purged() {
    let app = start(2, None).await;
    for created in [
        "2026-11-05T10:00:00Z",
        "2026-11-05T10:01:00Z",
        "2026-11-05T10:02:00Z",
    ] {
        app.deliver_one(KALEYRA, INDIA, created, marketing()).await;
    }
    app.database.execute("DELETE FROM messages").await;
    let month = month_costs::compute(&app.services.costs, &app.services.config, noon(), noon())
        .await
        .unwrap();
    let total = month.total();
    assert_eq!((total.deliveries, total.free), (3, 2));
    assert_eq!(total.totals.to_string(), "INR 0.7846");
    app.stop().await;
}

/// What costs and counts show: the month, each message, the summary, the counts of states.
async fn shown_costs(app: &App) -> Vec<String> {
    let mut shown = Vec::new();
    for path in [
        "/api/v1/reports/costs.json",
        "/api/v1/reports/summary.json?interval=month&from=2026-11-01&to=2026-11-30",
        "/api/v1/stats?bucket=day&from=2026-11-01T00:00:00Z&to=2026-11-30T00:00:00Z",
    ] {
        let mut found = app.get_ok(path).await;
        found.as_object_mut().unwrap().remove("as_of");
        shown.push(format!("{path}: {found}"));
    }
    for row in app.exported("").await {
        let cost = ["id", "state", "cost", "cost_currency", "cost_basis"];
        shown.push(format!("{:?}", cost.map(|column| row[column].clone())));
    }
    shown
}

#[actix_web::test]
async fn an_erasure_changes_no_cost_and_no_count() {
    let app = start(1, None).await;
    let (number, user_id) = (BRITAIN.trim_start_matches('+'), "GB.13491208655302741918");
    for (account, to) in [
        (KALEYRA, BRITAIN),
        (SOBOT, BRITAIN),
        (KALEYRA, BRAZIL),
        (SOBOT, BRAZIL),
        (SOBOT, FRANCE),
    ] {
        app.deliver_one(account, to, "2026-11-18T10:00:00Z", marketing())
            .await;
    }
    // Groups: that of the customer, and one in which the customer is.
    let participants = [
        &[number, "919970000001", "919970000002"][..],
        &["919970000001", number, user_id, "IN.1", "919970000002"],
        &[number, "5511987654321", "551187654321"],
        &[user_id, "IN.1", "IN.2"],
    ];
    let mut groups = Vec::new();
    for (source, participants) in (7..).zip(participants) {
        for to in [BRITAIN, INDIA] {
            let created = "2026-11-19T10:00:00Z";
            let id = app.deliver_one(SOBOT, to, created, marketing()).await;
            let store = &app.services.store;
            let mut ledger = store.ledger(app.now()).await.unwrap();
            ledger.load(&[id]).await.unwrap();
            for (part, participant) in (1..).zip(participants) {
                let of_group = if to == INDIA { 100 } else { 0 };
                let receipt = Receipt {
                    recipient: Some((*participant).to_owned()),
                    part,
                    ..Receipt::ours(
                        SourceKind::Callback,
                        Uuid::from_u128(source + of_group),
                        ReceiptEvent::Stage(Stage::Delivered),
                        app.now(),
                    )
                };
                ledger.add(id, receipt).unwrap();
            }
            store.commit(ledger).await.unwrap();
            groups.push(id);
        }
    }
    let before = shown_costs(&app).await;
    for id in [BRITAIN, user_id, "+919970000001", BRAZIL] {
        let body = serde_json::json!({ "phone": id });
        let (status, erased) = app.post_json("/api/v1/people/erase", &body).await;
        assert_eq!(status, 200, "{erased}");
        assert_eq!(erased["remaining_files"], serde_json::json!([]), "{id}");
        assert_eq!(shown_costs(&app).await, before, "after erasing {id}");
    }
    let store = &app.services.store;
    let snapshot = store.snapshot().await.unwrap();
    let (_, _, found) = snapshot.check_messages(None).await.unwrap().unwrap();
    snapshot.close().await.unwrap();
    assert_eq!(found, Vec::<String>::new());
    app.finish().await;
}
