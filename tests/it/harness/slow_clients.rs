//! Many clients that hold connections and send next to nothing, on a thread of their own.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A client sends a byte this often, and connects again so long after it was disconnected.
const PAUSE: Duration = Duration::from_secs(1);

/// What every client sends: once, and then a byte at a time.
#[derive(Clone, Debug)]
pub(crate) struct Approach {
    pub(crate) opening: String,
    pub(crate) drip: Option<&'static str>,
}

/// Clients that come back until this is dropped.
pub(crate) struct SlowClients {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Approach {
    /// A body of which a byte arrives every second.
    pub(crate) fn slow_body(target: &str, headers: &str) -> Self {
        Self {
            opening: format!(
                "POST {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: 10000\r\n\r\nx"
            ),
            drip: Some("x"),
        }
    }

    /// The same without a length.
    pub(crate) fn slow_chunks(target: &str) -> Self {
        Self {
            opening: format!(
                "POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
            ),
            drip: Some("1\r\nx\r\n"),
        }
    }

    /// A large body that stops before its end.
    pub(crate) fn stalled_body(target: &str, sent: usize, announced: usize) -> Self {
        let body = "x".repeat(sent);
        Self {
            opening: format!(
                "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {announced}\r\n\r\n{body}"
            ),
            drip: Some("x"),
        }
    }

    /// A complete request, after which the connection stays.
    pub(crate) fn get(target: &str, headers: &str) -> Self {
        Self {
            opening: format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"),
            drip: None,
        }
    }

    pub(crate) fn half_a_request_line() -> Self {
        Self {
            opening: "GET /heal".to_owned(),
            drip: None,
        }
    }
}

impl SlowClients {
    /// So many, at an address such as `127.0.0.1:8080`; returns when each has connected once.
    pub(crate) async fn start(address: &str, count: usize, approach: Approach) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (connected, mut all) = watch::channel(0);
        let address: Arc<str> = address.into();
        let approach = Arc::new(approach);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for _ in 0..count {
                    let mut stopped = stopped.clone();
                    let client = come_back(address.clone(), approach.clone(), connected.clone());
                    tasks.spawn(async move {
                        tokio::select! {
                            _ = stopped.wait_for(|stop| *stop) => {}
                            () = client => {}
                        }
                    });
                }
                tasks.join_all().await;
            });
        });
        let arrived = all.wait_for(|connected| *connected >= count);
        let _ = timeout(Duration::from_mins(1), arrived).await.unwrap();
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for SlowClients {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn come_back(address: Arc<str>, approach: Arc<Approach>, connected: watch::Sender<usize>) {
    let mut is_first = true;
    loop {
        let stream = TcpStream::connect(&*address).await;
        if std::mem::take(&mut is_first) {
            connected.send_modify(|count| *count += 1);
        }
        if let Ok(stream) = stream {
            hold(stream, &approach).await;
        }
        sleep(PAUSE).await;
    }
}

/// Until the server closes it.
async fn hold(mut stream: TcpStream, approach: &Approach) {
    let mut buffer = [0; 1024];
    let (mut reader, mut writer) = stream.split();
    let reading = async { while reader.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    let writing = async {
        let opened = writer.write_all(approach.opening.as_bytes()).await;
        let Some(drip) = approach.drip.filter(|_| opened.is_ok()) else {
            return std::future::pending().await;
        };
        loop {
            sleep(PAUSE).await;
            if writer.write_all(drip.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}

/// So many clients, or as many as this process may have open files for; says so if they are fewer.
pub(crate) fn at_most(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        limit = raised;
    }
    // The other tests of this process need some too.
    let free = limit.current.unwrap_or(u64::MAX).saturating_sub(1_000) / 2;
    let count = wanted.min(usize::try_from(free).unwrap_or(wanted));
    if count < wanted {
        eprintln!("{count} slow clients instead of {wanted}: no more files may be open");
    }
    count
}
