//! The program with values that are found nowhere by chance, the simulator and host that it talks to,
//! and calls of it.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use bluetick::domain::secret::Secret;
use bluetick::keys::Keys;
use bluetick::simulator::{CallbackRelease, PlannedOutcome, Settings, Simulator, SimulatorHandle};
use reqwest::header::COOKIE;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use wiremock::matchers::path as at_path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::canaries::{ALERT_PATH, BASIC_PASSWORD, HEADER_SECRET, NUMBER, SECRET_KEY, SIGNING_KEY};
use crate::harness::app::{KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, message, provider_of, read};
use crate::harness::database::TestDatabase;
use crate::harness::program::{Program, command, run_to_end};
use crate::harness::waiting;

/// Every level of the log, and of the libraries that are quiet by default one by one.
pub(super) const EVERYTHING: &str = "trace,sqlx=trace,sqlx::query=trace,sqlx_postgres::options=trace,sea_orm=trace,sea_orm_migration=trace,actix=trace,\
    actix_web=trace,actix_server=trace,actix_http=trace,actix_session=trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace,h2=trace";

pub(super) struct Place {
    pub(super) database: TestDatabase,
    pub(super) simulator: SimulatorHandle,
    /// Serves media and receives alerts.
    pub(super) host: MockServer,
    pub(super) client: Client,
}

impl Place {
    pub(super) async fn new() -> Self {
        let mut settings = Settings {
            release: CallbackRelease::Manual,
            pace: 0.0,
            outcome: Some(PlannedOutcome::Read),
            customer_reply_share: 1.0,
            ..Settings::default()
        };
        settings.sobot.api_key = "canary-sobot-key".into();
        settings.sobot.api_secret = "canary-sobot-secret".into();
        settings.kaleyra.api_key = "canary-kaleyra-key".into();
        settings.zixflow.token = "canary-zixflow-token".into();
        settings.lancepilot.token = "canary-lancepilot-token".into();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = MockServer::start().await;
        let image = fs::read(fixture("media/rgb.png")).unwrap();
        let reply = ResponseTemplate::new(200).set_body_raw(image, "image/png");
        let served = Mock::given(at_path("/canary-file-name.png")).respond_with(reply);
        served.mount(&host).await;
        let moved = ResponseTemplate::new(302).insert_header(
            "location",
            "/canary-file-name.png?sig=canary-media-signature",
        );
        let served = Mock::given(at_path("/moved.png")).respond_with(moved);
        served.mount(&host).await;
        let place = Self {
            database: TestDatabase::new().await,
            simulator: Simulator::start(settings.clone(), listener).unwrap(),
            host,
            client: bluetick::http_client::builder()
                .redirect(Policy::none())
                .build()
                .unwrap(),
        };
        place.configure(&settings);
        place
    }

    pub(super) fn configure(&self, settings: &Settings) {
        let mut text = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"data\"\ndatabase_url = \"{}\"\nsecret_key = \"{SECRET_KEY}\"\n\
             media_networks = [\"127.0.0.1/32\"]\n",
            self.database.url_in("data").expose()
        );
        let credentials = [
            format!(
                "api_key = \"{}\"\napi_secret = \"{}\"\nsender = \"+919000000001\"",
                settings.sobot.api_key, settings.sobot.api_secret
            ),
            format!(
                "sid = \"{}\"\napi_key = \"{}\"\nsender = \"+919000000002\"\n\
                 callback_auth.basic = [{{ username = \"kaleyra\", password = \"{BASIC_PASSWORD}\" }}]\n\
                 callback_auth.header = [{{ name = \"X-Callback-Key\", value = \"{HEADER_SECRET}\" }}]",
                settings.kaleyra.sid, settings.kaleyra.api_key
            ),
            format!(
                "token = \"{}\"\nphone_id = \"{}\"",
                settings.zixflow.token, settings.zixflow.phone_id
            ),
            format!(
                "token = \"{}\"\nworkspace = \"{}\"",
                settings.lancepilot.token, settings.lancepilot.workspace
            ),
        ];
        let accounts = [SOBOT, KALEYRA, ZIXFLOW, LANCEPILOT];
        for (account, credentials) in accounts.into_iter().zip(credentials) {
            write!(
                text,
                "[[accounts]]\nid = \"{account}\"\nprovider = \"{}\"\nbase_url = \"{}\"\n{credentials}\n",
                provider_of(account),
                self.simulator.base_url(),
            )
            .unwrap();
        }
        write!(
            text,
            "[[alerts]]\nkind = \"quarantine\"\nurl = \"{}/{ALERT_PATH}\"\nsecret = \"{SIGNING_KEY}\"\n",
            self.host.uri()
        )
        .unwrap();
        fs::write(self.file(), text).unwrap();
    }

    pub(super) fn file(&self) -> PathBuf {
        self.database.folder().join("bluetick.toml")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.database.folder().join("data")
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let variables: [(&str, &Path); 2] = [
            ("BLUETICK_CONFIG", &self.file()),
            ("RUST_LOG", Path::new(EVERYTHING)),
        ];
        command(arguments, &variables)
    }

    /// Runs a command; returns stdout, and appends stderr to the log.
    pub(super) fn run(&self, arguments: &[&str], log: &mut Vec<u8>) -> String {
        let output = run_to_end(self.command(arguments));
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        log.extend(output.stderr);
        assert!(output.status.code().is_some_and(|code| code < 2), "{shown}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(super) fn media_url(&self) -> String {
        format!(
            "{}/canary-file-name.png?sig=canary-media-signature",
            self.host.uri()
        )
    }
}

pub(super) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A running server and an API token for it.
pub(super) struct Session<'a> {
    pub(super) place: &'a Place,
    pub(super) program: &'a Program,
    pub(super) token: String,
}

impl Session<'_> {
    pub(super) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.program.address);
        self.place.client.request(method.parse().unwrap(), url)
    }

    pub(super) fn api(&self, method: &str, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(&self.token)
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, body) = read(self.api("GET", path)).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        read(self.api("POST", path).json(body)).await
    }

    pub(super) async fn form(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Response {
        let mut form = form_urlencoded::Serializer::new(String::new());
        self.request("POST", path)
            .header(COOKIE, cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.extend_pairs(fields).finish())
            .send()
            .await
            .unwrap()
    }

    pub(super) async fn send(&self, body: &Value) -> String {
        let (status, reply) = self.post("/api/v1/messages", body).await;
        assert_eq!(status, 202, "{reply}");
        reply["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn wait_for_state(&self, id: &str, states: &[&str]) {
        let path = format!("/api/v1/messages/{id}");
        let has_state = async || {
            let shown = self.get(&path).await;
            states.contains(&shown["state"].as_str().unwrap())
        };
        waiting::until(&format!("{id}: {states:?}"), has_state).await;
    }

    pub(super) fn message(&self, account: &str) -> Value {
        let mut body = message(account, "image");
        body["to"] = json!("+44 7700 900731");
        body["name"] = json!("Canaryname Moreau");
        body["caption"] = json!("canary-caption");
        body["media"] = json!({ "url": self.place.media_url() });
        body["client_reference"] = json!(format!("canary-client-reference-{account}"));
        body
    }

    /// Stored, and answered 401 without the account's authentication.
    pub(super) async fn callback(
        &self,
        account: &str,
        headers: &[(&str, &str)],
        body: impl Into<String>,
    ) {
        let path = callback_path(account);
        let mut request = self
            .request("POST", &format!("{path}?wa_id={NUMBER}"))
            .body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let status = request.send().await.unwrap().status().as_u16();
        assert!([200, 401].contains(&status), "{account}: {status}");
    }
}

pub(super) fn callback_path(account: &str) -> String {
    let keys = Keys::derive(&Secret::new(SECRET_KEY), &[]);
    let token = keys.callback_token(&account.parse().unwrap(), 1);
    format!("/callbacks/{account}/{token}")
}
