//! The baselines: C, a handler that only parses the same JSON; `naive`, one transaction per request
//! through a pool; and a provider that accepts every message at once.

use std::path::PathBuf;

use actix_web::{App, HttpResponse, HttpServer, web};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::error::BenchError;

const POOL: u32 = 8;

#[derive(clap::Subcommand, Clone, Debug)]
pub enum Baseline {
    /// C: parses and responds
    Noop,
    /// A provider in Sobot's format that accepts every message at once
    Provider,
    /// Parses, inserts the event, upserts the message, commits, responds
    Naive {
        /// Database file, created if it is missing
        database: PathBuf,
    },
}

pub fn serve(baseline: Baseline) -> Result<(), BenchError> {
    actix_web::rt::System::new().block_on(async {
        match baseline {
            Baseline::Noop => {
                listen(|config| {
                    config.default_service(web::to(parse_only));
                })
                .await
            }
            Baseline::Provider => {
                listen(|config| {
                    config.default_service(web::to(accept_message));
                })
                .await
            }
            Baseline::Naive { database } => {
                let pool = web::Data::new(open(&database).await?);
                listen(move |config| {
                    config
                        .app_data(pool.clone())
                        .default_service(web::to(parse_and_store));
                })
                .await
            }
        }
    })
}

async fn accept_message(message: web::Json<serde_json::Value>) -> HttpResponse {
    // Longer than the id of any provider.
    let id = format!("wamid.{}", Uuid::new_v4().simple());
    let to = message.get("customer_number").cloned();
    HttpResponse::Ok().json(json!({
        "message": "Message sent", "code": 200,
        "data": { "id": id, "status": "submitted", "customer_number": to },
    }))
}

async fn listen(
    configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> Result<(), BenchError> {
    let server =
        HttpServer::new(move || App::new().configure(&configure)).bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    Ok(server.run().await?)
}

/// Meta's format, as Sobot forwards it.
#[derive(Deserialize)]
struct Change {
    value: Statuses,
}

#[derive(Deserialize)]
struct Statuses {
    statuses: Vec<Status>,
}

#[derive(Deserialize)]
struct Status {
    id: String,
    #[serde(rename = "status")]
    word: String,
    timestamp: String,
    recipient_id: String,
}

/// The cheapest handler that has parsed its input.
async fn parse_only(body: web::Bytes) -> HttpResponse {
    match serde_json::from_slice::<Vec<Change>>(&body) {
        Ok(changes) if changes.iter().all(Change::is_whole) => HttpResponse::Ok().body("ok"),
        _ => HttpResponse::BadRequest().body("bad request"),
    }
}

impl Change {
    fn is_whole(&self) -> bool {
        self.value.statuses.iter().all(|status| {
            !status.id.is_empty()
                && !status.word.is_empty()
                && !status.timestamp.is_empty()
                && !status.recipient_id.is_empty()
        })
    }
}

async fn parse_and_store(
    database: web::Data<DatabaseConnection>,
    body: web::Bytes,
) -> HttpResponse {
    let Ok(changes) = serde_json::from_slice::<Vec<Change>>(&body) else {
        return HttpResponse::BadRequest().body("bad request");
    };
    let statuses = changes.iter().flat_map(|change| &change.value.statuses);
    for status in statuses {
        if let Err(error) = store(&database, status, &body).await {
            eprintln!("naive: {error}");
            return HttpResponse::ServiceUnavailable().body("unavailable");
        }
    }
    HttpResponse::Ok().body("ok")
}

async fn open(path: &std::path::Path) -> Result<DatabaseConnection, BenchError> {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", path.display()));
    options
        .max_connections(POOL)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL")
        });
    let database = Database::connect(options).await?;
    for table in [
        "CREATE TABLE IF NOT EXISTS messages (id text PRIMARY KEY, status text NOT NULL, updated_at text NOT NULL)",
        "CREATE TABLE IF NOT EXISTS events (id integer PRIMARY KEY, message text NOT NULL, status text NOT NULL, occurred_at text NOT NULL, recipient text NOT NULL, raw blob NOT NULL, UNIQUE (message, status, occurred_at))",
    ] {
        database.execute_unprepared(table).await?;
    }
    Ok(database)
}

async fn store(database: &DatabaseConnection, status: &Status, raw: &[u8]) -> Result<(), DbErr> {
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = database.begin_with_options(immediate).await?;
    let event = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "INSERT INTO events (message, status, occurred_at, recipient, raw) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            status.id.as_str().into(),
            status.word.as_str().into(),
            status.timestamp.as_str().into(),
            status.recipient_id.as_str().into(),
            raw.to_vec().into(),
        ],
    );
    transaction.execute_raw(event).await?;
    let message = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "INSERT INTO messages (id, status, updated_at) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET status = excluded.status, updated_at = excluded.updated_at",
        [
            status.id.as_str().into(),
            status.word.as_str().into(),
            status.timestamp.as_str().into(),
        ],
    );
    transaction.execute_raw(message).await?;
    transaction.commit().await
}
