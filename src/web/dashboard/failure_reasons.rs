//! Failures by reason: one row per reason over all accounts, most frequent first.

use std::collections::BTreeMap;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::failure::Failure;
use crate::domain::failure_codes::{CodeMeaning, WITHOUT_CODE, describe};
use crate::domain::ids::AccountId;
use crate::domain::provider::ProviderId;
use crate::reporting::number_format::format_count;
use crate::store::page_counts::Counts;
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::visible_text::visible_line;

/// Reasons in the table; the list of failed messages has the rest.
const REASONS_SHOWN: usize = 10;

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

/// A code with one meaning. Two providers may use one code with different meanings.
struct Reason<'a> {
    code: Option<&'a str>,
    meaning: CodeMeaning,
    accounts: Vec<&'a AccountId>,
    messages: u64,
}

/// `list` selects the messages that were counted: same days, same origin.
pub(super) fn failure_rows(
    counts: &Counts,
    providers: &BTreeMap<AccountId, ProviderId>,
    list: &MessageListUrl,
) -> Vec<FailureRow> {
    let mut reasons: Vec<Reason<'_>> = Vec::new();
    for ((account, code), number) in &counts.failures {
        let messages = u64::try_from(*number).unwrap_or_default();
        let Some(provider) = providers.get(account).filter(|_| messages > 0) else {
            continue;
        };
        let code = Some(code.as_str()).filter(|code| !code.is_empty());
        let meaning = code_meaning(*provider, code);
        let known = reasons
            .iter_mut()
            .find(|reason| reason.code == code && reason.meaning == meaning);
        match known {
            Some(reason) => {
                reason.accounts.push(account);
                reason.messages += messages;
            }
            None => reasons.push(Reason {
                code,
                meaning,
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

fn code_meaning(provider: ProviderId, code: Option<&str>) -> CodeMeaning {
    let Some(code) = code else {
        return WITHOUT_CODE;
    };
    let failure = Failure {
        code: Some(code.to_owned()),
        ..Failure::default()
    };
    describe(provider, &failure)
}

fn row(reason: &Reason<'_>, all: &[Reason<'_>], list: &MessageListUrl) -> FailureRow {
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
        class: reason.meaning.class.as_str(),
        meaning: reason.meaning.meaning,
        action: reason.meaning.action,
        count: format_count(reason.messages),
        href: list_href(reason, all, list),
    }
}

/// The list of exactly these messages, if its filters can express them.
fn list_href(reason: &Reason<'_>, all: &[Reason<'_>], list: &MessageListUrl) -> Option<String> {
    let code = reason.code?;
    let only_meaning = all.iter().filter(|other| other.code == Some(code)).count() == 1;
    let account = match reason.accounts.as_slice() {
        [only] => Some((*only).clone()),
        _ if only_meaning => None,
        _ => return None,
    };
    let list = list.with(|query| {
        query.filter.account = account;
        query.filter.code = Some(code.to_owned());
        query.filter.states = vec![DeliveryState::Failed];
    });
    Some(list.href())
}
