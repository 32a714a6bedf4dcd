//! Resends a message: with its own media, or with the media given on its page.

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::campaign::CampaignMedia;
use crate::domain::ids::MessageId;
use crate::domain::scope::Caller;
use crate::operating::action_context::ActionError;
use crate::operating::message_actions::resend::{self, ResendMedia};
use crate::sending::accept::{AcceptError, InvalidField};
use crate::services::Services;
use crate::store::messages::FoundMessage;
use crate::web::api::action_endpoints::action_context;
use crate::web::api::find_message::parse_id;
use crate::web::api::send_body::FILE_LIMIT;
use crate::web::dashboard::message_action_forms::action_error;
use crate::web::dashboard::message_page;
use crate::web::dashboard::page_response::{redirect_to, respond_with_status};
use crate::web::dashboard::upload_form::UploadForm;
use crate::web::error::ApiError;

pub(crate) async fn submit(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let id = parse_id(&id)?;
    let given = if has_parts(&request) {
        UploadForm::read_with_file_error(&services, &request, payload, FILE_LIMIT).await?
    } else {
        UploadForm::default()
    };
    let media = match other_media(&given) {
        Ok(media) => media,
        Err(error) => return show_errors(&services, &caller, id, &given, vec![error]).await,
    };
    let context = action_context(&services, &caller);
    let resent = resend::resend(&services.store, &services.acceptor, id, media, &context).await;
    match resent {
        Ok(resent) => {
            services.dispatch_wakeup.notify_one();
            Ok(redirect_to(format!("/messages/{resent}")))
        }
        Err(ActionError::Merged(survivor)) => Ok(redirect_to(format!("/messages/{survivor}"))),
        Err(ActionError::Accept(AcceptError::Invalid(errors))) => {
            show_errors(&services, &caller, id, &given, errors).await
        }
        Err(error) => Err(action_error(error)),
    }
}

fn has_parts(request: &HttpRequest) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("multipart/form-data"))
}

/// `None` to resend the message with its own media.
fn other_media(given: &UploadForm) -> Result<Option<ResendMedia>, InvalidField> {
    if let Some(message) = &given.file_error {
        return Err(InvalidField::new("file", message.clone()));
    }
    let link = given.given("media.url");
    let file = given.file.as_ref().map(|(_, received)| received.clone());
    let mime_type = given.given("media.mime_type");
    match (link, file) {
        (Some(_), Some(_)) => Err(InvalidField::new(
            "media.url",
            "is given with a file; use one of them",
        )),
        (Some(url), None) => Ok(Some(ResendMedia::Reference(CampaignMedia {
            url: Some(url),
            id: None,
            mime_type,
        }))),
        (None, Some(file)) => Ok(Some(ResendMedia::File { file, mime_type })),
        (None, None) if given.text("media") == "required" => Err(InvalidField::new(
            "media.url",
            "is missing; give a link or choose a file",
        )),
        (None, None) => Ok(None),
    }
}

/// The page of the message, with the errors in its form.
async fn show_errors(
    services: &Services,
    caller: &Caller,
    id: MessageId,
    given: &UploadForm,
    errors: Vec<InvalidField>,
) -> Result<HttpResponse, ApiError> {
    let Some(FoundMessage::Message(message)) = services.store.find_message(id).await? else {
        return Err(ApiError::NotFound);
    };
    let shown = message_page::load(services, caller, &message).await?;
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    respond_with_status(services, status, shown.with_resend_errors(given, errors)).await
}
