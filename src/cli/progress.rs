//! How far a long command has come: drawn on a terminal once it takes longer than a second, and nowhere else.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Failure;

/// A command that is over sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line that tells how far a command has come.
pub(crate) struct ProgressLine {
    bar: ProgressBar,
    started: Instant,
}

impl ProgressLine {
    /// Draws nothing yet.
    pub(crate) fn new() -> Result<Self, Failure> {
        let style = ProgressStyle::with_template("{spinner} {human_pos} {msg}")?;
        Ok(Self {
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
                .with_style(style),
            started: Instant::now(),
        })
    }

    /// So many of this so far.
    pub(crate) fn tell(&self, number: u64, words: &str) {
        self.bar.set_message(words.to_owned());
        self.bar.set_position(number);
        if self.bar.is_hidden() && self.started.elapsed() > PATIENCE {
            // Draws nothing unless stderr is a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
