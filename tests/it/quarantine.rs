//! What cannot be parsed is kept, and every view of it agrees.

use bluetick::domain::callback_record::{Authenticity, CallbackRecord, Route};
use bluetick::domain::ids::CallbackId;
use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, SOBOT, noon, start_app};

/// More parts than are applied of one callback.
const MANY: usize = 5_003;

fn statuses(statuses: &[Value]) -> Value {
    json!({ "field": "messages", "value": { "statuses": statuses } })
}

fn about(id: &str) -> Value {
    json!({ "id": id, "status": "read", "timestamp": noon().timestamp().to_string() })
}

async fn counted(app: &App) -> Value {
    app.get_ok("/api/v1/problems").await["quarantine"].clone()
}

async fn listed(app: &App) -> Vec<Value> {
    let list = app
        .get_ok("/api/v1/callbacks?outcome=quarantined&limit=500")
        .await;
    list["data"].as_array().unwrap().clone()
}

/// One column of quarantine, by part.
async fn kept(app: &App, column: &str) -> Vec<String> {
    let sql = format!("SELECT CAST({column} AS text) AS line FROM quarantine ORDER BY part");
    app.database.query(&sql).await
}

#[actix_web::test]
async fn a_callback_with_several_unreadable_parts_counts_and_is_listed_once() {
    let app = start_app().await;
    let nameless = || json!({ "timestamp": "1" });
    let body = json!([
        statuses(&[about("wamid.known")]),
        statuses(&[nameless()]),
        statuses(&[nameless()]),
    ]);
    app.deliver_callback(SOBOT, &body).await;
    app.deliver_callback(KALEYRA, &json!("nothing of the kind"))
        .await;
    app.deliver_callback(SOBOT, &statuses(&[about("wamid.other")]))
        .await;
    app.run_jobs_until_idle().await;
    assert_eq!(kept(&app, "reason").await.len(), 3);
    assert_eq!(counted(&app).await, 2);
    let accounts: Vec<Value> = listed(&app)
        .await
        .iter()
        .map(|callback| callback["account"].clone())
        .collect();
    assert_eq!(accounts, [KALEYRA, SOBOT], "newest first");
    app.finish().await;
}

#[actix_web::test]
async fn a_callback_of_an_account_that_was_never_configured_is_kept_with_a_copy() {
    let app = start_app().await;
    let record = CallbackRecord {
        id: CallbackId::new(noon()),
        account: "from-a-backup".parse().unwrap(),
        route: Route::Callback,
        method: "POST".to_owned(),
        query: String::new(),
        headers: Vec::new(),
        remote: None,
        received_at: noon(),
        body: b"abc".to_vec(),
        authenticity: Authenticity::Verified,
    };
    let room = app.services.journal.reserve(3).await.unwrap();
    app.services.journal.append(record, room).await.unwrap();
    app.run_jobs_until_idle().await;
    assert_eq!(counted(&app).await, 1);
    let listed = listed(&app).await;
    assert_eq!(listed[0]["outcome"], "quarantined");
    assert_eq!(kept(&app, "account").await, ["from-a-backup"]);
    assert_eq!(kept(&app, "length(content)").await, ["3"]);
    app.finish().await;
}

#[actix_web::test]
async fn of_a_callback_with_very_many_parts_the_first_five_thousand_are_applied() {
    let app = start_app().await;
    let reports: Vec<Value> = (0..MANY)
        .map(|number| about(&format!("wamid.part-{number}")))
        .collect();
    app.deliver_callback(SOBOT, &statuses(&reports)).await;
    app.run_jobs_until_idle().await;
    let problems = app.get_ok("/api/v1/problems").await;
    assert_eq!(problems["orphans"], 5_000);
    assert_eq!(problems["quarantine"], 1);
    let reasons = kept(&app, "reason").await;
    let [reason] = reasons.as_slice() else {
        panic!("one part says so: {reasons:?}");
    };
    assert!(reason.contains("more than 5000 parts"), "{reason}");
    assert_eq!(listed(&app).await[0]["outcome"], "receipts");
    app.finish().await;
}
