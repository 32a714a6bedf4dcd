//! What undoing a match asks of a ledger, beside forgetting what was learned by it.

use std::collections::BTreeSet;

use crate::db::Error;
use crate::domain::ids::{CallbackId, MessageId};
use crate::domain::receipt::SourceKind;
use crate::store::ledger::{Entry, Ledger};

impl Ledger {
    /// A loaded message was matched by nobody.
    pub fn forget_match(&mut self, id: MessageId) -> Result<(), Error> {
        self.edit(id, |row| row.matched_by = None)
    }

    /// The loaded messages that these callbacks told of as they were read now.
    pub fn list_told(&self, callbacks: &BTreeSet<CallbackId>) -> Vec<MessageId> {
        let told = |entry: &Entry| {
            entry.added.iter().any(|receipt| {
                receipt.source_kind == SourceKind::Callback
                    && callbacks.contains(&receipt.source.into())
            })
        };
        self.entries
            .iter()
            .filter(|(_, entry)| told(entry))
            .map(|(id, _)| (*id).into())
            .collect()
    }
}
