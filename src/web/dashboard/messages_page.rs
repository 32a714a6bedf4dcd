//! `/messages`: where is this message, which have problems? The filtered list, newest first; its
//! whole state is in the URL.

use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::message::{ListedFailure, MatchedBy, Message, Origin};
use crate::domain::provider::ProviderId;
use crate::domain::scope::Visibility;
use crate::store::messages::Cursor;
use crate::web::dashboard::message_list_url::{ExportFormat, MessageListUrl};
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::state_pill::{StateIcon, StatePill};
use crate::web::dashboard::time_element::TimeElement;

#[derive(Clone, Debug)]
pub struct MessageRow {
    href: String,
    pill: StatePill,
    recipient: String,
    name: Option<String>,
    kind: &'static str,
    account: String,
    provider: &'static str,
    created: TimeElement,
    updated: TimeElement,
    failure: Option<String>,
    hold_reason: Option<String>,
    flags: Vec<&'static str>,
}

impl MessageRow {
    pub fn new(message: &Message, viewer: Visibility, now: DateTime<Utc>) -> Self {
        Self {
            href: format!("/messages/{}", message.id),
            pill: StatePill::of_message(message),
            recipient: message
                .recipient
                .as_deref()
                .map_or_else(|| "unknown".to_owned(), |text| viewer.phone(text)),
            name: message.name.as_deref().map(|name| viewer.personal(name)),
            kind: message.kind.map_or("–", MediaKind::as_str),
            account: message.account.to_string(),
            provider: message.provider.title(),
            created: TimeElement::new(message.created_at),
            updated: TimeElement::new(message.updated_at),
            failure: message
                .failure
                .as_ref()
                .map(|failure| failure_text(failure, viewer)),
            hold_reason: message.hold.as_deref().map(|reason| viewer.quoted(reason)),
            flags: flags(message, now),
        }
    }
}

/// Code and title (or detail, or class) on one line.
pub(super) fn failure_text(listed: &ListedFailure, viewer: Visibility) -> String {
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

/// The tags beside the state.
pub(super) fn flags(message: &Message, now: DateTime<Utc>) -> Vec<&'static str> {
    let origin = match message.origin {
        Origin::Api => None,
        Origin::Observed => Some("sent elsewhere"),
        Origin::DryRun => Some("dry run"),
        Origin::Orphan => Some("unmatched report"),
    };
    [
        message.conflict.then_some("conflict"),
        message.is_overdue(now).then_some("overdue"),
        message.resent_as.map(|_| "resent"),
        message.matched_by.map(|matched_by| match matched_by {
            MatchedBy::Recipient => "matched by recipient",
            MatchedBy::Operator => "matched by an operator",
        }),
        origin,
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[derive(Clone, Debug)]
struct FilterPill {
    label: &'static str,
    icon: Option<StateIcon>,
    tone: &'static str,
    href: String,
    current: bool,
}

#[derive(Clone, Debug)]
pub(super) struct SelectOption {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) selected: bool,
}

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

#[derive(Clone, Debug)]
pub struct MessagesPageInput<'a> {
    pub messages: &'a [Message],
    /// Absent on the last page.
    pub next: Option<Cursor>,
    pub accounts: &'a [AccountId],
    /// For the days of the filter and of exports.
    pub zone: Tz,
}

#[derive(Template, Clone, Debug)]
#[template(path = "messages.html")]
pub struct MessagesPage {
    pub(super) frame: Frame,
    url: MessageListUrl,
    pills: Vec<FilterPill>,
    form: FilterForm,
    rows: Vec<MessageRow>,
    filtered: bool,
    zone: &'static str,
    newest: Option<String>,
    older: Option<String>,
    csv: String,
    ndjson: String,
}

impl MessagesPage {
    pub fn new(
        url: &MessageListUrl,
        input: &MessagesPageInput<'_>,
        viewer: Visibility,
        now: DateTime<Utc>,
    ) -> Self {
        let refresh = match url.cursor {
            None => Refresh::Live,
            Some(_) => Refresh::Never,
        };
        Self {
            frame: Frame::in_section(NavigationSection::Messages, "Messages", refresh),
            pills: pills(url),
            form: FilterForm::new(url, input.accounts),
            rows: input
                .messages
                .iter()
                .map(|message| MessageRow::new(message, viewer, now))
                .collect(),
            filtered: url.is_filtered(),
            zone: input.zone.name(),
            newest: url.cursor.is_some().then(|| url.newest().href()),
            older: input.next.map(|cursor| url.older(cursor).href()),
            csv: url.export(ExportFormat::Csv, input.zone),
            ndjson: url.export(ExportFormat::Ndjson, input.zone),
            url: url.clone(),
        }
    }
}

fn pills(url: &MessageListUrl) -> Vec<FilterPill> {
    let plain = MessageListUrl {
        conflict: false,
        overdue: false,
        ..url.with_states(&[])
    };
    let all = FilterPill {
        label: "All",
        icon: None,
        tone: "plain",
        href: plain.href(),
        current: url.states.is_empty() && !url.conflict && !url.overdue,
    };
    let states = DeliveryState::ALL.into_iter().map(|state| FilterPill {
        label: state.label(),
        icon: Some(StateIcon::of(state)),
        tone: state.as_str(),
        href: plain.with_states(&[state]).href(),
        current: url.states.contains(&state),
    });
    let overdue = FilterPill {
        label: "Overdue",
        icon: None,
        tone: "uncertain",
        href: MessageListUrl {
            overdue: true,
            ..plain.clone()
        }
        .href(),
        current: url.overdue,
    };
    let conflict = FilterPill {
        label: "Conflict",
        icon: None,
        tone: "uncertain",
        href: MessageListUrl {
            conflict: true,
            ..plain.clone()
        }
        .href(),
        current: url.conflict,
    };
    std::iter::once(all)
        .chain(states)
        .chain([overdue, conflict])
        .collect()
}
