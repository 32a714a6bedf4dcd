//! The data folder, accessible to its owner only, and the generated secret key in it.
//!
//! `db` and `journal` create the files of databases and spool.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::unistd::{Uid, User};
use rand::TryRng;
use rand::rngs::SysRng;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use tempfile::NamedTempFile;

use crate::config::MIN_SECRET_KEY_BYTES;
use crate::domain::secret::Secret;

/// File name of the generated secret key.
pub const SECRET_KEY_FILE: &str = "secret_key";
/// A folder with any of these files is a data folder.
const OWN_FILES: [&str; 3] = [SECRET_KEY_FILE, "bluetick.db", "journal.db"];
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Whether URLs derived from a secret key may be in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DatabaseAge {
    New,
    Existing,
}

#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "cannot create {}: {source}; set data_dir (or BLUETICK_DATA_DIR) to a folder that this user can create",
        path.display()
    )]
    NotCreated { path: PathBuf, source: io::Error },
    #[error(
        "{} belongs to {owner}, but this process runs as {process}; run it as {owner}, or change the owner of the folder and everything in it (chown -R)",
        path.display()
    )]
    ForeignOwner {
        path: PathBuf,
        owner: String,
        process: String,
    },
    #[error(
        "{} is shared: other users may use it (mode {mode:03o}), and it has other files. Set data_dir to a folder of its own, or, if no one else uses this one: chmod 700 {}",
        path.display(), path.display()
    )]
    Shared { path: PathBuf, mode: u32 },
    #[error("{} is a file, but must be a folder", .0.display())]
    NotAFolder(PathBuf),
    /// Creating a new key would break every URL in use.
    #[error(
        "the secret key {} is missing; restore it, or set secret_key to the key this database was created with",
        .0.display()
    )]
    KeyMissing(PathBuf),
    #[error("the secret key in {} is shorter than {MIN_SECRET_KEY_BYTES} bytes", .0.display())]
    KeyTooShort(PathBuf),
}

/// Creates the folder if it is missing, restricts it to mode 0700, and checks that files can be
/// created in it.
pub fn prepare(folder: &Path) -> Result<(), DataDirError> {
    refuse_file(folder)?;
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .map_err(|source| DataDirError::NotCreated {
            path: folder.to_owned(),
            source,
        })?;
    refuse_shared(folder)?;
    restrict(folder, FOLDER_MODE)?;
    check_access(folder, "use")
}

/// Fails if [`prepare`] would fail. Changes nothing.
pub fn check(folder: &Path) -> Result<(), DataDirError> {
    if folder.is_dir() {
        refuse_shared(folder)?;
    }
    check_usable(folder)
}

/// Fails if files can be created neither in the folder nor, while it is missing, the folder itself.
/// Changes nothing.
pub fn check_usable(folder: &Path) -> Result<(), DataDirError> {
    if !folder.exists() {
        let parents = folder.ancestors().skip(1);
        let existing = parents
            .map(|parent| {
                if parent == Path::new("") {
                    Path::new(".")
                } else {
                    parent
                }
            })
            .find(|parent| parent.exists());
        return existing.map_or(Ok(()), |parent| {
            refuse_file(parent)?;
            check_access(parent, "create a folder in")
        });
    }
    refuse_file(folder)?;
    check_access(folder, "use")
}

fn refuse_file(folder: &Path) -> Result<(), DataDirError> {
    if folder.exists() && !folder.is_dir() {
        return Err(DataDirError::NotAFolder(folder.to_owned()));
    }
    Ok(())
}

fn check_access(folder: &Path, action: &'static str) -> Result<(), DataDirError> {
    let access = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    accessat(CWD, folder, access, AtFlags::EACCESS)
        .map_err(|error| denied(action, folder)(error.into()))
}

/// Reads the secret key from the folder. Creates it, with mode 0600, if it is missing and the
/// database is new.
pub fn load_or_create_secret_key(
    folder: &Path,
    database: DatabaseAge,
) -> Result<Secret, DataDirError> {
    let path = folder.join(SECRET_KEY_FILE);
    match read_secret_key(&path) {
        Ok(secret) => {
            restrict(&path, FILE_MODE)?;
            Ok(secret)
        }
        Err(DataDirError::KeyMissing(_)) if database == DatabaseAge::New => {
            create_secret_key(folder, &path)
        }
        Err(error) => Err(error),
    }
}

/// Reads the secret key and changes nothing.
pub fn read_secret_key(path: &Path) -> Result<Secret, DataDirError> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim_end().len() < MIN_SECRET_KEY_BYTES => {
            Err(DataDirError::KeyTooShort(path.to_owned()))
        }
        Ok(text) => Ok(Secret::new(text.trim_end())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(DataDirError::KeyMissing(path.to_owned()))
        }
        Err(error) => Err(denied("read", path)(error)),
    }
}

/// The key is durable before it is used: no URL may exist without its key.
fn create_secret_key(folder: &Path, path: &Path) -> Result<Secret, DataDirError> {
    let mut bytes = [0; MIN_SECRET_KEY_BYTES];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(io::Error::other)
        .map_err(io_error("generate random bytes for", path))?;
    let key = STANDARD.encode(bytes);
    let write = || -> io::Result<()> {
        // Created with mode 0600.
        let mut file = NamedTempFile::new_in(folder)?;
        writeln!(file, "{key}")?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(io_error("write", path))?;
    Ok(Secret::new(key))
}

/// Rejects a folder that other users can access and that contains files of other programs: making
/// it private would lock those users out.
fn refuse_shared(folder: &Path) -> Result<(), DataDirError> {
    let mode = fs::metadata(folder)
        .map_err(io_error("read", folder))?
        .permissions()
        .mode();
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(denied("read", folder))?;
    let names: Vec<_> = entries
        .flatten()
        .map(|entry| entry.file_name())
        // Every new ext file system has this folder at its root.
        .filter(|name| name != "lost+found")
        .collect();
    let is_ours = OWN_FILES
        .iter()
        .any(|own| names.iter().any(|name| name == own));
    let is_sticky = mode & 0o1000 != 0;
    if !is_sticky && (names.is_empty() || is_ours) {
        return Ok(());
    }
    Err(DataDirError::Shared {
        path: folder.to_owned(),
        mode: mode & 0o1777,
    })
}

/// Removes permissions beyond `mode`.
fn restrict(path: &Path, mode: u32) -> Result<(), DataDirError> {
    let found = fs::metadata(path).map_err(io_error("read", path))?;
    let current = found.permissions().mode() & 0o777;
    if current & mode == current {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(denied("protect", path))
}

/// If another user owns the path and access was denied, the error names that owner.
fn denied(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    move |source| {
        let process = Uid::effective();
        match fs::metadata(path).map(|metadata| Uid::from_raw(metadata.uid())) {
            Ok(owner) if source.kind() == io::ErrorKind::PermissionDenied && owner != process => {
                DataDirError::ForeignOwner {
                    path: path.to_owned(),
                    owner: user_name(owner),
                    process: user_name(process),
                }
            }
            _ => io_error(action, path)(source),
        }
    }
}

fn user_name(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => format!("{} (uid {uid})", user.name),
        _ => format!("uid {uid}"),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
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
    fn a_folder_that_cannot_be_created_names_its_setting() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("file"), "").unwrap();
        let folder = outer.path().join("file/data");
        let error = prepare(&folder).unwrap_err().to_string();
        assert!(
            error.contains("; set data_dir (or BLUETICK_DATA_DIR)"),
            "{error}"
        );
        for check in [check, check_usable] {
            let error = check(&folder).unwrap_err().to_string();
            assert!(
                error.ends_with("file is a file, but must be a folder"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_existing_folder_is_made_private() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/b");
        prepare(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        prepare(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
    }

    #[test]
    fn a_folder_that_others_use_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("shared");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("of another program"), "").unwrap();
        let error = prepare(&folder).unwrap_err();
        assert!(matches!(error, DataDirError::Shared { .. }), "{error}");
        assert_eq!(mode(&folder), 0o755);
        // A data folder of ours is made private again.
        fs::write(folder.join("bluetick.db"), "").unwrap();
        prepare(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        // Like /tmp.
        fs::set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
        assert!(prepare(&folder).is_err());
    }

    #[test]
    fn the_key_of_a_new_database_is_created_once() {
        let folder = tempfile::tempdir().unwrap();
        let created = load_or_create_secret_key(folder.path(), DatabaseAge::New).unwrap();
        assert_eq!(mode(&folder.path().join(SECRET_KEY_FILE)), 0o600);
        assert_eq!(created.expose().len(), 44);
        let found = load_or_create_secret_key(folder.path(), DatabaseAge::Existing).unwrap();
        assert_eq!(created, found);
        let another = tempfile::tempdir().unwrap();
        let other = load_or_create_secret_key(another.path(), DatabaseAge::New).unwrap();
        assert_ne!(created, other);
    }

    #[test]
    fn an_existing_database_never_gets_a_new_key() {
        let folder = tempfile::tempdir().unwrap();
        let error = load_or_create_secret_key(folder.path(), DatabaseAge::Existing).unwrap_err();
        assert!(matches!(error, DataDirError::KeyMissing(_)), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_truncated_key_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SECRET_KEY_FILE), "short\n").unwrap();
        let error = load_or_create_secret_key(folder.path(), DatabaseAge::New).unwrap_err();
        assert!(matches!(error, DataDirError::KeyTooShort(_)), "{error}");
    }
}
