//! The page of problems.

use bluetick::domain::delivery_state::DeliveryState;
use bluetick::domain::ids::{CallbackId, MessageId, ProviderMessageId};
use bluetick::domain::message::{Message, Origin};
use bluetick::domain::scope::Visibility;
use bluetick::reporting::orphan_views::ListedOrphan;
use bluetick::reporting::problem_items::{ProblemItems, ProblemList, StoppedAccount};
use bluetick::reporting::problem_kind::ProblemKind;
use bluetick::store::id_conflicts::IdConflict;
use bluetick::store::orphan_list::SuggestedMessage;
use bluetick::store::quarantine::QuarantinedPart;
use bluetick::web::dashboard::problems_page::ProblemsPage;

use super::{account, message, now, render};

fn problem(kind: ProblemKind, count: u64, items: ProblemItems) -> ProblemList {
    ProblemList { kind, count, items }
}

fn problem_lists() -> Vec<ProblemList> {
    let orphan = |id: u128, suggestions: Vec<MessageId>| ListedOrphan {
        message: Message {
            origin: Origin::Orphan,
            name: None,
            stages: [None, None, None, Some(now()), None, None],
            ..message(id, DeliveryState::Delivered)
        },
        ids: vec![ProviderMessageId::parse("wamid.HBgMOTE5OTAwMDAxMjM0FQIAERgS").unwrap()],
        suggestions: suggestions
            .into_iter()
            .map(|id| SuggestedMessage {
                id,
                reference: Some("order-42".to_owned()),
            })
            .collect(),
    };
    let known = |id: u128| message(id, DeliveryState::Submitted).id;
    vec![
        problem(
            ProblemKind::PausedAccounts,
            1,
            ProblemItems::Accounts(vec![StoppedAccount {
                account: account("kaleyra-in"),
                since: now(),
                reason: "E110 Insufficient balance <b>".to_owned(),
            }]),
        ),
        problem(
            ProblemKind::Uncertain,
            31,
            ProblemItems::Messages(vec![
                message(1, DeliveryState::Uncertain),
                message(2, DeliveryState::Uncertain),
            ]),
        ),
        problem(
            ProblemKind::Overdue,
            1,
            ProblemItems::Messages(vec![message(3, DeliveryState::Submitted)]),
        ),
        problem(
            ProblemKind::Orphans,
            2,
            ProblemItems::Orphans(vec![orphan(4, vec![known(5), known(6)]), orphan(7, vec![])]),
        ),
        problem(
            ProblemKind::IdConflicts,
            1,
            ProblemItems::IdConflicts(vec![IdConflict {
                account: account("sobot-main"),
                provider_id: ProviderMessageId::parse("wamid.HBgMOTE5OTAwMDAxMjM0FQIAEQ").unwrap(),
                message: known(8),
                claimant: known(9),
                seen_at: now(),
            }]),
        ),
        problem(
            ProblemKind::Quarantine,
            1,
            ProblemItems::Quarantine(vec![QuarantinedPart {
                parts: 1,
                callback: CallbackId::derived(now(), [7; 10]),
                part: 2,
                account: account("lancepilot-demo"),
                reason: "a status without a value".to_owned(),
                quarantined_at: now(),
            }]),
        ),
        problem(ProblemKind::Rejected, 12, ProblemItems::Nothing),
    ]
}

#[test]
fn problems_show_reason_next_step_and_actions() {
    let page = render(
        "problems",
        &ProblemsPage::new(&problem_lists(), Visibility::Full),
    );
    let main = page.main();
    for words in [
        "Needs attention",
        "Uncertain 31",
        "Next: Check the provider's console",
        "E110 Insufficient balance <b>",
        "29 older items not shown here",
        "reported as delivered",
        "part 3 of its callback",
        "Rejected requests 12",
    ] {
        assert!(main.contains(words), "{words} in {main}");
    }
    assert_eq!(page.buttons().len(), 1 + 2 * 2 + 1 + 2 + 1 + 1 + 2 + 1 + 1);
    assert!(
        page.links()
            .contains(&"/messages?state=uncertain&origin=api&resent=false".to_owned())
    );
    assert_eq!(page.text("[aria-current=page]"), "Problems");
}

#[test]
fn problems_are_masked_without_the_scope_operate() {
    let page = render(
        "problems-masked",
        &ProblemsPage::new(&problem_lists(), Visibility::Masked),
    );
    let main = page.main();
    assert!(page.buttons().is_empty());
    for hidden in ["919900001234", "Mira", "HBgMOTE5"] {
        assert!(!main.contains(hidden), "{hidden} in {main}");
    }
}

#[test]
fn without_problems_the_page_says_so() {
    let page = render("problems-none", &ProblemsPage::new(&[], Visibility::Full));
    assert_eq!(page.text("h1"), "No open problems");
    assert!(page.links().contains(&"/messages".to_owned()));
}
