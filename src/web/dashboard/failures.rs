//! Why messages failed: one row a reason, whichever accounts met it, most frequent first.

use std::collections::BTreeMap;

use crate::domain::delivery::DeliveryState;
use crate::domain::dictionary::{Explanation, WITHOUT_CODE, explain};
use crate::domain::failure::Failure;
use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::store::reports::Counts;
use crate::web::dashboard::address::MessagesAddress;
use crate::web::dashboard::figure::count;
use crate::web::dashboard::text::visible_line;

/// Reasons that the page names; the list of failed messages has the rest.
const REASONS_SHOWN: usize = 10;

/// One reason.
#[derive(Clone, Debug)]
pub(super) struct FailureRow {
    pub(super) code: String,
    pub(super) accounts: String,
    pub(super) class: &'static str,
    pub(super) meaning: &'static str,
    pub(super) action: &'static str,
    pub(super) count: String,
    pub(super) href: Option<String>,
}

/// A code with one meaning, and who met it how often. Two providers may give one code two meanings.
struct Reason<'a> {
    code: Option<&'a str>,
    explanation: Explanation,
    accounts: Vec<&'a AccountId>,
    messages: u64,
}

/// The reasons of the failures that `list` holds: the same days and the same origin as the counts beside them.
pub(super) fn failure_rows(
    counts: &Counts,
    providers: &BTreeMap<AccountId, ProviderId>,
    list: &MessagesAddress,
) -> Vec<FailureRow> {
    let mut reasons: Vec<Reason<'_>> = Vec::new();
    for ((account, code), number) in &counts.failures {
        let messages = u64::try_from(*number).unwrap_or_default();
        let Some(provider) = providers.get(account).filter(|_| messages > 0) else {
            continue;
        };
        let code = Some(code.as_str()).filter(|code| !code.is_empty());
        let explanation = explanation_of(*provider, code);
        let known = reasons
            .iter_mut()
            .find(|reason| reason.code == code && reason.explanation == explanation);
        match known {
            Some(reason) => {
                reason.accounts.push(account);
                reason.messages += messages;
            }
            None => reasons.push(Reason {
                code,
                explanation,
                accounts: vec![account],
                messages,
            }),
        }
    }
    reasons.sort_by(|one, other| (other.messages, one.code).cmp(&(one.messages, other.code)));
    reasons
        .iter()
        .take(REASONS_SHOWN)
        .map(|reason| row(reason, &reasons, list))
        .collect()
}

fn explanation_of(provider: ProviderId, code: Option<&str>) -> Explanation {
    let Some(code) = code else {
        return WITHOUT_CODE;
    };
    let failure = Failure {
        code: Some(code.to_owned()),
        ..Failure::default()
    };
    explain(provider, &failure)
}

fn row(reason: &Reason<'_>, all: &[Reason<'_>], list: &MessagesAddress) -> FailureRow {
    let names: Vec<&str> = reason
        .accounts
        .iter()
        .map(|account| account.as_str())
        .collect();
    FailureRow {
        code: reason
            .code
            .map_or_else(|| "no code".to_owned(), visible_line),
        accounts: names.join(", "),
        class: reason.explanation.class.as_str(),
        meaning: reason.explanation.meaning,
        action: reason.explanation.action,
        count: count(reason.messages),
        href: address(reason, all, list),
    }
}

/// The list of exactly these messages, where its filters can name them.
fn address(reason: &Reason<'_>, all: &[Reason<'_>], list: &MessagesAddress) -> Option<String> {
    let code = reason.code?;
    let only_meaning = all.iter().filter(|other| other.code == Some(code)).count() == 1;
    let account = match reason.accounts.as_slice() {
        [only] => Some((*only).clone()),
        _ if only_meaning => None,
        _ => return None,
    };
    let list = MessagesAddress {
        account,
        code: Some(code.to_owned()),
        ..list.clone()
    };
    Some(list.with_states(&[DeliveryState::Failed]).page())
}
