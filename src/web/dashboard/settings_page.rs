//! `/settings`: the user's password, time zone and sessions; for administrators also users and API
//! tokens.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::domain::api_token::ApiToken;
use crate::domain::ids::SessionId;
use crate::domain::scope::{Caller, CallerKind, Scope};
use crate::domain::user::{Role, User};
use crate::domain::user_session::UserSession;
use crate::services::Services;
use crate::web::dashboard::page_frame::Frame;
use crate::web::dashboard::page_response::{FramedPage, respond_with_status};
use crate::web::dashboard::time_element::TimeElement;
use crate::web::dashboard::visible_text::visible_line;
use crate::web::error::ApiError;

pub(crate) async fn show(
    services: web::Data<Services>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    respond_with_notice(&services, &caller, SettingsNotice::None).await
}

/// The result of a form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum SettingsNotice {
    None,
    Done(&'static str),
    /// A link or a token, which is shown only once.
    Created {
        message: String,
        secret: String,
    },
    Refused(String),
}

/// Input of the token form: kept if the token is refused, else empty.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenInput {
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
    pub(super) accounts: String,
    pub(super) expires: String,
}

pub(super) async fn respond_with_notice(
    services: &Services,
    caller: &Caller,
    notice: SettingsNotice,
) -> Result<HttpResponse, ApiError> {
    respond_with_token_input(services, caller, notice, TokenInput::default()).await
}

pub(super) async fn respond_with_token_input(
    services: &Services,
    caller: &Caller,
    notice: SettingsNotice,
    token_input: TokenInput,
) -> Result<HttpResponse, ApiError> {
    let signed_in = find_signed_in(services, caller).await?;
    let (store, now) = (&services.store, services.clock.now());
    let sessions = store.list_sessions(signed_in.user.id, now).await?;
    let administration = if caller.scopes.allow(Scope::Admin) {
        let (users, tokens) = (store.list_users().await?, store.list_tokens().await?);
        Some(Administration::new(&users, &tokens, &signed_in.user, now))
    } else {
        None
    };
    let status = match &notice {
        SettingsNotice::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    let page = SettingsPage {
        frame: Frame::without_section("Settings"),
        email: signed_in.user.email.to_string(),
        role: signed_in.user.role.as_str(),
        has_password: signed_in.user.has_password,
        sessions: sessions
            .iter()
            .map(|session| SessionRow::new(session, signed_in.session))
            .collect(),
        zones: &TZ_VARIANTS,
        administration,
        notice,
        token_input,
    };
    respond_with_status(services, status, page).await
}

/// The user behind a session.
pub(super) struct SignedIn {
    pub(super) user: User,
    pub(super) session: SessionId,
}

/// Fails for tokens, which have no settings.
pub(super) async fn find_signed_in(
    services: &Services,
    caller: &Caller,
) -> Result<SignedIn, ApiError> {
    let CallerKind::Session { session, user } = caller.kind else {
        let message = "API tokens have no settings; sign in as a user";
        return Err(ApiError::NotPossible(message.to_owned()));
    };
    let user = services.store.find_user(user).await?;
    let user = user.ok_or(ApiError::Unauthenticated)?;
    Ok(SignedIn { user, session })
}

#[derive(Template, Clone, Debug)]
#[template(path = "settings.html")]
pub struct SettingsPage {
    frame: Frame,
    email: String,
    role: &'static str,
    has_password: bool,
    sessions: Vec<SessionRow>,
    /// The zones that can be chosen.
    zones: &'static [Tz],
    administration: Option<Administration>,
    notice: SettingsNotice,
    token_input: TokenInput,
}

#[derive(Clone, Debug)]
struct SessionRow {
    id: String,
    is_current: bool,
    browser: String,
    ip_address: String,
    started: TimeElement,
    last_used: TimeElement,
    ends_at: TimeElement,
}

impl SessionRow {
    fn new(session: &UserSession, current: SessionId) -> Self {
        let browser = session.browser.as_deref();
        Self {
            id: session.id.to_string(),
            is_current: session.id == current,
            browser: browser.map_or_else(|| "unknown".to_owned(), visible_line),
            ip_address: session.address.clone().unwrap_or_default(),
            started: TimeElement::new(session.started_at),
            last_used: TimeElement::new(session.used_at),
            ends_at: TimeElement::new(session.ends_at()),
        }
    }
}

#[derive(Clone, Debug)]
struct Administration {
    users: Vec<UserRow>,
    tokens: Vec<TokenRow>,
    roles: [&'static str; 3],
    scopes: [&'static str; 4],
}

impl TokenInput {
    fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|chosen| chosen == scope)
    }
}

#[derive(Clone, Debug)]
struct UserRow {
    id: String,
    email: String,
    role: &'static str,
    sign_in: &'static str,
    last_sign_in: Option<TimeElement>,
    is_disabled: bool,
    is_self: bool,
}

#[derive(Clone, Debug)]
struct TokenRow {
    id: String,
    name: String,
    scopes: String,
    accounts: String,
    last_used: Option<TimeElement>,
    expires: Option<TimeElement>,
}

impl Administration {
    /// Tokens that no longer work are left out; the command line lists them.
    fn new(users: &[User], tokens: &[ApiToken], viewer: &User, now: DateTime<Utc>) -> Self {
        let user = |user: &User| UserRow {
            id: user.id.to_string(),
            email: user.email.to_string(),
            role: user.role.as_str(),
            sign_in: if user.has_password {
                "password or link"
            } else {
                "link"
            },
            last_sign_in: user.last_sign_in_at.map(TimeElement::new),
            is_disabled: user.disabled_at.is_some(),
            is_self: user.id == viewer.id,
        };
        let token = |token: &ApiToken| TokenRow {
            id: token.id.to_string(),
            name: visible_line(&token.name),
            scopes: token.scopes.to_string(),
            accounts: if token.accounts.is_limited() {
                token.accounts.to_string()
            } else {
                "all".to_owned()
            },
            last_used: token.last_used_at.map(TimeElement::new),
            expires: token.expires_at.map(TimeElement::new),
        };
        Self {
            users: users.iter().map(user).collect(),
            tokens: tokens
                .iter()
                .filter(|token| token.is_valid_at(now))
                .map(token)
                .collect(),
            roles: Role::ALL.map(Role::as_str),
            scopes: Scope::ALL.map(Scope::as_str),
        }
    }
}

impl FramedPage for SettingsPage {
    fn frame_mut(&mut self) -> &mut Frame {
        &mut self.frame
    }
}
