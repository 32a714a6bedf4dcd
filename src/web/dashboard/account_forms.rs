//! The forms that pause and resume an account.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::domain::ids::AccountId;
use crate::domain::scope::Caller;
use crate::operating::account_actions;
use crate::services::Services;
use crate::web::api::action_endpoints::decision;
use crate::web::dashboard::message_action_forms::action_error;
use crate::web::dashboard::page_response::redirect_to;
use crate::web::error::ApiError;

#[derive(Deserialize, Debug)]
pub(crate) struct PauseForm {
    reason: Option<String>,
}

pub(crate) async fn pause(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
    form: web::Form<PauseForm>,
) -> Result<HttpResponse, ApiError> {
    let id: AccountId = id.parse().map_err(|_| ApiError::NotFound)?;
    let reason = account_actions::check_reason(form.into_inner().reason)
        .map_err(|message| ApiError::field("reason", message))?;
    account_actions::pause(&services.store, &id, &reason, &decision(&services, &caller))
        .await
        .map_err(action_error)?;
    Ok(redirect_to("/accounts".to_owned()))
}

pub(crate) async fn resume(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id: AccountId = id.parse().map_err(|_| ApiError::NotFound)?;
    account_actions::resume(&services.store, &id, &decision(&services, &caller))
        .await
        .map_err(action_error)?;
    services.dispatch_wakeup.notify_one();
    Ok(redirect_to("/accounts".to_owned()))
}
