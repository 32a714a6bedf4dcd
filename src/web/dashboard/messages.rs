//! `/messages`: where is this message, which are in trouble? The filtered list, newest first, its whole state in the address.

use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::access::Visibility;
use crate::domain::delivery::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::message::{ListedFailure, MatchedBy, Message, Origin};
use crate::domain::provider::ProviderId;
use crate::store::messages::Cursor;
use crate::web::dashboard::address::{ExportFormat, MessagesAddress};
use crate::web::dashboard::frame::{Frame, Refresh, Section};
use crate::web::dashboard::moment::Moment;
use crate::web::dashboard::pill::{Mark, StatePill};

/// One row of the list.
#[derive(Clone, Debug)]
pub struct MessageRow {
    href: String,
    pill: StatePill,
    recipient: String,
    name: Option<String>,
    kind: &'static str,
    account: String,
    provider: &'static str,
    created: Moment,
    changed: Moment,
    failure: Option<String>,
    waits_for: Option<String>,
    flags: Vec<&'static str>,
}

impl MessageRow {
    /// The row of a message as `viewer` may see it.
    pub fn new(message: &Message, viewer: Visibility, now: DateTime<Utc>) -> Self {
        Self {
            href: format!("/messages/{}", message.id),
            pill: StatePill::of(message),
            recipient: message
                .recipient
                .as_deref()
                .map_or_else(|| "unknown".to_owned(), |text| viewer.phone(text)),
            name: message.name.as_deref().map(|name| viewer.personal(name)),
            kind: message.kind.map_or("–", MediaKind::as_str),
            account: message.account.to_string(),
            provider: message.provider.title(),
            created: Moment::new(message.created_at),
            changed: Moment::new(message.updated_at),
            failure: message
                .failure
                .as_ref()
                .map(|failure| failure_words(failure, viewer)),
            waits_for: message.hold.as_deref().map(|reason| viewer.quoted(reason)),
            flags: flags(message, now),
        }
    }
}

/// Code and the shortest telling text of a failure, on one line.
pub(super) fn failure_words(listed: &ListedFailure, viewer: Visibility) -> String {
    let failure = &listed.failure;
    let text = failure
        .title
        .as_deref()
        .or(failure.detail.as_deref())
        .map_or_else(|| listed.class.to_string(), |text| viewer.quoted(text));
    match &failure.code {
        Some(code) => format!("{} · {text}", viewer.failure_code(code)),
        None => text,
    }
}

/// What a row or page says beside the state.
pub(super) fn flags(message: &Message, now: DateTime<Utc>) -> Vec<&'static str> {
    let origin = match message.origin {
        Origin::Api => None,
        Origin::Observed => Some("sent elsewhere"),
        Origin::DryRun => Some("dry run"),
        Origin::Provisional => Some("unmatched report"),
    };
    [
        message.conflict.then_some("conflict"),
        message.is_overdue(now).then_some("overdue"),
        message.resent_as.map(|_| "resent"),
        message.matched_by.map(|way| match way {
            MatchedBy::Recipient => "matched by recipient",
            MatchedBy::Operator => "matched by an operator",
        }),
        origin,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A filter pill above the list.
#[derive(Clone, Debug)]
struct FilterPill {
    label: &'static str,
    mark: Option<Mark>,
    tone: &'static str,
    href: String,
    current: bool,
}

/// One choice of a select box.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// The select boxes and fields of the filter form; `/reports` shows the same.
#[derive(Clone, Debug)]
pub(super) struct FilterForm {
    pub(super) states: Vec<Choice>,
    pub(super) accounts: Vec<Choice>,
    pub(super) providers: Vec<Choice>,
    pub(super) kinds: Vec<Choice>,
    pub(super) search: String,
    pub(super) since: String,
    pub(super) until: String,
    /// Filters that have no field of their own and travel hidden.
    pub(super) hidden: Vec<(&'static str, String)>,
}

impl FilterForm {
    pub(super) fn new(address: &MessagesAddress, accounts: &[AccountId]) -> Self {
        Self {
            states: choices(DeliveryState::ALL, only(&address.states), |state| {
                (state.as_str().to_owned(), state.as_str().to_owned())
            }),
            accounts: choices(
                accounts.iter().cloned(),
                address.account.as_ref(),
                |account| (account.to_string(), account.to_string()),
            ),
            providers: choices(ProviderId::ALL, address.provider.as_ref(), |provider| {
                (provider.as_str().to_owned(), provider.title().to_owned())
            }),
            kinds: choices(MediaKind::ALL, address.kind.as_ref(), |kind| {
                (kind.as_str().to_owned(), kind.as_str().to_owned())
            }),
            search: address.search.clone().unwrap_or_default(),
            since: address.since.map(|day| day.to_string()).unwrap_or_default(),
            until: address.until.map(|day| day.to_string()).unwrap_or_default(),
            hidden: hidden(address),
        }
    }
}

/// A select box shows one choice; several states stand in the pills alone.
fn only(states: &[DeliveryState]) -> Option<&DeliveryState> {
    match states {
        [state] => Some(state),
        _ => None,
    }
}

fn choices<T: PartialEq>(
    all: impl IntoIterator<Item = T>,
    chosen: Option<&T>,
    words: impl Fn(&T) -> (String, String),
) -> Vec<Choice> {
    all.into_iter()
        .map(|item| {
            let (value, label) = words(&item);
            Choice {
                value,
                label,
                chosen: chosen == Some(&item),
            }
        })
        .collect()
}

fn hidden(address: &MessagesAddress) -> Vec<(&'static str, String)> {
    [
        ("code", address.code.clone()),
        ("class", address.class.map(|class| class.to_string())),
        ("origin", address.origin.map(|origin| origin.to_string())),
        ("conflict", address.conflict.then(|| "true".to_owned())),
        ("overdue", address.overdue.then(|| "true".to_owned())),
        ("resent", address.resent.map(|resent| resent.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// What the store found for an address.
#[derive(Clone, Debug)]
pub struct MessagesFound<'a> {
    /// One page of messages, newest first.
    pub messages: &'a [Message],
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
    /// Every account, for the select box.
    pub accounts: &'a [AccountId],
    /// Zone in which days of the filter and exports are counted.
    pub zone: Tz,
}

/// The page.
#[derive(Template, Clone, Debug)]
#[template(path = "messages.html")]
pub struct MessagesPage {
    pub(super) frame: Frame,
    address: MessagesAddress,
    pills: Vec<FilterPill>,
    form: FilterForm,
    rows: Vec<MessageRow>,
    narrowed: bool,
    zone: &'static str,
    newest: Option<String>,
    older: Option<String>,
    csv: String,
    ndjson: String,
}

impl MessagesPage {
    /// The list that was found for an address.
    pub fn new(
        address: &MessagesAddress,
        found: &MessagesFound<'_>,
        viewer: Visibility,
        now: DateTime<Utc>,
    ) -> Self {
        let refresh = match address.cursor {
            None => Refresh::Live,
            Some(_) => Refresh::Still,
        };
        Self {
            frame: Frame::inside(Section::Messages, "Messages", refresh),
            pills: pills(address),
            form: FilterForm::new(address, found.accounts),
            rows: found
                .messages
                .iter()
                .map(|message| MessageRow::new(message, viewer, now))
                .collect(),
            narrowed: address.is_filtered(),
            zone: found.zone.name(),
            newest: address.cursor.is_some().then(|| address.newest().page()),
            older: found.next.map(|cursor| address.older(cursor).page()),
            csv: address.export(ExportFormat::Csv, found.zone),
            ndjson: address.export(ExportFormat::Ndjson, found.zone),
            address: address.clone(),
        }
    }
}

fn pills(address: &MessagesAddress) -> Vec<FilterPill> {
    let plain = MessagesAddress {
        conflict: false,
        overdue: false,
        ..address.with_states(&[])
    };
    let all = FilterPill {
        label: "all",
        mark: None,
        tone: "plain",
        href: plain.page(),
        current: address.states.is_empty() && !address.conflict && !address.overdue,
    };
    let states = DeliveryState::ALL.into_iter().map(|state| FilterPill {
        label: state.as_str(),
        mark: Some(Mark::of(state)),
        tone: state.as_str(),
        href: plain.with_states(&[state]).page(),
        current: address.states.contains(&state),
    });
    let overdue = FilterPill {
        label: "overdue",
        mark: None,
        tone: "uncertain",
        href: MessagesAddress {
            overdue: true,
            ..plain.clone()
        }
        .page(),
        current: address.overdue,
    };
    let conflict = FilterPill {
        label: "conflict",
        mark: None,
        tone: "uncertain",
        href: MessagesAddress {
            conflict: true,
            ..plain.clone()
        }
        .page(),
        current: address.conflict,
    };
    std::iter::once(all)
        .chain(states)
        .chain([overdue, conflict])
        .collect()
}
