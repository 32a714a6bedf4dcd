//! The open problems on the overview: how many of each kind, with links.

use crate::reporting::number_format::format_count;
use crate::reporting::problem_kind::ProblemKind;
use crate::store::page_counts::Problems;

#[derive(Clone, Debug)]
pub(super) struct ProblemRow {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) count: String,
    pub(super) href: String,
}

/// In the order of importance.
pub(super) fn problem_rows(problems: &Problems) -> Vec<ProblemRow> {
    ProblemKind::ALL
        .into_iter()
        .filter(|kind| kind.count(problems) > 0)
        .map(|kind| ProblemRow {
            title: kind.title(),
            text: kind.reason(),
            count: format_count(kind.count(problems)),
            href: format!("/problems#{}", kind.as_str()),
        })
        .collect()
}

pub(super) fn total_problems(problems: &Problems) -> u64 {
    ProblemKind::ALL
        .into_iter()
        .map(|kind| kind.count(problems))
        .sum()
}
