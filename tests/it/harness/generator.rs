//! Generated values of the tests that need the whole program, and how many cases other property tests take.
//!
//! Every run of the tests takes the same few values. With `GENERATOR_SECONDS` set, a test takes other values in each
//! run, for as long; `scripts/generators` does that.

use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};

/// `usual`, or as many as `PROPTEST_CASES` says, which [`Config::with_cases`] ignores.
pub(crate) fn cases(usual: u32) -> Config {
    let wanted = std::env::var("PROPTEST_CASES").map(|text| text.parse().unwrap());
    Config {
        cases: wanted.unwrap_or(usual),
        ..Config::default()
    }
}

pub(crate) struct Generator {
    runner: TestRunner,
    end: Option<Instant>,
    rounds: usize,
    /// Of the current round; a failure prints them.
    values: Vec<String>,
}

impl Generator {
    pub(crate) fn new() -> Self {
        let seconds = std::env::var("GENERATOR_SECONDS").ok();
        let end = seconds.map(|text| Instant::now() + Duration::from_secs(text.parse().unwrap()));
        let runner = match end {
            Some(_) => TestRunner::default(),
            None => TestRunner::deterministic(),
        };
        Self {
            runner,
            end,
            rounds: 0,
            values: Vec::new(),
        }
    }

    /// The number of the next round, from 0: `usual` rounds, or as many as there is time for.
    pub(crate) fn next_round(&mut self, usual: usize) -> Option<usize> {
        let continues = match self.end {
            Some(end) => Instant::now() < end,
            None => self.rounds < usual,
        };
        self.values.clear();
        if continues {
            self.rounds += 1;
        } else if self.end.is_some() {
            eprintln!("{} rounds", self.rounds);
        }
        continues.then(|| self.rounds - 1)
    }

    pub(crate) fn value<S: Strategy>(&mut self, strategy: &S) -> S::Value {
        let value = strategy.new_tree(&mut self.runner).unwrap().current();
        self.values.push(format!("{value:?}"));
        value
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("generated in round {}: {:#?}", self.rounds, self.values);
        }
    }
}
