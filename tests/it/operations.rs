//! The real program on a real machine: starting, refusing to start, stopping, dying, and what it leaves on disk and in its log.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bluetick::domain::clock::{Clock, SystemClock};
use bluetick::domain::secret::Secret;
use bluetick::journal::Journal;
use bluetick::keys::Keys;
use bluetick::store::Store;
use chrono::TimeDelta;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::app::read;
use crate::harness::database::TestDatabase;
use crate::harness::fleet::Fleet;
use crate::harness::program::{Program, command, run_to_end};
use crate::harness::waiting;

pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

pub(crate) const ACCOUNT: &str = "sobot-main";

/// A folder with a configuration, and a database.
pub(crate) struct Place {
    pub(crate) database: TestDatabase,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let place = Self {
            database: TestDatabase::new().await,
        };
        place.configure(&format!("secret_key = \"{KEY}\""));
        place
    }

    /// Writes the configuration: these lines, a free port, the database, one account.
    pub(crate) fn configure(&self, lines: &str) {
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"data\"\ndatabase_url = \"{}\"\n{lines}\n\
             [[accounts]]\nid = \"{ACCOUNT}\"\nprovider = \"sobot\"\napi_key = \"key-0815-4711\"\napi_secret = \"secret-0815-4711\"\n\
             base_url = \"http://127.0.0.1:9\"\n",
            self.database.url_in("data").expose()
        );
        fs::create_dir_all(self.data()).unwrap();
        fs::write(self.file(), text).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.database.folder().join("bluetick.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.database.folder().join("data")
    }

    pub(crate) fn serve(&self) -> Program {
        self.serve_logging("")
    }

    /// With this as `BLUETICK_LOG`.
    fn serve_logging(&self, filter: &str) -> Program {
        Program::start(
            self.serve_command(filter),
            &self.database.folder().join("stderr"),
        )
    }

    /// With this as `BLUETICK_LOG`.
    pub(crate) fn serve_command(&self, filter: &str) -> Command {
        let variables: [(&str, &Path); 2] = [
            ("BLUETICK_CONFIG", &self.file()),
            ("BLUETICK_LOG", Path::new(filter)),
        ];
        command(&["serve"], &variables)
    }

    /// Runs a command to its end: exit code, stdout, stderr.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = run_to_end(command(arguments, &[("BLUETICK_CONFIG", &self.file())]));
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// A token with every right.
    pub(crate) fn token(&self) -> String {
        let (code, token, stderr) =
            self.run(&["token", "create", "--name", "t", "--scopes", "admin"]);
        assert_eq!(code, Some(0), "{stderr}");
        token.trim_end().to_owned()
    }
}

/// Where Sobot calls back.
pub(crate) fn callback_url(program: &Program) -> String {
    let keys = Keys::derive(&Secret::new(KEY), &[]);
    let token = keys.callback_token(&ACCOUNT.parse().unwrap(), 1);
    format!("{}/callbacks/{ACCOUNT}/{token}", program.address)
}

pub(crate) fn client() -> Client {
    bluetick::http_client::builder().build().unwrap()
}

/// Asks until the answer is as wanted; a real process is on its way there.
pub(crate) async fn until(
    what: &str,
    ask: impl Fn() -> RequestBuilder,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let (_, body) = read(ask()).await;
        if wanted(&body) {
            return body;
        }
        assert!(Instant::now() < deadline, "{what}: not in time: {body}");
        waiting::pause().await;
    }
}

/// Every file below a folder is its owner's alone; returns how many there are.
fn check_modes(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // SQLite removes its side files when it closes.
        let Ok(metadata) = path.metadata() else {
            continue;
        };
        let mode = metadata.permissions().mode() & 0o777;
        if metadata.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            files += check_modes(&path);
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
            files += 1;
        }
    }
    files
}

#[actix_web::test]
async fn serve_says_where_it_listens_and_a_signal_ends_it_cleanly() {
    let place = Place::new().await;
    let program = place.serve();
    let client = client();
    let health = client
        .get(format!("{}/healthz", program.address))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
    let body = json!({ "id": "wamid.A", "status": "sent" });
    let reply = client
        .post(callback_url(&program))
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    assert!(check_modes(&place.data()) >= 1);
    let mode = fs::metadata(place.data()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    // The client keeps its connection open.
    let began = Instant::now();
    let (status, stderr) = program.terminate();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it waited for idle connections"
    );
    check_modes(&place.data());
}

#[actix_web::test]
async fn ipv6_64_open_files_and_a_configuration_from_windows_are_enough() {
    let place = Place::new().await;
    let text = fs::read_to_string(place.file()).unwrap();
    let text = text.replace("listen = \"127.0.0.1:0\"", "listen = \"[::1]:0\"");
    fs::write(
        place.file(),
        format!("\u{feff}{}", text.replace('\n', "\r\n")),
    )
    .unwrap();
    let serve = place.serve_command("");
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(serve.get_program())
        .args(serve.get_args())
        .env_clear();
    for (name, value) in serve.get_envs() {
        limited.env(name, value.unwrap());
    }
    let program = Program::start(limited, &place.database.folder().join("stderr"));
    assert!(program.address.starts_with("http://[::1]:"));
    let body = json!({ "id": "wamid.A", "status": "sent" });
    let sent = client().post(callback_url(&program)).json(&body);
    assert_eq!(sent.send().await.unwrap().status(), 200);
    let (status, stderr) = program.terminate();
    assert_eq!(status.code(), Some(0), "{stderr}");
}

#[actix_web::test]
async fn a_start_with_too_few_open_files_names_the_limit_and_how_to_raise_it() {
    let place = Place::new().await;
    let serve = place.serve_command("");
    for limit in [16, 20, 63] {
        let limited = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limited]).arg(serve.get_program());
        command.args(serve.get_args()).env_clear();
        for (name, value) in serve.get_envs() {
            command.env(name, value.unwrap());
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        for part in [
            &format!("at most {limit} files may be open"),
            "at least 64 are needed",
            "LimitNOFILE=65536",
            "ulimit -n 65536",
        ] {
            assert!(stderr.contains(part), "{stderr}");
        }
    }
}

#[actix_web::test]
async fn a_closed_terminal_ends_it_like_sigterm_but_not_under_nohup() {
    let place = Place::new().await;
    let started_by = |starter: &[&str]| {
        let serve = place.serve_command("");
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]);
        command.arg(serve.get_program()).args(serve.get_args());
        command.env_clear();
        for (name, value) in serve.get_envs() {
            command.env(name, value.unwrap());
        }
        Program::start(command, &place.database.folder().join("stderr"))
    };
    // The tests themselves may run under nohup.
    let program = started_by(&["env", "--default-signal=HUP"]);
    program.send_signal("HUP");
    let (status, stderr) = program.wait();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("\"stopping\""), "{stderr}");

    let program = started_by(&["nohup"]);
    program.send_signal("HUP");
    let health = format!("{}/healthz", program.address);
    assert_eq!(client().get(health).send().await.unwrap().status(), 200);
    let (status, stderr) = program.terminate();
    assert_eq!(status.code(), Some(0), "{stderr}");
}

#[test]
fn a_data_folder_of_another_user_is_refused_with_both_names() {
    if !nix::unistd::geteuid().is_root() {
        // Only root can start a process as another user.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let allow = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(folder.path(), 0o755);
    // The other user may not reach the folder that holds it.
    let program = folder.path().join("bluetick");
    fs::copy(env!("CARGO_BIN_EXE_bluetick"), &program).unwrap();
    for mode in [0o755, 0o700] {
        let data = folder.path().join(format!("data-{mode:o}"));
        fs::create_dir(&data).unwrap();
        allow(&data, mode);
        let mut command = Command::new(&program);
        command
            .arg("serve")
            .env_clear()
            .env("BLUETICK_DATA_DIR", &data)
            .env("BLUETICK_LISTEN", "127.0.0.1:0")
            .current_dir("/")
            .uid(54321);
        let output = run_to_end(command);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let expected = format!(
            "bluetick: {} belongs to root (uid 0), but this process runs as uid 54321; run it as root (uid 0), \
             or change the owner of the folder and everything in it (chown -R)",
            data.display()
        );
        assert_eq!(printed_lines(&stderr), [expected]);
    }
}

#[actix_web::test]
async fn a_signal_right_after_the_listening_line_ends_it_cleanly_too() {
    let place = Place::new().await;
    for _ in 0..5 {
        let (status, stderr) = place.serve().terminate();
        assert_eq!(status.code(), Some(0), "{stderr}");
    }
}

/// What a server answers to bytes that are no request, and all of it.
fn send_nonsense(program: &Program) -> String {
    let address = program.address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"\x16\x03\x01 nonsense\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[actix_web::test]
async fn malformed_requests_are_not_logged_unless_configured() {
    let place = Place::new().await;
    for (filter, errors) in [("", 0), ("debug", 0), ("actix_http=error", 1)] {
        let program = place.serve_logging(filter);
        let answer = send_nonsense(&program);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        let (_, log) = program.terminate();
        let found = log.lines().filter(|line| line.contains("actix_http"));
        assert_eq!(found.count(), errors, "{filter}: {log}");
    }
}

/// What a command says in the end, beside its log.
pub(crate) fn printed_lines(stderr: &str) -> Vec<&str> {
    let lines = stderr.lines();
    lines
        .filter(|line| line.starts_with("bluetick: "))
        .collect()
}

#[actix_web::test]
async fn a_second_serve_on_one_folder_is_refused_and_other_commands_are_not() {
    let place = Place::new().await;
    if place.database.is_postgres() {
        // There any number may serve.
        return;
    }
    let first = place.serve();
    let (code, stdout, stderr) = place.run(&["serve"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let folder = fs::canonicalize(place.data()).unwrap();
    let line = format!(
        "bluetick: another `bluetick serve` is already running on the data folder {}",
        folder.display()
    );
    assert_eq!(printed_lines(&stderr), [line]);
    let beside: [&[&str]; 8] = [
        &["config", "check"],
        &["migrate"],
        &["token", "list"],
        &["user", "sign-in-link"],
        &["export"],
        &["verify"],
        &["replay", "--dry-run", "--outcome", "quarantined"],
        &["purge", "--dry-run"],
    ];
    for command in beside {
        let (code, _, stderr) = place.run(command);
        assert_eq!(code, Some(0), "{command:?}: {stderr}");
    }
    let health = format!("{}/healthz", first.address);
    let health = client().get(health).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let address = first.address.trim_start_matches("http://");
    let variables = [
        ("BLUETICK_CONFIG", &*place.file()),
        ("BLUETICK_LISTEN", Path::new(address)),
    ];
    let refused = run_to_end(command(&["serve"], &variables));
    let stderr = String::from_utf8(refused.stderr).unwrap();
    let start = format!("bluetick: listen {address}: Address already in use");
    assert!(
        stderr.starts_with(&start) && stderr.contains("set listen to another port"),
        "{stderr}"
    );
    // It leaves nothing that would hinder the next one.
    first.kill();
    assert_eq!(place.serve().terminate().0.code(), Some(0));
}

#[actix_web::test]
async fn a_purge_beside_another_says_who_may_be_at_it() {
    let place = Place::new().await;
    assert_eq!(place.run(&["migrate"]).0, Some(0));
    let store = Store::open(&place.database.url_in("data"), 4)
        .await
        .unwrap();
    let (other, now) = (Uuid::from_bytes([7; 16]), SystemClock.now());
    let lease = store.claim_lease("retention", other, now, TimeDelta::minutes(1));
    assert!(lease.await.unwrap());
    let (code, stdout, stderr) = place.run(&["purge"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let [line] = printed_lines(&stderr)[..] else {
        panic!("{stderr}");
    };
    for words in ["a purge is running already", "`serve`", "`bluetick purge`"] {
        assert!(line.contains(words), "{line}");
    }
    store.release_lease("retention", other).await.unwrap();
    let (code, _, stderr) = place.run(&["purge"]);
    assert_eq!(code, Some(0), "{stderr}");
}

/// Posts callbacks until it is stopped; notes the id of each that was answered 2xx.
async fn pour(
    url: String,
    number: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    noted: Arc<Mutex<BTreeSet<String>>>,
) {
    let client = client();
    while !stop.load(Ordering::Relaxed) {
        let id = format!("wamid.{:06}", number.fetch_add(1, Ordering::Relaxed));
        let body = json!({ "id": id, "status": "delivered", "timestamp": "1763600000" });
        let reply = client.post(&url).json(&body).send().await;
        if reply.is_ok_and(|reply| reply.status().is_success()) {
            noted.lock().unwrap().insert(id);
        }
    }
}

#[actix_web::test]
async fn every_callback_answered_2xx_survives_kill_9() {
    let place = Place::new().await;
    let noted = Arc::new(Mutex::new(BTreeSet::new()));
    let number = Arc::new(AtomicUsize::new(0));
    for round in 1..=3 {
        let program = place.serve();
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..8)
            .map(|_| {
                actix_web::rt::spawn(pour(
                    callback_url(&program),
                    number.clone(),
                    stop.clone(),
                    noted.clone(),
                ))
            })
            .collect();
        let deadline = Instant::now() + Duration::from_mins(1);
        while noted.lock().unwrap().len() < round * 150 {
            assert!(Instant::now() < deadline, "callbacks are not answered");
            waiting::pause().await;
        }
        // In the middle of everything.
        program.kill();
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.await.unwrap();
        }
    }
    let program = place.serve();
    let token = place.token();
    let client = client();
    let url = format!(
        "{}/api/v1/callbacks?outcome=pending&limit=1",
        program.address
    );
    until(
        "everything is applied",
        || client.get(&url).bearer_auth(&token),
        |body| body["data"] == json!([]),
    )
    .await;
    assert_eq!(program.terminate().0.code(), Some(0));

    let pools = bluetick::journal::connect(&place.database.url_in("data"), 4)
        .await
        .unwrap();
    let journal = Journal::open(pools).await.unwrap();
    let mut kept = Vec::new();
    let mut position = 0;
    loop {
        let entries = journal.read_after(position, 500, u64::MAX).await.unwrap();
        let Some(last) = entries.last() else { break };
        position = last.seq;
        kept.extend(entries.iter().map(|entry| {
            let body: Value = serde_json::from_slice(&entry.record.body).unwrap();
            body["id"].as_str().unwrap().to_owned()
        }));
    }
    journal.stop().await;
    let ids: BTreeSet<String> = kept.iter().cloned().collect();
    assert_eq!(ids.len(), kept.len(), "each once");
    let noted = noted.lock().unwrap().clone();
    let lost: Vec<&String> = noted.difference(&ids).collect();
    assert!(
        lost.is_empty(),
        "lost {} of {}: {lost:?}",
        lost.len(),
        noted.len()
    );
    // Each had its effect, once.
    let receipts = place
        .database
        .query_in(
            "data",
            "SELECT CAST(COUNT(*) AS TEXT) AS line FROM receipts",
        )
        .await;
    assert_eq!(receipts, [kept.len().to_string()]);
}

/// Runs of digits as long as a phone number, outside of UUIDs.
fn long_numbers(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| uuid::Uuid::try_parse(word).is_err())
        .flat_map(|word| word.split(|c: char| !c.is_ascii_digit()))
        .filter(|digits| digits.len() >= 10)
        .collect()
}

#[test]
fn the_search_for_phone_numbers_finds_them() {
    assert_eq!(long_numbers("to=+447700900123,x"), ["447700900123"]);
    assert_eq!(
        long_numbers("/number/919812300001/messages"),
        ["919812300001"]
    );
    let uuid = "id 01a1f8d3-ea00-7000-8000-012345678901 2026-11-20T12:00:00.123456Z :54321";
    assert_eq!(long_numbers(uuid), Vec::<&str>::new());
}

#[actix_web::test]
async fn the_demo_moves_messages_of_all_four_providers_and_logs_no_personal_data() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let mut program = Program::start(
        command(&["demo"], &[("TMPDIR", folder.path())]),
        &folder.path().join("stderr"),
    );
    let link = loop {
        let line = program.line();
        if let Some((_, link)) = line
            .split_once("http://")
            .filter(|_| line.contains("sign-in link (valid"))
        {
            break format!("http://{link}");
        }
    };
    assert!(began.elapsed() < Duration::from_mins(1));
    let client = bluetick::http_client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let (login, token) = link.split_once("?token=").unwrap();
    let reply = client
        .post(login)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("token={token}"))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 303);
    let cookie = reply.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let get = |path: &str| {
        client
            .get(format!("{}{path}", program.address))
            .header("cookie", &cookie)
    };
    for provider in ["sobot", "kaleyra", "zixflow", "lancepilot"] {
        let read = format!("/api/v1/messages?provider={provider}&state=read&limit=1");
        until(provider, || get(&read), |body| body["data"][0].is_object()).await;
    }
    let (_, list) = read(get("/api/v1/messages?limit=500")).await;
    let messages = list["data"].as_array().unwrap().clone();
    assert!(messages.len() >= 20);
    let demo = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    assert!(check_modes(&demo) >= 3);
    let (status, stderr) = program.terminate();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert!(!demo.exists(), "the demo leaves nothing");

    assert!(!stderr.is_empty(), "a log that says nothing proves nothing");
    assert_eq!(long_numbers(&stderr), Vec::<&str>::new(), "{stderr}");
    for pattern in ["wamid.", "bt_", "token=", token] {
        assert!(!stderr.contains(pattern), "{pattern}: {stderr}");
    }
    for message in &messages {
        for field in ["to", "name", "caption", "provider_id"] {
            if let Some(text) = message[field].as_str() {
                assert!(!stderr.contains(text), "{field} in {stderr}");
            }
        }
    }
}

#[actix_web::test]
async fn read_only_commands_apply_no_migration() {
    let place = Place::new().await;
    let message = "01a1fc17-40b9-7516-8dba-c587a9e2ecd6";
    let looks: [&[&str]; 2] = [&["verify"], &["explain", message]];
    for look in looks {
        let (code, out, _) = place.run(look);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{look:?}");
    }
    let made = fs::read_dir(place.data()).unwrap().count();
    assert_eq!(made, 0, "no database, no key");

    assert_eq!(place.run(&["migrate"]).0, Some(0));
    let (code, out, errors) = place.run(&["verify"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(out.contains("no discrepancies"), "{out}");
    let (_, _, errors) = place.run(&["explain", message]);
    assert!(errors.contains("there is no message"), "{errors}");

    // As an older program left it.
    let older =
        "DELETE FROM main_migrations WHERE version = (SELECT max(version) FROM main_migrations)";
    place.database.execute_in("data", older).await;
    for look in looks {
        let (code, _, errors) = place.run(look);
        assert_eq!(code, Some(1));
        assert_eq!(
            // PostgreSQL's driver remarks on the tests' own addresses before.
            errors.lines().last().unwrap_or_default(),
            "bluetick: the database: its schema is older than this program (1 migrations missing); run `serve` or `migrate`",
        );
    }
}

#[actix_web::test]
async fn the_file_with_the_first_sign_in_link_is_removed_at_the_start_after_its_use() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    let file = fleet.data_dir(0).join("sign-in-link");
    let server = fleet.start(0);
    let link = fs::read_to_string(&file).unwrap();
    let (_, token) = link.trim().split_once("token=").unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let sign_in = client
        .post(format!("{}/login", server.address))
        .body(format!("token={token}"));
    assert!(sign_in.send().await.unwrap().status().is_success());
    assert!(server.terminate().0.success());
    let server = fleet.start(0);
    assert!(!file.exists());
    assert!(server.terminate().0.success());
}
