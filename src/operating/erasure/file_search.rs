//! Searches the files of the data folder for an id, after everything was erased.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::operating::erasure::erasure_error::ErasureError;
use crate::operating::erasure::identity_matcher::IdentityMatcher;

const CHUNK: usize = 1024 * 1024;

/// The files in a folder and below that hold an id, without those in `except`.
pub(super) fn find_files_with(
    matcher: &IdentityMatcher,
    folder: &Path,
    except: &[PathBuf],
) -> Result<Vec<PathBuf>, ErasureError> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(ErasureError::at(&folder))?;
        for entry in entries {
            let entry = entry.map_err(ErasureError::at(&folder))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(ErasureError::at(&path))?;
            if except.contains(&path) {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && holds(matcher, &path).map_err(ErasureError::at(&path))? {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn holds(matcher: &IdentityMatcher, path: &Path) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        // A temporary file of a running process.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut window = Vec::with_capacity(CHUNK + IdentityMatcher::LONGEST);
    loop {
        // The end of the last piece: an id may begin there.
        let kept = window.len().saturating_sub(IdentityMatcher::LONGEST);
        window.drain(..kept);
        let read = file.by_ref().take(CHUNK as u64).read_to_end(&mut window)?;
        if matcher.is_stored_in(&window) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
    }
}
