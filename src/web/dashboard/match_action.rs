//! Matches an orphan with the message that the form names.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use crate::domain::scope::Caller;
use crate::operating::message_actions::MessageAction;
use crate::reporting::problem_items;
use crate::services::Services;
use crate::store::messages::FoundMessage;
use crate::web::api::find_message::parse_id;
use crate::web::dashboard::match_form::{
    MatchFormError, MatchFormPage, MatchTargetError, find_target,
};
use crate::web::dashboard::message_action_forms::run_action;
use crate::web::dashboard::message_page;
use crate::web::dashboard::page_response::{redirect_to, respond_with_status};
use crate::web::dashboard::problems_page::{PROBLEMS_SHOWN, ProblemsPage};
use crate::web::error::ApiError;

/// The input is parsed like that of the search box.
pub(crate) async fn submit(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let orphan = parse_id(&id)?;
    let field = |wanted: &str| {
        form_urlencoded::parse(&form)
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let account = match services.store.find_message(orphan).await? {
        Some(FoundMessage::Message(message)) => message.account.clone(),
        Some(FoundMessage::Merged(survivor)) => {
            return Ok(redirect_to(format!("/messages/{survivor}")));
        }
        None => return Err(ApiError::NotFound),
    };
    let (input, from) = (field("message_id"), MatchFormPage::parse(&field("page")));
    match find_target(&services, &account, orphan, &input).await {
        Ok(message) => run_action(&services, &caller, &id, MessageAction::Match(message)).await,
        Err(MatchTargetError::Input(error)) => {
            show_match_error(&services, &caller, from, &error).await
        }
        Err(MatchTargetError::Store(error)) => Err(error.into()),
    }
}

/// The page that contains the match form, with the error.
async fn show_match_error(
    services: &Services,
    caller: &Caller,
    from: MatchFormPage,
    error: &MatchFormError,
) -> Result<HttpResponse, ApiError> {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    if from == MatchFormPage::Problems {
        let lists = problem_items::list(services, PROBLEMS_SHOWN).await?;
        let shown = ProblemsPage::new(&lists, caller.visibility()).with_match_error(error);
        return respond_with_status(services, status, shown).await;
    }
    let Some(FoundMessage::Message(message)) = services.store.find_message(error.orphan).await?
    else {
        return Err(ApiError::NotFound);
    };
    let shown = message_page::load(services, caller, &message).await?;
    respond_with_status(services, status, shown.with_match_error(error)).await
}
