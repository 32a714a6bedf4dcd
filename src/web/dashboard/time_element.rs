//! An instant on a page: a `<time>` element in UTC, which the script converts to local time.

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{DateTime, SecondsFormat, Utc};

/// Shows seconds; milliseconds are in the attribute, for the script and its tooltip.
#[derive(Template, Clone, Debug, PartialEq, Eq)]
#[template(path = "time_element.html")]
pub struct TimeElement {
    machine: String,
    text: String,
}

impl HtmlSafe for TimeElement {}

impl TimeElement {
    pub fn new(at: DateTime<Utc>) -> Self {
        Self {
            machine: at.to_rfc3339_opts(SecondsFormat::Millis, true),
            text: at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        }
    }
}
