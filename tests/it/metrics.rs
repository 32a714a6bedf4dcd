//! `/metrics`: its counters, who may read it, and that outsiders cannot add series.

use std::net::TcpListener;
use std::sync::Arc;

use bluetick::domain::delivery_state::DeliveryState;
use bluetick::domain::scope::Scope;
use bluetick::reporting::alarms::AlarmKind;
use bluetick::web::connections::Connections;
use bluetick::web::server::{self, ServerSettings};
use reqwest::StatusCode;

use crate::harness::app::{App, KALEYRA, SOBOT, ZIXFLOW, start_app};

async fn metrics(app: &App) -> String {
    let reply = app.client.get(app.url("/metrics")).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let kind = reply.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    reply.text().await.unwrap()
}

#[actix_web::test]
async fn prometheus_gets_open_metrics_and_other_readers_families_named_like_their_series() {
    let app = start_app().await;
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
    let reply = app.client.get(app.url("/metrics"));
    let reply = reply.header("Accept", prometheus).send().await.unwrap();
    let kind = reply.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let open_metrics = reply.text().await.unwrap();
    assert!(open_metrics.contains("# TYPE bluetick_callbacks counter\n"));
    assert!(open_metrics.ends_with("# EOF\n"));
    let text = metrics(&app).await;
    assert!(text.contains("# TYPE bluetick_callbacks_total counter\n"));
    assert!(text.contains("# HELP bluetick_callbacks_total Requests"));
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"));
    let series = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        // Times differ from one request to the next.
        let names = lines.filter_map(|line| line.rsplit_once(' '));
        let mut names: Vec<String> = names.map(|(name, _)| name.to_owned()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(series(&text), series(&open_metrics));
    app.finish().await;
}

/// The text after the name of a series.
#[track_caller]
fn shown<'t>(text: &'t str, series: &str) -> &'t str {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

/// The value of a counter.
#[track_caller]
fn value(text: &str, series: &str) -> u64 {
    shown(text, series).trim_end_matches(".0").parse().unwrap()
}

#[track_caller]
fn is_positive(text: &str, series: &str) -> bool {
    shown(text, series).parse::<f64>().unwrap() > 0.0
}

#[actix_web::test]
async fn metrics_count_callbacks_batches_attempts_messages_and_refusals() {
    let app = start_app().await;
    app.send_image(SOBOT).await;
    app.send_image(KALEYRA).await;
    app.run_jobs_until_idle().await;
    app.deliver_simulated().await;
    let status = |url: String| {
        let client = app.client.clone();
        async move { client.post(url).send().await.unwrap().status() }
    };
    let address = app.callback_url(SOBOT);
    let wrong = format!("{address}x");
    assert_eq!(status(wrong).await, StatusCode::NOT_FOUND);
    let unknown = app.url("/callbacks/unknown-account/token");
    assert_eq!(status(unknown).await, StatusCode::NOT_FOUND);
    let probe = app.client.get(&address).send().await.unwrap();
    assert_eq!(probe.status(), 200);
    let large = vec![b'x'; 3 * 1024 * 1024 + 1];
    let large = app.client.post(&address).body(large).send().await.unwrap();
    assert_eq!(large.status(), 413);
    app.deliver_callback(SOBOT, &serde_json::json!({"unknown": "field"}))
        .await;

    let text = metrics(&app).await;
    let responses = |account: &str, class: &str| {
        let series =
            format!("bluetick_callback_responses_total{{account=\"{account}\",class=\"{class}\"}}");
        value(&text, &series)
    };
    let kept = value(&text, "bluetick_callbacks_total{result=\"kept\"}");
    assert!(kept >= 3, "{kept}");
    assert_eq!(
        responses(SOBOT, "2xx") + responses(KALEYRA, "2xx"),
        kept + 1
    );
    assert_eq!(responses(SOBOT, "4xx"), 1);
    assert_eq!(responses(ZIXFLOW, "2xx"), 0);
    assert_eq!(responses("", "4xx"), 2);
    for (series, expected) in [
        ("callback_refusals_total{status=\"404\"}", 2),
        ("callback_refusals_total{status=\"413\"}", 1),
        ("callbacks_total{result=\"probe\"}", 1),
        ("callback_response_seconds_count", kept),
        ("reconcile_backlog_rows", 1),
        ("spool_in_use", 0),
        ("spool_records", 0),
        ("databases_up", 1),
        ("problems{kind=\"quarantine\"}", 0),
        (
            "attempts_total{account=\"sobot-main\",outcome=\"accepted\"}",
            1,
        ),
        (
            "messages_last_day{account=\"sobot-main\",origin=\"api\",state=\"read\"}",
            1,
        ),
    ] {
        assert_eq!(value(&text, &format!("bluetick_{series}")), expected);
    }
    assert_eq!(value(&text, "bluetick_journal_batch_rows_sum"), kept);
    let commits = "bluetick_journal_commit_seconds_count{target=\"journal\"}";
    assert_eq!(
        value(&text, commits),
        value(&text, "bluetick_journal_batch_rows_count")
    );
    let commit_time = "bluetick_journal_commit_seconds_sum{target=\"journal\"}";
    assert!(is_positive(&text, commit_time));
    assert!(is_positive(&text, "bluetick_journal_batch_bytes_sum"));
    assert!(is_positive(
        &text,
        "bluetick_disk_free_bytes{folder=\"data\"}"
    ));
    if !app.database.is_postgres() {
        assert!(is_positive(
            &text,
            "bluetick_file_bytes{file=\"journal-wal\"}"
        ));
    }
    assert!(
        !text.contains("unknown-account"),
        "an unknown account makes no series"
    );

    app.run_jobs_until_idle().await;
    let text = metrics(&app).await;
    assert_eq!(value(&text, "bluetick_reconcile_backlog_rows"), 0);
    assert_eq!(value(&text, "bluetick_problems{kind=\"quarantine\"}"), 1);
    app.finish().await;
}

#[actix_web::test]
async fn series_start_at_zero() {
    let app = start_app().await;
    let text = metrics(&app).await;
    let mut series = Vec::new();
    for status in [400, 401, 403, 404, 408, 413, 429, 503] {
        series.push(format!("callback_refusals_total{{status=\"{status}\"}}"));
    }
    for account in [SOBOT, KALEYRA, ZIXFLOW] {
        for class in ["2xx", "4xx", "5xx"] {
            series.push(format!(
                "callback_responses_total{{account=\"{account}\",class=\"{class}\"}}"
            ));
        }
        for outcome in ["accepted", "refused", "postponed", "unclear"] {
            series.push(format!(
                "attempts_total{{account=\"{account}\",outcome=\"{outcome}\"}}"
            ));
        }
        for state in DeliveryState::ALL {
            series.push(format!(
                "messages_last_day{{account=\"{account}\",origin=\"api\",state=\"{state}\"}}"
            ));
        }
        for alarm in ["over_ceiling", "busy"] {
            series.push(format!("alarms{{alarm=\"{alarm}\",account=\"{account}\"}}"));
        }
    }
    for alarm in AlarmKind::ALL {
        // The disk of the test machine may be nearly full.
        if alarm != AlarmKind::DiskLow {
            series.push(format!(
                "alarms{{alarm=\"{}\",account=\"\"}}",
                alarm.as_str()
            ));
        }
    }
    for series in series {
        assert_eq!(value(&text, &format!("bluetick_{series}")), 0, "{series}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn the_lag_is_the_age_of_the_oldest_unprocessed_callback() {
    let app = start_app().await;
    app.deliver_callback(SOBOT, &serde_json::json!({"first": 1}))
        .await;
    app.advance(chrono::TimeDelta::seconds(90));
    app.deliver_callback(SOBOT, &serde_json::json!({"second": 2}))
        .await;
    let text = metrics(&app).await;
    assert_eq!(value(&text, "bluetick_reconcile_lag_seconds"), 90);
    assert_eq!(value(&text, "bluetick_reconcile_backlog_rows"), 2);
    app.run_jobs_until_idle().await;
    let text = metrics(&app).await;
    assert_eq!(value(&text, "bluetick_reconcile_lag_seconds"), 0);
    app.finish().await;
}

/// The same server with a public URL.
fn start_public(app: &App) -> String {
    let mut services = app.services.clone();
    let mut config = (*services.config).clone();
    "https://hooks.example.com".clone_into(&mut config.public_url);
    services.config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}/metrics", listener.local_addr().unwrap());
    let (open, settings) = (Connections::default(), ServerSettings::default());
    actix_web::rt::spawn(server::start(listener, services, &open, settings).unwrap());
    address
}

#[actix_web::test]
async fn with_a_public_url_metrics_need_a_token_with_the_scope_read() {
    let app = start_app().await;
    let address = start_public(&app);
    let status = |token: Option<&str>| {
        let request = bluetick::http_client::builder()
            .build()
            .unwrap()
            .get(&address);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(status(None).await, 401);
    assert_eq!(status(Some("bt_wrong")).await, 401);
    assert_eq!(status(Some(app.token(Scope::Send))).await, 403);
    assert_eq!(status(Some(app.token(Scope::Read))).await, 200);
    app.finish().await;
}

#[actix_web::test]
async fn a_known_token_reads_metrics_while_the_database_is_unavailable() {
    let app = start_app().await;
    let address = start_public(&app);
    let read = |token: &str| {
        bluetick::http_client::builder()
            .build()
            .unwrap()
            .get(&address)
            .bearer_auth(token)
            .send()
    };
    let token = app.token(Scope::Read);
    assert_eq!(read(token).await.unwrap().status(), 200);
    app.services.store.clone().close().await.unwrap();
    let reply = read(token).await.unwrap();
    assert_eq!(reply.status(), 200);
    let text = reply.text().await.unwrap();
    assert_eq!(value(&text, "bluetick_databases_up"), 0);
    assert_eq!(value(&text, "bluetick_spool_in_use"), 0);
    let other = read(app.token(Scope::Admin)).await.unwrap();
    assert_eq!(other.status(), 503);
}
