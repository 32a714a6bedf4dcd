//! Finds values in output and files, however they are written.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use regex::bytes::Regex;

/// A text as it is, percent-encoded bytes aside; as printed bytes; inside base64 at each offset; reversed.
fn spellings(text: &str) -> Vec<String> {
    let bytes: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
    let mut found = vec![
        text.to_owned(),
        bytes.join(", "),
        text.bytes().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        }),
        text.chars().rev().collect(),
        text.replace(' ', "%20"),
        text.replace(' ', "+"),
    ];
    for offset in 0..3_usize {
        let padded = [vec![0; offset], text.as_bytes().to_vec()].concat();
        let encoded = STANDARD_NO_PAD.encode(&padded);
        // Characters that no neighbour changes.
        found.push(encoded[(offset * 8).div_ceil(6)..padded.len() * 8 / 6].to_owned());
    }
    found
}

/// Finds any of some texts, in every spelling and either case.
pub(super) struct Detector(Regex);

impl Detector {
    pub(super) fn new(texts: &[String]) -> Self {
        let patterns: Vec<String> = texts
            .iter()
            .flat_map(|text| spellings(text))
            .map(|spelling| regex::escape(&spelling))
            .collect();
        Self(Regex::new(&format!("(?i-u:{})", patterns.join("|"))).unwrap())
    }

    /// Each match with what stands around it.
    pub(super) fn search(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        let shown = self.0.find_iter(bytes).map(|found| {
            let start = found.start().saturating_sub(200);
            let end = bytes.len().min(found.end() + 100);
            format!("{place}: {}", String::from_utf8_lossy(&bytes[start..end]))
        });
        shown.take(5).collect()
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Databases, spool and uploads hold what customers were sent.
fn holds_messages(file: &Path) -> bool {
    let name = file.file_name().unwrap().to_str().unwrap();
    name.starts_with("bluetick.db")
        || name.starts_with("journal.db")
        || file.extension().is_some_and(|end| end == "spool")
        || file.parent().unwrap().ends_with("uploads")
}

pub(super) fn search_files(
    folder: &Path,
    secrets: &Detector,
    everything: &Detector,
) -> Vec<String> {
    let mut found = Vec::new();
    for file in files(folder) {
        let detector = if holds_messages(&file) {
            secrets
        } else {
            everything
        };
        let bytes = fs::read(&file).unwrap();
        found.extend(detector.search(&file.display().to_string(), &bytes));
    }
    found
}
