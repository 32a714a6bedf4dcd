//! Processes under measurement: Bluetick and the baselines.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::BenchError;
use crate::population::{ACCOUNTS, SECRET_KEY};
use crate::process::{context_switches, memory, processor_time};

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Time until the process printed its address.
    pub started_in: Duration,
}

impl Server {
    /// The program must print `listening on http://…`.
    pub fn start(command: &mut Command) -> Result<Self, BenchError> {
        let began = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let started_in = began.elapsed();
        let address = line.trim().strip_prefix("listening on http://");
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            child.kill()?;
            return Err(
                format!("{command:?} did not report its address; it printed {line:?}").into(),
            );
        };
        Ok(Self {
            child,
            address,
            started_in,
        })
    }

    pub fn baseline(arguments: &[&str]) -> Result<Self, BenchError> {
        let mut command = Command::new(std::env::current_exe()?);
        Self::start(command.arg("baseline").args(arguments))
    }

    pub fn bluetick(installation: &Installation) -> Result<Self, BenchError> {
        Self::start(&mut installation.command(&["serve"]))
    }

    pub fn processor_time(&self) -> Result<Duration, BenchError> {
        processor_time(self.child.id())
    }

    pub fn context_switches(&self) -> Result<u64, BenchError> {
        context_switches(self.child.id())
    }

    /// In MB.
    pub fn resident_memory(&self) -> Result<f64, BenchError> {
        memory(self.child.id(), "VmRSS:")
    }

    /// In MB.
    pub fn peak_memory(&self) -> Result<f64, BenchError> {
        memory(self.child.id(), "VmHWM:")
    }

    /// Sends SIGTERM and waits.
    pub fn stop(mut self) -> Result<(), BenchError> {
        let signalled = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()?;
        if !signalled.success() {
            return Err("cannot signal the server; it may have exited".into());
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Does nothing after `stop`; errors cannot be reported from `drop`.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether the server applies the callbacks that it acknowledges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reconciliation {
    Enabled,
    /// The main database is locked: nothing is applied.
    Disabled,
}

/// A folder with configuration and, on SQLite, databases.
pub struct Installation {
    binary: PathBuf,
    pub folder: PathBuf,
    pub database_url: String,
    accounts: Vec<String>,
}

impl Installation {
    /// Writes the configuration and creates the databases; without `database_url`, on SQLite.
    pub fn create(
        binary: &Path,
        folder: &Path,
        database_url: Option<&str>,
    ) -> Result<Self, BenchError> {
        let tables = ACCOUNTS.map(|account| account.settings.to_owned());
        Self::create_with_accounts(binary, folder, database_url, tables.to_vec())
    }

    /// `accounts` has the TOML table of each account.
    pub fn create_with_accounts(
        binary: &Path,
        folder: &Path,
        database_url: Option<&str>,
        accounts: Vec<String>,
    ) -> Result<Self, BenchError> {
        fs::create_dir_all(folder)?;
        let file = format!("sqlite://{}", folder.join("bluetick.db").display());
        let installation = Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            database_url: database_url.map_or(file, str::to_owned),
            accounts,
        };
        fs::write(installation.config_path(), installation.config_text())?;
        // The first start creates the tables.
        Server::bluetick(&installation)?.stop()?;
        Ok(installation)
    }

    fn config_path(&self) -> PathBuf {
        self.folder.join("bluetick.toml")
    }

    fn config_text(&self) -> String {
        let data_dir = self.folder.join("data");
        let mut text = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\ndatabase_url = {:?}\nsecret_key = {SECRET_KEY:?}\n",
            data_dir.display(),
            self.database_url
        );
        for settings in &self.accounts {
            text.push_str("[[accounts]]\npreflight = \"off\"\n");
            text.push_str(settings);
        }
        text
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .env("RUST_LOG", "error")
            .arg("--config")
            .arg(self.config_path())
            .args(arguments);
        command
    }

    /// Returns the standard output.
    pub fn run(&self, arguments: &[&str]) -> Result<String, BenchError> {
        let output = self.command(arguments).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("bluetick {arguments:?}: {}", output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Locks the main database of SQLite for writing until the connection is dropped.
    pub fn lock_main_database(&self) -> Result<rusqlite::Connection, BenchError> {
        let database = rusqlite::Connection::open(self.folder.join("bluetick.db"))?;
        database.busy_timeout(Duration::from_secs(10))?;
        database.execute_batch("BEGIN IMMEDIATE")?;
        Ok(database)
    }

    /// Effective from the next start.
    pub fn set_callback_retention(&self, days: u32) -> Result<(), BenchError> {
        let text = format!("{}[retention]\ncallbacks = {days}\n", self.config_text());
        Ok(fs::write(self.config_path(), text)?)
    }

    /// Sequence number of the oldest callback in the journal.
    pub fn first_callback_seq(&self) -> Result<i64, BenchError> {
        let file = self.folder.join("journal.db");
        let journal = rusqlite::Connection::open(file)?;
        Ok(journal.query_row("SELECT min(seq) FROM journal", [], |row| row.get(0))?)
    }

    /// Size of the database files, without write-ahead logs.
    pub fn database_megabytes(&self) -> Result<f64, BenchError> {
        let mut bytes = 0;
        for folder in [self.folder.clone(), self.folder.join("data")] {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.path().extension().is_some_and(|it| it == "db") {
                    bytes += entry.metadata()?.len();
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        Ok(bytes as f64 / 1e6)
    }

    pub fn create_token(&self, name: &str, scopes: &str) -> Result<String, BenchError> {
        let printed = self.run(&["token", "create", "--name", name, "--scopes", scopes])?;
        Ok(printed.trim().to_owned())
    }
}
