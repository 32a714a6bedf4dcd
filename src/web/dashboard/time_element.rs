//! An instant on a page: a `<time>` element in the zone of the page, with UTC on hover.

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

/// Name of the value with which [`super::page_response`] passes the zone of the page to its templates.
pub(super) const ZONE: &str = "zone";

/// Shows seconds; milliseconds are in the attribute, for the script and its tooltip.
#[derive(Template, Clone, Debug, PartialEq, Eq)]
#[template(path = "time_element.html")]
pub struct TimeElement {
    at: DateTime<Utc>,
}

impl HtmlSafe for TimeElement {}

impl TimeElement {
    pub fn new(at: DateTime<Utc>) -> Self {
        Self { at }
    }

    /// For the attribute `datetime`.
    fn machine(&self) -> String {
        self.at.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    fn utc(&self) -> String {
        self.at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
    }

    /// Without the name of the zone, which the page shows once.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "templates pass references"
    )]
    fn local(&self, zone: &Tz) -> String {
        let local = self.at.with_timezone(zone);
        local.format("%Y-%m-%d %H:%M:%S").to_string()
    }
}
