//! `/orphans/put-aside`: counts the unmatched reports that an account received in a period, or those
//! selected on `/problems` that still exist, and has a button that dismisses exactly these.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::domain::ids::{AccountId, MessageId};
use crate::domain::scope::Caller;
use crate::operating::dismiss_orphans::{
    DismissalMode, OrphanSelection, ReceptionPeriod, dismiss_orphans,
};
use crate::reporting::number_format::counted;
use crate::reporting::query_values::{parse_instant, parse_message_id};
use crate::services::Services;
use crate::web::api::action_endpoints::action_context;
use crate::web::dashboard::filter_form::SelectOption;
use crate::web::dashboard::local_time::{parse_local, print_local};
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, account_ids, redirect_to, respond};
use crate::web::dashboard::page_zone::PageZone;
use crate::web::dashboard::problems_page::PROBLEMS_SHOWN;
use crate::web::error::ApiError;

/// The form, and the count once an account is chosen.
pub(crate) async fn preview(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    page_zone: PageZone,
) -> Result<HttpResponse, ApiError> {
    let context = action_context(&services, &caller);
    let selection = parse(request.query_string().as_bytes(), page_zone.zone)?;
    let found = match &selection {
        Some(selection) => {
            // The button dismisses what the page counted.
            let counted = match selection.clone() {
                OrphanSelection::Received(period) => OrphanSelection::Received(ReceptionPeriod {
                    received_before: period.received_before.or(Some(context.now)),
                    ..period
                }),
                named @ OrphanSelection::Named(_) => named,
            };
            let (store, mode) = (&services.store, DismissalMode::Count);
            let number = dismiss_orphans(store, &counted, mode, &context, &mut |_| {}).await?;
            Some((counted, number))
        }
        None => None,
    };
    let accounts = account_ids(&services).await?;
    let page = OrphanDismissalPage::new(
        selection.as_ref(),
        found.as_ref(),
        &accounts,
        page_zone.zone,
    );
    respond(&services, page).await
}

/// Dismisses what the preview counted.
pub(crate) async fn apply(
    services: web::Data<Services>,
    caller: Caller,
    form: web::Bytes,
    page_zone: PageZone,
) -> Result<HttpResponse, ApiError> {
    let selection = parse(&form, page_zone.zone)?.filter(|selection| match selection {
        OrphanSelection::Received(period) => period.received_before.is_some(),
        OrphanSelection::Named(_) => true,
    });
    let selection = selection.ok_or_else(|| {
        ApiError::NotPossible("it selects no unmatched reports; open the preview first".to_owned())
    })?;
    let context = action_context(&services, &caller);
    let mode = DismissalMode::Apply;
    dismiss_orphans(&services.store, &selection, mode, &context, &mut |_| {}).await?;
    Ok(redirect_to("/problems".to_owned()))
}

/// `None` without ids and without an account.
fn parse(pairs: &[u8], zone: Tz) -> Result<Option<OrphanSelection>, ApiError> {
    let ids = parse_ids(pairs)?;
    if !ids.is_empty() {
        return Ok(Some(OrphanSelection::Named(ids)));
    }
    let find = |name: &str| {
        let found = form_urlencoded::parse(pairs).find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    };
    let Some(account) = find("account") else {
        return Ok(None);
    };
    let account: AccountId = account
        .parse()
        .map_err(|_| ApiError::field("account", "is not the id of an account"))?;
    let instant = |name: &str| {
        let parsed = find(name).map(|text| parse_field(&text, zone));
        parsed
            .transpose()
            .map_err(|message| ApiError::field(name, message))
    };
    Ok(Some(OrphanSelection::Received(ReceptionPeriod {
        account,
        received_after: instant("received_after")?,
        received_before: instant("received_before")?,
    })))
}

/// The unmatched reports selected on `/problems`.
fn parse_ids(pairs: &[u8]) -> Result<Vec<MessageId>, ApiError> {
    let mut ids = Vec::new();
    for (_, value) in form_urlencoded::parse(pairs).filter(|(name, _)| name == "id") {
        let parsed = parse_message_id(value.trim());
        ids.push(parsed.map_err(|message| ApiError::field("id", message))?);
    }
    if ids.len() > PROBLEMS_SHOWN {
        let message = format!("is given more than {PROBLEMS_SHOWN} times");
        return Err(ApiError::field("id", message));
    }
    Ok(ids)
}

fn parse_field(text: &str, zone: Tz) -> Result<DateTime<Utc>, String> {
    match parse_local(text, zone) {
        Some(at) => Ok(at),
        // The button sends the instants of the preview, which have a zone.
        None => parse_instant(text),
    }
}

#[derive(Template, Clone, Debug)]
#[template(path = "orphan_dismissal.html")]
pub struct OrphanDismissalPage {
    pub(super) frame: Frame,
    accounts: Vec<SelectOption>,
    received_after: String,
    received_before: String,
    /// `3 unmatched reports`, and the hidden fields of the button.
    found: Option<(String, Vec<(&'static str, String)>)>,
    can_dismiss: bool,
    /// Whether the reports were selected on `/problems`; the form for a period is then absent.
    named: bool,
}

impl OrphanDismissalPage {
    fn new(
        selection: Option<&OrphanSelection>,
        found: Option<&(OrphanSelection, u64)>,
        accounts: &[AccountId],
        zone: Tz,
    ) -> Self {
        let period = match selection {
            Some(OrphanSelection::Received(period)) => Some(period),
            Some(OrphanSelection::Named(_)) | None => None,
        };
        let chosen = period.map(|period| &period.account);
        let after = period.and_then(|period| period.received_after);
        let before = period.and_then(|period| period.received_before);
        let field =
            |at: Option<DateTime<Utc>>| at.map_or_else(String::new, |at| print_local(at, zone));
        Self {
            frame: Frame::in_section(NavigationSection::Problems, "Dismiss", Refresh::Never),
            accounts: accounts
                .iter()
                .map(|account| SelectOption {
                    value: account.to_string(),
                    label: account.to_string(),
                    selected: chosen == Some(account),
                })
                .collect(),
            received_after: field(after),
            received_before: field(before),
            found: found.map(|(selection, number)| {
                let text = counted(*number, "unmatched report", "unmatched reports");
                (text, fields(selection))
            }),
            can_dismiss: found.is_some_and(|(_, number)| *number > 0),
            named: matches!(selection, Some(OrphanSelection::Named(_))),
        }
    }
}

fn fields(selection: &OrphanSelection) -> Vec<(&'static str, String)> {
    let period = match selection {
        OrphanSelection::Received(period) => period,
        OrphanSelection::Named(ids) => {
            return ids.iter().map(|id| ("id", id.to_string())).collect();
        }
    };
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let after = period.received_after.map(|at| ("received_after", text(at)));
    let before = period
        .received_before
        .map(|at| ("received_before", text(at)));
    let account = ("account", period.account.to_string());
    [account].into_iter().chain(after).chain(before).collect()
}

impl FramedPage for OrphanDismissalPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
