//! Copies files durably, with their hash.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::journal::spool;
use crate::operating::backup::backup_error::BackupError;
use crate::operating::backup::manifest::BackupFile;

const CHUNK_BYTES: usize = 1024 * 1024;

/// Creates a folder (0700) unless it exists.
pub(super) fn create_folder(path: &Path) -> Result<(), BackupError> {
    let create = DirBuilder::new().recursive(true).mode(0o700).create(path);
    create.map_err(BackupError::at(path))
}

/// Creates a folder (0700) or accepts an empty one.
pub(super) fn create_empty_folder(path: &Path) -> Result<(), BackupError> {
    create_folder(path)?;
    let mut entries = fs::read_dir(path).map_err(BackupError::at(path))?;
    if entries.next().is_some() {
        return Err(BackupError::NotEmpty(path.to_owned()));
    }
    Ok(())
}

/// Regular files directly in a folder; none if it does not exist.
pub(super) fn list_files(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut files = list_entries(folder)?;
    files.retain(|path| path.is_file());
    Ok(files)
}

/// Folders directly in a folder; none if it does not exist.
pub(super) fn list_folders(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut folders = list_entries(folder)?;
    folders.retain(|path| path.is_dir());
    Ok(folders)
}

fn list_entries(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BackupError::at(folder)(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(BackupError::at(folder))?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Copies a file (0600), durably. `None` if it no longer exists.
pub(super) fn copy(from: &Path, to: &Path) -> Result<Option<BackupFile>, BackupError> {
    let source = match File::open(from) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BackupError::at(from)(error)),
    };
    let mut target = create_new(to)?;
    let copied = read_through(source, |bytes| target.write_all(bytes))
        .and_then(|copied| target.sync_all().map(|()| copied));
    let (bytes, sha256) = copied.map_err(BackupError::at(to))?;
    Ok(Some(describe(to, bytes, sha256)))
}

/// Writes a new file (0600), durably. It gets its name once it is complete.
pub(super) fn write(path: &Path, text: &str) -> Result<(), BackupError> {
    let temporary = path.with_extension("new");
    let mut file = create_new(&temporary)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(BackupError::at(path))
}

pub(super) fn hash(path: &Path) -> Result<BackupFile, BackupError> {
    let hashed = File::open(path).and_then(|file| read_through(file, |_| Ok(())));
    let (bytes, sha256) = hashed.map_err(BackupError::at(path))?;
    Ok(describe(path, bytes, sha256))
}

/// Makes renames and new files in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), BackupError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(BackupError::at(path))
}

fn create_new(path: &Path) -> Result<File, BackupError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map_err(BackupError::at(path))
}

/// Reads to the end and passes every chunk to `consume`. Returns the length and the SHA-256 digest
/// in hexadecimal digits.
fn read_through(
    mut source: impl Read,
    mut consume: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut total = 0;
    loop {
        let read = source.read(&mut buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        total += bytes.len() as u64;
        hash.update(bytes);
        consume(bytes)?;
    }
    let digest = hash.finalize();
    let mut digits = String::with_capacity(2 * digest.len());
    for byte in digest {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    Ok((total, digits))
}

fn describe(path: &Path, bytes: u64, sha256: String) -> BackupFile {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    BackupFile {
        name: name.into_owned(),
        bytes,
        sha256,
    }
}

/// Suffixes of files that SQLite keeps beside a database. Left from another database, they would be
/// applied to the restored one.
const SQLITE_SUFFIXES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Fails if the database or a file that SQLite keeps beside it exists: a restore replaces neither.
pub(super) fn refuse_existing_database(data_dir: &Path, name: &str) -> Result<(), BackupError> {
    for suffix in SQLITE_SUFFIXES.iter().chain(&[""]) {
        let existing = data_dir.join(format!("{name}{suffix}"));
        if existing.exists() {
            return Err(BackupError::Occupied(existing));
        }
    }
    Ok(())
}

/// Moves a restored file into the data folder. A spool file that is there is kept: it may hold
/// callbacks that the backup does not.
pub(super) fn move_in(staging: &Path, data_dir: &Path, name: &str) -> Result<(), BackupError> {
    let mut to = data_dir.join(name);
    if to.exists() && spool::is_spool_file(&to) {
        to = data_dir.join(format!("restored-{name}"));
    }
    fs::rename(staging.join(name), &to).map_err(BackupError::at(&to))
}
