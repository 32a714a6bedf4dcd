//! An instant on a page: UTC in words, and machine-readable so that the browser can show its own zone.

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{DateTime, SecondsFormat, Utc};

/// An instant, printed as `<time>`. Seconds are shown; milliseconds are kept for the machine and the tool tip.
#[derive(Template, Clone, Debug, PartialEq, Eq)]
#[template(path = "moment.html")]
pub struct Moment {
    machine: String,
    text: String,
}

impl HtmlSafe for Moment {}

impl Moment {
    /// The instant in UTC.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self {
            machine: at.to_rfc3339_opts(SecondsFormat::Millis, true),
            text: at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        }
    }
}
