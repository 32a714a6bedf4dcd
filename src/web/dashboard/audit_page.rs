//! `/audit`: who did what to what, when, and from where?

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono_tz::Tz;

use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::ids::AccountId;
use crate::services::Services;
use crate::web::api::audit_endpoints::find;
use crate::web::api::audit_query::parse;
use crate::web::api::parameters::pairs;
use crate::web::dashboard::filter_form::SelectOption;
use crate::web::dashboard::local_time::{parse_day_end, parse_day_start};
use crate::web::dashboard::page_frame::Frame;
use crate::web::dashboard::page_response::{FramedPage, account_ids, respond};
use crate::web::dashboard::page_zone::PageZone;
use crate::web::dashboard::pager::Pager;
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::visible_text::visible_line;
use crate::web::error::ApiError;

pub(crate) async fn show(
    services: web::Data<Services>,
    request: HttpRequest,
    page_zone: PageZone,
) -> Result<HttpResponse, ApiError> {
    // The form sends every field.
    let given: Vec<(String, String)> = pairs(request.query_string())
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .collect();
    let (actions, next) = find(&services, &parse(&in_zone(&given, page_zone.zone))?).await?;
    let accounts = account_ids(&services).await?;
    let page = AuditPage::new(&given, &actions, next.as_deref(), &accounts);
    respond(&services, page).await
}

/// Days of the form as instants: the API counts days in UTC.
fn in_zone(given: &[(String, String)], zone: Tz) -> Vec<(String, String)> {
    let convert = |(name, value): &(String, String)| {
        let at = match name.as_str() {
            "from" => parse_day_start(value, zone),
            "to" => parse_day_end(value, zone),
            _ => None,
        };
        let value = at.map_or_else(|| value.clone(), |at| at.to_rfc3339());
        (name.clone(), value)
    };
    given.iter().map(convert).collect()
}

#[derive(Template, Clone, Debug)]
#[template(path = "audit.html")]
pub struct AuditPage {
    frame: Frame,
    rows: Vec<AuditRow>,
    actions: Vec<SelectOption>,
    accounts: Vec<SelectOption>,
    actor: String,
    message: String,
    from: String,
    to: String,
    filtered: bool,
    pager: Pager,
}

#[derive(Clone, Debug)]
struct AuditRow {
    at: TimeElement,
    actor: String,
    action: String,
    message: Option<String>,
    account: Option<String>,
    detail: String,
    address: String,
}

impl AuditPage {
    fn new(
        given: &[(String, String)],
        actions: &[Action],
        next: Option<&str>,
        accounts: &[AccountId],
    ) -> Self {
        let value = |wanted: &str| {
            let found = given.iter().find(|(name, _)| name == wanted);
            found.map_or_else(String::new, |(_, value)| value.clone())
        };
        let choice = |name: &str, word: &str| SelectOption {
            value: word.to_owned(),
            label: word.replace('-', " "),
            selected: value(name) == word,
        };
        let at = |cursor: Option<&str>| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(given.iter().filter(|(name, _)| name != "cursor"));
            if let Some(cursor) = cursor {
                query.append_pair("cursor", cursor);
            }
            format!("/audit?{}", query.finish())
        };
        Self {
            frame: Frame::without_section("Audit log"),
            rows: actions.iter().map(AuditRow::new).collect(),
            actions: ActionKind::ALL
                .into_iter()
                .map(|kind| choice("action", kind.as_str()))
                .collect(),
            accounts: accounts
                .iter()
                .map(|account| SelectOption {
                    label: account.to_string(),
                    ..choice("account", account.as_str())
                })
                .collect(),
            actor: value("actor"),
            message: value("message_id"),
            from: value("from"),
            to: value("to"),
            filtered: given.iter().any(|(name, _)| name != "cursor"),
            pager: Pager::new(
                (!value("cursor").is_empty()).then(|| at(None)),
                next.map(|cursor| at(Some(cursor))),
            ),
        }
    }
}

impl AuditRow {
    fn new(action: &Action) -> Self {
        Self {
            at: TimeElement::new(action.happened_at),
            actor: visible_line(&action.actor),
            action: action.kind.as_str().replace('-', " "),
            message: action.message.map(|message| message.to_string()),
            account: action.account.as_ref().map(ToString::to_string),
            detail: action
                .detail
                .as_deref()
                .map_or_else(String::new, visible_line),
            address: action.address.clone().unwrap_or_default(),
        }
    }
}

impl FramedPage for AuditPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
