//! A file that a command writes: complete or not at all, with mode 0600.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::command_error::CommandError;

/// A temporary file that is renamed at the end, so that the target is never incomplete.
pub(super) struct OutputFile {
    // NamedTempFile creates it with mode 0600.
    pub(super) file: NamedTempFile,
    path: PathBuf,
}

impl OutputFile {
    pub(super) fn create(path: &Path) -> Result<Self, CommandError> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        Ok(Self {
            file: NamedTempFile::new_in(folder).map_err(|error| failed(path, &error))?,
            path: path.to_owned(),
        })
    }

    pub(super) fn finish(self) -> Result<(), CommandError> {
        let Self { file, path } = self;
        let synced = file.as_file().sync_all();
        synced.map_err(|error| failed(&path, &error))?;
        file.persist(&path)
            .map_err(|error| failed(&path, &error.error))?;
        Ok(())
    }
}

/// Writes to this file, or to stdout.
pub(super) fn write_output(path: Option<&Path>, bytes: &[u8]) -> Result<(), CommandError> {
    let Some(path) = path else {
        return match io::stdout().lock().write_all(bytes) {
            Err(error) if is_broken_pipe(&error) => Ok(()),
            written => Ok(written?),
        };
    };
    let mut file = OutputFile::create(path)?;
    file.file.write_all(bytes)?;
    file.finish()
}

/// Whether the reader of stdout, such as `| head`, has closed the pipe.
pub(super) fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

fn failed(path: &Path, error: &dyn Display) -> String {
    format!("cannot write {}: {error}", path.display())
}
