//! The real program with limits on its open files, for tests of who gets its connections.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bluetick::domain::secret::Secret;
use bluetick::keys::Keys;
use reqwest::multipart::{Form, Part};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::app::{KALEYRA, SOBOT};
use crate::harness::database::TestDatabase;
use crate::harness::program::{Program, command, run_to_end};

const SECRET_KEY: &str = "0123456789abcdef0123456789abcdef";
/// A callback that has no answer by then has none.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which listeners the program has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    OneListener,
    CallbackListener,
}

/// A running program.
pub(crate) struct CapacityTrial {
    /// `127.0.0.1:…`
    pub(crate) address: String,
    /// Where callbacks go; the same if there is one listener.
    pub(crate) callback_address: String,
    /// The header line of a token that may send and read.
    pub(crate) authorization: String,
    /// With a new connection for each request, as providers may.
    pub(crate) client: reqwest::Client,
    database: TestDatabase,
    _program: Program,
}

impl CapacityTrial {
    /// With so many open files at most.
    pub(crate) async fn start(layout: Layout, files: Option<u32>) -> Self {
        let database = TestDatabase::new().await;
        let file = database.folder().join("bluetick.toml");
        let second = match layout {
            Layout::OneListener => "",
            Layout::CallbackListener => "callback_listen = \"127.0.0.1:0\"\n",
        };
        let text = format!(
            "listen = \"127.0.0.1:0\"\n{second}public_url = \"http://127.0.0.1:1\"\ndata_dir = \"{}\"\n\
             database_url = \"{}\"\nsecret_key = \"{SECRET_KEY}\"\n\
             [[accounts]]\nid = \"{SOBOT}\"\nprovider = \"sobot\"\napi_key = \"k\"\napi_secret = \"s\"\nsender = \"+919000000001\"\n\
             [[accounts]]\nid = \"{KALEYRA}\"\nprovider = \"kaleyra\"\nregion = \"in\"\nsid = \"HX1\"\napi_key = \"k\"\nsender = \"+919000000002\"\n",
            database.folder().display(),
            database.url().expose(),
        );
        std::fs::write(&file, text).unwrap();
        let log = database.folder().join("serve.log");
        let mut program = Program::start(serve(&file, files), &log);
        let address = without_scheme(&program.address);
        let callback_address = match layout {
            Layout::OneListener => address.clone(),
            Layout::CallbackListener => {
                let line = program.line();
                let own = line.strip_prefix("listening for callbacks on ").unwrap();
                without_scheme(own)
            }
        };
        Self {
            address,
            callback_address,
            authorization: format!("Authorization: Bearer {}\r\n", token(&file)),
            client: bluetick::http_client::builder()
                .pool_max_idle_per_host(0)
                .timeout(PATIENCE)
                .build()
                .unwrap(),
            database,
            _program: program,
        }
    }

    /// Where the provider of an account calls back.
    #[expect(clippy::unused_self, reason = "a trial knows its own secrets")]
    pub(crate) fn callback_path(&self, account: &str) -> String {
        let keys = Keys::derive(&Secret::new(SECRET_KEY), &[]);
        let token = keys.callback_token(&account.parse().unwrap(), 1);
        format!("/callbacks/{account}/{token}")
    }

    /// Accepts a message with this file for a provider that takes links; the path of the file.
    pub(crate) async fn upload_video(&self, content: &[u8]) -> String {
        let message =
            json!({ "account": SOBOT, "to": "+447700900123", "name": "A", "kind": "video" });
        let part = Part::bytes(content.to_vec()).file_name("a.mp4");
        let form = Form::new()
            .text("message", message.to_string())
            .part("file", part);
        let url = format!("http://{}/api/v1/messages", self.address);
        let (name, value) = self.authorization.trim().split_once(": ").unwrap();
        let request = self.client.post(url).header(name, value).multipart(form);
        assert_eq!(request.send().await.unwrap().status(), 202);
        let token = self
            .database
            .query("SELECT media_token AS line FROM messages")
            .await;
        format!("/media/{}", token[0])
    }

    /// Posts callbacks, spread over a time; each must be answered with 200. How long each took, the
    /// slowest last.
    pub(crate) async fn post_callbacks(
        &self,
        address: &str,
        account: &str,
        count: u32,
        time: Duration,
    ) -> Vec<Duration> {
        let url = format!("http://{address}{}", self.callback_path(account));
        let mut posts = JoinSet::new();
        for number in 0..count {
            let request = self.client.post(&url).json(&json!({ "id": number }));
            let delay = time * number / count;
            posts.spawn(async move {
                sleep(delay).await;
                let started = Instant::now();
                let reply = request.send().await;
                (number, reply.map(|reply| reply.status()), started.elapsed())
            });
        }
        let mut latencies = Vec::new();
        for (number, reply, latency) in posts.join_all().await {
            let status = reply.unwrap_or_else(|error| {
                panic!("callback {number} was not answered after {latency:?}: {error:?}")
            });
            assert_eq!(status, 200, "callback {number} after {latency:?}");
            latencies.push(latency);
        }
        latencies.sort_unstable();
        latencies
    }

    /// One request and the beginning of another; everything that is answered until the end of the
    /// connection.
    pub(crate) async fn send_unfinished_after_a_request(&self, beginning: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answers = vec![0; 16 * 1024];
        let first = stream.read(&mut answers).await.unwrap();
        answers.truncate(first);
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let rest = stream.read_to_end(&mut answers);
        timeout(PATIENCE, rest).await.unwrap().unwrap();
        String::from_utf8(answers).unwrap()
    }
}

/// The shell sets the limit and becomes the program.
fn serve(config: &Path, files: Option<u32>) -> Command {
    let inner = command(&["--config", config.to_str().unwrap(), "serve"], &[]);
    let Some(files) = files else {
        return inner;
    };
    let mut limited = Command::new("/bin/sh");
    limited
        .args(["-c", &format!("ulimit -n {files}; exec \"$@\""), "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear();
    limited
}

fn token(config: &Path) -> String {
    let arguments = [
        "--config",
        config.to_str().unwrap(),
        "token",
        "create",
        "--name",
        "t",
        "--scopes",
        "send,read",
    ];
    let output = run_to_end(command(&arguments, &[]));
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn without_scheme(url: &str) -> String {
    url.strip_prefix("http://").unwrap().to_owned()
}
