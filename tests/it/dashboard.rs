//! The dashboard as it is served: access, what pages show from the database, what the forms do.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use bluetick::app;
use bluetick::config::{Config, Environment};
use bluetick::domain::clock::FixedClock;
use bluetick::domain::ids::MessageId;
use bluetick::domain::message::References;
use bluetick::sending::accept::MessageInput;
use bluetick::services::Services;
use bluetick::web::connections::Connections;
use bluetick::web::listener;
use bluetick::web::server::{self as web_server, ServerSettings};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{CONTENT_TYPE, COOKIE, ETAG, IF_NONE_MATCH, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Method, Response, StatusCode, redirect};
use scraper::{Html, Selector};

use crate::harness::database::TestDatabase;

const ACCOUNTS: &str = r#"
secret_key = "0123456789abcdef0123456789abcdef"
public_url = "https://hooks.example.com"
[[accounts]]
id = "sobot-shop"
provider = "sobot"
api_key = "key"
api_secret = "secret"
sender = "+918600000001"
"#;

/// The server on a port of its own. No job runs unless a test runs it.
struct Server {
    base: String,
    services: Services,
    clock: Arc<FixedClock>,
    handle: ServerHandle,
    client: Client,
    cookie: Option<String>,
    _database: TestDatabase,
}

fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

impl Server {
    /// Without a session.
    async fn start() -> Self {
        let database = TestDatabase::new().await;
        let mut config = Config::parse(ACCOUNTS, database.folder(), &Environment::new()).unwrap();
        config.data_dir = database.folder().to_path_buf();
        config.database_url = database.url_without_tls();
        let clock = Arc::new(FixedClock::at(noon()));
        let services = app::open(config, clock.clone()).await.unwrap();
        let listener = listener::open("127.0.0.1:0", None).unwrap().main.socket;
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (open, settings) = (Connections::default(), ServerSettings::default());
        let server = web_server::start(listener, services.clone(), &open, settings).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            base,
            services,
            clock,
            handle,
            client: bluetick::http_client::builder()
                .redirect(redirect::Policy::none())
                .build()
                .unwrap(),
            cookie: None,
            _database: database,
        }
    }

    /// Signed in by a one-time link.
    async fn start_signed_in() -> Self {
        let mut server = Self::start().await;
        let link = server
            .services
            .store
            .create_sign_in_link(noon())
            .await
            .unwrap();
        let reply = server
            .client
            .post(format!("{}/login", server.base))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("token={}", link.expose()))
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), StatusCode::SEE_OTHER);
        let cookie = header(&reply, SET_COOKIE.as_str());
        server.cookie = cookie.split(';').next().map(str::to_owned);
        server
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// The visible text of a page's content.
    async fn read(&self, path: &str) -> String {
        let reply = self.ask(Method::GET, path, &[]).await;
        assert_eq!(reply.status(), StatusCode::OK, "{path}");
        visible(&reply.text().await.unwrap())
    }

    async fn accept(&self, to: &str, name: &str) -> MessageId {
        let input = MessageInput {
            account: "sobot-shop".to_owned(),
            from: None,
            to: to.to_owned(),
            recipient_name: Some(name.to_owned()),
            kind: "image".to_owned(),
            media_url: Some("https://cdn.example.com/a.jpg".to_owned()),
            media_id: None,
            upload: None,
            mime_type: None,
            caption: None,
            references: References::default(),
            client_reference: None,
            options: BTreeMap::new(),
            campaign: None,
            send_before: None,
            resend: None,
            author: None,
            template: None,
        };
        self.clock.advance(TimeDelta::seconds(1));
        let now = self.services.clock.now();
        let receipt = self.services.acceptor.accept(input, None, now).await;
        receipt.unwrap().id
    }

    async fn stop(self) {
        self.handle.stop(true).await;
        app::close(self.services).await;
    }
}

fn header(reply: &Response, name: &str) -> String {
    reply
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

fn visible(html: &str) -> String {
    let page = Html::parse_document(html);
    let main = Selector::parse("main").unwrap();
    let text: Vec<_> = page
        .select(&main)
        .flat_map(|main| main.text())
        .flat_map(str::split_whitespace)
        .collect();
    text.join(" ")
}

#[actix_web::test]
async fn over_https_the_session_is_for_this_host_only_and_browsers_stay_with_https() {
    let server = Server::start_signed_in().await;
    let cookie = server.cookie.clone().unwrap();
    assert!(cookie.starts_with("__Host-bluetick_session="), "{cookie}");
    for path in ["/", "/api/v1/messages", "/healthz", "/nowhere"] {
        let reply = server.ask(Method::GET, path, &[]).await;
        let policy = header(&reply, "strict-transport-security");
        assert_eq!(policy, "max-age=31536000", "{path}");
    }
    server.stop().await;
}

#[actix_web::test]
async fn without_a_session_pages_redirect_to_the_sign_in_page() {
    let server = Server::start().await;
    for path in ["/", "/messages", "/callbacks", "/accounts", "/reports"] {
        let reply = server.ask(Method::GET, path, &[]).await;
        assert_eq!(reply.status(), StatusCode::SEE_OTHER, "{path}");
        let url = header(&reply, LOCATION.as_str());
        assert!(url.starts_with("/login?next="), "{path}: {url}");
    }
    server.stop().await;
}

#[actix_web::test]
async fn every_page_has_a_content_security_policy_and_is_not_cached() {
    let server = Server::start_signed_in().await;
    let message = server.accept("+91 99000 01234", "Mira").await;
    let message = format!("/messages/{message}");
    for path in [
        "/",
        "/messages",
        "/callbacks",
        "/accounts",
        "/reports",
        &message,
    ] {
        let reply = server.ask(Method::GET, path, &[]).await;
        assert_eq!(reply.status(), StatusCode::OK, "{path}");
        let policy = header(&reply, "content-security-policy");
        assert!(policy.contains("default-src 'self'"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert_eq!(header(&reply, "cache-control"), "no-store", "{path}");
    }
    let login = server.ask(Method::GET, "/login", &[]).await;
    assert!(header(&login, "content-security-policy").contains("frame-ancestors 'none'"));
    server.stop().await;
}

#[actix_web::test]
async fn head_is_answered_like_get_without_the_body() {
    let mut server = Server::start_signed_in().await;
    let message = server.accept("+91 99000 01234", "Mira").await;
    let message = format!("/messages/{message}");
    let paths = [
        "/",
        "/messages",
        "/messages?q=Mira",
        "/problems",
        "/callbacks",
        "/accounts",
        "/reports",
        "/login",
        "/nowhere",
        "/healthz",
        "/readyz",
        "/static/app.css",
        &message,
    ];
    let check = async |server: &Server, path: &str| {
        let get = server.ask(Method::GET, path, &[]).await;
        let head = server.ask(Method::HEAD, path, &[]).await;
        assert_eq!(head.status(), get.status(), "{path}");
        for name in [
            "content-type",
            "content-length",
            "cache-control",
            "location",
        ] {
            assert_eq!(header(&head, name), header(&get, name), "{path}: {name}");
        }
        assert_eq!(head.bytes().await.unwrap(), "", "{path}");
    };
    for path in paths {
        check(&server, path).await;
    }
    server.cookie = None;
    check(&server, "/messages").await;
    server.stop().await;
}

#[actix_web::test]
async fn the_list_applies_the_filters_of_its_url() {
    let server = Server::start_signed_in().await;
    server.accept("+91 99000 01234", "Mira").await;
    server.accept("+91 99000 05678", "Ravi").await;
    let text = server.read("/messages").await;
    let (mira, ravi) = (text.find("Mira").unwrap(), text.find("Ravi").unwrap());
    assert!(ravi < mira, "newest first: {text}");
    for query in ["q=00001234", "q=%2B919900001234", "q=91990000123"] {
        let text = server.read(&format!("/messages?{query}")).await;
        assert!(
            text.contains("Mira") && !text.contains("Ravi"),
            "{query}: {text}"
        );
    }
    let text = server.read("/messages?state=failed,uncertain").await;
    assert!(text.contains("No message matches"), "{text}");
    let text = server
        .read("/messages?since=2026-11-20&until=2026-11-20")
        .await;
    assert!(text.contains("Mira") && text.contains("Ravi"), "{text}");
    let text = server.read("/messages?until=2026-11-19").await;
    assert!(text.contains("No message matches"), "{text}");
    server.stop().await;
}

#[actix_web::test]
async fn list_pages_have_no_gaps_and_no_repetitions() {
    let server = Server::start_signed_in().await;
    for number in 0..60 {
        let to = format!("+9199000{number:05}");
        server.accept(&to, &format!("Name{number:02}")).await;
    }
    let mut path = "/messages?state=queued".to_owned();
    let mut seen = Vec::new();
    loop {
        let reply = server.ask(Method::GET, &path, &[]).await;
        let html = Html::parse_document(&reply.text().await.unwrap());
        let rows = Selector::parse("tbody tr .muted").unwrap();
        seen.extend(
            html.select(&rows)
                .map(|cell| cell.text().collect::<String>())
                .filter(|text| text.starts_with("Name")),
        );
        let older = Selector::parse("a[rel=next]").unwrap();
        match html.select(&older).next() {
            Some(link) => link.attr("href").unwrap().clone_into(&mut path),
            None => break,
        }
    }
    let expected: Vec<String> = (0..60)
        .rev()
        .map(|number| format!("Name{number:02}"))
        .collect();
    assert_eq!(seen, expected);
    server.stop().await;
}

#[actix_web::test]
async fn the_cancel_button_cancels_a_message_and_shows_who_pressed_it() {
    let server = Server::start_signed_in().await;
    let id = server.accept("+91 99000 01234", "Mira").await;
    let page = format!("/messages/{id}");
    let foreign = [(ORIGIN.as_str(), "https://evil.example")];
    let refused = server
        .ask(Method::POST, &format!("{page}/cancel"), &foreign)
        .await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(server.read(&page).await.contains("Cancel this message"));

    let own = [(ORIGIN.as_str(), server.base.as_str())];
    let done = server
        .ask(Method::POST, &format!("{page}/cancel"), &own)
        .await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&done, LOCATION.as_str()), page);
    let text = server.read(&page).await;
    assert!(text.contains("Cancelled by admin@localhost"), "{text}");

    let again = server
        .ask(Method::POST, &format!("{page}/cancel"), &own)
        .await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    let words = visible(&again.text().await.unwrap());
    assert!(words.contains("only a queued message"), "{words}");
    server.stop().await;
}

#[actix_web::test]
async fn a_callback_is_pending_until_it_is_processed_and_its_bytes_are_shown() {
    let server = Server::start_signed_in().await;
    let account = "sobot-shop".parse().unwrap();
    let url = server.services.callback_url(&account, 1);
    let path = url.trim_start_matches("https://hooks.example.com");
    let body = "{\"nonsense\": \"\u{7}\"";
    let reply = server
        .client
        .post(format!("{}{path}", server.base))
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    let text = server
        .read("/callbacks?account=sobot-shop&outcome=pending")
        .await;
    assert!(text.contains("sobot-shop pending – –"), "{text}");

    server.services.reconciler.step().await.unwrap();
    let text = server.read("/callbacks?outcome=pending").await;
    assert!(text.contains("No callback matches"), "{text}");
    let reply = server
        .ask(Method::GET, "/callbacks?outcome=quarantined", &[])
        .await;
    let html = Html::parse_document(&reply.text().await.unwrap());
    let link = Selector::parse("a.row-link").unwrap();
    let url = html
        .select(&link)
        .next()
        .unwrap()
        .attr("href")
        .unwrap()
        .to_owned();
    let text = server.read(&url).await;
    assert!(text.contains("{\"nonsense\": \"␇\""), "{text}");
    let raw = server
        .ask(Method::GET, &format!("/api/v1{url}/raw"), &[])
        .await;
    assert_eq!(raw.text().await.unwrap(), body);
    assert!(server.read("/").await.contains("Unparseable callbacks"));
    server.stop().await;
}

#[actix_web::test]
async fn the_export_form_redirects_to_the_file_with_exactly_its_rows() {
    let server = Server::start_signed_in().await;
    server.accept("+91 99000 01234", "Mira").await;
    let url = "/messages/export?format=csv&state=&account=sobot-shop&since=2026-11-20&q=Mi";
    let reply = server.ask(Method::GET, url, &[]).await;
    assert_eq!(reply.status(), StatusCode::SEE_OTHER);
    let file = server
        .ask(Method::GET, &header(&reply, LOCATION.as_str()), &[])
        .await;
    assert_eq!(file.status(), StatusCode::OK);
    assert_eq!(
        file.text().await.unwrap().lines().count(),
        1,
        "no reference begins with Mi"
    );
    let all = server
        .ask(
            Method::GET,
            "/api/v1/reports/messages.csv?account=sobot-shop",
            &[],
        )
        .await;
    assert_eq!(all.text().await.unwrap().lines().count(), 2);
    server.stop().await;
}

#[actix_web::test]
async fn an_unknown_path_shows_a_page_with_a_link_back() {
    let server = Server::start_signed_in().await;
    let unknown = format!("/messages/{}", MessageId::new(noon()));
    for path in ["/nowhere", "/messages/abc", &unknown, "/callbacks/7"] {
        let reply = server.ask(Method::GET, path, &[]).await;
        assert_eq!(reply.status(), StatusCode::NOT_FOUND, "{path}");
        let text = visible(&reply.text().await.unwrap());
        assert!(text.contains("Back to the overview"), "{path}: {text}");
    }
    server.stop().await;
}

#[actix_web::test]
async fn static_files_are_served_from_the_binary_and_revalidated() {
    let server = Server::start().await;
    for (name, kind) in [
        ("app.css", "text/css; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let path = format!("/static/{name}");
        let reply = server.ask(Method::GET, &path, &[]).await;
        assert_eq!(reply.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&reply, CONTENT_TYPE.as_str()), kind);
        let tag = header(&reply, ETAG.as_str());
        let known = [(IF_NONE_MATCH.as_str(), tag.as_str())];
        let again = server.ask(Method::GET, &path, &known).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
    let missing = server.ask(Method::GET, "/static/.gitkeep", &[]).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    server.stop().await;
}
