//! Time from a callback until the API returns its effect, under load.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Subject};
use crate::callback_requests::Callbacks;
use crate::error::BenchError;
use crate::load::{Connection, Measured, Pace, Requests};
use crate::reads;

/// Callback numbers reserved for watching per run. Only the odd ones, `read`, are sent.
const WATCHED: u64 = 2000;
const WATCH_INTERVAL: Duration = Duration::from_millis(10);

impl Bench<'_> {
    /// Sends `rate` callbacks per second, and measures for some further ones how long it takes
    /// until the API shows them.
    pub fn send_and_watch(
        &self,
        subject: &Subject,
        connections: u32,
        rate: u32,
    ) -> Result<(Measured, Vec<Duration>), BenchError> {
        let first = subject.next.fetch_add(WATCHED, Ordering::Relaxed);
        // Names of tokens are unique, and one installation is watched at several rates.
        let name = format!("watch-{first}");
        let token = (subject.installation).create_token(&name, "read,operate")?;
        let until = Instant::now() + self.scale.warm_up + self.scale.measured;
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| {
                self.runtime.block_on(async {
                    let mut watcher = Watcher::open(subject, &token).await?;
                    let mut took = Vec::new();
                    // Only `read`: `delivered` may already be implied.
                    for number in (first..first + WATCHED).filter(|number| number % 2 == 1) {
                        if Instant::now() > until {
                            break;
                        }
                        took.push(watcher.watch(number).await?);
                        tokio::time::sleep(WATCH_INTERVAL).await;
                    }
                    took.sort_unstable();
                    Ok::<_, BenchError>(took)
                })
            });
            let measured = self.send(subject, connections, Pace::Steady(rate))?;
            let took = watching.join().map_err(|_| "the watcher panicked")??;
            Ok((measured, took))
        })
    }
}

struct Watcher<'a> {
    sending: Connection,
    reading: Connection,
    callbacks: &'a Callbacks,
    token: &'a str,
}

impl<'a> Watcher<'a> {
    async fn open(subject: &'a Subject, token: &'a str) -> Result<Self, BenchError> {
        Ok(Self {
            sending: Connection::open(subject.server.address).await?,
            reading: Connection::open(subject.server.address).await?,
            callbacks: &subject.callbacks,
            token,
        })
    }

    /// Time from the first byte sent until the message shows the stage.
    async fn watch(&mut self, number: u64) -> Result<Duration, BenchError> {
        let message = self.callbacks.message(number);
        let id = self.callbacks.population().message_id(message);
        let shown = format!("\"{}\":{{\"at\"", Callbacks::stage(number));
        let query = reads::get_request(&format!("/api/v1/messages/{id}"), self.token);
        let mut request = Vec::new();
        self.callbacks.write(number, &mut request);
        let began = Instant::now();
        if self.sending.exchange(&request).await? != 200 {
            return Err("a watched callback was rejected".into());
        }
        while began.elapsed() < Duration::from_secs(30) {
            self.reading.exchange(&query).await?;
            if String::from_utf8_lossy(self.reading.response()).contains(&shown) {
                return Ok(began.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err("a callback did not become visible within 30 s".into())
    }
}
