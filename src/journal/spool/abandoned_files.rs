//! Spool files of ended processes: found in the background, claimed, and removed when drained.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::db::Error;
use crate::journal::spool::shared_file::{SharedFile, file_error};
use crate::journal::spool::spool_file::{ClaimOutcome, SpoolFile};

#[derive(Debug, Default)]
pub(super) struct AbandonedFiles {
    claimed: VecDeque<SharedFile>,
    /// Files that must not be drained here; remembered, so that each is logged only once.
    ignored: BTreeSet<PathBuf>,
    search: Option<JoinHandle<io::Result<FoundFiles>>>,
}

type FoundFiles = Vec<(PathBuf, ClaimOutcome)>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FileSearch {
    Running,
    Finished,
}

impl AbandonedFiles {
    /// Starts a search for files with this extension, or claims what it found: call again until it
    /// has finished.
    pub(super) async fn search(
        &mut self,
        folder: &Path,
        extension: &'static str,
        journal: Uuid,
        own: PathBuf,
    ) -> Result<FileSearch, Error> {
        let Some(search) = self.search.take_if(|search| search.is_finished()) else {
            if self.search.is_none() {
                let folder = folder.to_owned();
                let known = self.known_paths(own);
                let claim = move || claim_in(&folder, extension, journal, &known);
                self.search = Some(tokio::task::spawn_blocking(claim));
            }
            return Ok(FileSearch::Running);
        };
        let found = search.await.unwrap_or_else(|error| Err(error.into()));
        for (path, found) in found.map_err(|source| file_error(folder, source))? {
            match found {
                ClaimOutcome::Claimed(file) => {
                    tracing::info!(
                        records = file.undrained(),
                        "found callbacks in the spool file of an ended process"
                    );
                    self.claimed.push_back(SharedFile::new(file));
                }
                ClaimOutcome::Foreign(reason) => {
                    tracing::warn!(file = %path.display(), reason, "ignoring a spool file");
                    self.ignored.insert(path);
                }
                ClaimOutcome::InUse | ClaimOutcome::Empty => {}
            }
        }
        Ok(FileSearch::Finished)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SharedFile> {
        self.claimed.iter()
    }

    /// Removes the first file, which must be drained.
    pub(super) async fn remove_first(&mut self) -> Result<(), Error> {
        let Some(file) = self.claimed.pop_front() else {
            return Ok(());
        };
        if let Some(kept) = file.run(|file| file.remove_drained()).await? {
            tracing::error!(file = %kept.display(), "parts of a spool file are unreadable; the file is kept");
        }
        tracing::info!("drained the spool file of an ended process");
        Ok(())
    }

    fn known_paths(&self, own: PathBuf) -> BTreeSet<PathBuf> {
        let mut known = self.ignored.clone();
        known.extend(self.claimed.iter().map(SharedFile::path));
        known.insert(own);
        known
    }
}

fn claim_in(
    folder: &Path,
    extension: &str,
    journal: Uuid,
    known: &BTreeSet<PathBuf>,
) -> io::Result<FoundFiles> {
    let mut claimed = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_spool = path.extension().is_some_and(|found| found == extension);
        if is_spool && !known.contains(&path) {
            claimed.push((path.clone(), SpoolFile::claim(path, journal)?));
        }
    }
    Ok(claimed)
}
