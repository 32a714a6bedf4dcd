//! Approved texts: each is compared with a file, which `UPDATE_GOLDEN=1` rewrites.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// A folder of approved texts; every file must be used.
pub(crate) struct Goldens {
    folder: PathBuf,
    checked: BTreeSet<String>,
    errors: Vec<String>,
}

impl Goldens {
    /// The folder `tests/fixtures/{name}`.
    pub(crate) fn of(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name);
        fs::create_dir_all(&folder).unwrap();
        Self {
            folder,
            checked: BTreeSet::new(),
            errors: Vec::new(),
        }
    }

    /// Compares a text with the approved one, or replaces the approved one.
    pub(crate) fn check(&mut self, name: &str, text: &str) {
        let file = format!("{name}.txt");
        let path = self.folder.join(&file);
        assert!(self.checked.insert(file), "{name} is used twice");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, text).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != text {
            self.errors
                .push(format!("{} differs from:\n{text}", path.display()));
        }
    }

    /// Fails on every difference, and on files that no test uses.
    pub(crate) fn finish(mut self) {
        for entry in fs::read_dir(&self.folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if !self.checked.contains(&name) {
                self.errors.push(format!("no test uses {name}"));
            }
        }
        assert!(self.errors.is_empty(), "{}", self.errors.join("\n\n"));
    }
}
