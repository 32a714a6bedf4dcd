//! `/send`: sends a single message, with a preview of the request that its provider would get.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use crate::domain::media::MediaKind;
use crate::domain::message::Origin;
use crate::domain::message_warning::WarningCode;
use crate::domain::provider_account::AccountMode;
use crate::domain::scope::{Caller, Visibility};
use crate::sending::accept::message_preview::{MessagePreview, PreviewedRequest};
use crate::sending::accept::{
    AcceptError, Author, InvalidField, KeyedRequest, MediaInspection, MessageInput, RequestKey,
};
use crate::services::Services;
use crate::store::messages::{FoundMessage, MessageFilter};
use crate::web::api::find_message::parse_id;
use crate::web::api::send_body::FILE_LIMIT;
use crate::web::dashboard::page_frame::{Frame, NavigationSection, Refresh};
use crate::web::dashboard::page_response::{FramedPage, redirect_to, respond, respond_with_status};
use crate::web::dashboard::send_form::{MessageForm, fields_like, message_input};
use crate::web::dashboard::send_media::media_errors;
use crate::web::dashboard::timed_text::TimedText;
use crate::web::dashboard::upload_form::UploadForm;
use crate::web::dashboard::visible_text::sentence;
use crate::web::error::ApiError;

#[derive(Deserialize, Debug)]
pub(crate) struct SendQuery {
    account: Option<String>,
    /// The id of a message whose content fills the form.
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
    } else if given.text("account").is_empty() {
        // The account that was used last.
        let ours = MessageFilter {
            origin: Some(Origin::Api),
            ..MessageFilter::default()
        };
        let latest = services.store.list_messages(&ours, None, 1).await?;
        if let Some(message) = latest.messages.first() {
            given.set_text("account", message.account.to_string());
        }
    }
    let page = SendPage::new(MessageForm::load(&services, &given).await?);
    respond(&services, page).await
}

/// Previews the message, or accepts it and redirects to its page.
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
    let mut input = message_input(&given);
    let is_check = given.text("action") == "check";
    let form_errors = if is_check && !given.text("file_chosen").is_empty() {
        input = with_placeholder_media(input);
        Vec::new()
    } else {
        media_errors(&given)
    };
    if !form_errors.is_empty() {
        // The other fields are checked as if the media were valid.
        let now = services.clock.now();
        let others = services
            .acceptor
            .preview(&input, MediaInspection::Skipped, now);
        let others = match others.await {
            Err(AcceptError::Invalid(errors)) => errors,
            _ => Vec::new(),
        };
        let is_of_media = |error: &InvalidField| {
            ["kind", "file"].contains(&error.field.as_str()) || error.field.starts_with("media")
        };
        let others = others.into_iter().filter(|error| !is_of_media(error));
        let errors = form_errors.into_iter().chain(others).collect();
        // A check while the operator types is not an error of the request.
        return if is_check {
            respond(&services, SendPage::new(form.with_errors(errors))).await
        } else {
            show_errors(&services, form, errors).await
        };
    }
    match given.text("action") {
        "send" => {
            if let Some(warning) = find_window_warning(&services, &input, &given).await? {
                return confirm(&services, form, &given, warning).await;
            }
            input.author = Some(Author {
                actor: caller.name.clone(),
                address: caller.address.clone(),
            });
            send(&services, form, input).await
        }
        // While the operator types.
        "check" => preview(&services, form, &given, &input, MediaInspection::Skipped).await,
        _ => preview(&services, form, &given, &input, MediaInspection::Full).await,
    }
}

/// Replaces a chosen file in checks while the operator types: only the complete form uploads it.
const PLACEHOLDER_URL: &str = "https://media.example/a.jpg";

fn with_placeholder_media(input: MessageInput) -> MessageInput {
    MessageInput {
        media_url: Some(PLACEHOLDER_URL.to_owned()),
        mime_type: None,
        kind: MediaKind::Image.to_string(),
        ..input
    }
}

/// Account and recipient of the warning that the form has shown.
fn window_key(given: &UploadForm) -> String {
    format!("{} {}", given.text("account"), given.text("to"))
}

/// The warning that the recipient's 24-hour window is closed, unless the form has shown it.
async fn find_window_warning(
    services: &Services,
    input: &MessageInput,
    given: &UploadForm,
) -> Result<Option<TimedText>, ApiError> {
    if given.text("warned") == window_key(given) {
        return Ok(None);
    }
    let now = services.clock.now();
    let previewed = services
        .acceptor
        .preview(input, MediaInspection::Skipped, now);
    Ok(match previewed.await {
        Ok(preview) => window_warning(&preview),
        // `accept` reports them.
        Err(AcceptError::Invalid(_)) => None,
        Err(error) => return Err(error.into()),
    })
}

fn window_warning(preview: &MessagePreview) -> Option<TimedText> {
    let mut warnings = preview.warnings.iter();
    let closed = warnings.find(|warning| warning.code == WarningCode::WindowClosed)?;
    Some(TimedText::from_rfc3339(&sentence(&closed.message)))
}

/// Shows the warning and asks the operator to confirm: the message would probably fail.
async fn confirm(
    services: &Services,
    form: MessageForm,
    given: &UploadForm,
    warning: TimedText,
) -> Result<HttpResponse, ApiError> {
    let mut page = SendPage::new(form);
    page.window = Some(warning);
    page.warned = window_key(given);
    page.asks_again = true;
    page.file_chosen = given.file.is_some();
    respond(services, page).await
}

async fn preview(
    services: &Services,
    form: MessageForm,
    given: &UploadForm,
    input: &MessageInput,
    inspection: MediaInspection,
) -> Result<HttpResponse, ApiError> {
    let now = services.clock.now();
    match services.acceptor.preview(input, inspection, now).await {
        Ok(preview) => {
            let mut page = SendPage::new(form);
            page.window = window_warning(&preview);
            if page.window.is_some() {
                page.warned = window_key(given);
            }
            page.preview = Some(PreviewView::new(preview));
            page.file_chosen = input.upload.is_some();
            respond(services, page).await
        }
        // A check while the operator types is not an error of the request.
        Err(AcceptError::Invalid(errors)) if inspection == MediaInspection::Skipped => {
            respond(services, SendPage::new(form.with_errors(errors))).await
        }
        Err(AcceptError::Invalid(errors)) => show_errors(services, form, errors).await,
        Err(error) => Err(error.into()),
    }
}

async fn send(
    services: &Services,
    mut form: MessageForm,
    input: MessageInput,
) -> Result<HttpResponse, ApiError> {
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
        // The browser's back button shows a form that was already sent.
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
    /// Whether a file was chosen: the operator has to choose it again after each reply.
    file_chosen: bool,
    /// The form was used before to send another message.
    already_sent: bool,
    /// The warning that the recipient's 24-hour window is closed.
    window: Option<TimedText>,
    /// See [`window_key`]; empty without a warning.
    warned: String,
    /// Nothing was sent because of the warning.
    asks_again: bool,
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
            window: None,
            warned: String::new(),
            asks_again: false,
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
                // Shown beside the recipient.
                .filter(|warning| warning.code != WarningCode::WindowClosed)
                .map(|warning| TimedText::from_rfc3339(&sentence(&warning.message)))
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
