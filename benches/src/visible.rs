//! How long it takes until the API tells what a callback said, while others come in.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::bench::{Bench, Subject};
use crate::load::{Connection, Measured, Pace, Requests};
use crate::population::Callbacks;
use crate::reads;

/// Single callbacks that may be watched in one run, and the pause between two.
const WATCHED: u64 = 2000;
const BETWEEN_WATCHED: Duration = Duration::from_millis(10);

impl Bench<'_> {
    /// Sends 1,000 callbacks a second; of some besides, looks how long it takes until the API tells what they said.
    pub fn send_and_watch(&self, subject: &Subject) -> Result<(Measured, Vec<Duration>), Failure> {
        let token = subject.installation.make_token("watch")?;
        let first = subject.next.fetch_add(WATCHED, Ordering::Relaxed);
        let until = Instant::now() + self.scale.warm_up + self.scale.measured;
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| {
                self.runtime.block_on(async {
                    let mut watcher = Watcher::open(subject, &token).await?;
                    let mut took = Vec::new();
                    // `read`; `delivered` may have been implied before.
                    for number in (first..first + WATCHED).filter(|number| number % 2 == 1) {
                        if Instant::now() > until {
                            break;
                        }
                        took.push(watcher.watch(number).await?);
                        tokio::time::sleep(BETWEEN_WATCHED).await;
                    }
                    took.sort_unstable();
                    Ok::<_, Failure>(took)
                })
            });
            let measured = self.send(subject, 64, Pace::Steady(1000))?;
            let took = watching.join().map_err(|_| "the watcher panicked")??;
            Ok((measured, took))
        })
    }
}

/// Sends single callbacks and looks for what they say.
struct Watcher<'a> {
    sending: Connection,
    asking: Connection,
    callbacks: &'a Callbacks,
    token: &'a str,
}

impl<'a> Watcher<'a> {
    async fn open(subject: &'a Subject, token: &'a str) -> Result<Self, Failure> {
        Ok(Self {
            sending: Connection::open(subject.server.address).await?,
            asking: Connection::open(subject.server.address).await?,
            callbacks: &subject.callbacks,
            token,
        })
    }

    /// How long it takes from the first byte sent until the message shows the stage.
    async fn watch(&mut self, number: u64) -> Result<Duration, Failure> {
        let message = self.callbacks.message(number);
        let id = self.callbacks.population().message_id(message);
        let shown = format!("\"{}\":{{\"at\"", Callbacks::stage(number));
        let question = reads::get(&format!("/api/v1/messages/{id}"), self.token);
        let mut request = Vec::new();
        self.callbacks.write(number, &mut request);
        let began = Instant::now();
        if self.sending.ask(&request).await? != 200 {
            return Err("a watched callback was refused".into());
        }
        while began.elapsed() < Duration::from_secs(30) {
            self.asking.ask(&question).await?;
            if String::from_utf8_lossy(self.asking.answer()).contains(&shown) {
                return Ok(began.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err("a callback did not become visible within 30 s".into())
    }
}
