//! Who may ask: tokens, one-time links, sessions, and the refusal of other sites.

use std::rc::Rc;
use std::sync::Arc;

use actix_session::Session;
use actix_web::body::{MessageBody, to_bytes};
use actix_web::cookie::Cookie;
use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use bluetick::cli::token::{self, CreateArguments, RevokeArguments, TokenCommand};
use bluetick::domain::audit_action::{Action, ActionKind};
use bluetick::domain::clock::{Clock, FixedClock};
use bluetick::domain::ids::MessageId;
use bluetick::domain::scope::{Caller, Scope, Scopes};
use bluetick::store::Store;
use bluetick::store::api_tokens::TokenCreation;
use bluetick::store::sessions::SignInOrigin;
use bluetick::web::auth::Access;
use bluetick::web::error::ApiError;
use bluetick::web::live_streams::LiveStreams;
use bluetick::web::request_parsing::configure_extractors;
use bluetick::web::route_registration::not_found;
use bluetick::web::session_cookie::{SessionCookies, cookie_name};
use bluetick::web::{page_errors, sign_in};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use crate::harness::database::TestDatabase;

const KEY: [u8; 64] = [7; 64];
const PUBLIC_URL: &str = "https://hooks.example.com";
const COOKIES: SessionCookies<'static> = SessionCookies {
    key: &KEY,
    public_url: PUBLIC_URL,
};

struct Place {
    store: Store,
    clock: Arc<FixedClock>,
    _database: TestDatabase,
}

async fn place() -> Place {
    let database = TestDatabase::new().await;
    let store = database.main().await;
    Place {
        store,
        clock: Arc::new(FixedClock::at(start())),
        _database: database,
    }
}

fn start() -> DateTime<Utc> {
    "2026-11-20T10:00:20Z".parse().unwrap()
}

fn origin(now: DateTime<Utc>) -> SignInOrigin {
    SignInOrigin {
        now,
        address: None,
        browser: None,
    }
}

impl Place {
    async fn token(&self, scopes: &str) -> String {
        let scopes: Scopes = scopes.parse().unwrap();
        let created = self
            .store
            .create_token(&scopes.to_string(), &scopes, self.clock.now())
            .await
            .unwrap();
        let TokenCreation::Created(_, text) = created else {
            panic!("the name is taken");
        };
        text.expose().to_owned()
    }

    async fn server(&self) -> Server {
        let access = web::Data::new(Access::new(
            self.store.clone(),
            self.clock.clone(),
            PUBLIC_URL,
            Arc::default(),
        ));
        let service = init_service(
            App::new()
                .app_data(access)
                .app_data(web::Data::new(LiveStreams::default()))
                .configure(configure_extractors)
                .service(
                    web::scope("/api")
                        .route("/who", web::get().to(who))
                        .route("/who", web::post().to(who))
                        .route("/act", web::post().to(act))
                        .default_service(web::to(not_found)),
                )
                .service(
                    web::scope("")
                        .wrap(from_fn(page_errors::show))
                        .service(
                            web::resource("/login")
                                .route(web::get().to(sign_in::show))
                                .route(web::post().to(sign_in::sign_in)),
                        )
                        .route("/logout", web::post().to(sign_in::sign_out))
                        .route("/messages", web::get().to(who))
                        .route("/of-before", web::get().to(sign_in_as_before))
                        .route("/broken", web::get().to(broken))
                        .default_service(web::to(not_found)),
                )
                .wrap(COOKIES.middleware()),
        )
        .await;
        let service = Rc::new(service);
        Server(Box::new(move |request: TestRequest| {
            let service = Rc::clone(&service);
            async move { answer(call_service(&*service, request.to_request()).await).await }
                .boxed_local()
        }))
    }
}

async fn who(caller: Caller) -> String {
    format!("{} {}", caller.name, caller.scopes)
}

async fn act(caller: Caller) -> Result<HttpResponse, ApiError> {
    caller.require(Scope::Operate)?;
    Ok(HttpResponse::NoContent().finish())
}

async fn broken() -> Result<HttpResponse, ApiError> {
    Err(ApiError::Internal("the disk said 919900112233".into()))
}

/// What a session was before sessions had rows: its age, in the cookie alone.
async fn sign_in_as_before(session: Session) -> HttpResponse {
    session
        .insert("seen_at", start().timestamp_millis())
        .unwrap();
    session.insert("id", "0".repeat(32)).unwrap();
    HttpResponse::NoContent().finish()
}

/// A server without a socket.
struct Server(Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, Answer>>);

struct Answer {
    status: StatusCode,
    headers: actix_web::http::header::HeaderMap,
    body: String,
    cookie: Option<Cookie<'static>>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn ask(server: &Server, request: TestRequest) -> Answer {
    (server.0)(request).await
}

async fn answer<B: MessageBody>(response: ServiceResponse<B>) -> Answer {
    let status = response.status();
    let headers = response.headers().clone();
    let cookie = response
        .response()
        .cookies()
        .find(|cookie| cookie.name() == cookie_name(PUBLIC_URL))
        .map(Cookie::into_owned);
    let bytes = to_bytes(response.into_body()).await.ok().unwrap();
    Answer {
        status,
        headers,
        body: String::from_utf8(bytes.to_vec()).unwrap(),
        cookie,
    }
}

fn bearer(request: TestRequest, token: &str) -> TestRequest {
    request.insert_header(("Authorization", format!("Bearer {token}")))
}

fn link_form(token: &str) -> TestRequest {
    TestRequest::post()
        .uri("/login")
        .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
        .set_payload(format!("token={token}"))
}

#[actix_web::test]
async fn a_token_works_until_it_is_revoked() {
    let place = place().await;
    let token = place.token("read").await;
    assert!(token.starts_with("bt_") && token.len() >= 35);
    let server = place.server().await;
    let who = || bearer(TestRequest::get().uri("/api/who"), &token);
    assert_eq!(ask(&server, who()).await.body, "read read");
    let id = place.store.list_tokens().await.unwrap()[0].id;
    assert!(place.store.revoke_token(id, start(), None).await.unwrap());
    assert!(!place.store.revoke_token(id, start(), None).await.unwrap());
    assert_eq!(ask(&server, who()).await.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn every_refusal_of_a_token_reads_the_same() {
    let place = place().await;
    let revoked = place.token("admin").await;
    let id = place.store.list_tokens().await.unwrap()[0].id;
    place.store.revoke_token(id, start(), None).await.unwrap();
    let server = place.server().await;
    let anonymous = ask(&server, TestRequest::get().uri("/api/who")).await;
    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
    assert!(anonymous.header("WWW-Authenticate").starts_with("Bearer"));
    assert_eq!(anonymous.header("Content-Type"), "application/problem+json");
    assert_eq!(anonymous.json()["code"], "unauthenticated");
    for token in [&revoked, "bt_", "bt_wrong", "hello", "", "bt_é"] {
        let answer = ask(&server, bearer(TestRequest::get().uri("/api/who"), token)).await;
        assert_eq!(
            (answer.status, &answer.body),
            (anonymous.status, &anonymous.body),
            "{token}"
        );
    }
}

#[actix_web::test]
async fn a_missing_scope_is_named() {
    let place = place().await;
    let (send, operate) = (place.token("send,read").await, place.token("operate").await);
    let server = place.server().await;
    let refused = ask(&server, bearer(TestRequest::post().uri("/api/act"), &send)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.json()["code"], "missing_scope");
    assert!(refused.body.contains("`operate`"), "{}", refused.body);
    let done = ask(
        &server,
        bearer(TestRequest::post().uri("/api/act"), &operate),
    )
    .await;
    assert_eq!(done.status, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn the_last_use_of_a_token_is_known_to_the_minute() {
    let place = place().await;
    let token = place.token("read").await;
    let server = place.server().await;
    let mut seen = Vec::new();
    for seconds in [0, 30, 30] {
        place.clock.advance(TimeDelta::seconds(seconds));
        ask(&server, bearer(TestRequest::get().uri("/api/who"), &token)).await;
        let used = place.store.list_tokens().await.unwrap()[0].last_used_at;
        seen.push(used.unwrap().to_rfc3339());
    }
    assert_eq!(
        seen,
        [
            "2026-11-20T10:00:00+00:00",
            "2026-11-20T10:00:00+00:00",
            "2026-11-20T10:01:00+00:00"
        ]
    );
}

#[actix_web::test]
async fn opening_a_link_consumes_nothing_and_its_button_signs_in_once() {
    let place = place().await;
    let link = place.store.create_sign_in_link(start()).await.unwrap();
    let server = place.server().await;
    let address = format!("/login?token={}", link.expose());
    for _ in 0..2 {
        let page = ask(&server, TestRequest::get().uri(&address)).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(
            page.body.contains(link.expose()),
            "the form holds the token"
        );
        assert_eq!(page.header("Cache-Control"), "no-store");
    }
    let signed_in = ask(&server, link_form(link.expose())).await;
    assert_eq!(signed_in.status, StatusCode::SEE_OTHER);
    assert_eq!(signed_in.header("Location"), "/");
    let cookie = signed_in.cookie.unwrap();
    assert!(cookie.http_only().unwrap() && cookie.secure().unwrap());
    let page = ask(&server, TestRequest::get().uri("/messages").cookie(cookie)).await;
    assert_eq!(page.body, "admin@localhost admin");
    let again = ask(&server, link_form(link.expose())).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.body.contains("no longer works"), "{}", again.body);
    let audit = place.store.list_actions(10).await.unwrap();
    assert_eq!(audit.len(), 1);
    assert_eq!(
        (audit[0].kind, audit[0].actor.as_str()),
        (ActionKind::SignIn, "admin@localhost")
    );
}

#[actix_web::test]
async fn a_link_runs_out_after_fifteen_minutes() {
    let place = place().await;
    let link = place.store.create_sign_in_link(start()).await.unwrap();
    let uses = async |at: DateTime<Utc>| {
        let origin = origin(at);
        let used = place.store.sign_in_with_link(link.expose(), &origin);
        used.await.unwrap().is_some()
    };
    let late = start() + TimeDelta::minutes(15);
    assert!(!uses(late).await);
    assert!(uses(late - TimeDelta::milliseconds(1)).await);
}

#[actix_web::test]
async fn a_link_used_by_many_at_once_signs_in_one_and_is_audited_once() {
    let place = place().await;
    let link = place.store.create_sign_in_link(start()).await.unwrap();
    let origin = origin(start());
    let tries = (0..8).map(|_| place.store.sign_in_with_link(link.expose(), &origin));
    let outcomes = futures_util::future::join_all(tries).await;
    let successes = outcomes
        .into_iter()
        .filter(|outcome| outcome.as_ref().unwrap().is_some());
    assert_eq!(successes.count(), 1);
    let audit = place.store.list_actions(10).await.unwrap();
    assert_eq!(audit.len(), 1);
}

#[actix_web::test]
async fn a_visitor_without_a_session_is_sent_to_sign_in_and_then_back() {
    let place = place().await;
    let server = place.server().await;
    let led = ask(&server, TestRequest::get().uri("/messages?state=failed")).await;
    assert_eq!(led.status, StatusCode::SEE_OTHER);
    let location = led.header("Location").to_owned();
    assert_eq!(location, "/login?next=%2Fmessages%3Fstate%3Dfailed");
    let remembered = ask(&server, TestRequest::get().uri(&location))
        .await
        .cookie
        .unwrap();
    let link = place.store.create_sign_in_link(start()).await.unwrap();
    let signed_in = ask(&server, link_form(link.expose()).cookie(remembered)).await;
    assert_eq!(signed_in.header("Location"), "/messages?state=failed");
}

#[actix_web::test]
async fn no_sign_in_redirects_to_another_site() {
    let place = place().await;
    let server = place.server().await;
    for next in ["//evil.example", "https://evil.example/", "/\\evil.example"] {
        let link = place.store.create_sign_in_link(start()).await.unwrap();
        let form = link_form(link.expose()).set_payload(format!(
            "token={}&next={}",
            link.expose(),
            next.replace('\\', "%5C")
        ));
        assert_eq!(ask(&server, form).await.header("Location"), "/", "{next}");
    }
}

async fn signed_in(place: &Place) -> Cookie<'static> {
    let link = place
        .store
        .create_sign_in_link(place.clock.now())
        .await
        .unwrap();
    let server = place.server().await;
    ask(&server, link_form(link.expose())).await.cookie.unwrap()
}

#[actix_web::test]
async fn a_session_ends_twelve_hours_after_its_last_use_and_thirty_days_after_its_start() {
    let place = place().await;
    let cookie = signed_in(&place).await;
    let server = place.server().await;
    let look = || TestRequest::get().uri("/api/who").cookie(cookie.clone());
    for _ in 0..65 {
        place.clock.advance(TimeDelta::hours(11));
        assert_eq!(ask(&server, look()).await.status, StatusCode::OK);
    }
    // 30 days have 720 hours.
    place.clock.advance(TimeDelta::hours(5));
    assert_eq!(ask(&server, look()).await.status, StatusCode::UNAUTHORIZED);
    let idle = signed_in(&place).await;
    place.clock.advance(TimeDelta::hours(12));
    let late = TestRequest::get().uri("/api/who").cookie(idle);
    assert_eq!(ask(&server, late).await.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn posts_of_other_sites_are_refused_though_they_carry_the_session() {
    let place = place().await;
    let cookie = signed_in(&place).await;
    let token = place.token("operate").await;
    let server = place.server().await;
    let post = |name: &'static str, value: &'static str| {
        TestRequest::post()
            .uri("/api/act")
            .insert_header(("Host", "127.0.0.1:8080"))
            .insert_header((name, value))
    };
    for (name, value, status) in [
        ("Sec-Fetch-Site", "same-origin", StatusCode::NO_CONTENT),
        ("Sec-Fetch-Site", "cross-site", StatusCode::FORBIDDEN),
        ("Sec-Fetch-Site", "same-site", StatusCode::FORBIDDEN),
        (
            "Origin",
            "https://hooks.example.com",
            StatusCode::NO_CONTENT,
        ),
        ("Origin", "http://127.0.0.1:8080", StatusCode::NO_CONTENT),
        ("Origin", "http://127.0.0.1:9999", StatusCode::FORBIDDEN),
        ("Origin", "https://evil.example", StatusCode::FORBIDDEN),
        ("Origin", "null", StatusCode::FORBIDDEN),
    ] {
        let answer = ask(&server, post(name, value).cookie(cookie.clone())).await;
        assert_eq!(answer.status, status, "{name}: {value}");
        let by_token = ask(&server, bearer(post(name, value), &token)).await;
        assert_eq!(by_token.status, StatusCode::NO_CONTENT, "{name}: {value}");
    }
    let login = link_form("whatever").insert_header(("Origin", "https://evil.example"));
    assert_eq!(ask(&server, login).await.status, StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn an_address_that_is_too_long_for_a_session_is_not_remembered() {
    let place = place().await;
    let server = place.server().await;
    let long = format!("/messages?q={}", "a".repeat(6_000));
    let led = ask(&server, TestRequest::get().uri(&long)).await;
    assert_eq!(led.header("Location"), "/login");
    let login = format!("/login?next={}", long.replace('?', "%3F"));
    let shown = ask(&server, TestRequest::get().uri(&login)).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert!(shown.cookie.is_none());
}

#[actix_web::test]
async fn a_forged_cookie_is_anonymous() {
    let place = place().await;
    let mut cookie = signed_in(&place).await;
    let server = place.server().await;
    let forged = cookie.value().replace(&cookie.value()[20..24], "AAAA");
    cookie.set_value(forged);
    let answer = ask(&server, TestRequest::get().uri("/api/who").cookie(cookie)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn sessions_of_earlier_releases_end_at_the_upgrade() {
    let place = place().await;
    let server = place.server().await;
    let before = ask(&server, TestRequest::get().uri("/of-before")).await;
    let look = TestRequest::get().uri("/api/who");
    let answer = ask(&server, look.cookie(before.cookie.unwrap())).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn signing_out_ends_the_session() {
    let place = place().await;
    let cookie = signed_in(&place).await;
    let server = place.server().await;
    let sign_out = TestRequest::post().uri("/logout").cookie(cookie.clone());
    let answer = ask(&server, sign_out).await;
    assert_eq!(answer.header("Location"), "/login");
    assert_eq!(answer.cookie.unwrap().value(), "");
    // A copy of the cookie is worth nothing.
    let replayed = TestRequest::get().uri("/api/who").cookie(cookie);
    assert_eq!(
        ask(&server, replayed).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[actix_web::test]
async fn errors_are_text_on_pages_and_problem_json_in_the_api() {
    let place = place().await;
    let server = place.server().await;
    let page = ask(&server, TestRequest::get().uri("/nowhere")).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.body.contains("Page not found"), "{}", page.body);
    assert!(page.body.contains(">404<"), "{}", page.body);
    let broken = ask(&server, TestRequest::get().uri("/broken")).await;
    assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(broken.body.contains("Internal error"), "{}", broken.body);
    assert!(!broken.body.contains("919900112233"));
    let api = ask(
        &server,
        TestRequest::with_uri("/api/nowhere").method(Method::PUT),
    )
    .await;
    assert_eq!(api.json()["code"], "not_found");
}

#[actix_web::test]
async fn the_audit_keeps_what_was_done_to_a_message() {
    let place = place().await;
    let message = MessageId::new(start());
    let mut cancel = Action::new("ci", ActionKind::Cancel, start());
    cancel.message = Some(message);
    cancel.account = Some("kaleyra-in".parse().unwrap());
    place.store.record_action(&cancel).await.unwrap();
    let mut resend = Action::new("ci", ActionKind::Resend, start() + TimeDelta::seconds(1));
    resend.message = Some(message);
    let ledger = place.store.ledger(start()).await.unwrap();
    ledger.record_action(&resend).await.unwrap();
    place.store.commit(ledger).await.unwrap();
    let sign_in = Action::new(
        "dashboard",
        ActionKind::SignIn,
        start() + TimeDelta::seconds(2),
    );
    place.store.record_action(&sign_in).await.unwrap();
    let of_message = place.store.list_actions_of(message).await.unwrap();
    assert_eq!(of_message, [cancel, resend.clone()]);
    assert_eq!(
        place.store.list_actions(2).await.unwrap(),
        [sign_in, resend]
    );
}

async fn command(place: &Place, command: TokenCommand) -> Result<String, String> {
    let mut out = Vec::new();
    token::run(command, &place.store, start(), &mut out)
        .await
        .map_err(|failure| failure.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

fn create(name: &str, scopes: &[&str]) -> TokenCommand {
    TokenCommand::Create(CreateArguments {
        name: name.to_owned(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        expires: None,
        accounts: None,
    })
}

#[actix_web::test]
async fn the_command_line_makes_lists_and_revokes_tokens() {
    let place = place().await;
    let printed = command(&place, create("ci", &["send", "read"]))
        .await
        .unwrap();
    let text = printed.strip_suffix('\n').unwrap();
    assert!(
        place
            .store
            .find_token(text, start())
            .await
            .unwrap()
            .is_some()
    );
    let taken = command(&place, create("ci", &["read"])).await.unwrap_err();
    assert!(taken.contains("`ci`"), "{taken}");
    let unknown = command(&place, create("other", &["write"]))
        .await
        .unwrap_err();
    assert!(unknown.contains("`write`"), "{unknown}");
    let table = command(&place, TokenCommand::List).await.unwrap();
    assert!(table.contains("ci") && table.contains("send,read") && table.contains("active"));
    assert!(!table.contains(text), "the table shows no token");
    let revoke = |name: &str| {
        TokenCommand::Revoke(RevokeArguments {
            token: name.to_owned(),
        })
    };
    let printed = command(&place, revoke("ci")).await.unwrap();
    assert!(printed.starts_with("revoked the token `ci`"), "{printed}");
    assert!(
        place
            .store
            .find_token(text, start())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        command(&place, revoke("ci"))
            .await
            .unwrap_err()
            .contains("`ci`")
    );
}
