//! The fields of the filter form of `/messages` and `/reports`.

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::provider::ProviderId;
use crate::reporting::filter_fields::print_fields;
use crate::web::dashboard::message_list_url::MessageListUrl;

/// Filters with a field of their own.
pub(super) const VISIBLE_FIELDS: [&str; 5] = ["state", "account", "provider", "kind", "q"];

#[derive(Clone, Debug)]
pub(super) struct FilterForm {
    /// The states as the URL names them.
    pub(super) state: Option<String>,
    pub(super) states: Vec<SelectOption>,
    pub(super) accounts: Vec<SelectOption>,
    pub(super) providers: Vec<SelectOption>,
    pub(super) kinds: Vec<SelectOption>,
    pub(super) search: String,
    pub(super) since: String,
    pub(super) until: String,
    /// The other filters, order and columns.
    pub(super) hidden: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct SelectOption {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) selected: bool,
}

impl FilterForm {
    pub(super) fn new(url: &MessageListUrl, accounts: &[AccountId]) -> Self {
        let filter = &url.query.filter;
        let search = url.query.search.as_ref();
        let (visible, hidden): (Vec<_>, Vec<_>) = print_fields(&url.query)
            .into_iter()
            .partition(|(name, _)| VISIBLE_FIELDS.contains(name));
        let state = visible.into_iter().find(|(name, _)| *name == "state");
        Self {
            state: state.map(|(_, states)| states),
            states: select_options(DeliveryState::ALL, single(&filter.states), |state| {
                (state.as_str().to_owned(), state.label().to_owned())
            }),
            accounts: select_options(
                accounts.iter().cloned(),
                filter.account.as_ref(),
                |account| (account.to_string(), account.to_string()),
            ),
            providers: select_options(ProviderId::ALL, filter.provider.as_ref(), |provider| {
                (provider.as_str().to_owned(), provider.title().to_owned())
            }),
            kinds: select_options(MediaKind::ALL, filter.kind.as_ref(), |kind| {
                (kind.as_str().to_owned(), kind.as_str().to_owned())
            }),
            search: search.map_or_else(String::new, |text| text.as_str().to_owned()),
            since: url.since.map(|day| day.to_string()).unwrap_or_default(),
            until: url.until.map(|day| day.to_string()).unwrap_or_default(),
            hidden: hidden.into_iter().chain(url.view_pairs()).collect(),
        }
    }
}

/// The select box shows a single state; several states show in the pills only.
fn single(states: &[DeliveryState]) -> Option<&DeliveryState> {
    match states {
        [state] => Some(state),
        _ => None,
    }
}

fn select_options<T: PartialEq>(
    all: impl IntoIterator<Item = T>,
    selected: Option<&T>,
    text: impl Fn(&T) -> (String, String),
) -> Vec<SelectOption> {
    all.into_iter()
        .map(|item| {
            let (value, label) = text(&item);
            SelectOption {
                value,
                label,
                selected: selected == Some(&item),
            }
        })
        .collect()
}
