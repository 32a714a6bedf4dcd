//! The data folder: private to its owner, home of the secret key that nobody configured.
//!
//! Databases and the spool are made by `store`.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::TryRng;
use rand::rngs::SysRng;
use tempfile::NamedTempFile;

use crate::config::SECRET_KEY_BYTES;
use crate::domain::secret::Secret;

/// Name of the made secret key in the data folder.
pub const SECRET_KEY_FILE: &str = "secret_key";
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Whether the database that the secret key belongs to holds anything yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DatabaseAge {
    /// It was just made: a new key can be.
    New,
    /// URLs made with its key are in use.
    Existing,
}

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database is older than its key: making another would break every URL in use.
    #[error(
        "the secret key {} is missing; restore it, or set secret_key to the key this database was made with",
        .0.display()
    )]
    KeyMissing(PathBuf),
    /// The file holds something else.
    #[error("the secret key in {} is shorter than {SECRET_KEY_BYTES} bytes", .0.display())]
    KeyTooShort(PathBuf),
}

/// Makes the folder where it is missing, and closes it (0700) to everyone else.
pub fn prepare(folder: &Path) -> Result<(), DataDirError> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .map_err(failed("create", folder))?;
    restrict(folder, FOLDER_MODE)
}

/// The secret key kept in the folder; made there (0600) when there is none and the database is new.
pub fn load_or_make_secret_key(
    folder: &Path,
    database: DatabaseAge,
) -> Result<Secret, DataDirError> {
    let path = folder.join(SECRET_KEY_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            restrict(&path, FILE_MODE)?;
            let text = text.trim_end();
            if text.len() < SECRET_KEY_BYTES {
                return Err(DataDirError::KeyTooShort(path));
            }
            Ok(Secret::new(text))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match database {
            DatabaseAge::New => make_secret_key(folder, &path),
            DatabaseAge::Existing => Err(DataDirError::KeyMissing(path)),
        },
        Err(error) => Err(failed("read", &path)(error)),
    }
}

/// Durable before it is used: a URL must never outlive the key that made it.
fn make_secret_key(folder: &Path, path: &Path) -> Result<Secret, DataDirError> {
    let mut bytes = [0; SECRET_KEY_BYTES];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(io::Error::other)
        .map_err(failed("draw random bytes for", path))?;
    let key = STANDARD.encode(bytes);
    let write = || -> io::Result<()> {
        // Made with mode 0600.
        let mut file = NamedTempFile::new_in(folder)?;
        writeln!(file, "{key}")?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(failed("write", path))?;
    Ok(Secret::new(key))
}

/// Takes away every right beyond `mode`; leaves alone what has none.
fn restrict(path: &Path, mode: u32) -> Result<(), DataDirError> {
    let found = fs::metadata(path).map_err(failed("read", path))?;
    let given = found.permissions().mode() & 0o777;
    if given & mode == given {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("protect", path))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    move |source| DataDirError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_folder_is_made_private_even_when_it_was_not() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/b");
        prepare(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        prepare(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
    }

    #[test]
    fn a_new_database_gets_a_key_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let made = load_or_make_secret_key(folder.path(), DatabaseAge::New).unwrap();
        assert_eq!(mode(&folder.path().join(SECRET_KEY_FILE)), 0o600);
        assert_eq!(made.expose().len(), 44);
        let found = load_or_make_secret_key(folder.path(), DatabaseAge::Existing).unwrap();
        assert_eq!(made, found);
        let another = tempfile::tempdir().unwrap();
        let other = load_or_make_secret_key(another.path(), DatabaseAge::New).unwrap();
        assert_ne!(made, other);
    }

    #[test]
    fn an_existing_database_never_gets_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let error = load_or_make_secret_key(folder.path(), DatabaseAge::Existing).unwrap_err();
        assert!(matches!(error, DataDirError::KeyMissing(_)), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_truncated_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SECRET_KEY_FILE), "short\n").unwrap();
        let error = load_or_make_secret_key(folder.path(), DatabaseAge::New).unwrap_err();
        assert!(matches!(error, DataDirError::KeyTooShort(_)), "{error}");
    }
}
