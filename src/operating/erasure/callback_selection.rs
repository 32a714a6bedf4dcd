//! Which callbacks concern one customer.

use std::collections::BTreeSet;

use crate::domain::callback_record::CallbackRecord;
use crate::domain::ids::{CallbackId, MessageId};
use crate::operating::erasure::identity_matcher::IdentityMatcher;

/// Callbacks read at a time, and bytes of their bodies.
pub(super) const READ_ROWS: u64 = 500;
pub(super) const READ_BYTES: u64 = 8 * 1024 * 1024;

pub(super) struct CallbackSelection<'a> {
    pub(super) matcher: &'a IdentityMatcher,
    /// Messages to the customer.
    pub(super) messages: &'a BTreeSet<MessageId>,
    /// Callbacks that reported on them.
    pub(super) reporting: &'a BTreeSet<CallbackId>,
}

impl CallbackSelection<'_> {
    pub(super) fn includes(&self, record: &CallbackRecord) -> bool {
        let message = record.report_message();
        self.reporting.contains(&record.id)
            || message.is_some_and(|id| self.messages.contains(&id))
            || names_customer(self.matcher, record)
    }
}

/// Whether the request names the customer.
pub(super) fn names_customer(matcher: &IdentityMatcher, record: &CallbackRecord) -> bool {
    let mut headers = record.headers.iter();
    matcher.matches(&record.body)
        || matcher.matches(record.query.as_bytes())
        || headers.any(|(_, value)| matcher.matches(value.as_bytes()))
}
