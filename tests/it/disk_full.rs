//! A disk fills up: an honest 503, alarms, and recovery without a restart. Needs leave to mount a small file system; says so where it has none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bluetick::domain::clock::{Clock, SystemClock};
use bluetick::domain::secret::Secret;
use bluetick::journal::spool::SpoolSettings;
use bluetick::journal::{self, Journal};
use bluetick::keys::Keys;
use reqwest::Client;
use tempfile::TempDir;

use crate::harness::callback_records::callback_record;
use crate::harness::database::TestDatabase;
use crate::harness::program::{Program, command, run_to_end};
use crate::harness::waiting;

const SECRET_KEY: &str = "a secret key of more than 32 bytes";
/// In which only a standstill is not over, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(1);

/// A file system of 24 MiB in memory; unmounted in the end.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(folder.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all that is free but so many bytes.
    fn fill(&self, leave: u64) -> PathBuf {
        let path = self.path().join("ballast");
        let disk = bluetick::db::disk::Disk::measure(self.path()).unwrap();
        let bytes = usize::try_from(disk.free.saturating_sub(leave)).unwrap();
        // The program may have taken a part of it in the meantime.
        if let Err(error) = std::fs::write(&path, vec![1; bytes]) {
            assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Also while something still holds a file there.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn start(disk: &SmallDisk, log: &Path) -> Program {
    let file = disk.path().join("bluetick.toml");
    let text = format!(
        "listen = \"127.0.0.1:0\"\ndata_dir = \"{0}/data\"\ndatabase_url = \"sqlite://{0}/data/bluetick.db\"\nsecret_key = \"{SECRET_KEY}\"\n\
         [[accounts]]\nid = \"shop\"\nprovider = \"sobot\"\napi_key = \"k\"\napi_secret = \"s\"\nsender = \"+919000000001\"\nmode = \"dry-run\"\n",
        disk.path().display(),
    );
    std::fs::write(&file, text).unwrap();
    let serve = command(&["serve", "--config", file.to_str().unwrap()], &[]);
    Program::start(serve, log)
}

/// What `doctor` prints, beside `serve`.
fn examine(disk: &SmallDisk) -> String {
    let file = disk.path().join("bluetick.toml");
    let doctor = command(&["doctor", "--config", file.to_str().unwrap()], &[]);
    let output = run_to_end(doctor);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A provider that posts one callback after the other.
struct Provider {
    client: Client,
    url: String,
    address: String,
    number: usize,
    acknowledged: BTreeSet<String>,
}

impl Provider {
    fn of(program: &Program) -> Self {
        let keys = Keys::derive(&Secret::new(SECRET_KEY), &[]);
        let token = keys.callback_token(&"shop".parse().unwrap(), 1);
        Self {
            client: bluetick::http_client::builder().build().unwrap(),
            url: format!("{}/callbacks/shop/{token}", program.address),
            address: program.address.clone(),
            number: 0,
            acknowledged: BTreeSet::new(),
        }
    }

    /// Posts one; the status.
    async fn post(&mut self, size: usize) -> u16 {
        self.number += 1;
        let body = self.number.to_string() + &" ".repeat(size);
        let begun = Instant::now();
        let reply = self.client.post(&self.url).body(body.clone()).send().await;
        let status = reply.unwrap().status().as_u16();
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        if status == 200 {
            self.acknowledged.insert(body);
        }
        status
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let reply = self.client.get(format!("{}{path}", self.address));
        let reply = reply.send().await.unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    }

    /// Waits until everything that was taken is applied.
    async fn visible(&self) {
        let begun = Instant::now();
        loop {
            let (_, metrics) = self.get("/metrics").await;
            let applied = ["reconcile_backlog_rows 0", "spool_records 0"]
                .iter()
                .all(|line| metrics.contains(&format!("bluetick_{line}\n")));
            if applied {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "not all is visible");
            waiting::pause().await;
        }
    }

    /// Posts until one is taken; how long that took.
    async fn recovered(&mut self) -> Duration {
        let begun = Instant::now();
        while self.post(100).await != 200 {
            assert!(begun.elapsed() < PATIENCE, "it does not recover");
        }
        begun.elapsed()
    }
}

async fn bodies(disk: &SmallDisk) -> Vec<String> {
    let url = format!("sqlite://{}/data/bluetick.db", disk.path().display());
    let pools = journal::connect(&Secret::new(url), 4).await.unwrap();
    let journal = Journal::open(pools).await.unwrap();
    let entries = journal.read_after(0, 100_000, u64::MAX).await.unwrap();
    entries
        .into_iter()
        .map(|entry| String::from_utf8(entry.record.body).unwrap())
        .collect()
}

async fn check_kept(disk: &SmallDisk, provider: &Provider) {
    let kept = bodies(disk).await;
    let once: BTreeSet<_> = kept.iter().cloned().collect();
    assert_eq!(kept.len(), once.len(), "something is there twice");
    assert_eq!(
        once, provider.acknowledged,
        "something is lost, or was kept and refused"
    );
}

#[actix_web::test]
async fn a_full_disk_is_answered_503_at_once_and_recovers_by_itself() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("left out: no leave to mount a small file system");
        return;
    };
    let logs = tempfile::tempdir().unwrap();
    let program = start(&disk, &logs.path().join("log"));
    let mut provider = Provider::of(&program);
    assert_eq!(provider.post(100).await, 200);
    assert_eq!(provider.get("/readyz").await, (200, "ready".to_owned()));

    // To the last byte, then to what callbacks leave free.
    for leave in [0, 512 * 1024] {
        let ballast = disk.fill(leave);
        for size in [100, 100_000, 100] {
            assert_eq!(provider.post(size).await, 503);
        }
        let (status, words) = provider.get("/readyz").await;
        assert_eq!(status, 503, "{words}");
        let (_, metrics) = provider.get("/metrics").await;
        for alarm in ["callbacks_refused", "disk_low"] {
            let line = format!("bluetick_alarms{{alarm=\"{alarm}\",account=\"\"}} 1");
            assert!(metrics.contains(&line), "{metrics}");
        }
        assert!(metrics.contains("bluetick_callback_refusals_total{status=\"503\"}"));
        let doctor = examine(&disk);
        assert!(doctor.contains("problem [disk_full] "), "{doctor}");
        assert!(
            doctor.contains("fix: free space on the disk of "),
            "{doctor}"
        );
        // Nothing is kept there, and nothing can be.
        assert!(metrics.contains("bluetick_spool_in_use 0"), "{metrics}");
        std::fs::remove_file(ballast).unwrap();
        let took = provider.recovered().await;
        eprintln!("{leave} bytes were free; callbacks are taken again after {took:?}");
        provider.visible().await;
        let (status, words) = provider.get("/readyz").await;
        assert_eq!((status, words.as_str()), (200, "ready"));
    }
    let (status, log) = program.terminate();
    assert!(status.success(), "{log}");
    check_kept(&disk, &provider).await;
}

#[actix_web::test]
async fn callbacks_that_fill_the_disk_themselves_stop_at_the_reserve_and_the_database_still_opens()
{
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("left out: no leave to mount a small file system");
        return;
    };
    let logs = tempfile::tempdir().unwrap();
    let ballast = disk.fill(12 * 1024 * 1024);
    let program = start(&disk, &logs.path().join("first.log"));
    let mut provider = Provider::of(&program);
    while provider.post(20_000).await == 200 {}
    assert!(provider.acknowledged.len() > 50);
    program.kill();
    let program = start(&disk, &logs.path().join("second.log"));
    provider = Provider {
        acknowledged: provider.acknowledged,
        number: provider.number,
        ..Provider::of(&program)
    };
    assert_eq!(provider.post(20_000).await, 503);
    std::fs::remove_file(ballast).unwrap();
    provider.recovered().await;
    let (status, log) = program.terminate();
    assert!(status.success(), "{log}");
    check_kept(&disk, &provider).await;
}

#[actix_web::test]
async fn a_process_that_starts_on_a_full_disk_uses_its_spool_once_there_is_space() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("left out: no leave to mount a small file system");
        return;
    };
    let database = TestDatabase::new().await;
    let ballast = disk.fill(0);
    let pools = database.journal().await;
    let settings = SpoolSettings::in_folder(disk.path());
    let journal = Journal::open_with_spool(pools, settings).await.unwrap();
    let lock = database.hold_journal().await;
    let append = async |body: &str| {
        let record = callback_record(SystemClock.now(), body.as_bytes());
        let permit = journal.reserve(record.body.len()).await.unwrap();
        journal.append(record, permit).await
    };
    let error = append("on the full disk").await.unwrap_err();
    assert!(error.to_string().contains("free"), "{error}");

    std::fs::remove_file(ballast).unwrap();
    append("once there is space").await.unwrap();
    assert_eq!(journal.spool().borrow().depth, 1);
    lock.release().await;
    let mut spool = journal.spool();
    spool.wait_for(|spool| spool.depth == 0).await.unwrap();
    let entries = journal.read_after(0, 10, u64::MAX).await.unwrap();
    let bodies: Vec<_> = entries.into_iter().map(|entry| entry.record.body).collect();
    assert_eq!(bodies, [b"once there is space"]);
}
