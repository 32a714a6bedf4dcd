//! What needs a person, in words, with the way to it.

use crate::domain::delivery::DeliveryState;
use crate::store::reports::Problems;
use crate::web::dashboard::address::MessagesAddress;
use crate::web::dashboard::figure::count;

/// One kind of problem that is present.
#[derive(Clone, Debug)]
pub(super) struct ProblemRow {
    pub(super) title: &'static str,
    pub(super) words: &'static str,
    pub(super) count: String,
    pub(super) href: Option<String>,
}

/// The problems that are present, the costliest first.
pub(super) fn problem_rows(problems: &Problems) -> Vec<ProblemRow> {
    let list = MessagesAddress::default();
    let all = [
        (
            problems.paused_accounts,
            "Paused accounts",
            "The provider refused the account. Its messages wait until you resume it.",
            Some("/accounts".to_owned()),
        ),
        (
            problems.uncertain,
            "Outcome unknown",
            "Handed over, no clear answer. Never repeated by itself: look, then send again or mark as failed.",
            Some(list.with_states(&[DeliveryState::Uncertain]).page()),
        ),
        (
            problems.overdue,
            "Overdue",
            "The provider took them, and nothing was heard within the account's deadline.",
            Some(
                MessagesAddress {
                    overdue: true,
                    ..list.clone()
                }
                .page(),
            ),
        ),
        (
            problems.conflicts,
            "Delivered and failed",
            "One report says on the phone, another says failed; several devices can do this.",
            Some(
                MessagesAddress {
                    conflict: true,
                    ..list
                }
                .page(),
            ),
        ),
        (
            problems.quarantine,
            "Unreadable callbacks",
            "A provider said something that could not be understood. It is kept and can be replayed.",
            Some("/callbacks?outcome=quarantined".to_owned()),
        ),
        (
            problems.unverified,
            "Unverified callbacks",
            "They came to the right address without the right secret and are applied only when released.",
            Some("/callbacks?outcome=unverified".to_owned()),
        ),
        (
            problems.orphans,
            "Unmatched reports",
            "Providers report on messages that were not sent from here, or not matched yet.",
            None,
        ),
        (
            problems.id_conflicts,
            "Ids claimed twice",
            "A provider gave two messages the same id; the first one keeps it.",
            None,
        ),
    ];
    all.into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, title, words, href)| ProblemRow {
            title,
            words,
            count: count(number),
            href,
        })
        .collect()
}
