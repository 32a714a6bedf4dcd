//! Servers under measurement: real processes, started, watched and ended.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bluetick::domain::clock::{Clock, SystemClock};

use crate::Failure;
use crate::population::{ACCOUNTS, SECRET_KEY};

/// What the kernel says of a process's memory under a key, in MB.
pub fn memory(process: u32, key: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kib: f64 = kib.ok_or("no such line in its status")?.trim().parse()?;
    Ok(kib / 1024.0)
}

/// Processor time that a process has used, its threads together.
pub fn processor_time(process: u32) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in brackets may hold anything; user and system time are the 14th and 15th field.
    let (_, rest) = stat.rsplit_once(')').ok_or("no name in its stat")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || -> Result<u64, Failure> { Ok(fields.next().ok_or("too short")?.parse()?) };
    // Linux tells hundredths of a second, whatever its own clock does.
    Ok(Duration::from_millis((ticks()? + ticks()?) * 10))
}

/// A process that accepts connections.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of the process to the line that says it listens.
    pub started_in: Duration,
}

impl Server {
    /// Starts a program that prints `listening on http://…`.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        let began = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let started_in = began.elapsed();
        let address = line.trim().strip_prefix("listening on http://");
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            child.kill()?;
            return Err(format!("{command:?} does not listen: {line:?}").into());
        };
        Ok(Self {
            child,
            address,
            started_in,
        })
    }

    /// Starts this program again as one of its baselines.
    pub fn baseline(arguments: &[&str]) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        Self::start(command.arg("baseline").args(arguments))
    }

    /// Starts `bluetick serve` on an installation.
    pub fn bluetick(installation: &Installation) -> Result<Self, Failure> {
        Self::start(&mut installation.command(&["serve"]))
    }

    /// Processor time used so far.
    pub fn processor_time(&self) -> Result<Duration, Failure> {
        processor_time(self.child.id())
    }

    /// Resident memory in MB.
    pub fn resident(&self) -> Result<f64, Failure> {
        memory(self.child.id(), "VmRSS:")
    }

    /// The most resident memory it ever had, in MB.
    pub fn peak(&self) -> Result<f64, Failure> {
        memory(self.child.id(), "VmHWM:")
    }

    /// Ends it as an operator would and waits for it.
    pub fn stop(mut self) -> Result<(), Failure> {
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()?;
        if !asked.success() {
            return Err("the server is gone".into());
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nobody left; then this fails, and that is well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether a server applies what it acknowledges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reconciling {
    /// It does.
    Here,
    /// Another would.
    Elsewhere,
}

/// A folder with a configuration and, on SQLite, the databases.
pub struct Installation {
    binary: PathBuf,
    /// The folder.
    pub folder: PathBuf,
    /// Its database.
    pub database_url: String,
}

impl Installation {
    /// Writes the configuration and makes the databases. Without a URL the database is a file in the folder.
    pub fn make(binary: &Path, folder: &Path, database_url: Option<&str>) -> Result<Self, Failure> {
        fs::create_dir_all(folder)?;
        let file = format!("sqlite://{}", folder.join("bluetick.db").display());
        let installation = Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            database_url: database_url.map_or(file, str::to_owned),
        };
        fs::write(installation.configuration(), installation.settings())?;
        // The first start makes the tables and ties the two databases together.
        Server::bluetick(&installation)?.stop()?;
        Ok(installation)
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("bluetick.toml")
    }

    fn settings(&self) -> String {
        let data_dir = self.folder.join("data");
        let mut text = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\ndatabase_url = {:?}\nsecret_key = {SECRET_KEY:?}\n",
            data_dir.display(),
            self.database_url
        );
        for account in ACCOUNTS {
            text.push_str("[[accounts]]\n");
            text.push_str(account.settings);
        }
        text
    }

    /// A command of Bluetick's on this installation.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .env("RUST_LOG", "error")
            .arg("--config")
            .arg(self.configuration())
            .args(arguments);
        command
    }

    /// Runs a command to its end; returns what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = self.command(arguments).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("bluetick {arguments:?}: {}", output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Gives the reconciler's lease to somebody who is not there, or takes it back. The server must be stopped.
    pub fn lend_reconciliation(&self, reconciling: Reconciling) -> Result<(), Failure> {
        let database = rusqlite::Connection::open(self.folder.join("bluetick.db"))?;
        database.execute("DELETE FROM leases WHERE name = 'reconcile'", [])?;
        if reconciling == Reconciling::Elsewhere {
            let in_an_hour = SystemClock.now().timestamp_millis() + 3_600_000;
            database.execute(
                "INSERT INTO leases (name, holder, expires_at) VALUES ('reconcile', randomblob(16), ?)",
                [in_an_hour],
            )?;
        }
        Ok(())
    }

    /// From the next start on, callbacks are kept for so many days.
    pub fn keep_callbacks(&self, days: u32) -> Result<(), Failure> {
        let text = format!("{}[retention]\ncallbacks = {days}\n", self.settings());
        Ok(fs::write(self.configuration(), text)?)
    }

    /// The place of the oldest callback in the journal.
    pub fn first_callback(&self) -> Result<i64, Failure> {
        let file = self.folder.join("journal.db");
        let journal = rusqlite::Connection::open(file)?;
        Ok(journal.query_row("SELECT min(seq) FROM journal", [], |row| row.get(0))?)
    }

    /// What its database files hold, write-ahead logs left out.
    pub fn megabytes(&self) -> Result<f64, Failure> {
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

    /// A token for the API.
    pub fn make_token(&self, name: &str) -> Result<String, Failure> {
        let printed = self.run(&[
            "token",
            "create",
            "--name",
            name,
            "--scopes",
            "read,operate",
        ])?;
        Ok(printed.trim().to_owned())
    }
}
