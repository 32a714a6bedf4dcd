//! `/send`: one message by hand, with a preview of the request that its provider would get.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use crate::domain::provider_account::AccountMode;
use crate::domain::scope::{Caller, Visibility};
use crate::sending::accept::message_preview::{MessagePreview, PreviewedRequest};
use crate::sending::accept::{
    AcceptError, Author, InvalidField, KeyedRequest, MediaInspection, MessageInput, RequestKey,
};
use crate::services::Services;
use crate::store::messages::FoundMessage;
use crate::web::api::find_message::parse_id;
use crate::web::api::send_body::FILE_LIMIT;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, redirect_to, respond, respond_with_status};
use crate::web::dashboard::send_form::{MessageForm, fields_like, message_input};
use crate::web::dashboard::timed_text::TimedText;
use crate::web::dashboard::upload_form::UploadForm;
use crate::web::error::ApiError;

#[derive(Deserialize, Debug)]
pub(crate) struct SendQuery {
    account: Option<String>,
    /// A message with content to begin with.
    like: Option<String>,
}

/// `account` is chosen in the form; `like` fills it for viewers who see the content of messages.
pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
    query: web::Query<SendQuery>,
) -> Result<HttpResponse, ApiError> {
    let SendQuery { account, like } = query.into_inner();
    let like = like.filter(|_| caller.visibility() == Visibility::Full);
    let mut given = match like {
        Some(id) => match services.store.find_message(parse_id(&id)?).await? {
            Some(FoundMessage::Message(message)) => fields_like(&message),
            Some(FoundMessage::Merged(_)) | None => return Err(ApiError::NotFound),
        },
        None => UploadForm::default(),
    };
    if let Some(account) = account {
        given.set_text("account", account);
    }
    let page = SendPage::new(MessageForm::load(&services, &given).await?);
    respond(&services, page).await
}

/// Previews the message, or accepts it and leads to its page.
pub(crate) async fn submit(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let given = UploadForm::read_with_file_error(&services, &request, payload, FILE_LIMIT).await?;
    let form = MessageForm::load(&services, &given).await?;
    if let Some(message) = &given.file_error {
        let error = InvalidField::new("file", message.clone());
        return show_errors(&services, form, vec![error]).await;
    }
    let input = message_input(&given);
    match given.text("action") {
        "send" => send(&services, &caller, form, input).await,
        // While the operator types.
        "check" => preview(&services, form, &input, MediaInspection::Skipped).await,
        _ => preview(&services, form, &input, MediaInspection::Full).await,
    }
}

async fn preview(
    services: &Services,
    form: MessageForm,
    input: &MessageInput,
    inspection: MediaInspection,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    match services.acceptor.preview(input, inspection, now).await {
        Ok(preview) => {
            let mut page = SendPage::new(form);
            page.preview = Some(PreviewView::new(preview));
            page.file_chosen = input.upload.is_some();
            respond(services, page).await
        }
        // A check while the operator types fails nothing.
        Err(AcceptError::Invalid(errors)) if inspection == MediaInspection::Skipped => {
            respond(services, SendPage::new(form.with_errors(errors))).await
        }
        Err(AcceptError::Invalid(errors)) => show_errors(services, form, errors).await,
        Err(error) => Err(error.into()),
    }
}

async fn send(
    services: &Services,
    caller: &Caller,
    mut form: MessageForm,
    mut input: MessageInput,
) -> Result<HttpResponse, ApiError> {
    input.author = Some(Author {
        actor: caller.name.clone(),
        address: caller.address.clone(),
    });
    let key = RequestKey {
        name: form.key.clone(),
        request: KeyedRequest::Meaning {
            body_hash: String::new(),
        },
    };
    let now = services.clock.now();
    match services.acceptor.accept(input, Some(key), now).await {
        Ok(stored) => {
            services.dispatch_wakeup.notify_one();
            Ok(redirect_to(format!("/messages/{}", stored.id)))
        }
        Err(AcceptError::Invalid(errors)) => show_errors(services, form, errors).await,
        // With the browser's back button.
        Err(AcceptError::IdempotencyKeyReused) => {
            form.renew_key();
            let mut page = SendPage::new(form);
            page.already_sent = true;
            respond_with_status(services, StatusCode::CONFLICT, page).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn show_errors(
    services: &Services,
    form: MessageForm,
    errors: Vec<InvalidField>,
) -> Result<HttpResponse, ApiError> {
    let page = SendPage::new(form.with_errors(errors));
    respond_with_status(services, StatusCode::UNPROCESSABLE_ENTITY, page).await
}

#[derive(Template, Clone, Debug)]
#[template(path = "send.html")]
struct SendPage {
    frame: Frame,
    form: MessageForm,
    preview: Option<PreviewView>,
    /// The browser forgets it with each reply.
    file_chosen: bool,
    /// The form sent another message before.
    already_sent: bool,
}

#[derive(Clone, Debug)]
struct PreviewView {
    request: Option<String>,
    /// Why there is no request.
    problem: Option<String>,
    warnings: Vec<TimedText>,
    dry_run: bool,
}

impl SendPage {
    fn new(form: MessageForm) -> Self {
        Self {
            frame: Frame::in_section(NavigationSection::Send, "Send a message", Refresh::Never),
            form,
            preview: None,
            file_chosen: false,
            already_sent: false,
        }
    }
}

impl PreviewView {
    fn new(preview: MessagePreview) -> Self {
        let (request, problem) = match preview.request {
            PreviewedRequest::Call(text) => (Some(text), None),
            PreviewedRequest::Impossible(reason) => (None, Some(reason)),
        };
        Self {
            request,
            problem,
            warnings: preview
                .warnings
                .iter()
                .map(|warning| TimedText::from_rfc3339(&warning.message))
                .collect(),
            dry_run: preview.mode == AccountMode::DryRun,
        }
    }
}

impl FramedPage for SendPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
