//! The state of a journal that its main database checks at every start.

use uuid::Uuid;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalState {
    /// Generated with the journal.
    pub identity: Uuid,
    /// The highest seq ever assigned.
    pub end: i64,
    /// Stored by the last start.
    pub mark: Option<Uuid>,
}
