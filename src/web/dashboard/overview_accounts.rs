//! The table of accounts on the overview: messages per state.

use std::collections::BTreeMap;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::message::Origin;
use crate::domain::provider::ProviderId;
use crate::reporting::number_format::format_count;
use crate::store::page_counts::{Counts, CountsByState};
use crate::web::dashboard::funnel::ShownTotals;
use crate::web::dashboard::message_list_url::MessageListUrl;

#[derive(Clone, Debug)]
pub(super) struct AccountRow {
    pub(super) account: String,
    pub(super) provider: &'static str,
    pub(super) href: String,
    pub(super) cells: Vec<AccountCell>,
}

#[derive(Clone, Debug)]
pub(super) struct AccountCell {
    pub(super) label: &'static str,
    pub(super) count: String,
    pub(super) href: Option<String>,
    pub(super) alarming: bool,
}

pub(super) fn account_rows(
    providers: &BTreeMap<AccountId, ProviderId>,
    counts: &Counts,
    list: &MessageListUrl,
) -> Vec<AccountRow> {
    let played = ShownTotals::new(counts.sent.values(), 0).get(DeliveryState::Played) > 0;
    let separate = [
        ("Sent elsewhere", Origin::Observed, &counts.observed),
        ("Dry run", Origin::DryRun, &counts.dry_run),
    ];
    let empty = CountsByState::new();
    providers
        .iter()
        .map(|(account, provider)| {
            let totals = |map: &BTreeMap<AccountId, CountsByState>| {
                ShownTotals::new([map.get(account).unwrap_or(&empty)], 0)
            };
            let sent = totals(&counts.sent);
            let list = list.with(|query| query.filter.account = Some(account.clone()));
            let href = list.href();
            let mut cells = vec![AccountCell::new("All", sent.total(), href.clone())];
            cells.extend(
                DeliveryState::ALL
                    .into_iter()
                    .filter(|state| played || *state != DeliveryState::Played)
                    .map(|state| AccountCell::of_state(state, sent.get(state), &list)),
            );
            for (label, origin, counts) in separate.iter().filter(|(.., counts)| !counts.is_empty())
            {
                let list = list.with(|query| query.filter.origin = Some(*origin));
                cells.push(AccountCell::new(label, totals(counts).total(), list.href()));
            }
            AccountRow {
                account: account.to_string(),
                provider: provider.title(),
                href,
                cells,
            }
        })
        .collect()
}

impl AccountCell {
    fn new(label: &'static str, number: u64, href: String) -> Self {
        Self {
            label,
            count: format_count(number),
            href: (number > 0).then_some(href),
            alarming: false,
        }
    }

    fn of_state(state: DeliveryState, number: u64, list: &MessageListUrl) -> Self {
        let is_problem = matches!(state, DeliveryState::Failed | DeliveryState::Uncertain);
        Self {
            alarming: is_problem && number > 0,
            ..Self::new(state.label(), number, list.with_states(&[state]).href())
        }
    }
}
