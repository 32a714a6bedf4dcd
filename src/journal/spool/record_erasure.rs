//! Removes records from files that are kept for inspection: rejected by the journal, or damaged.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::domain::callback_record::CallbackRecord;
use crate::journal::spool::file_names::{DAMAGED_EXTENSION, EXTENSION, REJECTED_EXTENSION};
use crate::journal::spool::record_scan::RecordScan;
use crate::journal::spool::spool_file::{FIRST_RECORD, HEADER_BYTES, MAGIC};

/// Whether a spool file in this folder has callbacks that are not in the journal yet.
pub(crate) fn holds_records(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_spool = path.extension().is_some_and(|known| known == EXTENSION);
        let length = path.metadata().map_or(0, |metadata| metadata.len());
        if is_spool && length > FIRST_RECORD {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the records for which `is_erased` is true from the files in this folder that are kept
/// for inspection. If it removes one, it also removes the unreadable bytes of that file. Skips
/// files that another process has locked. Returns the number of removed records.
pub(crate) fn erase_records(
    folder: &Path,
    is_erased: &dyn Fn(&CallbackRecord) -> bool,
) -> io::Result<u64> {
    let mut erased = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let kept = [REJECTED_EXTENSION, DAMAGED_EXTENSION];
        let extension = path.extension().unwrap_or_default();
        if kept.iter().any(|known| extension == *known) {
            erased += erase_in(&path, is_erased)?;
        }
    }
    Ok(erased)
}

fn erase_in(path: &Path, is_erased: &dyn Fn(&CallbackRecord) -> bool) -> io::Result<u64> {
    let file = File::open(path)?;
    let end = file.metadata()?.len();
    let mut header = [0; HEADER_BYTES];
    if end < FIRST_RECORD || file.try_lock().is_err() {
        return Ok(0);
    }
    file.read_exact_at(&mut header, 0)?;
    if header[..MAGIC.len()] != MAGIC {
        return Ok(0);
    }
    let mut scan = RecordScan {
        file: &file,
        marker: [0; 8],
        end,
    };
    scan.marker.copy_from_slice(&header[8..16]);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut copy = NamedTempFile::new_in(folder)?;
    copy.write_all(&header)?;
    let (mut at, mut erased) = (Some(FIRST_RECORD), 0);
    while let Some(start) = at {
        let Some((record, next)) = scan.read_at(start)? else {
            at = scan.find_record(start + 1)?;
            continue;
        };
        if is_erased(&record) {
            erased += 1;
        } else {
            let length = usize::try_from(next - start).map_err(io::Error::other)?;
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, start)?;
            copy.write_all(&bytes)?;
        }
        at = Some(next).filter(|next| *next < end);
    }
    if erased > 0 {
        copy.as_file().sync_all()?;
        copy.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()?;
    }
    Ok(erased)
}
