//! Extensions of the spool's files.

use std::path::Path;

/// Extension of files with records that are not in the journal yet.
pub(super) const EXTENSION: &str = "spool";
/// Extension of files with records that the journal rejected; they are never drained.
pub(super) const REJECTED_EXTENSION: &str = "refused";
/// Extension of drained files with unreadable bytes.
pub(super) const DAMAGED_EXTENSION: &str = "damaged";

/// Whether the name is that of a file with records: undrained or rejected ones.
pub(crate) fn is_spool_file(path: &Path) -> bool {
    let extension = path.extension();
    [EXTENSION, REJECTED_EXTENSION]
        .iter()
        .any(|known| extension.is_some_and(|extension| extension == *known))
}
