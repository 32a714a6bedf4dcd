//! `/orphans/put-aside`: how many unmatched reports an account received in a period, and a button
//! that dismisses exactly these.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use crate::domain::ids::AccountId;
use crate::domain::scope::Caller;
use crate::operating::dismiss_orphans::{DismissalMode, OrphanSelection, dismiss_orphans};
use crate::reporting::query_values::parse_instant;
use crate::services::Services;
use crate::web::api::action_endpoints::decision;
use crate::web::dashboard::filter_form::SelectOption;
use crate::web::dashboard::local_time::{parse_local, print_local};
use crate::web::dashboard::number_format::counted;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, account_ids, redirect_to, respond};
use crate::web::dashboard::page_zone::PageZone;
use crate::web::error::ApiError;

/// The form, and the count once an account is chosen.
pub(crate) async fn preview(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    viewer: PageZone,
) -> Result<HttpResponse, ApiError> {
    let decision = decision(&services, &caller);
    let selection = parse(request.query_string().as_bytes(), viewer.zone)?;
    let found = match &selection {
        Some(selection) => {
            // The button dismisses what the page counted.
            let counted = OrphanSelection {
                received_before: selection.received_before.or(Some(decision.now)),
                ..selection.clone()
            };
            let (store, mode) = (&services.store, DismissalMode::Count);
            let number = dismiss_orphans(store, &counted, mode, &decision, &mut |_| {}).await?;
            Some((counted, number))
        }
        None => None,
    };
    let accounts = account_ids(&services).await?;
    let page = OrphanDismissalPage::new(selection.as_ref(), found.as_ref(), &accounts, viewer.zone);
    respond(&services, page).await
}

/// Dismisses what the preview counted.
pub(crate) async fn apply(
    services: web::Data<Services>,
    caller: Caller,
    form: web::Bytes,
    viewer: PageZone,
) -> Result<HttpResponse, ApiError> {
    let selection =
        parse(&form, viewer.zone)?.filter(|selection| selection.received_before.is_some());
    let selection = selection.ok_or_else(|| {
        ApiError::NotPossible("it selects no unmatched reports; open the preview first".to_owned())
    })?;
    let decision = decision(&services, &caller);
    let mode = DismissalMode::Apply;
    dismiss_orphans(&services.store, &selection, mode, &decision, &mut |_| {}).await?;
    Ok(redirect_to("/problems".to_owned()))
}

/// `None` without an account.
fn parse(pairs: &[u8], zone: Tz) -> Result<Option<OrphanSelection>, ApiError> {
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
            .map_err(|words| ApiError::field(name, words))
    };
    Ok(Some(OrphanSelection {
        account,
        received_after: instant("received_after")?,
        received_before: instant("received_before")?,
    }))
}

fn parse_field(text: &str, zone: Tz) -> Result<DateTime<Utc>, String> {
    match parse_local(text, zone) {
        Some(at) => Ok(at),
        // The button has the instants that the page counted.
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
    /// The number with its noun, and the fields of the button.
    found: Option<(String, Vec<(&'static str, String)>)>,
    can_dismiss: bool,
}

impl OrphanDismissalPage {
    fn new(
        selection: Option<&OrphanSelection>,
        found: Option<&(OrphanSelection, u64)>,
        accounts: &[AccountId],
        zone: Tz,
    ) -> Self {
        let chosen = selection.map(|selection| &selection.account);
        let after = selection.and_then(|selection| selection.received_after);
        let before = selection.and_then(|selection| selection.received_before);
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
        }
    }
}

fn fields(selection: &OrphanSelection) -> Vec<(&'static str, String)> {
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let after = selection
        .received_after
        .map(|at| ("received_after", text(at)));
    let before = selection
        .received_before
        .map(|at| ("received_before", text(at)));
    let account = ("account", selection.account.to_string());
    [account].into_iter().chain(after).chain(before).collect()
}

impl FramedPage for OrphanDismissalPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
