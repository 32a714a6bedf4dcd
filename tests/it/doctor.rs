//! `doctor` and the check of the public URL name what is wrong, each with its fix.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bluetick::config::Config;
use bluetick::domain::clock::{Clock, FixedClock, SystemClock};
use bluetick::domain::scope::Scope;
use bluetick::domain::secret::Secret;
use bluetick::http_client::url_check_client::UrlCheckClient;
use bluetick::operating::doctor::{Finding, Installation, PublicUrl, check_public_url, examine};
use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::addresses::{RefusingSocket, free_address};
use crate::harness::app::{App, SOBOT, start_app, start_app_with};
use crate::harness::fleet::Fleet;
use crate::harness::program::{command, run_to_end};
use crate::harness::proxy::Proxy;

const NGINX: &str = "/usr/sbin/nginx";
const PATIENCE: Duration = Duration::from_secs(30);

/// After the program was released, so that the clock is no finding.
fn winter() -> DateTime<Utc> {
    "2026-12-24T12:00:00Z".parse().unwrap()
}

fn target(app: &App, public_url: &str) -> PublicUrl {
    let config = Config {
        public_url: public_url.to_owned(),
        ..(*app.services.config).clone()
    };
    PublicUrl::new(&config, app.services.keys.url_check_token())
}

async fn check(app: &App, public_url: &str) -> Vec<Finding> {
    let client = UrlCheckClient::new().unwrap();
    let mut target = target(app, public_url);
    target.headers.insert("X_Underscored".to_owned());
    let mut findings = check_public_url(&client, &target, winter()).await;
    // All of these listen on this machine.
    findings.retain(|found| found.check != "private_address");
    for found in &findings {
        assert!(
            !found.fix.is_empty() && !found.summary.is_empty(),
            "{found:?}"
        );
    }
    findings
}

fn words(findings: &[Finding]) -> BTreeSet<&'static str> {
    findings.iter().map(|found| found.check).collect()
}

/// nginx with one misconfigured server after the other; stopped when it is dropped.
struct Nginx {
    child: Child,
    _folder: TempDir,
}

impl Nginx {
    fn start(servers: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shown = folder.path().display();
        let text = format!(
            "user root root;\nevents {{}}\nhttp {{\naccess_log off;\nclient_body_temp_path {shown}/body;\nproxy_temp_path {shown}/proxy;\n{servers}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let directives = format!("daemon off; error_log stderr crit; pid {shown}/pid;");
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(NGINX)
            .args(["-p", folder.path().to_str().unwrap()])
            .args(["-c", file.to_str().unwrap(), "-g", &directives])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            child,
            _folder: folder,
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers on SIGTERM.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

/// Free a moment ago.
fn wait_for(address: &str) {
    let deadline = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "{address}");
        std::thread::yield_now();
    }
}

/// Writes a certificate for 127.0.0.1 that was valid in one year.
fn write_certificate(folder: &Path, year: i32) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    parameters.not_before = date_time_ymd(year, 1, 1);
    parameters.not_after = date_time_ymd(year + 1, 1, 1);
    let certificate = parameters.self_signed(&key).unwrap();
    fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

#[actix_web::test]
async fn each_mistake_of_a_proxy_is_named() {
    if !Path::new(NGINX).exists() {
        eprintln!("left out: {NGINX} is not installed");
        return;
    }
    let app = start_app().await;
    let upstream = app.services.config.public_url.clone();
    let good = format!(
        "client_max_body_size 4m; underscores_in_headers on; location / {{ proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $http_host;"
    );
    let certificates = tempfile::tempdir().unwrap();
    write_certificate(certificates.path(), 2020);
    let tls = certificates.path().display();
    let cases = [
        ("", format!("{good} }}"), vec![]),
        // As Debian's nginx does it without further settings.
        (
            "",
            format!("location / {{ proxy_pass {upstream}; }}"),
            vec!["body_limit", "header_dropped", "http_version"],
        ),
        (
            "",
            format!("{good} proxy_set_header Host backend; }}")
                .replace("proxy_set_header Host $http_host;", ""),
            vec!["host_header"],
        ),
        (
            "",
            format!("{good} proxy_set_header X-Hub-Signature-256 \"\"; }}"),
            vec!["header_dropped"],
        ),
        (
            "",
            "return 301 https://hooks.example.com$request_uri;".to_owned(),
            vec!["redirect"],
        ),
        ("", "return 200 hello;".to_owned(), vec!["wrong_public_url"]),
        (
            "https",
            format!("{good} }} ssl_certificate {tls}/cert.pem; ssl_certificate_key {tls}/key.pem;"),
            vec!["certificate_expired"],
        ),
    ];
    let mut servers = String::new();
    let mut expected = Vec::new();
    for (scheme, settings, words) in cases {
        let address = free_address();
        let ssl = if scheme == "https" { " ssl" } else { "" };
        writeln!(servers, "server {{ listen {address}{ssl}; {settings} }}").unwrap();
        let scheme = if scheme.is_empty() { "http" } else { scheme };
        expected.push((format!("{scheme}://{address}"), words));
    }
    let _nginx = Nginx::start(&servers);
    for (url, expected) in expected {
        wait_for(url.split("//").nth(1).unwrap());
        let findings = check(&app, &url).await;
        assert_eq!(
            words(&findings),
            BTreeSet::from_iter(expected),
            "{url}: {findings:#?}"
        );
    }
    app.finish().await;
}

/// Without a body there is no length either.
async fn post_without_body(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    connection.read_to_string(&mut reply).await.unwrap();
    reply
}

#[actix_web::test]
async fn the_shipped_configurations_of_nginx_and_caddy_have_no_findings() {
    let app = start_app().await;
    let upstream = app.services.config.listen.clone();
    let proxies = [
        Proxy::nginx_before(&upstream),
        Proxy::caddy_before(&upstream),
    ];
    for proxy in proxies.into_iter().flatten() {
        assert_eq!(check(&app, &format!("http://{}", proxy.address)).await, []);
        let path = app.callback_url(SOBOT);
        let path = path.strip_prefix(&app.services.config.public_url).unwrap();
        let reply = post_without_body(&proxy.address, path).await;
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_public_url_that_leads_nowhere_is_named() {
    let app = start_app().await;
    assert_eq!(check(&app, &app.services.config.public_url).await, []);
    let refusing = RefusingSocket::new();
    for (url, expected) in [
        ("https://hooks.bluetick.invalid".to_owned(), "dns"),
        (refusing.url(), "unreachable"),
        (
            format!("{}/base", app.services.config.public_url),
            "wrong_public_url",
        ),
    ] {
        let findings = check(&app, &url).await;
        assert_eq!(
            words(&findings),
            BTreeSet::from([expected]),
            "{findings:#?}"
        );
    }
    app.finish().await;
}

#[actix_web::test]
async fn with_callback_listen_the_finding_names_the_address_to_reach() {
    let app = start_app().await;
    let mut target = target(&app, &format!("{}/base", app.services.config.public_url));
    target.callback_listen = Some("127.0.0.1:8081".to_owned());
    let client = UrlCheckClient::new().unwrap();
    let findings = check_public_url(&client, &target, winter()).await;
    let found = findings.iter().find(|it| it.check == "wrong_public_url");
    let found = found.unwrap();
    assert!(
        found
            .summary
            .contains("does not lead to `callback_listen` (127.0.0.1:8081)"),
        "{found:?}"
    );
    assert!(found.fix.contains("to 127.0.0.1:8081"), "{found:?}");
    app.finish().await;
}

#[actix_web::test]
async fn the_url_check_reveals_nothing_without_its_token() {
    let app = start_app().await;
    let post = async |token: &str| {
        let url = app.url(&format!("/callbacks/-/{token}"));
        let reply = app.client.post(url).body("{}").send().await.unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    };
    let (status, refused) = post("guess").await;
    assert_eq!(status, 404);
    assert!(!refused.contains("headers"), "{refused}");
    let (status, received) = post(&app.services.keys.url_check_token()).await;
    assert_eq!(status, 200);
    let received: Value = serde_json::from_str(&received).unwrap();
    assert_eq!(received["body_bytes"], 2);
    // Nothing is stored.
    assert_eq!(app.callbacks().await, Vec::<Value>::new());
    app.finish().await;
}

#[actix_web::test]
async fn the_accounts_page_checks_the_url_for_operators() {
    let app = start_app().await;
    let page = |scope| app.request_as(scope, "POST", "/accounts/check").send();
    let shown = page(Scope::Operate).await.unwrap();
    assert_eq!(shown.status(), 200);
    let text = shown.text().await.unwrap();
    // As a sentence, with code in place of backquotes.
    assert!(text.contains("Providers cannot reach 127.0.0.1."), "{text}");
    assert!(text.contains("Set <code>public_url</code> to"), "{text}");
    assert_eq!(page(Scope::Read).await.unwrap().status(), 403);
    for (scope, is_shown) in [(Scope::Operate, true), (Scope::Read, false)] {
        let accounts = app
            .request_as(scope, "GET", "/accounts")
            .send()
            .await
            .unwrap();
        let accounts = accounts.text().await.unwrap();
        assert_eq!(accounts.contains("/accounts/check"), is_shown);
        // In the set-up of the accounts.
        assert_eq!(accounts.contains("Checked just now: "), is_shown);
    }
    app.finish().await;
}

#[actix_web::test]
async fn a_local_callback_url_is_an_obstacle_only_for_providers_elsewhere() {
    for (base_url, is_shown) in [(Some("http://127.0.0.1:9"), false), (None, true)] {
        let app = start_app_with(|_, accounts| {
            for account in accounts {
                account.base_url = base_url.map(str::to_owned);
            }
        })
        .await;
        let page = app.request("GET", "/accounts").send().await.unwrap();
        let page = page.text().await.unwrap();
        let notice = "Providers cannot reach this machine";
        assert_eq!(page.contains(notice), is_shown, "{base_url:?}");
        app.finish().await;
    }
}

#[actix_web::test]
async fn modes_backups_and_the_clock_are_examined() {
    let app = start_app().await;
    let folder = app.database.folder().to_path_buf();
    let backups = tempfile::tempdir().unwrap();
    let mut config = (*app.services.config).clone();
    let examine_at = async |config: &bluetick::config::Config, clock: &FixedClock| {
        let installation = Installation {
            config,
            store: Ok(&app.services.store),
            keys: Ok(&app.services.keys),
            now: clock.now(),
        };
        examine(&installation).await
    };
    let now = FixedClock::at(SystemClock.now());
    let found = examine_at(&config, &now).await;
    let is_sqlite = !app.database.is_postgres();
    assert_eq!(
        words(&found).contains("backup_missing"),
        is_sqlite,
        "{found:#?}"
    );
    // A backup of the command counts for a week.
    app.services.store.record_backup(now.now()).await.unwrap();
    let after_backup = async |days| {
        let later = FixedClock::at(now.now() + TimeDelta::days(days));
        let found = examine_at(&config, &later).await;
        words(&found).contains("backup_missing")
    };
    assert!(!after_backup(7).await);
    assert_eq!(after_backup(9).await, is_sqlite);
    assert!(
        words(&found).contains("account_never_received"),
        "{found:#?}"
    );
    assert!(!words(&found).contains("mode"), "{found:#?}");
    assert!(!words(&found).contains("clock"), "{found:#?}");

    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join("open"), "x").unwrap();
    fs::set_permissions(folder.join("open"), Permissions::from_mode(0o644)).unwrap();
    config.backup = is_sqlite.then(|| bluetick::config::BackupSchedule {
        directory: backups.path().to_path_buf(),
        every: Duration::from_hours(24),
        keep: 2,
    });
    let found = examine_at(&config, &now).await;
    let fixes: Vec<&str> = found
        .iter()
        .filter(|found| found.check == "mode")
        .map(|found| found.fix.as_str())
        .collect();
    let shown = folder.display();
    assert_eq!(
        fixes,
        [
            format!("chmod 700 {shown}"),
            format!("chmod -R go-rwx {shown}")
        ]
    );
    assert_eq!(
        words(&found).contains("backup_stale"),
        is_sqlite,
        "{found:#?}"
    );
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();

    let mut elsewhere = config.clone();
    if let Some(backup) = &mut elsewhere.backup {
        backup.directory = folder.join("open/backups");
    }
    let found = examine_at(&elsewhere, &now).await;
    let directory = found.iter().find(|found| found.check == "backup_directory");
    assert_eq!(
        directory.map(|found| found.summary.clone()),
        is_sqlite.then(|| format!(
            "no backups can be made: backup.directory: {shown}/open is a file, but must be a folder"
        ))
    );

    if is_sqlite {
        let mut services = app.services.clone();
        services.config = std::sync::Arc::new(config.clone());
        let schedule = config.backup.clone().unwrap();
        let made = bluetick::operating::backup::run_schedule(&services, &schedule)
            .await
            .unwrap();
        let taken_at = made.unwrap().taken_at;
        let fresh = FixedClock::at(taken_at + TimeDelta::hours(47));
        assert!(!words(&examine_at(&config, &fresh).await).contains("backup_stale"));
        fresh.advance(TimeDelta::hours(2));
        assert!(words(&examine_at(&config, &fresh).await).contains("backup_stale"));
    }
    let unset = FixedClock::at(DateTime::UNIX_EPOCH);
    let found = examine_at(&config, &unset).await;
    let clock = found.iter().find(|found| found.check == "clock").unwrap();
    assert!(clock.fix.contains("timedatectl"), "{clock:?}");
    app.finish().await;
}

/// Copies both databases of a backup into a new data folder.
fn copy_databases(backup: &Path, folder: &Path) {
    for name in ["bluetick.db", "journal.db"] {
        fs::copy(backup.join(name), folder.join(name)).unwrap();
    }
}

#[actix_web::test]
async fn a_damaged_database_file_is_found_and_the_fix_names_the_newest_backup() {
    let app = start_app().await;
    if app.database.is_postgres() {
        app.finish().await;
        return;
    }
    app.send_image(SOBOT).await;
    let backups = tempfile::tempdir().unwrap();
    let schedule = bluetick::config::BackupSchedule {
        directory: backups.path().to_path_buf(),
        every: Duration::from_hours(24),
        keep: 2,
    };
    let made = bluetick::operating::backup::run_schedule(&app.services, &schedule).await;
    assert!(made.unwrap().is_some());
    let backup = fs::read_dir(backups.path()).unwrap().next().unwrap();
    let backup = backup.unwrap().path();
    // An older one that was made by hand; its name sorts after those of scheduled ones.
    let older = backups.path().join("now");
    fs::create_dir(&older).unwrap();
    copy_databases(&backup, &older);
    let manifest = fs::read_to_string(backup.join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
    manifest["taken_at"] = json!("2020-01-02T03:04:05.678Z");
    fs::write(older.join("manifest.json"), manifest.to_string()).unwrap();
    let damaged = async |name: &str, page: u64| {
        let folder = tempfile::tempdir().unwrap();
        copy_databases(&backup, folder.path());
        if !name.is_empty() {
            let file = fs::File::options()
                .write(true)
                .open(folder.path().join(name));
            let rubbish = [0xaa; 4096];
            file.unwrap().write_all_at(&rubbish, page * 4096).unwrap();
        }
        let mut config = (*app.services.config).clone();
        config.data_dir = folder.path().to_path_buf();
        let url = format!("sqlite://{}/bluetick.db", folder.path().display());
        config.database_url = Secret::new(url);
        config.backup = Some(schedule.clone());
        let installation = Installation {
            config: &config,
            store: Ok(&app.services.store),
            keys: Ok(&app.services.keys),
            now: SystemClock.now(),
        };
        let mut found = examine(&installation).await;
        found.retain(|found| found.check == "database_damaged");
        found
    };
    assert_eq!(damaged("", 0).await, []);
    // A page of a table; the header, without which the file is no database.
    for (name, page) in [("bluetick.db", 3), ("journal.db", 0)] {
        let found = damaged(name, page).await;
        let [finding] = found.as_slice() else {
            panic!("{name}: {found:#?}");
        };
        assert!(finding.summary.contains(name), "{finding:?}");
        let restore = format!("bluetick restore {}", backup.display());
        assert!(finding.fix.contains(&restore), "{finding:?}");
        assert!(finding.fix.contains("stop `serve`"), "{finding:?}");
    }
    app.finish().await;
}

#[test]
fn before_the_first_start_one_finding_says_what_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let doctor = |data: &Path| {
        let output = command(&["doctor", "--json"], &[("BLUETICK_DATA_DIR", data)]);
        let output = run_to_end(output);
        assert_eq!(output.status.code(), Some(1));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = found["findings"].as_array().unwrap().clone();
        let problems = found.into_iter().filter(|it| it["level"] == "problem");
        problems.collect::<Vec<_>>()
    };
    let [problem] = doctor(&data).try_into().unwrap();
    assert_eq!(problem["check"], "database", "{problem}");
    let text = problem["fix"].as_str().unwrap();
    assert!(
        text.contains("`bluetick config check`, then `bluetick serve`"),
        "{text}"
    );
    assert!(!data.exists());

    fs::write(&data, "").unwrap();
    let [folder_problem, problem] = doctor(&data.join("inner")).try_into().unwrap();
    assert_eq!(folder_problem["check"], "data_dir", "{folder_problem}");
    let text = folder_problem["summary"].as_str().unwrap();
    assert!(text.contains("is a file, but must be a folder"), "{text}");
    assert_eq!(problem["check"], "database", "{problem}");
}

#[actix_web::test]
async fn the_command_prints_json_and_fails_for_problems() {
    let fleet = Fleet::new(1, "http://127.0.0.1:9").await;
    let (succeeded, printed) = fleet.run(&["doctor"]);
    assert!(!succeeded, "{printed}");
    assert!(
        printed.contains("problem [") && printed.contains("  fix: "),
        "{printed}"
    );
    let server = fleet.start(0);
    let (_, printed) = fleet.run(&["doctor", "--json"]);
    let end = printed.rfind('}').unwrap() + 1;
    let found: Value = serde_json::from_str(&printed[..end]).unwrap();
    let found = found["findings"].as_array().unwrap();
    assert!(!found.is_empty());
    for finding in found {
        for key in ["check", "level", "summary", "fix"] {
            assert!(finding[key].is_string(), "{finding}");
        }
    }
    assert!(
        !found
            .iter()
            .any(|finding| finding["check"] == "unreachable"),
        "{found:#?}"
    );
    assert!(server.terminate().0.success());
}
