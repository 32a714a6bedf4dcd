//! The real binary as an operator starts it, with its output captured.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use crate::harness::waiting;

/// Maximum time of every step; long enough for a busy disk.
const TIMEOUT: Duration = Duration::from_secs(90);

/// A running `bluetick`; killed when dropped.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: PathBuf,
    pub(crate) address: String,
}

/// The binary with these arguments and only these environment variables. `TEST_BINARY` names another build, such as a release.
pub(crate) fn command(arguments: &[&str], variables: &[(&str, &Path)]) -> Command {
    let binary = std::env::var_os("TEST_BINARY");
    let mut command = Command::new(binary.unwrap_or(env!("CARGO_BIN_EXE_bluetick").into()));
    command
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    command
}

/// Runs a command that exits by itself. One that does not is killed, and the test fails.
pub(crate) fn run_to_end(mut command: Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + TIMEOUT;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!(
                "the command does not exit: {:?}",
                child.wait_with_output().unwrap()
            );
        }
        waiting::pause_thread();
    }
    child.wait_with_output().unwrap()
}

/// Whether a command failed because another connection holds the lock of its database.
pub(crate) fn says_busy(printed: &str) -> bool {
    printed.contains("did not answer in time")
        || printed.contains("another connection holds the lock")
}

impl Program {
    /// Starts the program and waits until it prints its address. Writes stderr to a file.
    pub(crate) fn start(command: Command, stderr: &Path) -> Self {
        let log = std::fs::File::create(stderr).unwrap();
        Self::start_logging_to(command, log.into(), stderr)
    }

    /// Starts a program that does not print its address yet; see [`Self::wait_until_listening`].
    pub(crate) fn start_unready(mut command: Command, stderr: &Path, address: &str) -> Self {
        let log = std::fs::File::create(stderr).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        Self {
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
            stderr: stderr.to_owned(),
            address: address.to_owned(),
        }
    }

    /// Waits until the program prints its address.
    pub(crate) fn wait_until_listening(&mut self) {
        match self.lines.next() {
            Some(Ok(line)) => assert!(line.starts_with("listening on "), "{line}"),
            _ => panic!("the program exited: {}", self.stderr()),
        }
    }

    /// The same with any stderr. Whatever of it can be read is in `file`.
    pub(crate) fn start_logging_to(mut command: Command, stderr: Stdio, file: &Path) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next();
        let Some(Ok(line)) = first else {
            child.wait().unwrap();
            panic!(
                "the program exited: {}",
                std::fs::read_to_string(file).unwrap()
            );
        };
        let address = line.strip_prefix("listening on ").unwrap().to_owned();
        let hosts = ["http://127.0.0.1:", "http://[::1]:"];
        assert!(hosts.iter().any(|host| address.starts_with(host)), "{line}");
        Self {
            child,
            lines,
            stderr: file.to_owned(),
            address,
        }
    }

    /// The next line on stdout.
    pub(crate) fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// Everything on stderr so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits until the log contains this text.
    pub(crate) async fn wait_for_log(&self, words: &str) {
        let deadline = Instant::now() + TIMEOUT;
        while !self.stderr().contains(words) {
            assert!(
                Instant::now() < deadline,
                "{words:?} is not logged: {}",
                self.stderr()
            );
            waiting::pause().await;
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub(crate) fn request_stop(&self) {
        self.send_signal("TERM");
    }

    pub(crate) fn send_signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Sends SIGTERM and waits for the exit. Returns the status and stderr.
    pub(crate) fn terminate(self) -> (ExitStatus, String) {
        self.request_stop();
        self.wait()
    }

    /// Waits for the exit. Returns the status and stderr.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + TIMEOUT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "the program does not exit: {}",
                self.stderr()
            );
            waiting::pause_thread();
        };
        (status, self.stderr())
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
