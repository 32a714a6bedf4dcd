//! Finding and reading the files of this repository.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of files that tools made.
const BUILT: &[&str] = &["node_modules", "target"];

/// The top folder of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file, named from the top folder.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// Every Rust file below the folders that exist, named from the top folder, in order.
pub(crate) fn rust_files(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = files(folders);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found
}

/// Every file below the folders that exist, named from the top folder, in order.
pub(crate) fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        collect(Path::new(folder), &mut found);
    }
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(root().join(folder)) else {
        return;
    };
    for entry in entries.flatten() {
        let path = folder.join(entry.file_name());
        if !root().join(&path).is_dir() {
            found.push(path);
        } else if !BUILT.contains(&entry.file_name().to_string_lossy().as_ref()) {
            collect(&path, found);
        }
    }
}
