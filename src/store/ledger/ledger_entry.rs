//! A message that a ledger changes: its row before and after, and its new receipts.

use crate::domain::message::Origin;
use crate::domain::receipt::Receipt;
use crate::store::entities::message_row;
use crate::store::messages::fold_columns;

#[derive(Debug)]
pub(super) struct LedgerEntry {
    /// As stored; absent for a message that the ledger created.
    pub(super) before: Option<message_row::Model>,
    pub(super) row: message_row::Model,
    pub(super) new_receipts: Vec<Receipt>,
    /// Whether the flush folds the message.
    pub(super) touched: bool,
    /// Whether the flush chooses `provider_id` again.
    pub(super) ids_changed: bool,
    /// Whether receipts were removed: an orphan without any left is deleted.
    pub(super) receipts_removed: bool,
}

impl LedgerEntry {
    pub(super) fn loaded(row: message_row::Model) -> Self {
        Self {
            before: Some(row.clone()),
            row,
            new_receipts: Vec::new(),
            touched: false,
            ids_changed: false,
            receipts_removed: false,
        }
    }

    pub(super) fn created(row: message_row::Model) -> Self {
        Self {
            before: None,
            row,
            new_receipts: Vec::new(),
            touched: true,
            ids_changed: false,
            receipts_removed: false,
        }
    }

    pub(super) fn mark_ids_changed(&mut self) {
        self.touched = true;
        self.ids_changed = true;
    }

    pub(super) fn is_changed(&self) -> bool {
        self.before.as_ref() != Some(&self.row)
    }

    /// Whether a stored row changed only in the columns that the fold writes.
    pub(super) fn changed_only_by_fold(&self) -> bool {
        let before = self.before.as_ref();
        before.is_some_and(|before| fold_columns::differ_in_fold_only(before, &self.row))
    }

    /// Whether a stored row changed only in the columns that a usual report changes.
    pub(super) fn changed_only_in_progress(&self) -> bool {
        let before = self.before.as_ref();
        self.changed_only_by_fold()
            && before.is_some_and(|before| fold_columns::differ_in_progress_only(before, &self.row))
    }

    /// Whether a stored row changed only in the columns that the fold and submissions write.
    pub(super) fn changed_only_by_submission(&self) -> bool {
        let before = self.before.as_ref();
        before.is_some_and(|before| fold_columns::differ_in_submission_only(before, &self.row))
    }

    /// Whether the message is known only from callbacks, and some of its receipts were removed.
    pub(super) fn is_unreported(&self) -> bool {
        self.receipts_removed && matches!(self.row.origin, Origin::Orphan | Origin::Observed)
    }
}
