//! `/messages/resend`, `/messages/cancel` and `/messages/mark-failed`: how many messages the action
//! would change, how many it would leave unchanged and why, and a button that runs it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use form_urlencoded::Serializer;

use crate::domain::scope::Caller;
use crate::operating::bulk_actions::{BulkMode, BulkResult, BulkSelection};
use crate::reporting::number_format::{counted, format_count};
use crate::services::Services;
use crate::store::messages::MessageFilter;
use crate::web::api::action_endpoints::check_reason;
use crate::web::api::bulk_endpoints::MESSAGES_LIMIT;
use crate::web::dashboard::bulk_action::{BulkAction, BulkDetails};
use crate::web::dashboard::message_list_url::MessageListUrl;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, respond, respond_with_status};
use crate::web::dashboard::page_url::with_query;
use crate::web::dashboard::page_zone::PageZone;
use crate::web::dashboard::resend_outcome::{RepeatedFailures, created_link, media_error};
use crate::web::dashboard::skipped_reasons::{SkippedReason, group_reasons};
use crate::web::error::ApiError;
use crate::web::problem_json::FieldError;

pub(crate) async fn preview(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    page_zone: PageZone,
    action: BulkAction,
) -> Result<HttpResponse, ApiError> {
    let form = BulkForm::read(request.query_string().as_bytes())?.limited_to(services.clock.now());
    let page = load_preview(&services, &caller, &form, page_zone, action).await?;
    respond(&services, page).await
}

async fn load_preview(
    services: &Services,
    caller: &Caller,
    form: &BulkForm,
    page_zone: PageZone,
    action: BulkAction,
) -> Result<BulkActionPage, ApiError> {
    let filter = form.filter(services, caller, page_zone.zone);
    let matching = services.store.count_matches(&filter, MESSAGES_LIMIT);
    let matching = matching.await?;
    let selection = selection(filter.clone());
    let mode = BulkMode::Count;
    let result = action.run(services, caller, selection, &form.details, mode);
    let result = result.await?;
    let mut page = BulkActionPage::new(action, form, &result);
    page.show_preview(action, &filter, matching, &result);
    if form.names_messages() && form.list.is_filtered() {
        let whole = resolve(&form.list, services, caller, page_zone.zone);
        let all = services.store.count_matches(&whole, MESSAGES_LIMIT).await?;
        page.offer_whole_list(action, form, all);
    }
    Ok(page)
}

/// Shows the result at once: a repeated request changes no message twice. If no message can have the
/// new media, shows the form again.
pub(crate) async fn apply(
    services: web::Data<Services>,
    caller: Caller,
    body: web::Bytes,
    page_zone: PageZone,
    action: BulkAction,
) -> Result<HttpResponse, ApiError> {
    let form = BulkForm::read(&body)?;
    let selection = selection(form.filter(&services, &caller, page_zone.zone));
    let mode = BulkMode::Apply;
    let result = action.run(&services, &caller, selection, &form.details, mode);
    let result = result.await?;
    if media_error(&result).is_some() {
        let page = load_preview(&services, &caller, &form, page_zone, action).await?;
        return respond_with_status(&services, StatusCode::UNPROCESSABLE_ENTITY, page).await;
    }
    let mut page = BulkActionPage::new(action, &form, &result);
    page.title = action.result(result.count);
    respond(&services, page).await
}

fn selection(filter: MessageFilter) -> BulkSelection {
    BulkSelection {
        filter,
        limit: MESSAGES_LIMIT,
    }
}

fn resolve(url: &MessageListUrl, services: &Services, caller: &Caller, zone: Tz) -> MessageFilter {
    let query = url.message_query(zone);
    query.resolve(caller.visibility(), services.clock.now())
}

/// The messages, by id or by the filters of the list, and the details of the action.
#[derive(Clone, PartialEq, Eq, Debug)]
struct BulkForm {
    url: MessageListUrl,
    /// The list that the messages were selected in.
    list: MessageListUrl,
    details: BulkDetails,
}

impl BulkForm {
    /// A filter that is not understood is an error here: without it the action would change more
    /// messages.
    fn read(pairs: &[u8]) -> Result<Self, ApiError> {
        let (mut list, mut details) = (String::new(), BulkDetails::default());
        let mut filters = Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(pairs) {
            match name.as_ref() {
                "list" => list = value.into_owned(),
                "media" => value.trim().clone_into(&mut details.media),
                "reason" => {
                    let reason = value.trim().to_owned();
                    details.reason = check_reason((!reason.is_empty()).then_some(reason))?;
                }
                _ => {
                    filters.append_pair(&name, &value);
                }
            }
        }
        let url = MessageListUrl::parse(&filters.finish()).newest();
        let unknown = url.ignored.iter().map(|pair| {
            let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
            FieldError::new(name, "is no filter of messages with this value")
        });
        let unknown: Vec<FieldError> = unknown.collect();
        if !unknown.is_empty() {
            return Err(ApiError::Invalid(unknown));
        }
        if !url.is_filtered() {
            let message = "is missing: select messages, or filter the list";
            return Err(ApiError::field("id", message));
        }
        Ok(Self {
            url,
            list: MessageListUrl::parse(&list).newest(),
            details,
        })
    }

    /// Leaves out messages that the preview does not count, because they are created after it.
    fn limited_to(mut self, now: DateTime<Utc>) -> Self {
        if !self.names_messages() {
            let before = &mut self.url.query.filter.created_before;
            *before = Some(before.map_or(now, |given| given.min(now)));
        }
        self
    }

    /// Whether the messages are given by id, not by filters.
    fn names_messages(&self) -> bool {
        !self.url.query.filter.ids.is_empty()
    }

    fn filter(&self, services: &Services, caller: &Caller, zone: Tz) -> MessageFilter {
        resolve(&self.url, services, caller, zone)
    }

    /// The selected messages, as the page names them.
    fn describe(&self) -> String {
        let ids = &self.url.query.filter.ids;
        if !ids.is_empty() {
            let number = u64::try_from(ids.len()).unwrap_or(u64::MAX);
            return counted(number, "selected message", "selected messages");
        }
        let pairs = self.url.filter_pairs();
        let texts = pairs.iter().map(|(name, value)| format!("{name} {value}"));
        texts.collect::<Vec<_>>().join(", ")
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let list = self.list.query_string();
        let list = (!list.is_empty()).then_some(("list", list));
        self.url.filter_pairs().into_iter().chain(list).collect()
    }

    /// The list in which the messages were selected, or that of the filters.
    fn back(&self) -> String {
        if self.list.is_filtered() || self.names_messages() {
            self.list.href()
        } else {
            self.url.href()
        }
    }
}

#[derive(Template, Clone, Debug)]
#[template(path = "bulk_action.html")]
pub struct BulkActionPage {
    pub(super) frame: Frame,
    title: String,
    path: &'static str,
    consequence: Option<&'static str>,
    selection: String,
    /// Text, and URL of the same action on all messages of the list.
    whole_list: Option<(String, Option<String>)>,
    fields: Vec<(&'static str, String)>,
    /// The field for other media, of a resend.
    media: Option<String>,
    media_error: Option<String>,
    /// Messages that would probably fail again.
    repeated: Option<RepeatedFailures>,
    /// Text and URL of the list of the new messages.
    created: Option<(String, String)>,
    asks_reason: bool,
    /// How many messages stay as they are.
    unchanged: Option<String>,
    reasons: Vec<SkippedReason>,
    /// Absent when there is nothing to do, or it is done.
    button: Option<String>,
    is_preview: bool,
    back: String,
}

impl BulkActionPage {
    fn new(action: BulkAction, form: &BulkForm, result: &BulkResult) -> Self {
        let title = action.command("messages");
        Self {
            frame: Frame::in_section(NavigationSection::Messages, title.as_str(), Refresh::Never),
            title,
            path: action.path(),
            consequence: None,
            selection: form.describe(),
            whole_list: None,
            fields: form.fields(),
            media: (action == BulkAction::Resend).then(|| form.details.media.clone()),
            media_error: media_error(result),
            repeated: RepeatedFailures::of(result),
            created: created_link(result),
            asks_reason: false,
            unchanged: unchanged_text(result.skipped),
            reasons: group_reasons(result),
            button: None,
            is_preview: false,
            back: form.back(),
        }
    }

    /// `matching` is absent if there are more messages than an action changes.
    fn show_preview(
        &mut self,
        action: BulkAction,
        filter: &MessageFilter,
        matching: Option<u64>,
        result: &BulkResult,
    ) {
        let named = u64::try_from(filter.ids.len()).unwrap_or(u64::MAX);
        let matching = matching.map(|matching| matching.max(named));
        let messages = match matching {
            Some(all) if all == result.count => counted(all, "message", "messages"),
            Some(all) => {
                let all = counted(all, "message", "messages");
                format!("{} of {all}", format_count(result.count))
            }
            None => {
                let limit = format_count(MESSAGES_LIMIT);
                format!(
                    "{} of more than {limit} messages",
                    format_count(result.count)
                )
            }
        };
        self.title = action.command(&messages);
        self.consequence = Some(action.consequence());
        self.is_preview = true;
        self.asks_reason = action == BulkAction::MarkFailed;
        let changed = counted(result.count, "message", "messages");
        self.button = (result.count > 0).then(|| action.command(&changed));
        let examined = result.count.saturating_add(result.skipped);
        let rest = matching.map_or(1, |matching| matching.saturating_sub(examined));
        if rest > 0 {
            let number = matching.map_or_else(
                || "Others".to_owned(),
                |_| counted(rest, "message", "messages"),
            );
            let text = format!("{number}: {}", action.exclusion_reason(filter));
            self.reasons.push(SkippedReason::new(text));
        }
        let unchanged = matching.map(|matching| matching.saturating_sub(result.count));
        self.unchanged = match unchanged {
            Some(number) => unchanged_text(number),
            None => Some("The others stay as they are:".to_owned()),
        };
    }

    fn offer_whole_list(&mut self, action: BulkAction, form: &BulkForm, all: Option<u64>) {
        self.whole_list = Some(if let Some(all) = all {
            let pairs = form.list.filter_pairs();
            let text = format!("All {} that match the list", format_count(all));
            (text, Some(with_query(action.path(), &pairs)))
        } else {
            let limit = format_count(MESSAGES_LIMIT);
            let text = format!("More than {limit} match the list; filter it to act on all");
            (text, None)
        });
    }
}

fn unchanged_text(number: u64) -> Option<String> {
    (number > 0).then(|| {
        let messages = counted(number, "message stays", "messages stay");
        let pronoun = if number == 1 { "it is" } else { "they are" };
        format!("{messages} as {pronoun}:")
    })
}

impl FramedPage for BulkActionPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
