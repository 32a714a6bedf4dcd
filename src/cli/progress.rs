//! Progress line of long commands, drawn only on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::command_error::CommandError;

/// Commands that end sooner show no progress.
const PROGRESS_DELAY: Duration = Duration::from_secs(1);

pub(crate) struct ProgressLine {
    bar: ProgressBar,
    started: Instant,
}

impl ProgressLine {
    pub(crate) fn new() -> Result<Self, CommandError> {
        let style = ProgressStyle::with_template("{spinner} {human_pos} {msg}")?;
        Ok(Self {
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
                .with_style(style),
            started: Instant::now(),
        })
    }

    pub(crate) fn update(&self, count: u64, label: &str) {
        self.bar.set_message(label.to_owned());
        self.bar.set_position(count);
        if self.bar.is_hidden() && self.started.elapsed() > PROGRESS_DELAY {
            // Draws nothing unless stderr is a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Shows a bar; call [`ProgressLine::update_of`].
    pub(crate) fn with_total() -> Result<Self, CommandError> {
        let line = Self::new()?;
        let template = "{bar:30} {human_pos} of {human_len}, {msg}, {eta} left";
        line.bar.set_style(ProgressStyle::with_template(template)?);
        Ok(line)
    }

    pub(crate) fn update_of(&self, count: u64, total: u64, label: &str) {
        self.bar.set_length(total);
        self.update(count, label);
    }

    /// Prints something else while the line is not drawn.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
