//! The forms of `/settings` for administrators: users and tokens.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::account_limit::AccountLimit;
use crate::domain::ids::{TokenId, UserId};
use crate::domain::scope::{Caller, CallerKind, Scopes};
use crate::domain::user::{Email, Role, User};
use crate::operating::users_and_tokens::manage_tokens::{self, TokenError};
use crate::operating::users_and_tokens::manage_users::{self, UserError};
use crate::services::Services;
use crate::web::api::action_endpoints::action_context;
use crate::web::dashboard::local_time::parse_day_end;
use crate::web::dashboard::page_response::redirect_to;
use crate::web::dashboard::page_zone::PageZone;
use crate::web::dashboard::settings_forms::{SETTINGS, field, user_error};
use crate::web::dashboard::settings_page::{
    SettingsNotice, TokenInput, find_signed_in, respond_with_notice, respond_with_token_input,
};
use crate::web::error::ApiError;

pub(crate) async fn add_user(
    services: web::Data<Services>,
    caller: Caller,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    // Fails for API tokens: only a page can show the link.
    find_signed_in(&services, &caller).await?;
    let notice = match parse_user(&form) {
        Err(text) => SettingsNotice::Refused(text),
        Ok((email, role)) => {
            let context = action_context(&services, &caller);
            match manage_users::add_user(&services.store, email, role, &context).await {
                Ok((user, link)) => link_notice(&services, &user, link.expose()),
                Err(error @ UserError::Exists(_)) => SettingsNotice::Refused(error.to_string()),
                Err(error) => return Err(user_error(error)),
            }
        }
    };
    respond_with_notice(&services, &caller, notice).await
}

fn parse_user(form: &[u8]) -> Result<(Email, Role), String> {
    let email = field(form, "email").parse::<Email>();
    let role = field(form, "role").parse::<Role>();
    Ok((
        email.map_err(|error| error.to_string())?,
        role.map_err(|error| error.to_string())?,
    ))
}

fn link_notice(services: &Services, user: &User, token: &str) -> SettingsNotice {
    SettingsNotice::Created {
        message: format!(
            "A sign-in link for {}. It works once, within 24 hours. Pass it on.",
            user.email
        ),
        secret: format!("{}/login?token={token}", services.config.public_url),
    }
}

pub(crate) async fn create_link(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    find_signed_in(&services, &caller).await?;
    let user = find(&services, &id).await?;
    let context = action_context(&services, &caller);
    let link = manage_users::create_link(&services.store, &user, &context)
        .await
        .map_err(user_error)?;
    let notice = link_notice(&services, &user, link.expose());
    respond_with_notice(&services, &caller, notice).await
}

pub(crate) async fn change_role(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
    form: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let user = find_other(&services, &caller, &id).await?;
    let role = field(&form, "role").parse::<Role>();
    let role = role.map_err(|error| ApiError::field("role", error.to_string()))?;
    let context = action_context(&services, &caller);
    manage_users::change_role(&services.store, &user, role, &context)
        .await
        .map_err(user_error)?;
    Ok(redirect_to(SETTINGS.to_owned()))
}

pub(crate) async fn disable(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user = find_other(&services, &caller, &id).await?;
    manage_users::disable(&services.store, &user, &action_context(&services, &caller))
        .await
        .map_err(user_error)?;
    Ok(redirect_to(SETTINGS.to_owned()))
}

pub(crate) async fn enable(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user = find(&services, &id).await?;
    manage_users::enable(&services.store, &user, &action_context(&services, &caller))
        .await
        .map_err(user_error)?;
    Ok(redirect_to(SETTINGS.to_owned()))
}

async fn find(services: &Services, id: &str) -> Result<User, ApiError> {
    let id: UserId = id.parse().map_err(|_| ApiError::NotFound)?;
    let found = services.store.find_user(id).await?;
    found.ok_or(ApiError::NotFound)
}

/// Users cannot change themselves, so that the last administrator remains one.
async fn find_other(services: &Services, caller: &Caller, id: &str) -> Result<User, ApiError> {
    let found = find(services, id).await?;
    match caller.kind {
        CallerKind::Session { user, .. } if user == found.id => Err(ApiError::NotPossible(
            "another administrator must change your role or disable you".to_owned(),
        )),
        _ => Ok(found),
    }
}

pub(crate) async fn create_token(
    services: web::Data<Services>,
    caller: Caller,
    form: web::Bytes,
    page_zone: PageZone,
) -> Result<HttpResponse, ApiError> {
    find_signed_in(&services, &caller).await?;
    let (name, context) = (field(&form, "name"), action_context(&services, &caller));
    let notice = match parse_limits(&form, page_zone.zone) {
        Err(text) => SettingsNotice::Refused(text),
        Ok((scopes, accounts, end)) => {
            let store = &services.store;
            let created =
                manage_tokens::create_token(store, &name, &scopes, accounts, end, &context);
            match created.await {
                Ok(text) => SettingsNotice::Created {
                    message: "The token was created.".to_owned(),
                    secret: text.expose().to_owned(),
                },
                Err(TokenError::Store(error)) => return Err(error.into()),
                Err(error) => SettingsNotice::Refused(error.to_string()),
            }
        }
    };
    let kept = match notice {
        SettingsNotice::Refused(_) => TokenInput {
            name,
            scopes: chosen_scopes(&form),
            accounts: field(&form, "accounts"),
            expires: field(&form, "expires"),
        },
        _ => TokenInput::default(),
    };
    respond_with_token_input(&services, &caller, notice, kept).await
}

fn chosen_scopes(form: &[u8]) -> Vec<String> {
    form_urlencoded::parse(form)
        .filter(|(name, _)| name == "scope")
        .map(|(_, value)| value.into_owned())
        .collect()
}

type TokenLimits = (Scopes, AccountLimit, Option<DateTime<Utc>>);

fn parse_limits(form: &[u8], zone: Tz) -> Result<TokenLimits, String> {
    let scopes = chosen_scopes(form).join(",").parse::<Scopes>();
    let (accounts, expires) = (field(form, "accounts"), field(form, "expires"));
    let accounts = match accounts.trim() {
        "" => AccountLimit::default(),
        text => text
            .parse::<AccountLimit>()
            .map_err(|error| error.to_string())?,
    };
    let end = match expires.trim() {
        "" => None,
        text => Some(parse_day_end(text, zone).ok_or_else(|| format!("`{text}` is not a day"))?),
    };
    Ok((scopes.map_err(|error| error.to_string())?, accounts, end))
}

pub(crate) async fn revoke_token(
    services: web::Data<Services>,
    caller: Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id: TokenId = id.parse().map_err(|_| ApiError::NotFound)?;
    let context = action_context(&services, &caller);
    if !manage_tokens::revoke_token(&services.store, id, &context).await? {
        return Err(ApiError::NotFound);
    }
    Ok(redirect_to(SETTINGS.to_owned()))
}
