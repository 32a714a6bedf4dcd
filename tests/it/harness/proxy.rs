//! nginx and Caddy from Debian's packages, with the configurations that `scripts/proxy` offers.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::addresses::free_address;
use crate::harness::capacity_trial::CapacityTrial;
use crate::harness::waiting;
use crate::house::sources::{read, root};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy in front of the program; stopped when it is dropped.
pub(crate) struct Proxy {
    /// `127.0.0.1:…`
    pub(crate) address: String,
    child: Child,
    folder: TempDir,
}

impl Proxy {
    /// `None` where it is not installed.
    pub(crate) fn nginx(trial: &CapacityTrial) -> Option<Self> {
        Self::nginx_before(&trial.address)
    }

    /// In front of this address. `None` where it is not installed.
    pub(crate) fn nginx_before(upstream: &str) -> Option<Self> {
        let program = find(&["/usr/sbin/nginx", "/usr/bin/nginx"])?;
        let folder = tempfile::tempdir().unwrap();
        let address = free_address().to_string();
        let shipped = read(&root().join("scripts/proxy/nginx.conf"));
        let text = replace(&shipped, "127.0.0.1:8080", upstream);
        let text = replace(&text, "0.0.0.0:80", &address);
        // Its workers must reach the temporary folder.
        let text = format!("user root root;\n{text}");
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, text).unwrap();
        let directives = format!(
            "daemon off; error_log stderr crit; pid {}/pid;",
            folder.path().display()
        );
        let mut command = Command::new(program);
        command.args(["-p", folder.path().to_str().unwrap()]);
        command.args(["-c", file.to_str().unwrap(), "-g", &directives]);
        Some(Self::start(command, address, folder))
    }

    /// `None` where it is not installed.
    pub(crate) fn caddy(trial: &CapacityTrial) -> Option<Self> {
        Self::caddy_before(&trial.address)
    }

    /// In front of this address. `None` where it is not installed.
    pub(crate) fn caddy_before(upstream: &str) -> Option<Self> {
        let program = find(&["/usr/bin/caddy"])?;
        let folder = tempfile::tempdir().unwrap();
        let address = free_address().to_string();
        let shipped = read(&root().join("scripts/proxy/Caddyfile"));
        let text = replace(&shipped, "127.0.0.1:8080", upstream);
        let text = replace(&text, "\n:80 {", &format!("\nhttp://{address} {{"));
        let file = folder.path().join("Caddyfile");
        std::fs::write(&file, format!("{{\n\tadmin off\n}}\n{text}")).unwrap();
        let mut command = Command::new(program);
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(&file)
            .env("HOME", folder.path());
        Some(Self::start(command, address, folder))
    }

    fn start(mut command: Command, address: String, folder: TempDir) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let proxy = Self {
            address,
            child,
            folder,
        };
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(&proxy.address).is_err() {
            assert!(Instant::now() < deadline, "{}", proxy.log());
            waiting::pause_thread();
        }
        proxy
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx's master ends its workers on SIGTERM.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

fn find<'p>(paths: &[&'p str]) -> Option<&'p str> {
    let found = paths.iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        eprintln!("left out: {} is not installed", paths[0]);
    }
    found.copied()
}

fn replace(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old}");
    text.replace(old, new)
}
