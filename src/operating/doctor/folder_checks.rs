//! Owner and mode of the data folder and its files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use nix::unistd::Uid;

use crate::data_dir;
use crate::operating::doctor::finding::Finding;

/// The permission bits of the group and of others.
const GROUP_AND_OTHERS: u32 = 0o077;

/// Findings, and when the newest file was written.
#[derive(Default)]
pub(super) struct FolderState {
    pub(super) findings: Vec<Finding>,
    pub(super) newest: Option<DateTime<Utc>>,
}

/// Before the first start, which creates the folder.
pub(super) fn check_missing_folder(folder: &Path) -> FolderState {
    let error = data_dir::check_usable(folder).err();
    let findings = error.map(|error| {
        let fix =
            "let the user that `serve` runs as create it, or set `data_dir` to another folder";
        Finding::problem("data_dir", format!("data_dir: {error}"), fix)
    });
    FolderState {
        findings: findings.into_iter().collect(),
        newest: None,
    }
}

pub(super) fn check_folder(folder: &Path) -> FolderState {
    let mut state = FolderState::default();
    let shown = folder.display();
    let Ok(metadata) = fs::metadata(folder) else {
        let summary = format!("{shown} does not exist, or cannot be read");
        let fix = "run this command as the user that `serve` runs as; `bluetick serve` creates the folder";
        state
            .findings
            .push(Finding::problem("data_dir", summary, fix));
        return state;
    };
    if metadata.mode() & GROUP_AND_OTHERS != 0 {
        let mode = metadata.mode() & 0o777;
        let summary = format!("{shown} has mode {mode:03o}: other users may read customers' data");
        let fix = format!("chmod 700 {shown}");
        state.findings.push(Finding::problem("mode", summary, fix));
    }
    let process = Uid::effective();
    if metadata.uid() != process.as_raw() && !process.is_root() {
        let owner = metadata.uid();
        let summary =
            format!("{shown} belongs to uid {owner}, but this process runs as uid {process}");
        let fix = format!("run this command as the owner, or: chown -R {process} {shown}");
        state.findings.push(Finding::problem("owner", summary, fix));
    }
    state.check_files(folder);
    state
}

impl FolderState {
    fn check_files(&mut self, folder: &Path) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut accessible = Vec::new();
        for entry in entries {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if !metadata.is_file() {
                continue;
            }
            let written = metadata.modified().map(DateTime::<Utc>::from);
            self.newest = self.newest.max(written.ok());
            if metadata.mode() & GROUP_AND_OTHERS != 0 {
                accessible.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        if !accessible.is_empty() {
            accessible.sort();
            let summary = format!("other users may read or change {}", accessible.join(", "));
            let fix = format!("chmod -R go-rwx {}", folder.display());
            self.findings.push(Finding::problem("mode", summary, fix));
        }
    }
}
