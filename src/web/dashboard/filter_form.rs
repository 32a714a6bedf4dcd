//! The fields of the filter form of `/messages` and `/reports`.

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::provider::ProviderId;
use crate::web::dashboard::message_list_url::MessageListUrl;

/// The fields of the filter form; `/reports` shows them too.
#[derive(Clone, Debug)]
pub(super) struct FilterForm {
    pub(super) states: Vec<SelectOption>,
    pub(super) accounts: Vec<SelectOption>,
    pub(super) providers: Vec<SelectOption>,
    pub(super) kinds: Vec<SelectOption>,
    pub(super) search: String,
    pub(super) since: String,
    pub(super) until: String,
    /// Filters without a field of their own.
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
        Self {
            states: select_options(DeliveryState::ALL, single(&url.states), |state| {
                (state.as_str().to_owned(), state.label().to_owned())
            }),
            accounts: select_options(accounts.iter().cloned(), url.account.as_ref(), |account| {
                (account.to_string(), account.to_string())
            }),
            providers: select_options(ProviderId::ALL, url.provider.as_ref(), |provider| {
                (provider.as_str().to_owned(), provider.title().to_owned())
            }),
            kinds: select_options(MediaKind::ALL, url.kind.as_ref(), |kind| {
                (kind.as_str().to_owned(), kind.as_str().to_owned())
            }),
            search: url.search.clone().unwrap_or_default(),
            since: url.since.map(|day| day.to_string()).unwrap_or_default(),
            until: url.until.map(|day| day.to_string()).unwrap_or_default(),
            hidden: hidden(url),
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

fn hidden(url: &MessageListUrl) -> Vec<(&'static str, String)> {
    [
        ("code", url.code.clone()),
        ("class", url.class.map(|class| class.to_string())),
        ("origin", url.origin.map(|origin| origin.to_string())),
        ("conflict", url.conflict.then(|| "true".to_owned())),
        ("overdue", url.overdue.then(|| "true".to_owned())),
        ("resent", url.resent.map(|resent| resent.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}
