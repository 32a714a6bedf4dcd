//! Real processes, one after the other or in parallel, on one database and one listening socket that stays open throughout.

use std::fmt::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use bluetick::domain::secret::Secret;
use bluetick::journal::Journal;
use bluetick::keys::Keys;
use bluetick::simulator::{CallbackTargets, Settings};
use serde_json::Value;

use crate::harness::app::{ACCOUNTS, KALEYRA, LANCEPILOT, SOBOT, ZIXFLOW, provider_of};
use crate::harness::database::TestDatabase;
use crate::harness::program::{Program, command, run_to_end};

const SECRET_KEY: &str = "0123456789abcdef0123456789abcdef";

/// A database, a socket, and one configuration per replica.
pub(crate) struct Fleet {
    pub(crate) database: TestDatabase,
    /// Base URL of all replicas, `http://127.0.0.1:…`.
    pub(crate) address: String,
    socket: TcpListener,
    replicas: usize,
    starts: AtomicUsize,
}

impl Fleet {
    /// On SQLite there is only one replica. Providers are called at `base_url`.
    pub(crate) async fn new(replicas: usize, base_url: &str) -> Self {
        let database = TestDatabase::new().await;
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let fleet = Self {
            address: format!("http://{}", socket.local_addr().unwrap()),
            replicas: if database.is_postgres() { replicas } else { 1 },
            database,
            socket,
            starts: AtomicUsize::new(0),
        };
        for replica in fleet.replicas() {
            let folder = fleet.data_dir(replica);
            let mut private = std::fs::DirBuilder::new();
            private.recursive(true).mode(0o700).create(folder).unwrap();
            std::fs::write(fleet.file(replica), fleet.configuration(replica, base_url)).unwrap();
        }
        fleet
    }

    /// The numbers of the replicas.
    pub(crate) fn replicas(&self) -> std::ops::Range<usize> {
        0..self.replicas
    }

    /// Starts a replica on the shared socket, as systemd would, and waits until it listens.
    pub(crate) fn start(&self, replica: usize) -> Program {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.data_dir(replica).join(format!("{number}.log"));
        let serve = command(&self.arguments(replica, &["serve"]), &[]);
        Program::start(self.with_socket(&serve), &log)
    }

    /// Like [`Self::start`], without waiting.
    pub(crate) fn start_unready(&self, replica: usize) -> Program {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.data_dir(replica).join(format!("{number}.log"));
        let serve = command(&self.arguments(replica, &["serve"]), &[]);
        Program::start_unready(self.with_socket(&serve), &log, &self.address)
    }

    /// Runs a command with the first replica's configuration. Returns whether it succeeded, and its output.
    pub(crate) fn run(&self, arguments: &[&str]) -> (bool, String) {
        // A `serve` that is refused may bind first.
        let listen = [("BLUETICK_LISTEN", Path::new("127.0.0.1:0"))];
        let output = command(&self.arguments(0, arguments), &listen)
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(printed).unwrap())
    }

    /// A command with the first replica's configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(&self.arguments(0, arguments), &[])
    }

    /// A new token with the scope `admin`.
    pub(crate) fn token(&self) -> String {
        let create = ["token", "create", "--name", "t", "--scopes", "admin"];
        let output = run_to_end(command(&self.arguments(0, &create), &[]));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The callback URL of an account.
    pub(crate) fn callback_url(&self, account: &str) -> String {
        let keys = Keys::derive(&Secret::new(SECRET_KEY), &[]);
        let token = keys.callback_token(&account.parse().unwrap(), 1);
        format!("{}/callbacks/{account}/{token}", self.address)
    }

    /// The callback URLs of all four accounts.
    pub(crate) fn callback_targets(&self) -> CallbackTargets {
        ACCOUNTS
            .iter()
            .fold(CallbackTargets::default(), |targets, account| {
                targets.with(provider_of(account), self.callback_url(account))
            })
    }

    /// The `id` of every callback in the journal, in order; bodies that are not JSON are skipped.
    pub(crate) async fn callback_ids(&self) -> Vec<String> {
        let journal = Journal::open(self.database.journal().await).await.unwrap();
        let mut ids = Vec::new();
        let mut position = 0;
        loop {
            let entries = journal.read_after(position, 1_000, u64::MAX).await.unwrap();
            let Some(last) = entries.last() else { break };
            position = last.seq;
            let bodies = entries.iter().map(|entry| &entry.record.body);
            ids.extend(bodies.filter_map(|body| {
                let body: Value = serde_json::from_slice(body).ok()?;
                Some(body["id"].as_str()?.to_owned())
            }));
        }
        journal.close().await.unwrap();
        ids
    }

    /// The number of processes, ended ones included, whose log contains this.
    pub(crate) fn count_logs_with(&self, words: &str) -> usize {
        let logs = self.replicas().flat_map(|replica| {
            let files = std::fs::read_dir(self.data_dir(replica)).unwrap();
            files.map(|file| file.unwrap().path())
        });
        logs.filter(|path| path.extension().is_some_and(|end| end == "log"))
            .filter(|path| std::fs::read_to_string(path).unwrap().contains(words))
            .count()
    }

    /// The data folder of a replica. The first one's is the folder of the database files.
    pub(crate) fn data_dir(&self, replica: usize) -> PathBuf {
        match replica {
            0 => self.database.folder().to_owned(),
            _ => self.database.folder().join(format!("replica-{replica}")),
        }
    }

    fn file(&self, replica: usize) -> PathBuf {
        self.data_dir(replica).join("bluetick.toml")
    }

    fn arguments<'a>(&self, replica: usize, command: &[&'a str]) -> Vec<&'a str> {
        let file = self.file(replica).to_str().unwrap().to_owned();
        let mut arguments = vec!["--config", Box::leak(file.into_boxed_str())];
        arguments.extend(command);
        arguments
    }

    /// The same command with the socket as descriptor 3. The shell moves it there from stdin and then executes the program under its own
    /// process id.
    fn with_socket(&self, inner: &Command) -> Command {
        let socket = OwnedFd::from(self.socket.try_clone().unwrap());
        let mut command = Command::new("/bin/sh");
        command
            .args([
                "-c",
                "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"",
                "sh",
            ])
            .arg(inner.get_program())
            .args(inner.get_args())
            .env_clear()
            .stdin(Stdio::from(socket));
        command
    }

    fn configuration(&self, replica: usize, base_url: &str) -> String {
        let simulated = Settings::default();
        let mut text = format!(
            "public_url = \"{}\"\ndata_dir = \"{}\"\ndatabase_url = \"{}\"\nsecret_key = \"{SECRET_KEY}\"\n",
            self.address,
            self.data_dir(replica).display(),
            self.database.url().expose(),
        );
        let (sobot, kaleyra) = (&simulated.sobot, &simulated.kaleyra);
        let (zixflow, lancepilot) = (&simulated.zixflow, &simulated.lancepilot);
        for (account, lines) in [
            (
                SOBOT,
                format!(
                    "api_key = \"{}\"\napi_secret = \"{}\"\nsender = \"+919000000001\"",
                    sobot.api_key, sobot.api_secret
                ),
            ),
            (
                KALEYRA,
                format!(
                    "sid = \"{}\"\napi_key = \"{}\"\nsender = \"+919000000002\"",
                    kaleyra.sid, kaleyra.api_key
                ),
            ),
            (
                ZIXFLOW,
                format!(
                    "token = \"{}\"\nphone_id = \"{}\"",
                    zixflow.token, zixflow.phone_id
                ),
            ),
            (
                LANCEPILOT,
                format!(
                    "token = \"{}\"\nworkspace = \"{}\"",
                    lancepilot.token, lancepilot.workspace
                ),
            ),
        ] {
            write!(
                text,
                "[[accounts]]\nid = \"{account}\"\nprovider = \"{}\"\nbase_url = \"{base_url}\"\ntimeout = \"5s\"\npreflight = \"off\"\nadopt_after = \"5s\"\n{lines}\n",
                provider_of(account),
            )
            .unwrap();
        }
        text
    }
}
