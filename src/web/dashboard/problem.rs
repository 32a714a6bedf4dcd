//! What needs a person, as the overview tells it: how many of each kind, with the way to them.

use crate::reporting::problems::ProblemKind;
use crate::store::reports::Problems;
use crate::web::dashboard::figure::count;

/// One kind of problem that is present.
#[derive(Clone, Debug)]
pub(super) struct ProblemRow {
    pub(super) title: &'static str,
    pub(super) words: &'static str,
    pub(super) count: String,
    pub(super) href: String,
}

/// The problems that are present, the costliest first.
pub(super) fn problem_rows(problems: &Problems) -> Vec<ProblemRow> {
    ProblemKind::ALL
        .into_iter()
        .filter(|kind| kind.count(problems) > 0)
        .map(|kind| ProblemRow {
            title: kind.title(),
            words: kind.why(),
            count: count(kind.count(problems)),
            href: format!("/problems#{}", kind.as_str()),
        })
        .collect()
}

/// How many things need a person.
pub(super) fn total(problems: &Problems) -> u64 {
    ProblemKind::ALL
        .into_iter()
        .map(|kind| kind.count(problems))
        .sum()
}
