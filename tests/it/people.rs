//! Users, roles, passwords, sessions and the audit log; and what attackers try against them.

use bluetick::cli::user::{AddArguments, EmailArgument, LinkArguments, RoleArguments, UserCommand};
use bluetick::cli::{CommandError, user};
use bluetick::domain::account_limit::AccountLimit;
use bluetick::domain::scope::Scope;
use bluetick::domain::user::{Email, Role};
use bluetick::operating::users_and_tokens::{manage_tokens, manage_users};
use bluetick::store::sessions::KeptSessions;
use chrono::TimeDelta;
use reqwest::Response;
use serde_json::{Value, json};

use crate::harness::app::{App, KALEYRA, image_to, read, start_app};
use crate::harness::people::{Browser, action_context, limited_token, sign_in_new};

const PASSWORD: &str = "correct horse battery";
const VIEWER: &str = "viewer@example.com";
const ADMIN: &str = "admin@example.com";

async fn set_password(app: &App, browser: &mut Browser, password: &str) -> Response {
    browser
        .post(app, "/settings/password", &[("password", password)])
        .await
}

async fn sign_in(app: &App, email: &str, password: &str) -> (Browser, Response) {
    let mut browser = Browser::new();
    // Sessions are in the order of time.
    app.advance(TimeDelta::milliseconds(1));
    let form = [("email", email), ("password", password)];
    let reply = browser.post(app, "/login", &form).await;
    (browser, reply)
}

async fn is_signed_in(app: &App, browser: &Browser) -> bool {
    browser.get(app, "/messages").await.status() == 200
}

async fn audit(app: &App, query: &str) -> Vec<Value> {
    let found = app.get_ok(&format!("/api/v1/audit{query}")).await;
    found["data"].as_array().unwrap().clone()
}

// --- Users and roles ---------------------------------------------------------

async fn command(app: &App, command: UserCommand) -> Result<String, CommandError> {
    let mut out = Vec::new();
    let config = &app.services.config;
    user::run(&command, config, &app.services.store, app.now(), &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

#[actix_web::test]
async fn the_command_line_adds_lists_changes_and_disables_users() {
    let app = start_app().await;
    let add = |role| {
        UserCommand::Add(AddArguments {
            email: email("Asha@Example.com"),
            role,
        })
    };
    let link = command(&app, add(Role::Viewer)).await.unwrap();
    let token = link.trim().split_once("/login?token=").unwrap().1;
    let mut browser = Browser::new();
    assert_eq!(browser.use_link(&app, token).await.status(), 303);
    assert!(is_signed_in(&app, &browser).await);
    let twice = command(&app, add(Role::Admin)).await.unwrap_err();
    assert!(twice.to_string().contains("already"), "{twice}");
    let list = command(&app, UserCommand::List).await.unwrap();
    let row = list.lines().find(|row| row.contains("asha@example.com"));
    let row = row.unwrap();
    assert!(row.contains("viewer") && row.contains("active"), "{list}");

    let audit_page = async |browser: &Browser| browser.get(&app, "/audit").await.status();
    assert_eq!(audit_page(&browser).await, 403);
    let role = RoleArguments {
        email: email("asha@example.com"),
        role: Role::Admin,
    };
    let printed = command(&app, UserCommand::Role(role)).await.unwrap();
    assert_eq!(printed, "the role of asha@example.com is admin now\n");
    assert_eq!(audit_page(&browser).await, 200);

    let argument = || EmailArgument {
        email: email("asha@example.com"),
    };
    let unused = LinkArguments {
        email: Some(email("asha@example.com")),
    };
    let unused = command(&app, UserCommand::SignInLink(unused))
        .await
        .unwrap();
    let printed = command(&app, UserCommand::Disable(argument())).await;
    let printed = printed.unwrap();
    assert!(
        printed.starts_with("asha@example.com is disabled"),
        "{printed}"
    );
    assert!(!is_signed_in(&app, &browser).await);
    let token = unused.trim().split_once("token=").unwrap().1;
    assert_eq!(browser.use_link(&app, token).await.status(), 403);
    let printed = command(&app, UserCommand::Enable(argument())).await;
    let printed = printed.unwrap();
    assert!(
        printed.starts_with("asha@example.com is enabled"),
        "{printed}"
    );
    assert!(!is_signed_in(&app, &browser).await, "the session has ended");

    let unknown = EmailArgument {
        email: email("no@example.com"),
    };
    let refused = command(&app, UserCommand::Disable(unknown))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("no@example.com"), "{refused}");
    app.finish().await;
}

#[actix_web::test]
async fn a_link_without_a_user_makes_an_administrator_even_after_they_were_disabled() {
    let app = start_app().await;
    let link = || command(&app, UserCommand::SignInLink(LinkArguments { email: None }));
    for _ in 0..2 {
        let link = link().await.unwrap();
        let mut browser = Browser::new();
        let token = link.trim().split_once("token=").unwrap().1;
        assert_eq!(browser.use_link(&app, token).await.status(), 303);
        assert_eq!(browser.get(&app, "/audit").await.status(), 200);
        let store = &app.services.store;
        let user = manage_users::find(store, &Email::built_in_admin()).await;
        let (user, context) = (user.unwrap(), action_context(app.now()));
        manage_users::change_role(store, &user, Role::Viewer, &context)
            .await
            .unwrap();
        manage_users::disable(store, &user, &context).await.unwrap();
        assert!(!is_signed_in(&app, &browser).await);
    }
    app.finish().await;
}

#[actix_web::test]
async fn an_administrator_manages_users_and_tokens_on_the_settings_page() {
    let app = start_app().await;
    let (admin, mut browser) = sign_in_new(&app, ADMIN, Role::Admin).await;
    let form = [("email", VIEWER), ("role", "viewer")];
    let page = browser.post(&app, "/settings/users", &form).await;
    let page = page.text().await.unwrap();
    let token = page.split_once("/login?token=").unwrap().1;
    let token: String = token
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let mut viewer = Browser::new();
    assert_eq!(viewer.use_link(&app, &token).await.status(), 303);
    let twice = browser.post(&app, "/settings/users", &form).await;
    assert_eq!(twice.status(), 422);
    let own = format!("/settings/users/{}/disable", admin.id);
    assert_eq!(browser.post(&app, &own, &[]).await.status(), 409);

    let form = [
        ("name", "shop"),
        ("scope", "read"),
        ("scope", "send"),
        ("accounts", KALEYRA),
        ("expires", "2026-11-21"),
    ];
    let page = browser.post(&app, "/settings/tokens", &form).await;
    let page = page.text().await.unwrap();
    let text = page.split_once("<code>bt_").unwrap().1;
    let text: String = text
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let (store, token) = (&app.services.store, format!("bt_{text}"));
    let found = store.find_token(&token, app.now()).await.unwrap().unwrap();
    assert_eq!(found.scopes.to_string(), "send,read");
    assert_eq!(found.accounts.to_string(), KALEYRA);
    assert_eq!(
        found.expires_at.unwrap().to_rfc3339(),
        "2026-11-22T00:00:00+00:00"
    );
    let shown = browser.get(&app, "/settings").await.text().await.unwrap();
    assert!(shown.contains("shop") && !shown.contains(&text));
    let mistyped = [("name", "x"), ("scope", "read"), ("accounts", "kaleira")];
    let refused = browser.post(&app, "/settings/tokens", &mistyped).await;
    assert_eq!(refused.status(), 422);
    let refused = refused.text().await.unwrap();
    for kept in [
        "name=\"name\" value=\"x\"",
        "value=\"read\" checked",
        "value=\"kaleira\"",
    ] {
        assert!(refused.contains(kept), "{kept}: {refused}");
    }
    assert!(!refused.contains("value=\"send\" checked"), "{refused}");
    let revoke = format!("/settings/tokens/{}/revoke", found.id);
    assert_eq!(browser.post(&app, &revoke, &[]).await.status(), 303);
    let tokens = app.services.store.list_tokens().await.unwrap();
    let revoked = tokens.iter().find(|token| token.id == found.id).unwrap();
    assert!(revoked.revoked_at.is_some());
    app.finish().await;
}

#[actix_web::test]
async fn a_viewer_sees_masked_numbers_and_no_administration() {
    let app = start_app().await;
    app.send(&image_to(KALEYRA, "+447700900123")).await;
    let (_, viewer) = sign_in_new(&app, VIEWER, Role::Viewer).await;
    let (_, operator) = sign_in_new(&app, "operator@example.com", Role::Operator).await;
    let list = async |browser: &Browser| {
        let reply = browser.get(&app, "/api/v1/messages").await;
        reply.text().await.unwrap()
    };
    assert!(!list(&viewer).await.contains("447700900123"));
    assert!(list(&operator).await.contains("447700900123"));
    let settings = viewer.get(&app, "/settings").await.text().await.unwrap();
    assert!(settings.contains(VIEWER) && settings.contains("Sessions"));
    assert!(!settings.contains("API tokens") && !settings.contains("Add user"));
    app.finish().await;
}

// --- Passwords ---------------------------------------------------------------

#[actix_web::test]
async fn a_user_sets_a_password_and_signs_in_with_it() {
    let app = start_app().await;
    let (_, mut browser) = sign_in_new(&app, VIEWER, Role::Viewer).await;
    assert_eq!(
        set_password(&app, &mut browser, "too short").await.status(),
        422
    );
    assert_eq!(
        set_password(&app, &mut browser, PASSWORD).await.status(),
        200
    );
    let (second, reply) = sign_in(&app, " Viewer@Example.com", PASSWORD).await;
    assert_eq!(reply.status(), 303);
    assert!(is_signed_in(&app, &second).await);
    // A session alone does not change it.
    let refused = set_password(&app, &mut browser, "another password").await;
    assert_eq!(refused.status(), 422);
    let form = [("current", PASSWORD), ("password", "another password")];
    let changed = browser.post(&app, "/settings/password", &form).await;
    assert_eq!(changed.status(), 200);
    assert!(is_signed_in(&app, &browser).await);
    assert!(!is_signed_in(&app, &second).await, "other sessions end");
    let (_, old) = sign_in(&app, VIEWER, PASSWORD).await;
    assert_eq!(old.status(), 403);
    app.finish().await;
}

#[actix_web::test]
async fn unknown_users_wrong_passwords_and_users_without_one_get_the_same_reply() {
    let app = start_app().await;
    let (_, mut browser) = sign_in_new(&app, VIEWER, Role::Viewer).await;
    set_password(&app, &mut browser, PASSWORD).await;
    let (disabled, mut browser) = sign_in_new(&app, "gone@example.com", Role::Viewer).await;
    set_password(&app, &mut browser, PASSWORD).await;
    let store = &app.services.store;
    manage_users::disable(store, &disabled, &action_context(app.now()))
        .await
        .unwrap();
    sign_in_new(&app, "links@example.com", Role::Viewer).await;
    let mut replies = Vec::new();
    for (user, password) in [
        (VIEWER, "wrong"),
        ("unknown@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("links@example.com", ""),
        ("not an address", PASSWORD),
    ] {
        let (_, reply) = sign_in(&app, user, password).await;
        let (status, page) = (reply.status().as_u16(), reply.text().await.unwrap());
        // The form keeps the address, and nothing of the password.
        let kept = format!("value=\"{user}\"");
        assert!(page.contains(&kept), "{page}");
        assert!(!page.contains(PASSWORD), "{page}");
        replies.push((status, page.replace(&kept, "value=\"\"")));
    }
    assert_eq!(replies[0].0, 403);
    assert!(replies.iter().all(|reply| *reply == replies[0]));
    app.finish().await;
}

#[actix_web::test]
async fn guessing_a_password_is_throttled_for_the_user_even_when_it_is_right() {
    let app = start_app().await;
    let (_, mut browser) = sign_in_new(&app, VIEWER, Role::Viewer).await;
    set_password(&app, &mut browser, PASSWORD).await;
    for attempt in 0..10 {
        let guess = format!("guess {attempt}");
        assert_eq!(sign_in(&app, VIEWER, &guess).await.1.status(), 403);
    }
    let (_, refused) = sign_in(&app, VIEWER, PASSWORD).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "900");
    // Neither another session nor a link is affected.
    assert!(is_signed_in(&app, &browser).await);
    app.advance(TimeDelta::minutes(15));
    assert_eq!(sign_in(&app, VIEWER, PASSWORD).await.1.status(), 303);
    app.finish().await;
}

#[actix_web::test]
async fn guessing_users_is_throttled_for_the_address_and_counted() {
    let app = start_app().await;
    for attempt in 0..30 {
        let user = format!("user{attempt}@example.com");
        assert_eq!(sign_in(&app, &user, PASSWORD).await.1.status(), 403);
    }
    let (_, refused) = sign_in(&app, "another@example.com", PASSWORD).await;
    assert_eq!(refused.status(), 429);
    app.client
        .get(app.url("/api/v1/messages"))
        .bearer_auth("bt_wrong")
        .send()
        .await
        .unwrap();
    let metrics = app.request("GET", "/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in [
        "bluetick_access_refusals_total{cause=\"password\"} 30",
        "bluetick_access_refusals_total{cause=\"sign_in_throttled\"} 1",
        "bluetick_access_refusals_total{cause=\"token\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    app.finish().await;
}

// --- Sessions ----------------------------------------------------------------

#[actix_web::test]
async fn a_planted_cookie_is_worth_nothing_after_the_sign_in() {
    let app = start_app().await;
    let mut attacker = Browser::new();
    let page = attacker.get(&app, "/login?next=/messages").await;
    let planted = page.headers()["set-cookie"].to_str().unwrap();
    attacker.cookie = planted.split(';').next().map(str::to_owned);
    let link = app.services.store.create_sign_in_link(app.now());
    let link = link.await.unwrap();
    let mut victim = Browser::new();
    victim.cookie.clone_from(&attacker.cookie);
    let reply = victim.use_link(&app, link.expose()).await;
    assert_eq!(reply.headers()["location"], "/messages");
    assert_ne!(victim.cookie, attacker.cookie);
    assert!(is_signed_in(&app, &victim).await);
    assert!(!is_signed_in(&app, &attacker).await);
    app.finish().await;
}

#[actix_web::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all_others_at_once() {
    let app = start_app().await;
    let (user, mut first) = sign_in_new(&app, VIEWER, Role::Viewer).await;
    set_password(&app, &mut first, PASSWORD).await;
    let (second, _) = sign_in(&app, VIEWER, PASSWORD).await;
    let (third, _) = sign_in(&app, VIEWER, PASSWORD).await;
    let (_, mut other) = sign_in_new(&app, "other@example.com", Role::Admin).await;
    let store = &app.services.store;
    let sessions = store.list_sessions(user.id, app.now()).await.unwrap();
    assert_eq!(sessions.len(), 3);
    let page = first.get(&app, "/settings").await.text().await.unwrap();
    assert_eq!(page.matches("127.0.0.1").count(), 3);
    // The newest has the greatest id.
    let newest = sessions.iter().map(|session| session.id).max().unwrap();
    let path = format!("/settings/sessions/{newest}/end");
    assert_eq!(other.post(&app, &path, &[]).await.status(), 404);
    assert!(is_signed_in(&app, &third).await);
    let ends = first.post(&app, "/settings/sessions/end-others", &[]).await;
    assert_eq!(ends.status(), 303);
    assert!(is_signed_in(&app, &first).await);
    assert!(!is_signed_in(&app, &second).await && !is_signed_in(&app, &third).await);
    let (fourth, _) = sign_in(&app, VIEWER, PASSWORD).await;
    let sessions = store.list_sessions(user.id, app.now()).await.unwrap();
    let newest = sessions.iter().map(|session| session.id).max().unwrap();
    let path = format!("/settings/sessions/{newest}/end");
    assert_eq!(first.post(&app, &path, &[]).await.status(), 303);
    assert!(!is_signed_in(&app, &fourth).await);
    app.finish().await;
}

#[actix_web::test]
async fn a_token_creates_no_user_link_or_token_that_it_could_not_show() {
    let app = start_app().await;
    let store = &app.services.store;
    let before = (
        store.list_users().await.unwrap().len(),
        store.list_tokens().await.unwrap().len(),
    );
    for (path, form) in [
        ("/settings/users", "email=new%40example.com&role=viewer"),
        ("/settings/tokens", "name=new&scope=read"),
    ] {
        let request = app.request_as(Scope::Admin, "POST", path);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let reply = request.body(form).send().await.unwrap();
        assert_eq!(reply.status(), 409, "{path}");
    }
    let after = (
        store.list_users().await.unwrap().len(),
        store.list_tokens().await.unwrap().len(),
    );
    assert_eq!(after, before);
    app.finish().await;
}

#[actix_web::test]
async fn forms_of_other_sites_change_no_settings() {
    let app = start_app().await;
    let (user, browser) = sign_in_new(&app, ADMIN, Role::Admin).await;
    for (path, form) in [
        ("/settings/password", "password=correct+horse+battery"),
        ("/settings/users", "email=evil@example.com&role=admin"),
        ("/settings/tokens", "name=evil&scope=admin"),
        ("/settings/sessions/end-others", ""),
        ("/logout", ""),
    ] {
        for (name, value) in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Origin", "https://evil.example"),
        ] {
            let request = browser.request(&app, "POST", path).header(name, value);
            let request = request.header("Content-Type", "application/x-www-form-urlencoded");
            let reply = request.body(form).send().await.unwrap();
            assert_eq!(reply.status(), 403, "{path} {name}");
        }
    }
    let store = &app.services.store;
    assert_eq!(store.list_users().await.unwrap().len(), 1);
    let user = store.find_user(user.id).await.unwrap().unwrap();
    assert!(!user.has_password);
    assert!(is_signed_in(&app, &browser).await);
    app.finish().await;
}

#[actix_web::test]
async fn a_live_stream_ends_with_a_user_who_is_disabled() {
    let app = start_app().await;
    let (user, browser) = sign_in_new(&app, VIEWER, Role::Viewer).await;
    let stream = browser.get(&app, "/api/v1/live").await;
    assert_eq!(stream.status(), 200);
    let store = &app.services.store;
    manage_users::disable(store, &user, &action_context(app.now()))
        .await
        .unwrap();
    let end = tokio::time::timeout(std::time::Duration::from_secs(20), stream.bytes());
    end.await.unwrap().unwrap();
    app.finish().await;
}

// --- Tokens and searches -----------------------------------------------------

#[actix_web::test]
async fn a_token_ends_when_it_expires() {
    let app = start_app().await;
    let end = app.now() + TimeDelta::days(1);
    let token = limited_token(&app, "read", None, Some(end)).await;
    let status = async || {
        let request = app.client.get(app.url("/api/v1/messages"));
        read(request.bearer_auth(&token)).await.0
    };
    assert_eq!(status().await, 200);
    app.advance(TimeDelta::days(1));
    assert_eq!(status().await, 401);
    app.finish().await;
}

#[actix_web::test]
async fn callers_that_see_masked_numbers_search_sixty_times_a_minute() {
    let app = start_app().await;
    let search = async |scope, path: &str| {
        let reply = app.request_as(scope, "GET", path).send().await.unwrap();
        (
            reply.status().as_u16(),
            reply.headers().get("retry-after").cloned(),
        )
    };
    for path in [
        "/api/v1/messages?q=4477009001",
        "/api/v1/messages?to=%2B447700900123",
        "/messages?q=4477009001",
        "/api/v1/reports/messages.csv?q=4477009001",
        "/api/v1/orphans?recipient=447700900123",
        "/api/v1/windows/kaleyra-in/447700900123",
    ] {
        for _ in 0..10 {
            assert_eq!(search(Scope::Read, path).await.0, 200, "{path}");
        }
    }
    let (status, wait) = search(Scope::Read, "/api/v1/messages?q=1").await;
    assert_eq!((status, wait.unwrap().to_str().unwrap()), (429, "60"));
    // What is no search, and who sees the numbers, is not limited.
    for path in [
        "/api/v1/messages?state=read",
        "/api/v1/stats?to=2026-11-20",
        "/api/v1/stats?to=2026-11-20T12:00:00Z",
    ] {
        assert_eq!(search(Scope::Read, path).await.0, 200, "{path}");
    }
    for _ in 0..70 {
        assert_eq!(search(Scope::Operate, "/api/v1/messages?q=1").await.0, 200);
    }
    // Another session of the same user shares the limit.
    let (user, viewer) = sign_in_new(&app, VIEWER, Role::Viewer).await;
    let store = &app.services.store;
    let link = store
        .create_link(Some(user.id), app.now(), None)
        .await
        .unwrap();
    let mut second = Browser::new();
    second.use_link(&app, link.expose()).await;
    for _ in 0..30 {
        for browser in [&viewer, &second] {
            assert_eq!(browser.get(&app, "/messages?q=1").await.status(), 200);
        }
    }
    assert_eq!(second.get(&app, "/messages?q=1").await.status(), 429);
    app.advance(TimeDelta::minutes(1));
    assert_eq!(search(Scope::Read, "/api/v1/messages?q=1").await.0, 200);
    app.finish().await;
}

// --- Audit -------------------------------------------------------------------

#[actix_web::test]
async fn the_audit_log_shows_who_did_what_to_what_when_and_from_where() {
    let app = start_app().await;
    let (_, mut browser) = sign_in_new(&app, "operator@example.com", Role::Operator).await;
    let id = app.send(&image_to(KALEYRA, "+447700900123")).await;
    app.advance(TimeDelta::seconds(1));
    let cancel = format!("/messages/{id}/cancel");
    assert_eq!(browser.post(&app, &cancel, &[]).await.status(), 303);
    let newest = &audit(&app, "").await[0];
    let expected = json!({
        "id": newest["id"],
        "at": "2026-11-20T12:00:01.001Z",
        "actor": "operator@example.com",
        "action": "cancel",
        "message_id": id,
        "account": KALEYRA,
        "address": "127.0.0.1",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&newest[key], value, "{key}");
    }
    let actions = async |query: &str| -> Vec<String> {
        let found = audit(&app, query).await;
        let words = found
            .iter()
            .map(|action| action["action"].as_str().unwrap());
        words.map(str::to_owned).collect()
    };
    assert_eq!(actions("").await, ["cancel", "sign-in", "create-user"]);
    for (query, expected) in [
        ("?actor=operator@example.com", vec!["cancel", "sign-in"]),
        ("?action=create-user", vec!["create-user"]),
        ("?account=kaleyra-in", vec!["cancel"]),
        (&format!("?message_id={id}"), vec!["cancel"]),
        ("?from=2026-11-20T12:00:01Z", vec!["cancel"]),
        ("?to=2026-11-20T12:00:01Z", vec!["sign-in", "create-user"]),
        ("?to=2026-11-19", vec![]),
        ("?from=2026-11-20&to=2026-11-20&limit=1", vec!["cancel"]),
    ] {
        assert_eq!(actions(query).await, expected, "{query}");
    }
    let mut listed = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let page = app.get_ok(&format!("/api/v1/audit{query}")).await;
        listed.push(page["data"][0]["action"].as_str().unwrap().to_owned());
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=1&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(listed, ["cancel", "sign-in", "create-user"]);
    let (status, problem) = app.get("/api/v1/audit?action=dance&who=me").await;
    assert_eq!(status, 422, "{problem}");

    let (_, admin) = sign_in_new(&app, ADMIN, Role::Admin).await;
    let page = admin
        .get(&app, "/audit?actor=&action=cancel&account=&from=&to=")
        .await;
    let page = page.text().await.unwrap();
    for shown in ["operator@example.com", KALEYRA, "127.0.0.1", &id] {
        assert!(page.contains(shown), "{shown}");
    }
    app.finish().await;
}

#[actix_web::test]
async fn sessions_of_a_user_end_when_the_password_is_set_for_them() {
    let app = start_app().await;
    let (user, browser) = sign_in_new(&app, VIEWER, Role::Viewer).await;
    let store = &app.services.store;
    let password = bluetick::domain::secret::Secret::new(PASSWORD);
    let (kept, context) = (KeptSessions::None, action_context(app.now()));
    manage_users::set_password(store, &user, password, kept, &context)
        .await
        .unwrap();
    assert!(!is_signed_in(&app, &browser).await);
    app.finish().await;
}

/// No change without its entry in the audit log.
#[actix_web::test]
async fn tokens_and_links_change_only_together_with_the_audit_log() {
    let app = start_app().await;
    let (user, _) = sign_in_new(&app, VIEWER, Role::Viewer).await;
    let (store, context) = (&app.services.store, action_context(app.now()));
    let (scopes, all) = ("read".parse().unwrap(), AccountLimit::default());
    let create = async |name: &str| {
        manage_tokens::create_token(store, name, &scopes, all.clone(), None, &context).await
    };
    create("kept").await.unwrap();
    let kept = async || {
        let tokens = store.list_tokens().await.unwrap();
        tokens
            .into_iter()
            .find(|token| token.name == "kept")
            .unwrap()
    };
    let links = "SELECT COUNT(*) || '' AS line FROM sign_in_links";
    let links_before = app.database.query(links).await;
    app.database
        .execute("ALTER TABLE actions RENAME TO broken_actions")
        .await;
    assert!(create("unaudited").await.is_err());
    let id = kept().await.id;
    assert!(
        manage_tokens::revoke_token(store, id, &context)
            .await
            .is_err()
    );
    assert!(
        manage_users::create_link(store, &user, &context)
            .await
            .is_err()
    );
    assert!(
        manage_users::create_admin_link(store, &context)
            .await
            .is_err()
    );
    app.database
        .execute("ALTER TABLE broken_actions RENAME TO actions")
        .await;
    let tokens = store.list_tokens().await.unwrap();
    assert!(tokens.iter().all(|token| token.name != "unaudited"));
    assert!(kept().await.is_valid_at(app.now()));
    assert_eq!(app.database.query(links).await, links_before);
    assert!(
        manage_tokens::revoke_token(store, id, &context)
            .await
            .unwrap()
    );
    manage_users::create_admin_link(store, &context)
        .await
        .unwrap();
    for (verb, detail) in [
        ("revoke-token", "kept (read)"),
        ("create-sign-in-link", "for the built-in administrator"),
    ] {
        let entries = audit(&app, &format!("?action={verb}")).await;
        assert_eq!(entries[0]["detail"], detail, "{entries:?}");
    }
    app.finish().await;
}
