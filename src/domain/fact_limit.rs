//! How many facts a message keeps. Repeats beyond any real traffic tell nothing new, and all are read again whenever the message changes.

use crate::domain::delivery::{Receipt, SourceKind};

/// Facts of one message; a group of 1,024 that sent, got and read it has fewer.
const FACTS: usize = 4096;
/// Of each stage, of failures and of other words so many are kept even then, so that no flood hides what happened.
const OF_A_KIND: usize = 8;

/// Whether a message with these facts keeps one more. What we did ourselves it always keeps.
pub fn keeps(known: &[Receipt], next: &Receipt) -> bool {
    let alike = |it: &&Receipt| it.rank() == next.rank();
    next.source_kind != SourceKind::Callback
        || known.len() < FACTS
        || known.iter().filter(alike).take(OF_A_KIND).count() < OF_A_KIND
        || known.iter().any(|it| it.key() == next.key())
}
