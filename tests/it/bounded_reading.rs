//! Whatever a callback unpacks to, the memory and time to process and show it are bounded, and nothing of it is lost.

use std::fs;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;

use crate::harness::fleet::Fleet;
use crate::harness::hostile_callbacks::{SENT_LIMIT, Shape, hostile_callbacks};
use crate::harness::program::Program;
use crate::harness::waiting;

const MIB: usize = 1024 * 1024;
/// Above the idle process.
const MEMORY_LIMIT: u64 = 200 * 1_000_000;
/// Processor time of one callback, all threads together. Code that is not optimised takes ten times as long.
const TIME_LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 40 } else { 2 });
const PATIENCE: Duration = Duration::from_mins(2);
/// What no provider is called at.
const NOWHERE: &str = "http://127.0.0.1:9";

#[actix_web::test]
async fn no_callback_takes_much_memory_or_time() {
    let fleet = Fleet::new(1, NOWHERE).await;
    let mut server = Server {
        token: fleet.token(),
        // Each request may meet another process.
        client: bluetick::http_client::builder()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap(),
        program: fleet.start(0),
        fleet,
    };
    let mut excesses = Vec::new();
    for (earlier, shape) in hostile_callbacks().enumerate() {
        // The allocator may keep what an earlier callback needed.
        server = server.restart();
        let idle = server.memory("VmRSS:");
        excesses.extend(server.process(&shape, earlier).await.excess(&shape, idle));
    }
    assert!(excesses.is_empty(), "{}", excesses.join("\n"));
    let (status, log) = server.program.terminate();
    assert!(status.success(), "{log}");
}

struct Server {
    fleet: Fleet,
    program: Program,
    client: Client,
    token: String,
}

/// What a shape took until it was processed, and until its page was shown.
struct Usage {
    peak: u64,
    time: Duration,
    page_peak: u64,
}

impl Usage {
    fn excess(&self, shape: &Shape, idle: u64) -> Option<String> {
        let above = |peak: u64| peak.saturating_sub(idle);
        let line = format!(
            "{}: {} MB and {:?} to process, {} MB to show",
            shape.name,
            above(self.peak) / 1_000_000,
            self.time,
            above(self.page_peak) / 1_000_000,
        );
        eprintln!("{line}");
        let is_within =
            above(self.peak.max(self.page_peak)) < MEMORY_LIMIT && self.time < TIME_LIMIT;
        (!is_within).then_some(line)
    }
}

impl Server {
    fn restart(self) -> Self {
        let (status, log) = self.program.terminate();
        assert!(status.success(), "{log}");
        Self {
            program: self.fleet.start(0),
            ..self
        }
    }

    /// `earlier` is the number of callbacks before this one.
    async fn process(&self, shape: &Shape, earlier: usize) -> Usage {
        assert!(shape.body.len() <= SENT_LIMIT, "{}", shape.name);
        self.forget_peak();
        let begun = self.processor_time();
        let mut request = self
            .client
            .post(self.fleet.callback_url(shape.account))
            .header("content-type", shape.content_type)
            .body(shape.body.clone());
        if let Some(encoding) = shape.encoding {
            request = request.header("content-encoding", encoding);
        }
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), 200, "{}", shape.name);
        self.wait_for_outcomes(earlier + 1).await;
        let (time, peak) = (
            self.processor_time().saturating_sub(begun),
            self.memory("VmHWM:"),
        );

        let list = self.get("/api/v1/callbacks?limit=1").await;
        let list: Value = serde_json::from_str(&list).unwrap();
        let callback = &list["data"][0];
        assert_eq!(
            callback["outcome"], shape.outcome,
            "{}: {}",
            shape.name, callback["detail"]
        );
        let id = callback["id"].as_str().unwrap();
        self.forget_peak();
        let page = self.get(&format!("/callbacks/{id}")).await;
        assert!(page.contains(shape.reason), "{}: {page}", shape.name);
        let shown = self.get(&format!("/api/v1/callbacks/{id}")).await;
        assert!(page.len() < 8 * MIB && shown.len() < MIB, "{}", shape.name);
        let kept = self.get_bytes(&format!("/api/v1/callbacks/{id}/raw")).await;
        assert!(kept == shape.body, "{}: not kept as received", shape.name);
        Usage {
            peak,
            time,
            page_peak: self.memory("VmHWM:"),
        }
    }

    async fn wait_for_outcomes(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        let count = count.to_string();
        loop {
            let sql = "SELECT CAST(COUNT(*) AS text) AS line FROM callback_outcomes";
            if self.fleet.database.query(sql).await == [count.as_str()] {
                return;
            }
            assert!(Instant::now() < deadline, "{}", self.program.stderr());
            waiting::pause().await;
        }
    }

    async fn get(&self, path: &str) -> String {
        String::from_utf8(self.get_bytes(path).await).unwrap()
    }

    async fn get_bytes(&self, path: &str) -> Vec<u8> {
        let request = self.client.get(format!("{}{path}", self.fleet.address));
        let reply = request.bearer_auth(&self.token).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{path}");
        reply.bytes().await.unwrap().to_vec()
    }

    fn process_file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.program.id())
    }

    /// Bytes.
    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(self.process_file("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<u64>().unwrap() * 1024
    }

    /// Sets the peak to the present memory.
    fn forget_peak(&self) {
        fs::write(self.process_file("clear_refs"), "5").unwrap();
    }

    /// User and system time of all threads.
    fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(self.process_file("stat")).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks: u64 = [fields[11], fields[12]]
            .iter()
            .map(|ticks| ticks.parse::<u64>().unwrap())
            .sum();
        // A hundred per second on Linux.
        Duration::from_millis(ticks * 10)
    }
}
