//! `/messages`: where is this message, which have problems? The filtered list, newest first; its
//! whole state, with order and columns, is in the URL.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::delivery_state::DeliveryState;
use crate::domain::ids::AccountId;
use crate::domain::media::MediaKind;
use crate::domain::message::Message;
use crate::domain::scope::{Caller, Visibility};
use crate::reporting::export::ExportFormat;
use crate::reporting::number_format::{counted, format_count};
use crate::reporting::search_text::SearchText;
use crate::services::Services;
use crate::store::messages::{Cursor, MessageOrder};
use crate::web::dashboard::filter_form::FilterForm;
use crate::web::dashboard::further_filters::{self, FilterValue, FurtherFilter};
use crate::web::dashboard::message_columns::ShownColumns;
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::message_summary::{failure_text, flags, shown_reference};
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{
    FramedPage, ROWS_PER_PAGE, account_ids, redirect_to, respond,
};
use crate::web::dashboard::page_zone::PageZone;
use crate::web::dashboard::pager::Pager;
use crate::web::dashboard::state_pill::{StateIcon, StatePill};
use crate::web::dashboard::time_element::TimeElement;
use crate::web::error::ApiError;

/// Matches are counted up to this number: counting more would take longer than listing a page.
const COUNT_LIMIT: u64 = 2_000;

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    page_zone: PageZone,
) -> Result<HttpResponse, ApiError> {
    let (now, zone) = (services.clock.now(), page_zone.zone);
    let url = MessageListUrl::parse(request.query_string());
    let filter = url.message_query(zone).resolve(caller.visibility(), now);
    let listed = services
        .store
        .list_messages_by(url.order(), &filter, url.cursor, ROWS_PER_PAGE)
        .await?;
    if listed.messages.is_empty()
        && url.cursor.is_none()
        && let Some(found) = find_by_other_spelling(&services, &url, zone, &caller).await?
    {
        return Ok(redirect_to(found.href()));
    }
    let accounts = account_ids(&services).await?;
    let matching = if listed.next.is_none() && url.cursor.is_none() {
        u64::try_from(listed.messages.len()).ok()
    } else {
        services.store.count_matches(&filter, COUNT_LIMIT).await?
    };
    let input = MessagesPageInput {
        messages: &listed.messages,
        matching,
        next: listed.next,
        accounts: &accounts,
        zone,
    };
    let shown = MessagesPage::new(&url, &input, caller.visibility(), now);
    respond(&services, shown).await
}

/// The list that searches for another spelling of the text, if that finds anything.
async fn find_by_other_spelling(
    services: &Services,
    url: &MessageListUrl,
    zone: Tz,
    caller: &Caller,
) -> Result<Option<MessageListUrl>, ApiError> {
    let Some(text) = &url.query.search else {
        return Ok(None);
    };
    for spelling in text.other_spellings() {
        let mut other = url.clone();
        other.query.search = Some(spelling);
        let now = services.clock.now();
        let filter = other.message_query(zone).resolve(caller.visibility(), now);
        let found = services
            .store
            .list_messages_by(other.order(), &filter, None, 1)
            .await?;
        if !found.messages.is_empty() {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

#[derive(Clone, Debug)]
pub struct MessageRow {
    id: String,
    href: String,
    pill: StatePill,
    recipient: String,
    name: Option<String>,
    reference: Option<String>,
    kind: &'static str,
    sender: Option<String>,
    account: String,
    provider: &'static str,
    /// Id and URL.
    campaign: Option<(String, String)>,
    created: TimeElement,
    updated: TimeElement,
    failure: Option<String>,
    hold_reason: Option<String>,
    flags: Vec<&'static str>,
    /// Why the search found it.
    match_reason: Option<&'static str>,
}

impl MessageRow {
    pub fn new(
        message: &Message,
        search: Option<&SearchText>,
        viewer: Visibility,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id: message.id.to_string(),
            href: format!("/messages/{}", message.id),
            match_reason: search.and_then(|text| text.match_reason(message)),
            pill: StatePill::of_message(message),
            recipient: message
                .recipient
                .as_deref()
                .map_or_else(|| "unknown".to_owned(), |text| viewer.phone(text)),
            name: message.name.as_deref().map(|name| viewer.personal(name)),
            reference: shown_reference(message).map(|text| viewer.quoted(text)),
            kind: message.kind.map_or("–", MediaKind::as_str),
            sender: message.sender.clone(),
            account: message.account.to_string(),
            provider: message.provider.title(),
            campaign: message.campaign.as_ref().map(|id| {
                let href = format!("/campaigns/{id}");
                (id.to_string(), href)
            }),
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

#[derive(Clone, Debug)]
struct FilterPill {
    label: &'static str,
    icon: Option<StateIcon>,
    tone: &'static str,
    href: String,
    current: bool,
}

#[derive(Clone, Debug)]
pub struct MessagesPageInput<'a> {
    pub messages: &'a [Message],
    /// How many match, on all pages; `None` for more than are counted.
    pub matching: Option<u64>,
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
    further: Vec<FurtherFilter>,
    rows: Vec<MessageRow>,
    filtered: bool,
    /// Names the messages that a search for a few digits does not find.
    search_note: Option<&'static str>,
    columns: ShownColumns,
    /// The filters and the order, for the form of the columns.
    column_fields: Vec<(&'static str, String)>,
    by_change: bool,
    by_creation_href: String,
    /// Absent if the filter has a latest creation time: such a list is sorted by creation.
    by_change_href: Option<String>,
    zone: &'static str,
    pager: Pager,
    /// How many messages an export contains, as text.
    exported: String,
    csv: String,
    xlsx: String,
    ndjson: String,
    /// The query string of the list, for actions on selected messages.
    list: String,
    /// Whether the viewer may change messages.
    is_operator: bool,
}

impl MessagesPage {
    pub fn new(
        url: &MessageListUrl,
        input: &MessagesPageInput<'_>,
        viewer: Visibility,
        now: DateTime<Utc>,
    ) -> Self {
        // Each refresh of a search would count as a search of a viewer who sees masked numbers.
        let is_counted = viewer == Visibility::Masked
            && (url.query.search.is_some() || url.query.filter.recipient.is_some());
        let refresh = match url.cursor {
            None if !is_counted => Refresh::Announced,
            _ => Refresh::Never,
        };
        Self {
            frame: Frame::in_section(NavigationSection::Messages, "Messages", refresh),
            pills: pills(url),
            form: FilterForm::new(url, input.accounts),
            further: further_filters::list(url),
            rows: input
                .messages
                .iter()
                .map(|message| {
                    let search = url.query.search.as_ref();
                    MessageRow::new(message, search, viewer, now)
                })
                .collect(),
            filtered: url.is_filtered(),
            search_note: search_note(url.query.search.as_ref(), viewer, now),
            columns: ShownColumns::of(
                &url.columns,
                input
                    .messages
                    .iter()
                    .any(|message| message.campaign.is_some()),
            ),
            column_fields: {
                let view = url.view_pairs().into_iter();
                let sort = view.filter(|(name, _)| *name == "sort");
                url.filter_pairs().into_iter().chain(sort).collect()
            },
            by_change: url.order() == MessageOrder::Changed,
            by_creation_href: url.sorted_by(MessageOrder::Created).href(),
            by_change_href: {
                let by_change = url.sorted_by(MessageOrder::Changed);
                (by_change.order() == MessageOrder::Changed).then(|| by_change.href())
            },
            zone: input.zone.name(),
            pager: Pager::new(
                url.cursor.is_some().then(|| url.newest().href()),
                input.next.map(|cursor| url.older(cursor).href()),
            ),
            exported: match input.matching {
                Some(number) => counted(number, "message", "messages"),
                None => format!(
                    "all matches, more than {} messages",
                    format_count(COUNT_LIMIT)
                ),
            },
            csv: url.export(ExportFormat::Csv, input.zone),
            xlsx: url.export(ExportFormat::Xlsx, input.zone),
            ndjson: url.export(ExportFormat::Ndjson, input.zone),
            list: url.newest().query_string(),
            is_operator: viewer == Visibility::Full,
            url: url.clone(),
        }
    }
}

fn search_note(
    search: Option<&SearchText>,
    viewer: Visibility,
    now: DateTime<Utc>,
) -> Option<&'static str> {
    search?.recent_suffix_search(Visibility::Full, now)?;
    Some(match viewer {
        Visibility::Full => {
            "So few digits find only messages of the last 7 days. For older ones, enter at least the last seven digits, or the number from its beginning."
        }
        Visibility::Masked => "With your role, only a complete number finds messages.",
    })
}

fn pills(url: &MessageListUrl) -> Vec<FilterPill> {
    let plain = url.with(|query| {
        query.filter.states = Vec::new();
        query.filter.conflict = None;
        query.overdue = None;
    });
    let (states, conflict) = (&url.query.filter.states, url.query.filter.conflict);
    let overdue = url.query.overdue;
    let all = FilterPill {
        label: "All",
        icon: None,
        tone: "plain",
        href: plain.href(),
        current: states.is_empty() && conflict.is_none() && overdue.is_none(),
    };
    let by_state = DeliveryState::ALL.into_iter().map(|state| FilterPill {
        label: state.label(),
        icon: Some(StateIcon::of(state)),
        tone: state.as_str(),
        href: plain.with_states(&[state]).href(),
        current: states.contains(&state),
    });
    let only_overdue = FilterPill {
        label: "Overdue",
        icon: None,
        tone: "uncertain",
        href: plain.with(|query| query.overdue = Some(true)).href(),
        current: overdue == Some(true),
    };
    let only_conflict = FilterPill {
        label: "Conflict",
        icon: None,
        tone: "uncertain",
        href: plain
            .with(|query| query.filter.conflict = Some(true))
            .href(),
        current: conflict == Some(true),
    };
    std::iter::once(all)
        .chain(by_state)
        .chain([only_overdue, only_conflict])
        .collect()
}

impl FramedPage for MessagesPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
