//! How many receipts a message keeps. Every change of a message folds all of them again.

use crate::domain::receipt::{Receipt, SourceKind};

/// Receipts of one message; a group of 1,024 with `sent`, `delivered` and `read` has fewer.
const RECEIPTS_PER_MESSAGE: usize = 4096;
/// Beyond that limit, each kind of event (each stage, failures, other words, notices) may still
/// reach this many, so that repeats of one kind do not crowd out the others.
const RESERVED_PER_KIND: usize = 8;

/// Whether a message with these receipts may get one more; our own are always allowed.
pub fn allows(existing: &[Receipt], next: &Receipt) -> bool {
    let same_kind = |it: &&Receipt| it.rank() == next.rank();
    next.source_kind != SourceKind::Callback
        || existing.len() < RECEIPTS_PER_MESSAGE
        || existing
            .iter()
            .filter(same_kind)
            .take(RESERVED_PER_KIND)
            .count()
            < RESERVED_PER_KIND
        || existing.iter().any(|it| it.key() == next.key())
}
