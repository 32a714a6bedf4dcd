//! What bounds a client and an account: slow requests, a leaked address, alarms, and what a load balancer sees.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use bluetick::domain::ids::AccountId;
use bluetick::receiving::traffic_limits::TrafficLimits;
use bluetick::web::connections::Connections;
use bluetick::web::server::{self, Deadlines, ServerSettings};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::app::{App, KALEYRA, SOBOT, start_app};

fn sobot() -> AccountId {
    SOBOT.parse().unwrap()
}

/// Uses up what an account may take in this hour, as a leaked address would.
fn flood(app: &App) {
    let large = usize::try_from(256 * 1024 * 1024_u64).unwrap();
    while app
        .services
        .ingest
        .limits()
        .admit(&sobot(), large, app.now())
    {}
    while app
        .services
        .ingest
        .limits()
        .admit(&sobot(), 1024, app.now())
    {}
}

async fn page(app: &App, path: &str) -> String {
    let reply = app.request("GET", path).send().await.unwrap();
    assert_eq!(reply.status(), 200, "{path}");
    reply.text().await.unwrap()
}

#[actix_web::test]
async fn a_leaked_address_is_stopped_at_the_ceiling_and_no_other_account_is() {
    let app = start_app().await;
    app.deliver_callback(SOBOT, &json!({"before": 1})).await;
    flood(&app);
    let refused = app
        .client
        .post(app.callback_url(SOBOT))
        .body("x".repeat(2_000))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "3600");
    assert_eq!(refused.text().await.unwrap(), "too many");
    app.deliver_callback(KALEYRA, &json!({"other": 1})).await;

    let alarms = app.alarms().await;
    let alarm = &alarms[0];
    assert_eq!(
        (&alarm["alarm"], &alarm["account"]),
        (&json!("over_ceiling"), &json!(SOBOT))
    );
    for path in ["/", "/problems", "/accounts", "/messages"] {
        let html = page(&app, path).await;
        assert!(
            html.contains("An account reached its hourly limit"),
            "{path}"
        );
        assert!(html.contains("callback_generation"), "{path}");
    }
    assert!(!page(&app, "/").await.contains("Everything is flowing"));
    let metrics = page(&app, "/metrics").await;
    assert!(metrics.contains("bluetick_alarms{alarm=\"over_ceiling\",account=\"sobot-main\"} 1"));
    assert!(metrics.contains("bluetick_callback_refusals_total{status=\"429\"} 1"));

    app.advance(TimeDelta::hours(1));
    app.deliver_callback(SOBOT, &json!({"after": 1})).await;
    assert_eq!(app.alarms().await, Vec::<Value>::new());
    app.finish().await;
}

#[actix_web::test]
async fn processes_share_their_counts_through_the_database() {
    let app = start_app().await;
    // A missing folder has no free space, so the minimum ceiling of 1 GiB applies.
    let [one, other] =
        [(); 2].map(|()| TrafficLimits::new(&app.services.known_accounts, "/nowhere"));
    let store = &app.services.store;
    let now = app.now();
    for _ in 0..300 {
        assert!(one.admit(&sobot(), 1 << 20, now) && other.admit(&sobot(), 1 << 20, now));
    }
    one.save_and_reload(store, now).await.unwrap();
    assert!(one.list_spikes(now).is_empty());
    other.save_and_reload(store, now).await.unwrap();
    one.save_and_reload(store, now).await.unwrap();
    let spike = one.list_spikes(now).remove(0);
    assert_eq!((spike.used.callbacks, spike.used.bytes), (600, 600 << 20));
    assert!(!one.admit(&sobot(), 500 << 20, now), "together above 1 GiB");
    let later = now + TimeDelta::days(8);
    assert!(one.admit(&sobot(), 100, later));
    one.save_and_reload(store, later).await.unwrap();
    let left = store.list_callback_hours(now - TimeDelta::days(1));
    assert_eq!(left.await.unwrap().len(), 1);
    app.finish().await;
}

#[actix_web::test]
async fn an_account_that_used_half_of_its_hourly_limit_raises_an_alarm() {
    let app = start_app().await;
    let limits = app.services.ingest.limits();
    while limits.list_spikes(app.now()).is_empty() {
        assert!(limits.admit(&sobot(), 64 << 20, app.now()));
    }
    let alarm = &app.alarms().await[0];
    assert_eq!(
        (&alarm["alarm"], &alarm["account"]),
        (&json!("busy"), &json!(SOBOT))
    );
    app.finish().await;
}

#[actix_web::test]
async fn callbacks_of_unknown_accounts_are_counted_together() {
    let app = start_app().await;
    let limits = app.services.ingest.limits();
    let store = &app.services.store;
    let (one, other): (AccountId, AccountId) = ("gone".parse().unwrap(), "away".parse().unwrap());
    let day = app.now();
    for hour in 0..3 {
        let at = day + TimeDelta::hours(hour);
        assert!(limits.admit(&one, 300, at) && limits.admit(&other, 100, at));
        limits.save_and_reload(store, at).await.unwrap();
    }
    let hours = store.list_callback_hours(day).await.unwrap();
    let counted: Vec<_> = hours
        .iter()
        .map(|hour| (hour.account.clone(), hour.callbacks, hour.bytes))
        .collect();
    assert_eq!(counted, vec![(None, 2, 400); 3]);

    app.advance(TimeDelta::hours(3));
    while limits.admit(&one, 1 << 30, app.now()) {}
    let spike = limits.list_spikes(app.now()).remove(0);
    assert_eq!((spike.account, spike.rejected), (None, 1));
    let alarm = &app.alarms().await[0];
    assert_eq!(
        (&alarm["alarm"], &alarm["account"]),
        (&json!("over_ceiling"), &Value::Null)
    );
    assert!(page(&app, "/").await.contains("of unknown accounts"));
    app.finish().await;
}

#[actix_web::test]
async fn while_the_spool_takes_callbacks_the_process_is_ready_and_says_why_it_is_alarmed() {
    let app = start_app().await;
    assert_eq!(page(&app, "/readyz").await, "ready");
    let lock = app.database.hold_journal().await;
    app.deliver_callback(SOBOT, &json!({"spooled": 1})).await;
    let words = page(&app, "/readyz").await;
    assert!(words.contains("the spool does"), "{words}");
    assert_eq!(app.alarms().await[0]["alarm"], "spool_in_use");
    assert!(
        page(&app, "/")
            .await
            .contains("The database does not accept callbacks")
    );
    lock.release().await;
    let mut spool = app.services.journal.spool();
    spool.wait_for(|spool| !spool.in_use).await.unwrap();
    assert_eq!(page(&app, "/readyz").await, "ready");
    app.services.stopping.cancel();
    let reply = app.client.get(app.url("/readyz")).send().await.unwrap();
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.headers()["retry-after"], "5");
    app.finish().await;
}

#[actix_web::test]
async fn clients_that_trickle_a_head_are_disconnected() {
    let app = start_app().await;
    let deadlines = Deadlines {
        head: Duration::from_millis(100),
        ..Deadlines::default()
    };
    let server = serve(&app, deadlines);
    let path = path_of(&app.callback_url(SOBOT));
    for unfinished in [
        "POST /callb".to_owned(),
        format!("POST /{path} HTTP/1.1\r\nHost: localhost\r\nContent-Le"),
    ] {
        assert_disconnected(server, &unfinished, "408").await;
    }
    assert!(app.callbacks().await.is_empty());
    app.finish().await;
}

#[actix_web::test]
async fn clients_that_trickle_a_body_are_disconnected() {
    let app = start_app().await;
    let deadlines = Deadlines {
        body: Duration::from_millis(100),
        ..Deadlines::default()
    };
    let server = serve(&app, deadlines);
    let known = path_of(&app.callback_url(SOBOT));
    let mut clients = Vec::new();
    for (path, status) in [
        (known.as_str(), "408"),
        ("callbacks/sobot-main/wrong", "404"),
        ("reports/wrong", "401"),
        ("api/v1/messages", "401"),
        ("nowhere", "404"),
    ] {
        for rest in [
            "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
            "Transfer-Encoding: chunked\r\n\r\n",
            "Content-Length: 9\r\n\r\nx",
        ] {
            clients.push(async move {
                let unfinished = format!("POST /{path} HTTP/1.1\r\nHost: localhost\r\n{rest}");
                assert_disconnected(server, &unfinished, status).await;
            });
        }
    }
    futures_util::future::join_all(clients).await;
    assert!(app.callbacks().await.is_empty());
    app.finish().await;
}

/// Serves the app with deadlines of the test's own, until the test ends.
fn serve(app: &App, deadlines: Deadlines) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let settings = ServerSettings {
        deadlines,
        ..ServerSettings::default()
    };
    let open = Connections::default();
    let server = server::start(listener, app.services.clone(), &open, settings).unwrap();
    actix_web::rt::spawn(server);
    address
}

/// Sends what never ends, and reads the answer to the end of the connection.
async fn assert_disconnected(server: SocketAddr, unfinished: &str, status: &str) {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(unfinished.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_mins(1), read)
        .await
        .unwrap_or_else(|_| panic!("{unfinished}: the connection stays open"))
        .unwrap();
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{unfinished}: {answer}"
    );
}

fn path_of(url: &str) -> String {
    url.splitn(4, '/').nth(3).unwrap().to_owned()
}

#[actix_web::test]
async fn a_flood_of_repeats_is_not_kept_and_hides_nothing() {
    let app = start_app().await;
    let id = app.send_image(SOBOT).await;
    app.run_jobs_until_idle().await;
    let known = app.message(&id).await["provider_id"].clone();
    let flood = |status: &str| {
        let one = json!({ "id": known, "status": status, "recipient_id": "919970112233", "timestamp": "1795176005" });
        json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [
            { "field": "messages", "value": { "statuses": vec![one; 4500] } },
        ] }] })
    };
    app.deliver_callback(SOBOT, &flood("delivered")).await;
    app.deliver_callback(SOBOT, &flood("delivered")).await;
    app.run_jobs_until_idle().await;
    assert_eq!(app.state(&id).await, "delivered");
    app.deliver_callback(SOBOT, &flood("read")).await;
    app.run_jobs_until_idle().await;
    let shown = app.message(&id).await;
    assert_eq!(shown["state"], "read", "{shown}");
    let outcomes: Vec<Value> = app
        .callbacks()
        .await
        .iter()
        .map(|callback| callback["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["receipts", "notice", "receipts"]);
    let kept = app
        .database
        .query("SELECT CAST(count(*) AS text) AS line FROM receipts")
        .await;
    let kept: usize = kept[0].parse().unwrap();
    assert!((4096..4200).contains(&kept), "{kept}");
    app.finish().await;
}

#[actix_web::test]
async fn a_flood_of_orphans_raises_an_alarm_in_every_process() {
    let app = start_app().await;
    for batch in 0..3 {
        let statuses: Vec<Value> = (0..3_500)
            .map(|number| json!({ "id": format!("wamid.flood{batch}.{number}"), "status": "sent" }))
            .collect();
        assert!(app.alarms().await.is_empty());
        app.deliver_callback(KALEYRA, &json!({ "statuses": statuses }))
            .await;
        app.apply_callbacks().await;
    }
    let alarms = app.alarms().await;
    assert_eq!(
        (&alarms[0]["alarm"], &alarms[0]["account"]),
        (&json!("orphan_flood"), &json!(KALEYRA))
    );
    let text = alarms[0]["message"].as_str().unwrap();
    assert!(text.contains("received 10500 reports"), "{text}");
    let metrics = page(&app, "/metrics").await;
    assert!(metrics.contains("bluetick_alarms{alarm=\"orphan_flood\",account=\"kaleyra-in\"} 1"));

    let other = TrafficLimits::new(&app.services.known_accounts, "/nowhere");
    let (limits, store) = (app.services.ingest.limits(), &app.services.store);
    limits.save_and_reload(store, app.now()).await.unwrap();
    other.save_and_reload(store, app.now()).await.unwrap();
    assert_eq!(other.list_orphan_floods(app.now())[0].orphans, 10_500);
    app.finish().await;
}

#[actix_web::test]
async fn an_account_adopts_ten_thousand_orphans_a_day_and_the_others_the_next_day() {
    let app = start_app().await;
    for number in 0..3 {
        let report = json!({ "id": format!("wamid.elsewhere{number}"), "status": "sent" });
        app.deliver_callback(KALEYRA, &report).await;
    }
    app.apply_callbacks().await;
    let before = app.now().timestamp_millis();
    let hour = before - before.rem_euclid(3_600_000);
    let adopted = format!(
        "INSERT INTO callback_hours (hour, account, callbacks, bytes, adopted) VALUES ({hour}, '{KALEYRA}', 0, 0, 9999)"
    );
    app.database.execute(&adopted).await;
    app.advance(TimeDelta::hours(2));
    app.run_jobs_until_idle().await;
    assert_eq!(app.orphans().await.len(), 2);
    app.advance(TimeDelta::hours(12));
    app.run_jobs_until_idle().await;
    assert_eq!(app.orphans().await.len(), 2);
    app.advance(TimeDelta::hours(13));
    app.run_jobs_until_idle().await;
    assert_eq!(app.orphans().await.len(), 0);
    app.finish().await;
}
