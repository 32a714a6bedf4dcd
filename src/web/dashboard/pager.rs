//! The links below a list: back to its newest page, and on to the next older one.

#[derive(Clone, Debug)]
pub(super) struct Pager {
    /// Absent on the newest page.
    pub(super) newest: Option<String>,
    /// Absent on the oldest page.
    pub(super) older: Option<String>,
    pub(super) older_label: &'static str,
}

impl Pager {
    pub(super) fn new(newest: Option<String>, older: Option<String>) -> Self {
        Self {
            newest,
            older,
            older_label: "Older →",
        }
    }
}
