//! Outcome of the rows of an uploaded file, with every rejected line.

use crate::reporting::number_format::{counted, format_count};
use crate::sending::campaign::{ImportReport, RejectedRow};
use crate::web::dashboard::visible_text::visible_line;

#[derive(Clone, Debug)]
pub(super) struct ImportView {
    /// Numbers with their nouns: `3 recipients`.
    pub(super) accepted: String,
    pub(super) duplicates: String,
    pub(super) rejected: String,
    pub(super) rows: Vec<RejectedLine>,
    /// How many more lines were rejected.
    pub(super) more: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct RejectedLine {
    pub(super) line: String,
    pub(super) field: String,
    pub(super) message: String,
}

impl ImportView {
    pub(super) fn new(report: &ImportReport) -> Self {
        let listed = report.listed.len() as u64;
        let more = report.rejected.saturating_sub(listed);
        Self {
            accepted: counted(report.accepted, "recipient", "recipients"),
            duplicates: counted(report.duplicates, "duplicate", "duplicates"),
            rejected: counted(report.rejected, "rejected line", "rejected lines"),
            rows: rejected_lines(&report.listed),
            more: (more > 0).then(|| {
                let lines = counted(more, "more line was", "more lines were");
                format!("{lines} rejected; `bluetick campaign send --dry-run` names every one.")
            }),
        }
    }
}

pub(super) fn rejected_lines(rows: &[RejectedRow]) -> Vec<RejectedLine> {
    rows.iter()
        .map(|row| RejectedLine {
            line: format_count(row.line),
            field: visible_line(&row.field),
            message: visible_line(&row.message),
        })
        .collect()
}
