//! A backup made during callbacks and sends holds everything acknowledged before; restored, it sends nothing twice.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bluetick::domain::account_limit::AccountLimit;
use bluetick::domain::clock::{Clock as _, SystemClock};
use bluetick::domain::secret::Secret;
use bluetick::domain::user::Role;
use bluetick::http_client;
use bluetick::operating::backup::{BackupSource, create_backup};
use bluetick::operating::users_and_tokens::manage_tokens;
use bluetick::store::Store;
use bluetick::store::sessions::SignInOrigin;
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::harness::app::{App, SOBOT, message, start_app};
use crate::harness::fleet::Fleet;
use crate::harness::people::{action_context, limited_token, sign_in_new};
use crate::harness::program::{Program, command, run_to_end};
use crate::harness::waiting;

/// For the restored process to process its journal.
const PATIENCE: Duration = Duration::from_mins(1);
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Another data folder, with the same account at the same provider.
struct Restored {
    folder: TempDir,
    configuration: PathBuf,
}

impl Restored {
    fn new(provider: &str, key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("bluetick.toml");
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\nsecret_key = \"{key}\"\n[[accounts]]\nid = \"{SOBOT}\"\nprovider = \"sobot\"\n\
             base_url = \"{provider}\"\napi_key = \"k\"\napi_secret = \"s\"\nsender = \"+919000000001\"\n",
            folder.path().join("data").display(),
        );
        fs::write(&configuration, text).unwrap();
        Self {
            folder,
            configuration,
        }
    }

    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let file = self.configuration.to_str().unwrap();
        let arguments = [&["--config", file], arguments].concat();
        let output = run_to_end(command(&arguments, &[]));
        let printed = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(printed).unwrap())
    }

    fn restore(&self, backup: &Path) -> (bool, String) {
        self.run(&["restore", backup.to_str().unwrap()])
    }

    fn serve(&self) -> Program {
        let file = self.configuration.to_str().unwrap();
        let log = self.folder.path().join("serve.log");
        Program::start(command(&["--config", file, "serve"], &[]), &log)
    }
}

/// Posts one callback after the other until the command has ended. Returns the ids of those that were acknowledged before it was
/// started, and its output.
async fn post_callbacks_during(
    client: &Client,
    url: &str,
    mut command: Command,
) -> (Vec<String>, String) {
    const BEFORE: usize = 20;
    let mut running = None;
    let mut ids = Vec::new();
    loop {
        let id = format!("wamid.kept-{}", ids.len());
        let body = json!({ "id": id, "status": "delivered", "timestamp": "1763640000" });
        let response = client.post(url).json(&body).send().await.unwrap();
        assert!(response.status().is_success());
        ids.push(id);
        if ids.len() == BEFORE {
            running = Some(
                command
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap(),
            );
        }
        let ended = running
            .as_mut()
            .is_some_and(|child| child.try_wait().unwrap().is_some());
        if let Some(child) = running.take_if(|_| ended) {
            let output = child.wait_with_output().unwrap();
            let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(output.status.success(), "{printed}");
            ids.truncate(BEFORE);
            return (ids, printed);
        }
    }
}

async fn get(client: &Client, server: &Program, token: &str, path: &str) -> Value {
    let request = client.get(format!("{}/api/v1/{path}", server.address));
    let response = request.bearer_auth(token).send().await.unwrap();
    response.json().await.unwrap()
}

/// Most of its recipients wait.
async fn start_slow_campaign(client: &Client, server: &Program, token: &str) {
    let post = |path: &str| {
        let url = format!("{}/api/v1/campaigns{path}", server.address);
        client.post(url).bearer_auth(token)
    };
    let campaign = json!({ "account": SOBOT, "name": "Summer sale", "kind": "image", "rate": 0.1,
        "media": { "url": "https://media.example/a.jpg" } });
    let recipients: Vec<String> = (0..50)
        .map(|number| format!("+9199701{number:05},Asha"))
        .collect();
    let rows = format!("to,name\n{}\n", recipients.join("\n"));
    let requests = [
        post("").json(&campaign),
        post("/summer-sale/recipients")
            .header("Content-Type", "text/csv")
            .body(rows),
        post("/summer-sale/start"),
    ];
    for request in requests {
        let response = request.send().await.unwrap();
        let status = response.status();
        assert!(
            status.is_success(),
            "{status}: {}",
            response.text().await.unwrap()
        );
    }
}

/// SQLite only: on PostgreSQL the command says what to use instead.
#[actix_web::test]
async fn a_restored_backup_has_what_was_acknowledged_before_and_sends_nothing_twice() {
    let provider = MockServer::start().await;
    // What is sent stays queued.
    let later = ResponseTemplate::new(429).insert_header("Retry-After", "3000");
    Mock::given(any())
        .respond_with(later)
        .mount(&provider)
        .await;
    let fleet = Fleet::new(1, &provider.uri()).await;
    let backups = tempfile::tempdir().unwrap();
    let backup = backups.path().join("first");
    let create = ["backup", backup.to_str().unwrap()];
    if fleet.database.is_postgres() {
        let (succeeded, printed) = fleet.run(&create);
        assert!(!succeeded);
        assert!(printed.contains("pg_dump"), "{printed}");
        return;
    }
    let server = fleet.start(0);
    let token = fleet.token();
    let client = http_client::builder().build().unwrap();
    let mut sent = Vec::new();
    for _ in 0..5 {
        let request = client.post(format!("{}/api/v1/messages", server.address));
        let request = request.bearer_auth(&token).json(&message(SOBOT, "image"));
        let response: Value = request.send().await.unwrap().json().await.unwrap();
        sent.push(response["id"].as_str().unwrap().to_owned());
    }
    start_slow_campaign(&client, &server, &token).await;
    let url = fleet.callback_url(SOBOT);
    let (acknowledged, printed) =
        post_callbacks_during(&client, &url, fleet.command(&create)).await;
    assert!(
        printed.contains("holds every callback acknowledged before 20"),
        "{printed}"
    );
    assert!(printed.contains("no discrepancies"), "{printed}");
    let manifest = fs::read_to_string(backup.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    assert!(
        manifest["counts"]["callbacks"].as_u64().unwrap() >= 20,
        "{manifest}"
    );
    let (_, printed) = fleet.run(&["doctor", "--json"]);
    assert!(!printed.contains("backup_missing"), "{printed}");
    assert!(server.terminate().0.success());
    let attempts = provider.received_requests().await.unwrap().len();

    let restored = Restored::new(&provider.uri(), KEY);
    let (succeeded, printed) = restored.restore(&backup);
    assert!(succeeded, "{printed}");
    assert!(printed.contains("may have been sent since"), "{printed}");
    assert!(printed.contains("1 campaign is paused"), "{printed}");
    let (succeeded, printed) = restored.run(&["verify"]);
    assert!(succeeded, "{printed}");
    let (_, printed) = restored.run(&["doctor", "--json"]);
    assert!(!printed.contains("backup_missing"), "{printed}");
    let server = restored.serve();
    let campaign = get(&client, &server, &token, "campaigns/summer-sale").await;
    assert_eq!(campaign["state"], "paused", "{campaign}");
    for id in &sent {
        let message = get(&client, &server, &token, &format!("messages/{id}")).await;
        assert_eq!(message["state"], "uncertain", "{message}");
        let explained = get(&client, &server, &token, &format!("messages/{id}/explain")).await;
        let explained = explained.to_string();
        assert!(explained.contains("it may have been sent"), "{explained}");
        assert!(
            message["hold"]
                .as_str()
                .unwrap()
                .starts_with("restored from a backup"),
            "{message}"
        );
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let orphans = get(&client, &server, &token, "orphans?limit=500").await;
        let text = orphans["data"].to_string();
        let missing = acknowledged
            .iter()
            .find(|id| !text.contains(&format!("\"{id}\"")));
        let Some(missing) = missing else { break };
        assert!(Instant::now() < deadline, "{missing} is not in {orphans}");
        waiting::pause().await;
    }
    assert!(server.terminate().0.success());
    assert_eq!(provider.received_requests().await.unwrap().len(), attempts);
}

#[actix_web::test]
async fn a_backup_that_cannot_be_restored_says_why_and_changes_nothing() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    if fleet.database.is_postgres() {
        return;
    }
    assert!(fleet.start(0).terminate().0.success());
    let backups = tempfile::tempdir().unwrap();
    let backup = backups.path().join("first");
    let create = ["backup", backup.to_str().unwrap()];
    let (succeeded, printed) = fleet.run(&create);
    assert!(succeeded, "{printed}");
    let refused = |restored: &Restored, why: &str| {
        let (succeeded, printed) = restored.restore(&backup);
        assert!(!succeeded, "{printed}");
        assert!(printed.contains(why), "{printed}");
    };
    let (succeeded, printed) = fleet.run(&create);
    assert!(!succeeded);
    assert!(printed.contains("is not empty"), "{printed}");
    let other_key = Restored::new("http://127.0.0.1:9", &KEY.replace('0', "x"));
    refused(&other_key, "secret_key is not the one");
    let restored = Restored::new("http://127.0.0.1:9", KEY);
    let data = restored.folder.path().join("data");
    let log_of_another = data.join("bluetick.db-wal");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
    fs::write(&log_of_another, "of another database").unwrap();
    refused(&restored, "bluetick.db-wal exists");
    fs::remove_file(&log_of_another).unwrap();
    let journal = backup.join("journal.db");
    let whole = fs::read(&journal).unwrap();
    let mut damaged = whole.clone();
    damaged[5_000] ^= 1;
    fs::write(&journal, damaged).unwrap();
    refused(&restored, "journal.db in the backup is not the file");
    fs::write(&journal, whole).unwrap();
    let manifest = backup.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        text.replace("\"journal.db\"", "\"../journal.db\""),
    )
    .unwrap();
    refused(&restored, "journal.db");
    fs::remove_file(&manifest).unwrap();
    refused(&restored, "manifest.json");
    fs::write(&manifest, text).unwrap();
    let (succeeded, printed) = restored.restore(&backup);
    assert!(succeeded, "{printed}");
    refused(&restored, "restore into an empty data folder");
}

async fn back_up(app: &App, folder: &Path) {
    let source = BackupSource {
        store: &app.services.store,
        journal: &app.services.journal,
        data_dir: &app.services.config.data_dir,
    };
    create_backup(&source, folder, &*app.clock, &mut |_| {})
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_restore_says_what_its_options_did() {
    let app = start_app().await;
    if app.database.is_postgres() {
        app.finish().await;
        return;
    }
    let outer = tempfile::tempdir().unwrap();
    let backup = outer.path().join("backup");
    back_up(&app, &backup).await;
    let options = [
        "restore",
        "--accept-loss",
        "--queue",
        backup.to_str().unwrap(),
    ];
    let restore = || Restored::new("http://127.0.0.1:9", &"s".repeat(32)).run(&options);
    let (succeeded, printed) = restore();
    assert!(succeeded, "{printed}");
    for words in [
        "--accept-loss changes nothing",
        "queued messages will be sent",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    // Without its manifest, it is the copy of a data folder.
    fs::remove_file(backup.join("manifest.json")).unwrap();
    let (succeeded, printed) = restore();
    assert!(succeeded, "{printed}");
    for words in ["restored the copy into", "queued messages will be sent"] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    app.finish().await;
}

/// What was revoked or ended since the backup is not known to the restored database.
#[actix_web::test]
async fn a_restore_ends_sessions_and_links_and_names_the_tokens_and_users_it_brought_back() {
    let app = start_app().await;
    if app.database.is_postgres() {
        app.finish().await;
        return;
    }
    // The command uses the clock of the machine.
    app.advance(SystemClock.now() - app.now());
    sign_in_new(&app, "ada@example.com", Role::Admin).await;
    limited_token(&app, "read", None, None).await;
    let (store, context) = (&app.services.store, action_context(app.now()));
    let unused = store.create_sign_in_link(app.now()).await.unwrap();
    let (scopes, all) = ("read".parse().unwrap(), AccountLimit::default());
    manage_tokens::create_token(store, "gone before", &scopes, all, None, &context)
        .await
        .unwrap();
    let tokens = store.list_tokens().await.unwrap();
    let gone = tokens.iter().find(|token| token.name == "gone before");
    let revoked = manage_tokens::revoke_token(store, gone.unwrap().id, &context).await;
    assert!(revoked.unwrap());
    let sessions = "SELECT COUNT(*) || '' AS line FROM sessions";
    assert_eq!(app.database.query(sessions).await, ["1"]);
    let outer = tempfile::tempdir().unwrap();
    let backup = outer.path().join("backup");
    back_up(&app, &backup).await;
    let restored = Restored::new("http://127.0.0.1:9", &"s".repeat(32));
    let (succeeded, printed) = restored.restore(&backup);
    assert!(succeeded, "{printed}");
    for words in [
        "1 session was ended, 1 sign-in link deleted",
        "valid tokens;",
        "ada@example.com",
        "  operate (operate)",
        "bluetick token revoke",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    assert!(!printed.contains("gone before"), "{printed}");
    // Nothing was queued.
    assert!(!printed.contains("may have been sent since"), "{printed}");
    let file = restored.folder.path().join("data/bluetick.db");
    let url = Secret::new(format!("sqlite://{}", file.display()));
    let restored = Store::open(&url, 4).await.unwrap();
    let email = "ada@example.com".parse().unwrap();
    let user = restored.find_credentials(&email).await.unwrap();
    let user = user.unwrap().user;
    assert_eq!(
        restored.list_sessions(user.id, app.now()).await.unwrap(),
        []
    );
    let origin = SignInOrigin {
        now: app.now(),
        address: None,
        browser: None,
    };
    let signed_in = restored.sign_in_with_link(unused.expose(), &origin).await;
    assert!(signed_in.unwrap().is_none());
    restored.close().await.unwrap();
    app.finish().await;
}
