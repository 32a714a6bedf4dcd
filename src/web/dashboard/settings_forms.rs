//! The forms of `/settings` about the user who is signed in: password and sessions.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::audit_action::{Action, ActionKind};
use crate::domain::ids::SessionId;
use crate::domain::scope::{Caller, CallerKind};
use crate::domain::secret::Secret;
use crate::operating::users_and_tokens::manage_users::{self, UserError};
use crate::operating::users_and_tokens::password::PasswordError;
use crate::operating::users_and_tokens::password_sign_in::{SignInError, check_password};
use crate::reporting::query_values::parse_zone;
use crate::services::Services;
use crate::store::sessions::KeptSessions;
use crate::web::api::action_endpoints::action_context;
use crate::web::auth;
use crate::web::client_address::{client_address, rate_limit_key};
use crate::web::dashboard::page_response::redirect_to;
use crate::web::dashboard::page_zone::choice_cookie;
use crate::web::dashboard::settings_page::{SettingsNotice, find_signed_in, respond_with_notice};
use crate::web::error::ApiError;
use crate::web::live_streams::LiveStreams;

pub(super) const SETTINGS: &str = "/settings";

/// The first value of a form's field.
pub(super) fn field(form: &[u8], wanted: &str) -> String {
    form_urlencoded::parse(form)
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// A user who has a password must enter it, so that a stolen session cannot set a new one.
pub(crate) async fn set_password(
    services: web::Data<Services>,
    caller: Caller,
    request: HttpRequest,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let signed_in = find_signed_in(&services, &caller).await?;
    let refuse = |text: String| SettingsNotice::Refused(text);
    if signed_in.user.has_password {
        let access = auth::access_of(&request)?;
        let (network, now) = (
            rate_limit_key(client_address(&request)),
            services.clock.now(),
        );
        let checked = check_password(
            &services.store,
            &access.sign_ins,
            signed_in.user.email.as_str(),
            Secret::new(field(&form, "current")),
            &network,
            now,
        );
        let refused = match checked.await {
            Ok(_) => None,
            Err(SignInError::Wrong) => Some("The current password is wrong.".to_owned()),
            Err(SignInError::TooMany(wait)) => Some(format!(
                "There were too many attempts. Try again in {} s.",
                wait.seconds()
            )),
            Err(SignInError::Password(error)) => return Err(ApiError::Internal(error.into())),
            Err(SignInError::Store(error)) => return Err(error.into()),
        };
        if let Some(text) = refused {
            return respond_with_notice(&services, &caller, refuse(text)).await;
        }
    }
    let context = action_context(&services, &caller);
    let set = manage_users::set_password(
        &services.store,
        &signed_in.user,
        Secret::new(field(&form, "password")),
        KeptSessions::Only(signed_in.session),
        &context,
    );
    let notice = match set.await {
        Ok(()) => SettingsNotice::Done("The password is set. Your other sessions have ended."),
        Err(UserError::Password(error @ PasswordError::Length(_))) => {
            refuse(format!("The new password {error}."))
        }
        Err(error) => return Err(user_error(error)),
    };
    respond_with_notice(&services, &caller, notice).await
}

/// An empty field means the zone of the browser.
pub(crate) async fn set_zone(
    services: web::Data<Services>,
    caller: Caller,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let zone = match field(&form, "zone").trim() {
        "" => None,
        name => match parse_zone(name) {
            Ok(zone) => Some(zone),
            Err(error) => {
                let notice = SettingsNotice::Refused(format!("The time zone {error}."));
                return respond_with_notice(&services, &caller, notice).await;
            }
        },
    };
    let mut response = redirect_to(SETTINGS.to_owned());
    response
        .add_cookie(&choice_cookie(zone, &services.config.public_url))
        .map_err(|error| ApiError::Internal(error.into()))?;
    Ok(response)
}

pub(crate) async fn end_session(
    services: web::Data<Services>,
    streams: web::Data<LiveStreams>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let session: SessionId = id.parse().map_err(|_| ApiError::NotFound)?;
    let user = find_signed_in(&services, &caller).await?.user.id;
    let action = Action::new(caller.actor(), ActionKind::EndSession, services.clock.now());
    let store = &services.store;
    if !store.end_session(user, session, &action).await? {
        return Err(ApiError::NotFound);
    }
    streams.end_all_of(&CallerKind::Session { session, user });
    Ok(redirect_to(SETTINGS.to_owned()))
}

pub(crate) async fn end_other_sessions(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let signed_in = find_signed_in(&services, &caller).await?;
    let action = Action {
        detail: Some("all others".to_owned()),
        ..Action::new(caller.actor(), ActionKind::EndSession, services.clock.now())
    };
    let kept = KeptSessions::Only(signed_in.session);
    let store = &services.store;
    store.end_sessions(signed_in.user.id, kept, &action).await?;
    Ok(redirect_to(SETTINGS.to_owned()))
}

pub(super) fn user_error(error: UserError) -> ApiError {
    match error {
        UserError::Exists(_) | UserError::Disabled => ApiError::NotPossible(error.to_string()),
        UserError::Unknown(_) | UserError::Gone => ApiError::NotFound,
        UserError::Password(error) => ApiError::Internal(error.into()),
        UserError::Store(error) => error.into(),
    }
}
