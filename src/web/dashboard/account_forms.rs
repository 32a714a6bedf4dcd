//! The forms that pause and resume an account.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::domain::ids::AccountId;
use crate::domain::scope::Caller;
use crate::operating::account_actions;
use crate::services::Services;
use crate::web::api::action_endpoints::action_context;
use crate::web::dashboard::accounts_page;
use crate::web::dashboard::message_action_forms::action_error;
use crate::web::dashboard::page_response::{redirect_to, respond_with_status};
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
    let given = form.into_inner().reason;
    let reason = match account_actions::check_reason(given.clone()) {
        Ok(reason) => reason,
        Err(message) => {
            let mut page = accounts_page::load(&services, &caller).await?;
            page.refuse_pause(&id, &given.unwrap_or_default(), message);
            return respond_with_status(&services, StatusCode::UNPROCESSABLE_ENTITY, page).await;
        }
    };
    account_actions::pause(
        &services.store,
        &id,
        &reason,
        &action_context(&services, &caller),
    )
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
    account_actions::resume(&services.store, &id, &action_context(&services, &caller))
        .await
        .map_err(action_error)?;
    services.dispatch_wakeup.notify_one();
    Ok(redirect_to("/accounts".to_owned()))
}
