//! What every scoped route checks before its handler: the scope, the accounts that a token is limited
//! to, and the number of searches.

use actix_web::dev::ServiceRequest;
use actix_web::{HttpMessage, web};
use chrono::{DateTime, NaiveDate};

use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::domain::scope::{Caller, Visibility};
use crate::journal::JournalFilter;
use crate::services::Services;
use crate::store::messages::FoundMessage;
use crate::web::api::parameters::pairs;
use crate::web::auth::Access;
use crate::web::error::ApiError;
use crate::web::route_access::{API_BASE, RouteAccess};

/// Parameters that hold a customer's number, an id of theirs, or a part of it.
pub(crate) const SEARCHES: [&str; 4] = ["q", "to", "recipient", "phone"];

/// Checks the caller, and puts it into the request's extensions, from which handlers get it.
pub(super) async fn admit(
    request: &mut ServiceRequest,
    access: RouteAccess,
) -> Result<(), ApiError> {
    let caller = request.extract::<Caller>().await?;
    if let Some(scope) = access.scope() {
        caller.require(scope)?;
    }
    if caller.accounts.is_limited() {
        if !matches!(access, RouteAccess::PerAccount(_)) {
            return Err(ApiError::AccountLimited(caller.accounts));
        }
        check_subject(request, &caller).await?;
    }
    if caller.visibility() == Visibility::Masked && is_search(request) {
        let access = request.app_data::<web::Data<Access>>();
        access
            .ok_or_else(|| ApiError::Internal("the server was built without Access".into()))?
            .admit_search(&caller)?;
    }
    request.extensions_mut().insert(caller);
    Ok(())
}

/// Fails with [`ApiError::NotFound`] if what the path names belongs to an account that the caller may
/// not access. Handlers check what a query or a body names.
async fn check_subject(request: &ServiceRequest, caller: &Caller) -> Result<(), ApiError> {
    if request.match_info().is_empty() {
        return Ok(());
    }
    let pattern = request.match_pattern().unwrap_or_default();
    let mut words = pattern
        .strip_prefix(API_BASE)
        .unwrap_or_default()
        .split('/')
        .skip(1);
    let (list, parameter) = (words.next().unwrap_or_default(), words.next());
    let name = parameter.and_then(|text| text.strip_prefix('{')?.strip_suffix('}'));
    let value = name.and_then(|name| request.match_info().get(name));
    let (Some(value), Some(services)) = (value, request.app_data::<web::Data<Services>>()) else {
        return Err(ApiError::NotFound);
    };
    match find_account(services, list, value).await? {
        Some(account) if caller.accounts.allows(&account) => Ok(()),
        _ => Err(ApiError::NotFound),
    }
}

/// The account that an entry of a list belongs to.
async fn find_account(
    services: &Services,
    list: &str,
    value: &str,
) -> Result<Option<AccountId>, ApiError> {
    Ok(match list {
        "messages" | "orphans" => match value.parse() {
            Ok(id) => find_account_of_message(services, id).await?,
            Err(_) => None,
        },
        "callbacks" => match value.parse::<CallbackId>() {
            Ok(id) => find_account_of_callback(services, id).await?,
            Err(_) => None,
        },
        "campaigns" => match value.parse() {
            Ok(id) => {
                let campaign = services.store.find_campaign(&id).await?;
                campaign.map(|campaign| campaign.account)
            }
            Err(_) => None,
        },
        "accounts" | "windows" => value.parse().ok(),
        _ => None,
    })
}

async fn find_account_of_message(
    services: &Services,
    id: MessageId,
) -> Result<Option<AccountId>, ApiError> {
    let found = match services.store.find_message(id).await? {
        Some(FoundMessage::Merged(survivor)) => services.store.find_message(survivor).await?,
        found => found,
    };
    Ok(match found {
        Some(FoundMessage::Message(message)) => Some(message.account),
        Some(FoundMessage::Merged(_)) | None => None,
    })
}

async fn find_account_of_callback(
    services: &Services,
    id: CallbackId,
) -> Result<Option<AccountId>, ApiError> {
    let filter = JournalFilter {
        ids: Some(vec![id]),
        ..JournalFilter::default()
    };
    let kept = services.journal.list(&filter, None, 1).await?.pop();
    if let Some(kept) = kept {
        return Ok(Some(kept.account));
    }
    let outcome = services.store.find_outcomes(&[id]).await?.remove(&id);
    Ok(outcome.map(|outcome| outcome.account))
}

fn is_search(request: &ServiceRequest) -> bool {
    let mut in_path = request.match_info().iter();
    in_path.any(|(name, _)| SEARCHES.contains(&name))
        || pairs(request.query_string()).iter().any(|(name, value)| {
            SEARCHES.contains(&name.as_str()) && !value.trim().is_empty() && !is_time(value)
        })
}

/// `to` is the end of a period in some lists. A customer's number never looks like a time.
fn is_time(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok() || text.parse::<NaiveDate>().is_ok()
}
