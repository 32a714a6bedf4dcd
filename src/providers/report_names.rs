//! The names under which objects are reports, or have reports in them.

/// Names of members whose objects may be reports, or have reports in them. An object under another
/// name, such as `conversation`, is not about a message by itself.
const REPORT_NAMES: &[&str] = &[
    "changes",
    "data",
    "entry",
    "event",
    "events",
    "items",
    "json",
    "messages",
    "meta_object",
    "notification",
    "payload",
    "records",
    "report",
    "reports",
    "result",
    "results",
    "status",
    "statuses",
    "value",
];

pub(super) fn may_have_reports(name: &str) -> bool {
    report_name(name).is_some()
}

/// The name as it is listed.
pub(super) fn report_name(name: &str) -> Option<&'static str> {
    let mut names = REPORT_NAMES.iter();
    names
        .find(|known| known.eq_ignore_ascii_case(name))
        .copied()
}
