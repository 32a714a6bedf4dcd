//! Users of the dashboard and their browsers.

use bluetick::domain::account_limit::AccountLimit;
use bluetick::domain::audit_action::Actor;
use bluetick::domain::scope::Scopes;
use bluetick::domain::user::{Role, User};
use bluetick::operating::action_context::ActionContext;
use bluetick::operating::users_and_tokens::manage_users;
use bluetick::store::api_tokens::{NewToken, TokenCreation};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};

use crate::harness::app::App;

/// A browser with at most one cookie. It follows no redirects.
pub(crate) struct Browser {
    client: Client,
    pub(crate) cookie: Option<String>,
}

impl Browser {
    pub(crate) fn new() -> Self {
        let client = bluetick::http_client::builder().redirect(Policy::none());
        Self {
            client: client.build().unwrap(),
            cookie: None,
        }
    }

    pub(crate) fn request(&self, app: &App, method: &str, path: &str) -> RequestBuilder {
        let request = self.client.request(method.parse().unwrap(), app.url(path));
        match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        }
    }

    pub(crate) async fn get(&self, app: &App, path: &str) -> Response {
        self.request(app, "GET", path).send().await.unwrap()
    }

    /// Posts a form, and keeps the cookie of the reply.
    pub(crate) async fn post(&mut self, app: &App, path: &str, form: &[(&str, &str)]) -> Response {
        let mut body = form_urlencoded::Serializer::new(String::new());
        let request = self
            .request(app, "POST", path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body.extend_pairs(form).finish());
        let reply = request.send().await.unwrap();
        if let Some(cookie) = reply.headers().get(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = Some(cookie.to_owned());
        }
        reply
    }

    /// Signs in with a one-time link.
    pub(crate) async fn use_link(&mut self, app: &App, link: &str) -> Response {
        self.post(app, "/login", &[("token", link)]).await
    }
}

pub(crate) fn action_context(now: DateTime<Utc>) -> ActionContext<'static> {
    ActionContext {
        actor: Actor::local("test"),
        now,
    }
}

/// A new user, and the browser in which they are signed in.
pub(crate) async fn sign_in_new(app: &App, email: &str, role: Role) -> (User, Browser) {
    let store = &app.services.store;
    let email = email.parse().unwrap();
    let context = action_context(app.now());
    let added = manage_users::add_user(store, email, role, &context).await;
    let (user, link) = added.unwrap();
    // The audit log is in the order of time.
    app.advance(TimeDelta::milliseconds(1));
    let mut browser = Browser::new();
    let reply = browser.use_link(app, link.expose()).await;
    assert_eq!(reply.status(), 303);
    (user, browser)
}

/// A token with limits.
pub(crate) async fn limited_token(
    app: &App,
    scopes: &str,
    accounts: Option<&str>,
    expires_at: Option<DateTime<Utc>>,
) -> String {
    let scopes: Scopes = scopes.parse().unwrap();
    let accounts = accounts.map(|text| text.parse::<AccountLimit>().unwrap());
    let new = NewToken {
        name: &format!("{scopes} {accounts:?} {expires_at:?}")
            .chars()
            .take(64)
            .collect::<String>(),
        scopes: &scopes,
        accounts: accounts.unwrap_or_default(),
        expires_at,
    };
    let store = &app.services.store;
    match store
        .create_limited_token(&new, app.now(), None)
        .await
        .unwrap()
    {
        TokenCreation::Created(_, text) => text.expose().to_owned(),
        TokenCreation::NameTaken => panic!("the name is taken"),
    }
}
