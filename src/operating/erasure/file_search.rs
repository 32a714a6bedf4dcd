//! Searches the files of the data folder for an id, after everything was erased.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::operating::erasure::erasure_error::ErasureError;
use crate::operating::erasure::identity_matcher::IdentityMatcher;

const CHUNK_BYTES: usize = 1024 * 1024;

/// The files of databases that this process uses. Closing any handle of such a file releases the
/// locks that SQLite has on it in this process (POSIX locks). Another process would then find no
/// other user of the database and delete the write-ahead log, with acknowledged data. So each file
/// is opened once and never closed.
static DATABASE_FILES: Mutex<BTreeMap<PathBuf, Arc<File>>> = Mutex::new(BTreeMap::new());

/// Which files of a folder are searched.
pub(super) struct SearchedFolder {
    pub(super) folder: PathBuf,
    pub(super) excluded: Vec<PathBuf>,
    /// The files of databases that are open in this process.
    pub(super) databases: Vec<PathBuf>,
}

/// The files in a folder and below that hold an id.
pub(super) fn find_files_with(
    matcher: &IdentityMatcher,
    searched: &SearchedFolder,
) -> Result<Vec<PathBuf>, ErasureError> {
    let (mut found, mut folders) = (Vec::new(), vec![searched.folder.clone()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(ErasureError::at(&folder))?;
        for entry in entries {
            let entry = entry.map_err(ErasureError::at(&folder))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(ErasureError::at(&path))?;
            if searched.excluded.contains(&path) || searched.is_shared_memory(&path) {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let opened = searched.open(&path).map_err(ErasureError::at(&path))?;
                // `None`: a temporary file of a running process that was deleted meanwhile.
                if let Some(file) = opened
                    && contains_id(matcher, &file).map_err(ErasureError::at(&path))?
                {
                    found.push(path);
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

impl SearchedFolder {
    /// Whether this is the `-shm` file of a database, which has positions in the write-ahead log
    /// but no content.
    fn is_shared_memory(&self, path: &Path) -> bool {
        self.databases.iter().any(|database| {
            let mut name = database.clone().into_os_string();
            name.push("-shm");
            is_same_file(path, Path::new(&name))
        })
    }

    fn open(&self, path: &Path) -> io::Result<Option<Arc<File>>> {
        let opened = if self
            .databases
            .iter()
            .any(|database| is_same_file(path, database))
        {
            open_database(path)
        } else {
            File::open(path).map(Arc::new)
        };
        match opened {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether two paths lead to the same file, however they are written.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

fn open_database(path: &Path) -> io::Result<Arc<File>> {
    let mut files = DATABASE_FILES
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let inode = fs::metadata(path)?.ino();
    if let Some(file) = files.get(path)
        && file.metadata()?.ino() == inode
    {
        return Ok(Arc::clone(file));
    }
    let file = Arc::new(File::open(path)?);
    files.insert(path.to_owned(), Arc::clone(&file));
    Ok(file)
}

fn contains_id(matcher: &IdentityMatcher, file: &File) -> io::Result<bool> {
    let mut window = vec![0; CHUNK_BYTES + IdentityMatcher::MAX_MATCH_BYTES];
    let (mut kept, mut position) = (0, 0);
    loop {
        let read = file.read_at(&mut window[kept..], position)?;
        let filled = kept + read;
        if matcher.is_stored_in(&window[..filled]) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        position += read as u64;
        // Keeps the end of this chunk: an id may begin there.
        kept = filled.min(IdentityMatcher::MAX_MATCH_BYTES);
        window.copy_within(filled - kept..filled, 0);
    }
}
