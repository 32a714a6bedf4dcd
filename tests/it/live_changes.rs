//! Streams of live changes: how many there may be, and when they end.

use std::time::Duration;

use bluetick::domain::scope::{Scope, Scopes};
use bluetick::store::api_tokens::TokenCreation;
use chrono::TimeDelta;
use futures_util::StreamExt;
use reqwest::Response;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use serde_json::Value;

use crate::harness::app::{App, SOBOT, start_app};

/// A stream that must end ends within this time.
const PATIENCE: Duration = Duration::from_secs(20);

async fn follow(app: &App, token: &str) -> Response {
    let request = app.client.get(app.url("/api/v1/live")).bearer_auth(token);
    request.send().await.unwrap()
}

async fn create_token(app: &App, name: &str) -> String {
    let scopes = Scopes::new(&[Scope::Read]);
    let created = app.services.store.create_token(name, &scopes, app.now());
    match created.await.unwrap() {
        TokenCreation::Created(_, text) => text.expose().to_owned(),
        TokenCreation::NameTaken => panic!("{name} is taken"),
    }
}

async fn refusal(reply: Response) -> Value {
    assert_eq!(reply.status(), 429);
    assert_eq!(reply.headers()["retry-after"], "5");
    let problem: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "too_many_streams");
    problem["detail"].clone()
}

/// Reads to the end of a stream.
async fn wait_for_end(reply: Response) {
    let mut events = reply.bytes_stream();
    let end = async { while events.next().await.is_some() {} };
    tokio::time::timeout(PATIENCE, end).await.unwrap();
}

/// The cookie of a new session.
async fn sign_in(app: &App) -> String {
    let store = &app.services.store;
    let link = store.create_sign_in_link(app.now()).await.unwrap();
    let form = [("token", link.expose())];
    let body: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    // The cookie is in the reply that redirects.
    let client = reqwest::Client::builder().redirect(Policy::none());
    let request = client.build().unwrap().post(app.url("/login")).body(body);
    let reply = request.send().await.unwrap();
    assert_eq!(reply.headers()[LOCATION], "/");
    let cookie = reply.headers()[SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn follow_in_session(app: &App, cookie: &str) -> Response {
    let request = app.client.get(app.url("/api/v1/live"));
    let reply = request.header(COOKIE, cookie).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    reply
}

#[actix_web::test]
async fn a_token_has_five_streams_and_a_process_a_hundred() {
    let app = start_app().await;
    let mut open = Vec::new();
    let mut tokens = Vec::new();
    for number in 0..20 {
        let token = create_token(&app, &format!("reader {number}")).await;
        for _ in 0..5 {
            let stream = follow(&app, &token).await;
            assert_eq!(stream.status(), 200);
            open.push(stream);
        }
        tokens.push(token);
    }
    let detail = refusal(follow(&app, &tokens[0]).await).await;
    assert!(
        detail.as_str().unwrap().contains("5 live streams"),
        "{detail}"
    );
    let late = create_token(&app, "late").await;
    let detail = refusal(follow(&app, &late).await).await;
    assert!(
        detail.as_str().unwrap().contains("100 live streams"),
        "{detail}"
    );
    // What is closed makes room.
    drop(open);
    let again = async { while follow(&app, &late).await.status() != 200 {} };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
    app.finish().await;
}

#[actix_web::test]
async fn a_stream_ends_when_its_token_is_revoked_and_others_continue() {
    let app = start_app().await;
    let leaving = follow(&app, app.token(Scope::Read)).await;
    let staying = follow(&app, app.token(Scope::Operate)).await;
    let tokens = app.services.store.list_tokens().await.unwrap();
    let revoked = tokens.iter().find(|token| token.name == "read").unwrap();
    let store = &app.services.store;
    assert!(
        store
            .revoke_token(revoked.id, app.now(), None)
            .await
            .unwrap()
    );
    wait_for_end(leaving).await;
    app.send_image(SOBOT).await;
    let mut events = staying.bytes_stream();
    let event = events.next().await.unwrap().unwrap();
    assert!(event.starts_with(b"event: message"), "{event:?}");
    app.finish().await;
}

#[actix_web::test]
async fn a_stream_ends_when_its_session_signs_out_and_those_of_other_sessions_continue() {
    let app = start_app().await;
    let (leaving, staying) = (sign_in(&app).await, sign_in(&app).await);
    let ended = follow_in_session(&app, &leaving).await;
    let other = follow_in_session(&app, &staying).await;
    // Redirected to the page that signs in.
    let request = app.client.post(app.url("/logout")).header(COOKIE, leaving);
    assert_eq!(request.send().await.unwrap().status(), 200);
    wait_for_end(ended).await;
    app.send_image(SOBOT).await;
    let mut events = other.bytes_stream();
    assert!(events.next().await.unwrap().is_ok());
    app.finish().await;
}

#[actix_web::test]
async fn a_stream_ends_when_its_session_expires() {
    let app = start_app().await;
    let cookie = sign_in(&app).await;
    let stream = follow_in_session(&app, &cookie).await;
    app.advance(TimeDelta::hours(12));
    wait_for_end(stream).await;
    app.finish().await;
}
