//! PostgreSQL as operators run it: limits, privileges and defaults that were set for other programs.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor};
use serde_json::json;
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

use crate::harness::addresses::{RefusingSocket, free_address};
use crate::harness::program::{Program, command, run_to_end};
use crate::harness::waiting;
use crate::operations::{callback_url, client};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const PASSWORD: &str = "app";

/// A database of its own, and a role like those of hosted servers: no superuser, owner of nothing.
struct OwnDatabase {
    server: String,
    name: String,
    folder: TempDir,
}

impl OwnDatabase {
    /// `None` without a server. `options` of CREATE DATABASE.
    async fn create(options: &str) -> Option<Self> {
        let server = std::env::var("TEST_DATABASE_URL").ok()?;
        let database = Self {
            server,
            name: format!("app_{}", Uuid::from_bytes(rand::random()).simple()),
            folder: tempfile::tempdir().unwrap(),
        };
        let name = &database.name;
        let statements = [
            format!("CREATE DATABASE {name} TEMPLATE template0 {options}"),
            format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"),
        ];
        for statement in statements {
            execute(&database.server, &statement).await;
        }
        Some(database)
    }

    /// As superuser, within the database; `{name}` is the name of database and role.
    async fn execute(&self, statement: &str) {
        let statement = statement.replace("{name}", &self.name);
        execute(self.superuser_url().as_str(), &statement).await;
    }

    fn superuser_url(&self) -> Url {
        let mut url = Url::parse(&self.server).unwrap();
        url.set_path(&self.name);
        url
    }

    fn url(&self) -> String {
        let mut url = self.superuser_url();
        url.set_username(&self.name).unwrap();
        url.set_password(Some(PASSWORD)).unwrap();
        url.into()
    }

    /// Runs `serve`, which is refused; its reason.
    fn refusal(&self, connections: &str) -> String {
        let refused = refusal(&self.url(), connections, self.folder.path());
        refused.replace(&self.name, "{name}")
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // The test's own runtime is busy with this very drop.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                execute(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
                execute(&server, &format!("DROP ROLE {name}")).await;
            });
        });
        if dropped.join().is_err() {
            eprintln!("database {} is left behind", self.name);
        }
    }
}

async fn execute(url: &str, statement: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let statement = AssertSqlSafe(statement.to_owned());
    connection.execute(statement).await.unwrap();
    connection.close().await.unwrap();
}

fn refusal(url: &str, connections: &str, folder: &Path) -> String {
    let output = run_to_end(command(
        &["serve"],
        &[
            ("BLUETICK_DATABASE_URL", Path::new(url)),
            ("BLUETICK_DATABASE_CONNECTIONS", Path::new(connections)),
            ("BLUETICK_DATA_DIR", &folder.join("data")),
            ("BLUETICK_LISTEN", Path::new("127.0.0.1:0")),
            ("BLUETICK_SECRET_KEY", Path::new(KEY)),
        ],
    ));
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let reason = stderr
        .lines()
        .find_map(|line| line.strip_prefix("bluetick: "));
    reason.unwrap_or_else(|| panic!("{stderr}")).to_owned()
}

#[actix_web::test]
async fn each_unsuitable_setting_is_named_with_what_to_do() {
    const SCHEMA: &str =
        "CREATE SCHEMA bluetick AUTHORIZATION {name}; ALTER ROLE {name} SET search_path = bluetick";
    let cases = [
        (
            "ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc",
            "",
            "12",
            "the database: encoding is LATIN1, must be UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, \
             and name the new database in database_url"
                .to_owned(),
        ),
        (
            "",
            "",
            "12",
            format!(
                "the database: role {{name}} may not create tables in schema public: \
                 GRANT CREATE ON SCHEMA public TO {{name}}, or give it a schema of its own: {SCHEMA}"
            ),
        ),
        (
            "",
            "ALTER ROLE {name} SET search_path = nowhere",
            "12",
            format!(
                "the database: no schema of search_path (nowhere) exists and may be used by role {{name}}: {SCHEMA}"
            ),
        ),
        (
            "",
            "ALTER ROLE {name} SET default_transaction_read_only = on",
            "12",
            "the database: default_transaction_read_only is on: \
             ALTER ROLE {name} IN DATABASE {name} SET default_transaction_read_only = off"
                .to_owned(),
        ),
        (
            "",
            "GRANT CREATE ON SCHEMA public TO {name}; ALTER ROLE {name} CONNECTION LIMIT 4",
            "12",
            "the database: role {name} (CONNECTION LIMIT) allows 4 connections, database_connections is 12: \
             ALTER ROLE {name} CONNECTION LIMIT 12, or lower database_connections (at least 4)"
                .to_owned(),
        ),
        (
            "CONNECTION LIMIT 1",
            "GRANT CREATE ON SCHEMA public TO {name}",
            "4",
            "the database: database {name} (CONNECTION LIMIT) allows 1 connections, database_connections is 4: \
             ALTER DATABASE {name} CONNECTION LIMIT 4, or lower database_connections (at least 4)"
                .to_owned(),
        ),
    ];
    for (options, setup, connections, expected) in cases {
        let Some(database) = OwnDatabase::create(options).await else {
            return;
        };
        if !setup.is_empty() {
            database.execute(setup).await;
        }
        assert_eq!(database.refusal(connections), expected);
    }
}

#[actix_web::test]
async fn four_connections_of_a_limited_role_are_enough() {
    let Some(database) = OwnDatabase::create("").await else {
        return;
    };
    database
        .execute(
            "CREATE SCHEMA bluetick AUTHORIZATION {name}; ALTER ROLE {name} SET search_path = bluetick; \
             ALTER ROLE {name} CONNECTION LIMIT 4; \
             ALTER ROLE {name} SET default_transaction_isolation = 'repeatable read'; \
             ALTER ROLE {name} SET statement_timeout = '2s'; \
             ALTER ROLE {name} SET datestyle = 'German, DMY'; \
             ALTER ROLE {name} SET timezone = 'Asia/Kolkata'; \
             ALTER ROLE {name} SET standard_conforming_strings = off; \
             ALTER ROLE {name} SET synchronous_commit = off",
        )
        .await;
    let file = database.folder.path().join("bluetick.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\ndata_dir = \"data\"\nsecret_key = \"{KEY}\"\n\
         database_url = \"{}\"\ndatabase_connections = 4\n\
         [[accounts]]\nid = \"sobot-main\"\nprovider = \"sobot\"\napi_key = \"k\"\napi_secret = \"s\"\n",
        database.url()
    );
    std::fs::write(&file, text).unwrap();
    let serve = command(&["serve"], &[("BLUETICK_CONFIG", &file)]);
    let program = Program::start(serve, &database.folder.path().join("stderr"));
    let url = callback_url(&program);
    let client = client();
    let posts = (0..200).map(|number| {
        let body = json!({ "id": format!("wamid.{number}"), "status": "sent" });
        post(&client, &url, body)
    });
    for status in futures_util::future::join_all(posts).await {
        assert_eq!(status, 200);
    }
    applied(&client, &program).await;
    let (status, stderr) = program.terminate();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("\"ERROR\""), "{stderr}");
}

async fn post(client: &Client, url: &str, body: serde_json::Value) -> u16 {
    let reply = client.post(url).json(&body).send().await.unwrap();
    reply.status().as_u16()
}

/// Waits until no callback is unprocessed.
async fn applied(client: &Client, program: &Program) {
    let deadline = Instant::now() + Duration::from_mins(1);
    let url = format!("{}/metrics", program.address);
    loop {
        let text = client.get(&url).send().await.unwrap().text().await.unwrap();
        if text.contains("\nbluetick_reconcile_backlog_rows 0\n") {
            return;
        }
        assert!(Instant::now() < deadline, "{text}");
        waiting::pause().await;
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_named_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap();
    let refusing = RefusingSocket::new();
    for (address, cause) in [
        (refusing.address(), "connection refused"),
        (silent_address, "timed out"),
    ] {
        let began = Instant::now();
        let url = format!("postgres://app:secret@{address}/whatsapp");
        let reason = refusal(&url, "12", folder.path());
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(reason, format!("the database: {cause} at {address}"));
    }
}

#[test]
fn a_server_that_stops_answering_is_named_with_what_it_said_before() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgres://app:secret@{}/whatsapp?sslmode=disable",
        server.local_addr().unwrap()
    );
    // It answers one connection; the others wait in the queue of the listener.
    let answering = std::thread::spawn(move || {
        let (mut connection, _) = server.accept().unwrap();
        let mut length = [0; 4];
        connection.read_exact(&mut length).unwrap();
        let mut startup = vec![0; u32::from_be_bytes(length) as usize - length.len()];
        connection.read_exact(&mut startup).unwrap();
        let fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
        let length = u32::try_from(4 + fields.len()).unwrap();
        let answer = [b"E", length.to_be_bytes().as_slice(), fields].concat();
        connection.write_all(&answer).unwrap();
        server
    });
    let reason = refusal(&url, "12", folder.path());
    assert!(
        reason.contains("the database system is starting up"),
        "{reason}"
    );
    answering.join().unwrap();
}

/// `PgBouncer` from Debian's package, in transaction mode, before a database.
struct Pooler {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Pooler {
    /// `None` where it is not installed. `ignored` startup parameters are not refused.
    async fn start(database: &OwnDatabase, ignored: &str) -> Option<Self> {
        const PROGRAM: &str = "/usr/sbin/pgbouncer";
        if !Path::new(PROGRAM).exists() {
            eprintln!("left out: {PROGRAM} is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // It does not run as root, and must read its configuration.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let address = free_address();
        let (server, name) = (database.superuser_url(), &database.name);
        let text = format!(
            "[databases]\n{name} = host={} port={} dbname={name} user={name} password={PASSWORD}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\nignore_startup_parameters = {ignored}\n",
            server.host_str().unwrap(),
            server.port().unwrap(),
            address.port(),
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(PROGRAM);
        if rustix::process::geteuid().is_root() {
            command.args(["--user", "postgres"]);
        }
        let child = command
            .arg("--quiet")
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "PgBouncer does not listen");
            waiting::pause().await;
        }
        Some(Self {
            child,
            address,
            _folder: folder,
        })
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[actix_web::test]
async fn a_pooler_in_transaction_mode_is_named_with_the_setting_that_helps() {
    let Some(database) = OwnDatabase::create("").await else {
        return;
    };
    database
        .execute("GRANT CREATE ON SCHEMA public TO {name}")
        .await;
    for (ignored, words) in [
        ("extra_float_digits, options", "set pool_mode = session"),
        ("", "add the parameter to ignore_startup_parameters"),
    ] {
        let Some(pooler) = Pooler::start(&database, ignored).await else {
            return;
        };
        let mut url = Url::parse(&database.url()).unwrap();
        url.set_ip_host(pooler.address.ip()).unwrap();
        url.set_port(Some(pooler.address.port())).unwrap();
        let reason = refusal(url.as_str(), "4", database.folder.path());
        assert!(
            reason.contains("PgBouncer") && reason.contains(words),
            "{reason}"
        );
    }
}

#[actix_web::test]
async fn a_wrong_password_is_reported_without_lines_of_the_servers_source() {
    let Some(database) = OwnDatabase::create("").await else {
        return;
    };
    let mut url = Url::parse(&database.url()).unwrap();
    url.set_password(Some("wrong")).unwrap();
    let reason = refusal(url.as_str(), "12", database.folder.path());
    let name = &database.name;
    assert_eq!(
        reason,
        format!("the database: database error: password authentication failed for user \"{name}\"")
    );
}
