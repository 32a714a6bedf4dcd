//! Secrets and personal data stand where they belong and nowhere else, with every library at log level `trace`.
//!
//! A run of the real program handles values that are found nowhere by chance; then its output, error replies and files are searched.

mod detector;
mod program;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bluetick::simulator::{CallbackTargets, ForcedReply};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::json;

use crate::canaries::detector::{Detector, search_files};
use crate::canaries::program::{EVERYTHING, Place, Session, callback_path, fixture};
use crate::harness::app::{ACCOUNTS, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, provider_of, read};
use crate::harness::program::{Program, command, run_to_end};
use crate::harness::waiting;

const SECRET_KEY: &str = "canary-secret-key-canary-secret-key";
const BASIC_PASSWORD: &str = "canary-callback-password";
const WRONG_PASSWORD: &str = "canary-wrong-callback-password";
const HEADER_SECRET: &str = "canary-callback-header";
const SIGNING_KEY: &str = "whsec_Y2FuYXJ5LWFsZXJ0LXNpZ25pbmcta2V5";
const ALERT_PATH: &str = "canary-alert-path";
const PASSWORD: &str = "canary-password-of-ada";
const MISTYPED_PASSWORD: &str = "canary-password-of-adda";
const WRONG_TOKEN: &str = "bt_canarywrongtokencanarywrongtoken";
const WRONG_LINK: &str = "canary-wrong-link-canary-wrong-link";

/// Kept until the customer is erased; never logged.
const NUMBER: &str = "447700900731";
const OTHER_NUMBER: &str = "447700900862";
const PERSONAL: [&str; 12] = [
    NUMBER,
    OTHER_NUMBER,
    "7700 900731",
    "canaryname",
    "canary-caption",
    "canary-template-value",
    "canary-media-signature",
    "canary-inbound-text",
    "canary-client-reference",
    "canary-city",
    "canary-garbage",
    "canary-file-name",
];

/// Links, passwords and cookies; returns the secrets that came up.
async fn people(session: &Session<'_>, log: &mut Vec<u8>) -> Vec<String> {
    let place = session.place;
    let add = ["user", "add", "ada@example.com", "--role", "admin"];
    let printed = place.run(&add, log);
    let (_, link) = printed.trim().split_once("token=").unwrap();
    session.form("/login", "", &[("token", WRONG_LINK)]).await;
    let shown = session.request("GET", &format!("/login?token={link}"));
    assert_eq!(shown.send().await.unwrap().status(), 200);
    let cookie = |reply: &Response| {
        let cookie = reply.headers()[SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    };
    let signed_in = session.form("/login", "", &[("token", link)]).await;
    let first = cookie(&signed_in);
    let set = [("password", PASSWORD)];
    let reply = session.form("/settings/password", &first, &set).await;
    assert_eq!(reply.status(), 200);
    let wrong = [
        ("email", "ada@example.com"),
        ("password", MISTYPED_PASSWORD),
    ];
    assert_eq!(session.form("/login", "", &wrong).await.status(), 403);
    let right = [("email", "ada@example.com"), ("password", PASSWORD)];
    let signed_in = session.form("/login", "", &right).await;
    assert_eq!(signed_in.status(), 303);
    let second = cookie(&signed_in);
    for path in [
        "/".to_owned(),
        format!("/messages?q={NUMBER}"),
        "/accounts".to_owned(),
        "/settings".to_owned(),
        "/audit".to_owned(),
    ] {
        let page = session.request("GET", &path).header(COOKIE, &second);
        assert_eq!(page.send().await.unwrap().status(), 200, "{path}");
    }
    assert_eq!(session.form("/logout", &second, &[]).await.status(), 303);
    let values = [&first, &second].map(|cookie| cookie.split_once('=').unwrap().1.to_owned());
    [vec![link.to_owned()], values.to_vec()].concat()
}

/// Accepted, delivered, refused, unclear, held, and invalid messages of every provider.
async fn messages(session: &Session<'_>) -> String {
    let simulator = &session.place.simulator;
    let mut ids = Vec::new();
    for account in ACCOUNTS {
        ids.push(session.send(&session.message(account)).await);
    }
    let mut with_template = session.message(ZIXFLOW);
    let fields = with_template.as_object_mut().unwrap();
    fields.remove("caption");
    fields.remove("client_reference");
    with_template["template"] =
        json!({ "name": "order_packed", "language": "en", "body": ["canary-template-value"] });
    ids.push(session.send(&with_template).await);
    let mut moved = session.message(SOBOT);
    moved["client_reference"] = json!("canary-client-reference-moved");
    moved["media"]["url"] = json!(format!("{}/moved.png", session.place.host.uri()));
    ids.push(session.send(&moved).await);
    for id in &ids {
        session.wait_for_state(id, &["submitted"]).await;
    }
    assert!(simulator.deliver_all().await > 0);
    // Kaleyra's callbacks miss their authentication.
    session.wait_for_state(&ids[0], &["read"]).await;
    session.wait_for_state(&ids[4], &["read"]).await;

    let words = format!("no route to +{NUMBER}, Canaryname Moreau: canary-caption");
    let refusal = json!({ "code": 131_026, "message": words });
    let forced = [
        (SOBOT, ForcedReply::json(400, &refusal), "failed"),
        (SOBOT, ForcedReply::hang_up(), "uncertain"),
        (
            ZIXFLOW,
            ForcedReply::raw(200, "text/html", words.clone()),
            "uncertain",
        ),
        (LANCEPILOT, ForcedReply::json(401, &refusal), "queued"),
    ];
    for (number, (account, reply, state)) in forced.into_iter().enumerate() {
        simulator.force(provider_of(account), reply);
        let mut body = session.message(account);
        body["client_reference"] = json!(format!("canary-client-reference-{number}"));
        let id = session.send(&body).await;
        session.wait_for_state(&id, &[state]).await;
        ids.push(id);
    }
    session
        .post(&format!("/api/v1/messages/{}/resend", ids[6]), &json!({}))
        .await;
    session
        .post(
            &format!("/api/v1/messages/{}/mark-failed", ids[7]),
            &json!({}),
        )
        .await;

    let mut invalid = session.message(SOBOT);
    invalid["to"] = json!("+44 7700 900731 canary-garbage");
    let (status, reply) = session.post("/api/v1/messages", &invalid).await;
    assert_eq!(status, 422, "{reply}");
    let cut = r#"{"account": "canary-garbage", "to": "+447700900731"#;
    let request = session.api("POST", "/api/v1/messages").body(cut);
    assert_eq!(
        read(request.header("content-type", "application/json"))
            .await
            .0,
        400
    );
    let mut upload = session.message(SOBOT);
    upload.as_object_mut().unwrap().remove("media");
    let image = fs::read(fixture("media/rgb.png")).unwrap();
    let part = Part::bytes(image).file_name("canary-file-name.png");
    let form = Form::new()
        .text("message", upload.to_string())
        .part("file", part.mime_str("image/png").unwrap());
    read(session.api("POST", "/api/v1/messages").multipart(form)).await;
    ids.swap_remove(0)
}

/// Good, unreadable, unverified, compressed and unknown callbacks, and the handshake.
async fn callbacks(session: &Session<'_>) {
    let wamid = format!("wamid.HBgM{}FQIAERgS", STANDARD_NO_PAD.encode(NUMBER));
    let inbound = json!({ "contacts": [{ "profile": { "name": "Canaryname Moreau" }, "wa_id": NUMBER }],
        "messages": [{ "from": NUMBER, "id": wamid, "type": "text", "timestamp": "1763640000",
            "text": { "body": "canary-inbound-text" } }] });
    let changes = json!([{ "field": "messages", "value": inbound }]);
    let inbound = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": changes }] });
    let status =
        json!({ "id": wamid, "status": "delivered", "timestamp": "1763640000", "to": NUMBER });
    let token = callback_path(SOBOT).rsplit('/').next().unwrap().to_owned();
    for body in [
        inbound.to_string(),
        status.to_string(),
        format!("{{\"canary-garbage\": \"{NUMBER}"),
        json!({ "status": format!("canary-garbage {NUMBER}") }).to_string(),
    ] {
        // Proxies repeat the URL with its token in headers.
        let headers = [
            ("content-type", "application/json"),
            ("x-original-uri", &*format!("/callbacks/{SOBOT}/{token}")),
            ("authorization", &*format!("Bearer {WRONG_PASSWORD}")),
        ];
        session.callback(SOBOT, &headers, body).await;
    }
    let basic = |password: &str| {
        let login = STANDARD.encode(format!("kaleyra:{password}"));
        format!("Basic {login}")
    };
    for password in [BASIC_PASSWORD, WRONG_PASSWORD] {
        let headers = [
            ("authorization", &*basic(password)),
            ("x-callback-key", HEADER_SECRET),
        ];
        session
            .callback(KALEYRA, &headers, status.to_string())
            .await;
    }
    let handshake = format!(
        "{}?hub.mode=subscribe&hub.challenge=1&hub.verify_token={WRONG_PASSWORD}",
        callback_path(SOBOT)
    );
    session.request("GET", &handshake).send().await.unwrap();
    let quarantined = async || {
        let problems = session.get("/api/v1/problems").await.to_string();
        problems.contains("quarantin")
    };
    waiting::until("quarantined", quarantined).await;
    session.post("/api/v1/alerts/1/test", &json!({})).await;
    session.post("/api/v1/callbacks/replay", &json!({})).await;
}

/// Searches, campaigns, exports.
async fn reads(session: &Session<'_>, id: &str) {
    for path in [
        format!("/api/v1/messages?to=%2B{NUMBER}"),
        "/api/v1/messages?q=7700%20900731".to_owned(),
        format!("/api/v1/messages/{id}/timeline"),
        format!("/api/v1/messages/{id}/explain"),
        format!("/api/v1/windows/{SOBOT}/{NUMBER}"),
        "/api/v1/callbacks".to_owned(),
    ] {
        session.get(&path).await;
    }
    let export = session.api("GET", "/api/v1/reports/messages.csv");
    let text = export.send().await.unwrap().text().await.unwrap();
    assert!(text.contains(NUMBER), "the test finds nothing to hide");
    let draft = json!({ "account": SOBOT, "name": "Spring", "kind": "image", "caption": "canary-caption {{city}}",
        "media": { "url": session.place.media_url() } });
    let (status, campaign) = session.post("/api/v1/campaigns", &draft).await;
    assert_eq!(status, 201, "{campaign}");
    let rows = format!(
        "to,name,city\n+{OTHER_NUMBER},Canaryname Rao,canary-city\ncanary-garbage,Canaryname Rao,canary-city\n"
    );
    let path = "/api/v1/campaigns/spring/recipients";
    let added = session.api("POST", path).header("content-type", "text/csv");
    let (status, reply) = read(added.body(rows)).await;
    assert_eq!(status, 200, "{reply}");
    let (status, reply) = session
        .post("/api/v1/campaigns/spring/start", &json!({}))
        .await;
    assert_eq!(status, 200, "{reply}");
    let is_done = async || session.get("/api/v1/campaigns/spring").await["state"] == "done";
    waiting::until("the campaign is done", is_done).await;
}

/// Replies to callers who may know nothing, each with what was asked.
async fn replies_without_access(
    session: &Session<'_>,
    secrets: &[String],
) -> Vec<(String, Vec<u8>)> {
    let client = &session.place.client;
    let mut replies = Vec::new();
    let paths = [
        "/".to_owned(),
        "/login".to_owned(),
        "/healthz".to_owned(),
        "/readyz".to_owned(),
        "/metrics".to_owned(),
        "/api/openapi.json".to_owned(),
        "/api/v1/messages".to_owned(),
        format!("/api/v1/messages?q={NUMBER}&cursor={}", secrets[0]),
        "/callbacks/sobot-main/canarywrongtoken".to_owned(),
        "/reports/canarywrongtoken".to_owned(),
        "/media/canarywrongtoken".to_owned(),
        format!("/callbacks/{LANCEPILOT}/{}", secrets[0]),
    ];
    for path in paths {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let url = format!("{}{path}", session.program.address);
            let request = client
                .request(method.clone(), url)
                .bearer_auth(WRONG_TOKEN)
                .header(COOKIE, format!("bluetick_session={}", secrets[1]))
                .header("content-type", "application/json")
                .body(r#"{"to": "+447700900731", "canary-garbage": 1}"#);
            let reply = request.send().await.unwrap();
            let mut bytes = format!("{} {:?}", reply.status(), reply.headers()).into_bytes();
            bytes.extend(reply.bytes().await.unwrap());
            replies.push((format!("reply to {method} {path}"), bytes));
        }
    }
    let address = session.program.address.trim_start_matches("http://");
    for request in [
        "\x16\x03\x01 canary-garbage\r\n\r\n".to_owned(),
        format!("GET /{NUMBER} HTTP/9\r\nHost: {address}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {address}\r\nAuthorization canary-garbage\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: canary-garbage\r\n\r\n"),
    ] {
        let (address, sent) = (address.to_owned(), request.clone());
        let answer = actix_web::rt::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(sent.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            answer
        });
        replies.push((request, answer.await.unwrap()));
    }
    replies
}

#[actix_web::test]
async fn at_level_trace_no_secret_and_no_customer_leaves_its_place() {
    let place = Place::new().await;
    let log_file = place.database.folder().join("log");
    let program = Program::start(place.command(&["serve"]), &log_file);
    let targets = ACCOUNTS
        .iter()
        .fold(CallbackTargets::default(), |targets, account| {
            let url = format!("{}{}", program.address, callback_path(account));
            targets.with(provider_of(account), url)
        });
    place.simulator.set_targets(targets);
    let mut log = Vec::new();
    let create = ["token", "create", "--name", "t", "--scopes", "admin"];
    let token = place.run(&create, &mut log).trim().to_owned();
    let session = Session {
        place: &place,
        program: &program,
        token,
    };
    let first_link = fs::read_to_string(place.data().join("sign-in-link")).unwrap();
    let (_, first_link) = first_link.trim().split_once("token=").unwrap();

    let mut secrets: Vec<String> = [
        "canary-sobot-key",
        "canary-sobot-secret",
        "canary-kaleyra-key",
        "canary-zixflow-token",
        "canary-lancepilot-token",
        SECRET_KEY,
        BASIC_PASSWORD,
        WRONG_PASSWORD,
        HEADER_SECRET,
        &SIGNING_KEY["whsec_".len()..],
        "canary-alert-signing-key",
        ALERT_PATH,
        PASSWORD,
        MISTYPED_PASSWORD,
        WRONG_TOKEN,
        WRONG_LINK,
        &session.token,
    ]
    .map(str::to_owned)
    .to_vec();
    secrets.extend(ACCOUNTS.map(|account| {
        let path = callback_path(account);
        path.rsplit('/').next().unwrap().to_owned()
    }));
    secrets.extend(people(&session, &mut log).await);
    let id = messages(&session).await;
    callbacks(&session).await;
    reads(&session, &id).await;
    let asked = [callback_path(SOBOT), secrets[0].clone()].map(|text| text.replace('/', ""));
    let replies = replies_without_access(&session, &asked).await;
    let requests = place.simulator.received();
    let report_urls = requests.iter().filter_map(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let (_, rest) = body.split_once("/reports/")?;
        Some(rest.split('"').next().unwrap().to_owned())
    });
    secrets.extend(report_urls);

    let mut printed = Vec::new();
    let backup = place.database.folder().join("backup");
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["config", "check"],
        vec!["doctor"],
        vec!["verify"],
        vec!["user", "list"],
        vec!["token", "list"],
        vec!["campaign", "list"],
    ];
    if !place.database.is_postgres() {
        commands.push(vec!["backup", backup.to_str().unwrap()]);
    }
    for arguments in commands {
        let stdout = place.run(&arguments, &mut log);
        printed.push((arguments.join(" "), stdout.into_bytes()));
    }
    place.run(&["explain", &id], &mut log);
    let audit = session.get("/api/v1/audit").await.to_string();
    let metrics = session.api("GET", "/metrics").send().await.unwrap();
    let metrics = metrics.bytes().await.unwrap().to_vec();

    let personal = PERSONAL.map(str::to_owned);
    let secrets_detector = Detector::new(&secrets);
    let everything = Detector::new(&[secrets.clone(), personal.to_vec()].concat());
    let mut found = search_files(&place.data(), &secrets_detector, &everything);
    if !place.database.is_postgres() {
        found.extend(search_files(&backup, &secrets_detector, &everything));
    }

    let erase = ["erase", "--phone", NUMBER];
    let erased = place.run(&erase, &mut log);
    printed.push(("erase".to_owned(), erased.into_bytes()));
    let (status, served) = program.terminate();
    assert_eq!(status.code(), Some(0));
    found.extend(everything.search("log of serve", served.as_bytes()));
    found.extend(everything.search("log of commands", &log));
    found.extend(everything.search("audit log", audit.as_bytes()));
    found.extend(everything.search("metrics", &metrics));
    for (place, bytes) in replies.iter().chain(&printed) {
        found.extend(everything.search(place, bytes));
    }
    let first = Detector::new(&[first_link.to_owned()]);
    found.extend(first.search("log of serve", served.as_bytes()));
    assert!(found.is_empty(), "{}", found.join("\n\n"));
    assert!(
        served.contains("TRACE"),
        "the log is not at the level of this test"
    );
    place.simulator.stop().await.unwrap();
}

#[test]
fn a_refused_configuration_quotes_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bluetick.toml");
    let secret = "canary-secret-value";
    let lines = [
        format!("secret_key = \"{secret}\""),
        format!("secret_kee = \"{secret}-but-long-enough-for-the-key\""),
        format!("database_url = \"postgres://ada:{secret}@127.0.0.1:1/b?sslmode=nonsense\""),
        format!("database_url = \"postgres://ada:{secret}@127.0.0.1:1/b\""),
        format!("database_url = \"mysql://ada:{secret}@127.0.0.1:1/b\""),
        format!("public_url = \"https://ada:{secret}@hooks.example.com\""),
        format!(
            "[[accounts]]\nid = \"a\"\nprovider = \"sobot\"\napi_kee = \"{secret}\"\napi_secret = [\"{secret}\"]\nsender = \"+919000000001\""
        ),
        format!(
            "[[accounts]]\nid = \"a\"\nprovider = \"sobot\"\napi_key = \"{secret}\\n\"\napi_secret = \"{secret}\"\nbase_url = \"https://ada:{secret}@sobot.example.com\""
        ),
        format!(
            "[[alerts]]\nkind = \"overdue\"\nurl = \"ftp://alerts.example.com/{secret}\"\nsecret = \"{secret}\""
        ),
        format!("secret_key = {secret}"),
    ];
    let detector = Detector::new(&[secret.to_owned()]);
    let mut found = Vec::new();
    for line in lines {
        fs::write(&file, format!("data_dir = \"data\"\n{line}\n")).unwrap();
        for arguments in [["config", "check"].as_slice(), &["serve"]] {
            let variables: [(&str, &Path); 3] = [
                ("BLUETICK_CONFIG", &file),
                ("BLUETICK_LISTEN", Path::new("nowhere")),
                ("RUST_LOG", Path::new(EVERYTHING)),
            ];
            let output = run_to_end(command(arguments, &variables));
            assert_eq!(output.status.code(), Some(1), "{line}");
            let printed = [output.stdout, output.stderr].concat();
            found.extend(detector.search(&line, &printed));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}
