//! What the buttons do. Each POST decides one thing and leads back to the page that shows it.
//!
//! That the POST comes from our own pages is checked where the session is read, in `web::auth`.

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};

use crate::domain::access::{Caller, Scope};
use crate::domain::ids::{AccountId, CallbackId, MessageId};
use crate::operating::actions::{self, OperateError};
use crate::operating::dismiss;
use crate::operating::replay::{self, Earnest, Replayed};
use crate::operating::unmatch;
use crate::sending::accept::AcceptError;
use crate::services::Services;
use crate::store::messages::Found;
use crate::web::api::actions::decision;
use crate::web::dashboard::matching::{FormPage, find_target};
use crate::web::dashboard::pages;
use crate::web::dashboard::replay::ReplayAddress;
use crate::web::error::ApiError;

/// `POST /messages/{id}/cancel`
pub(super) async fn cancel(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = allowed(&caller, &id)?;
    let done = actions::cancel(&services.store, id, &decision(&services, &caller)).await;
    lead_to_message(done.map(|()| id))
}

/// `POST /messages/{id}/resend`
pub(super) async fn resend(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = allowed(&caller, &id)?;
    let decision = decision(&services, &caller);
    let done = actions::resend(&services.store, &services.acceptor, id, &decision).await;
    services.accepted.notify_one();
    lead_to_message(done)
}

/// `POST /messages/{id}/mark-failed`
pub(super) async fn mark_failed(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = allowed(&caller, &id)?;
    let done = actions::mark_failed(&services.store, id, None, &decision(&services, &caller)).await;
    lead_to_message(done.map(|()| id))
}

/// `POST /messages/{id}/unmatch`
pub(super) async fn unmatch(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = allowed(&caller, &id)?;
    let done = unmatch::unmatch(&services, id, &decision(&services, &caller)).await;
    match done {
        Ok(now_at) => {
            let ids: Vec<String> = now_at.iter().map(ToString::to_string).collect();
            let address = format!("/messages/{id}?reports_now_at={}", ids.join(","));
            Ok(lead_to(address))
        }
        Err(error) => lead_to_message(Err(error)),
    }
}

/// `POST /messages/{id}/put-aside`
pub(super) async fn put_message_aside(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = allowed(&caller, &id)?;
    let decision = decision(&services, &caller);
    let done = dismiss::put_message_aside(&services.store, id, &decision).await;
    lead_to_problems(done)
}

/// `POST /problems/callbacks/{id}/put-aside`; beside the callbacks that providers send.
pub(super) async fn put_callback_aside(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    let id: CallbackId = id.parse().map_err(|_| ApiError::NotFound)?;
    let decision = decision(&services, &caller);
    let done = dismiss::put_callback_aside(&services.store, id, &decision).await;
    lead_to_problems(done)
}

fn lead_to_problems(done: Result<(), OperateError>) -> Result<HttpResponse, ApiError> {
    match done {
        Ok(()) => Ok(lead_to("/problems".to_owned())),
        Err(error) => lead_to_message(Err(error)),
    }
}

/// `POST /orphans/{id}/match`: what was typed may be anything that the search box takes.
pub(super) async fn match_orphan(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let orphan = allowed(&caller, &id)?;
    let field = |wanted: &str| {
        form_urlencoded::parse(&form)
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let account = match services.store.find_message(orphan).await? {
        Some(Found::Message(message)) => message.account.clone(),
        Some(Found::Moved(survivor)) => return lead_to_message(Ok(survivor)),
        None => return Err(ApiError::NotFound),
    };
    let (given, from) = (field("message_id"), FormPage::parse(&field("page")));
    match find_target(&services, &account, orphan, &given).await? {
        Ok(message) => {
            let decision = decision(&services, &caller);
            let done = actions::match_orphan(&services.store, orphan, message, &decision).await;
            lead_to_message(done.map(|()| message))
        }
        Err(trouble) => pages::match_again(&services, &caller, from, &trouble).await,
    }
}

/// `POST /callbacks/replay`: what its preview showed, in earnest.
pub(super) async fn replay(
    services: web::Data<Services>,
    caller: Caller,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    let address = std::str::from_utf8(&form)
        .ok()
        .and_then(ReplayAddress::parse)
        .ok_or_else(|| ApiError::NotPossible("it names no callback".to_owned()))?;
    if address.id.is_none() && address.up_to.is_none() {
        return Err(ApiError::NotPossible(
            "it does not say what its preview showed; look at the preview first".to_owned(),
        ));
    }
    read_again(&services, &caller, &address, Earnest::Apply).await?;
    Ok(lead_to(address.origin()))
}

/// Reads again what an address selects, or tells what that would change.
pub(super) async fn read_again(
    services: &Services,
    caller: &Caller,
    address: &ReplayAddress,
    earnest: Earnest,
) -> Result<Replayed, ApiError> {
    let (selection, decision) = (address.selection(), decision(services, caller));
    let done = replay::replay(services, &selection, earnest, &decision, &mut |_| {}).await;
    Ok(done?)
}

/// `POST /accounts/{id}/resume`
pub(super) async fn resume(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    let id: AccountId = id.parse().map_err(|_| ApiError::NotFound)?;
    actions::resume(&services.store, &id, &decision(&services, &caller))
        .await
        .map_err(refusal)?;
    services.accepted.notify_one();
    Ok(lead_to("/accounts".to_owned()))
}

fn allowed(caller: &Caller, id: &str) -> Result<MessageId, ApiError> {
    caller.require(Scope::Operate)?;
    id.parse().map_err(|_| ApiError::NotFound)
}

fn lead_to_message(done: Result<MessageId, OperateError>) -> Result<HttpResponse, ApiError> {
    match done {
        Ok(id) | Err(OperateError::Moved(id)) => Ok(lead_to(format!("/messages/{id}"))),
        Err(error) => Err(refusal(error)),
    }
}

fn lead_to(address: String) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, address))
        .finish()
}

fn refusal(error: OperateError) -> ApiError {
    match error {
        // What was valid once may be refused today: the account's configuration changed.
        OperateError::Accept(AcceptError::Invalid(errors)) => {
            let words: Vec<String> = errors
                .into_iter()
                .map(|error| format!("{} {}", error.field, error.message))
                .collect();
            ApiError::NotPossible(words.join("; "))
        }
        error => error.into(),
    }
}
