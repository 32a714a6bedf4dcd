//! Providers call: what is answered 200 is kept byte for byte, what is not ours leaves nothing. Every test runs through the journal and through the spool.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use bluetick::domain::callback_record::{Authenticity, JournalEntry, Route};
use bluetick::domain::clock::FixedClock;
use bluetick::domain::ids::{AccountId, MessageId};
use bluetick::domain::provider::ProviderId;
use bluetick::domain::provider_account::{BasicLogin, CallbackAuth, HeaderSecret, HmacSignature};
use bluetick::domain::secret::Secret;
use bluetick::journal::Journal;
use bluetick::journal::spool::SpoolSettings;
use bluetick::keys::Keys;
use bluetick::receiving::ingest::{Ingest, IngestOutcome, RawRequest};
use bluetick::receiving::known_accounts::{KnownAccount, KnownAccounts};
use bluetick::receiving::traffic_limits::TrafficLimits;
use bluetick::web::callback_body::BODY_LIMIT;
use bluetick::web::callback_receiver::{BODY_TIMEOUT, CallbackState};
use bluetick::web::configure;
use bluetick::web::route_registration::ServedRoutes;
use bluetick::web::session_cookie::SessionCookies;
use chrono::{DateTime, TimeDelta, Utc};
use flate2::{Compression, write::GzEncoder};
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, Method, RequestBuilder};
use rstest::rstest;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::harness::database::{HeldLock, TestDatabase};

const PASSWORD: &str = "basic-password-4711";
const HEADER_VALUE: &str = "header-value-0815";
const SIGNING_SECRET: &str = "signing-secret-1234";
const VERIFY_TOKEN: &str = "verify-token-5678";

/// By which way callbacks become durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Path {
    /// Straight into the journal.
    Journal,
    /// Into the spool: another connection holds the lock of the journal.
    Spool,
}

fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn account(name: &str) -> AccountId {
    name.parse().unwrap()
}

/// A receiver on a port of its own: `shop` asks for nothing more than the token, `vault` for everything, `gone` left the configuration, `moved` has its third address.
struct Receiver {
    base: String,
    keys: Arc<Keys>,
    journal: Journal,
    state: web::Data<CallbackState>,
    server: ServerHandle,
    client: Client,
    database: TestDatabase,
    /// Keeps the journal from taking anything itself.
    held: Mutex<Option<HeldLock>>,
}

impl Receiver {
    async fn start(way: Path) -> Self {
        Self::start_with(way, BODY_TIMEOUT).await
    }

    async fn start_with(way: Path, body_timeout: Duration) -> Self {
        let database = TestDatabase::new().await;
        let pools = database.journal().await;
        let (journal, held) = match way {
            Path::Journal => (Journal::open(pools).await.unwrap(), None),
            Path::Spool => {
                let settings = SpoolSettings::in_folder(database.folder());
                let journal = Journal::open_with_spool(pools, settings).await.unwrap();
                (journal, Some(database.hold_journal().await))
            }
        };
        let keys = Arc::new(Keys::derive(&Secret::new("k".repeat(32)), &[]));
        let accounts: KnownAccounts = accounts().into_iter().collect();
        let state = web::Data::new(CallbackState {
            ingest: Arc::new(Ingest::new(
                journal.clone(),
                &accounts,
                Arc::new(TrafficLimits::new(&accounts, database.folder())),
            )),
            keys: keys.clone(),
            accounts: Arc::new(accounts),
            clock: Arc::new(FixedClock::at(noon())),
            body_timeout,
        });
        let shared = state.clone();
        let app = move || {
            let cookies = SessionCookies {
                key: &[1; 64],
                public_url: "http://127.0.0.1:8080",
            };
            App::new()
                .app_data(shared.clone())
                .configure(|config| configure(config, ServedRoutes::All, cookies))
        };
        let server = HttpServer::new(app)
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
        let base = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            base,
            keys,
            journal,
            state,
            server: handle,
            client: bluetick::http_client::builder().build().unwrap(),
            database,
            held: Mutex::new(held),
        }
    }

    /// The address that is shown for an account.
    fn path(&self, name: &str) -> String {
        let generation = if name == "moved" { 3 } else { 1 };
        let token = self.keys.callback_token(&account(name), generation);
        format!("/callbacks/{name}/{token}")
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    async fn post(&self, path: &str, body: &[u8]) -> (u16, String) {
        answer(self.request(Method::POST, path).body(body.to_vec())).await
    }

    /// What is in the journal once it has what is in the spool.
    async fn entries(&self) -> Vec<JournalEntry> {
        let mut held = self.held.lock().await;
        let Some(lock) = held.take() else {
            return self.journal.read_after(0, 10_000, u64::MAX).await.unwrap();
        };
        lock.release().await;
        let mut spool = self.journal.spool();
        // An error says that the writer has ended, so that nothing more comes.
        let _ = spool
            .wait_for(|spool| spool.depth == 0 && !spool.in_use)
            .await;
        let entries = self.journal.read_after(0, 10_000, u64::MAX).await.unwrap();
        assert_eq!(
            spool.borrow().spooled,
            entries.len() as u64,
            "they did not go through the spool"
        );
        *held = Some(self.database.hold_journal().await);
        entries
    }

    async fn bodies(&self) -> Vec<Vec<u8>> {
        let entries = self.entries().await;
        entries.into_iter().map(|entry| entry.record.body).collect()
    }

    /// Sends bytes as they are and reads the status line of whatever comes back.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.base.trim_start_matches("http://"))
            .await
            .unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        let mut buffer = [0; 1024];
        while !reply.windows(2).any(|pair| pair == b"\r\n") {
            let read = stream.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "closed without an answer");
            reply.extend_from_slice(&buffer[..read]);
        }
        let text = String::from_utf8(reply).unwrap();
        text.lines().next().unwrap().to_owned()
    }

    async fn stop(self) -> TestDatabase {
        if let Some(lock) = self.held.lock().await.take() {
            lock.release().await;
        }
        self.server.stop(true).await;
        self.journal.stop().await;
        self.database
    }
}

fn accounts() -> Vec<(AccountId, KnownAccount)> {
    let open = KnownAccount::removed(ProviderId::Sobot, 1);
    let secrets = [PASSWORD, HEADER_VALUE, SIGNING_SECRET, VERIFY_TOKEN];
    let vault = KnownAccount {
        callback_auth: CallbackAuth {
            basic: vec![BasicLogin {
                username: "hook".to_owned(),
                password: Secret::new(PASSWORD),
            }],
            header: vec![HeaderSecret {
                name: "X-Key".to_owned(),
                value: Secret::new(HEADER_VALUE),
            }],
            hmac: Some(HmacSignature {
                header: "X-Hub-Signature-256".to_owned(),
                secrets: vec![Secret::new("rotated"), Secret::new(SIGNING_SECRET)],
            }),
            verify_token: Some(Secret::new(VERIFY_TOKEN)),
        },
        secrets: secrets.map(Secret::new).to_vec(),
        ..open.clone()
    };
    let moved = KnownAccount {
        generation: 3,
        ..open.clone()
    };
    let retired = KnownAccount {
        generation: 2,
        retired: vec![1],
        ..open.clone()
    };
    vec![
        (account("shop"), open.clone()),
        (account("gone"), open),
        (account("vault"), vault),
        (account("moved"), moved),
        (account("retired"), retired),
    ]
}

async fn answer(request: RequestBuilder) -> (u16, String) {
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

fn ok() -> (u16, String) {
    (200, "ok".to_owned())
}

fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING_SECRET.as_bytes()).unwrap();
    mac.update(body);
    let digits: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0x0f])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    format!("sha256={digits}")
}

fn genuine(request: RequestBuilder, body: &[u8]) -> RequestBuilder {
    request
        .basic_auth("hook", Some(PASSWORD))
        .header("x-key", HEADER_VALUE)
        .header("x-hub-signature-256", signature(body))
        .body(body.to_vec())
}

#[rstest]
#[actix_web::test]
async fn bodies_are_kept_byte_for_byte(#[values(Path::Journal, Path::Spool)] way: Path) {
    let receiver = Receiver::start(way).await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(br#"{"status":"delivered"}"#).unwrap();
    let packed = gzip.finish().unwrap();
    let binary: Vec<u8> = (0..=255).rev().collect();
    let full = vec![b'x'; BODY_LIMIT];

    let path = receiver.path("shop");
    let request = receiver
        .request(Method::POST, &path)
        .header("content-encoding", "gzip")
        .header("content-type", "application/json");
    assert_eq!(answer(request.body(packed.clone())).await, ok());
    assert_eq!(receiver.post(&path, &binary).await, ok());
    assert_eq!(receiver.post(&path, &full).await, ok());

    assert_eq!(receiver.bodies().await, [packed, binary, full]);
    let first = receiver.entries().await.remove(0).record;
    assert_eq!(first.header("content-encoding"), Some("gzip"));
    assert_eq!(first.method, "POST");
    assert_eq!(first.remote.as_deref(), Some("127.0.0.1"));
    assert_eq!(first.received_at, noon());
    assert_eq!(first.route, Route::Callback);
}

#[rstest]
#[actix_web::test]
async fn one_byte_over_the_limit_is_refused_however_it_is_sent(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start(way).await;
    let path = receiver.path("shop");
    let announced = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        BODY_LIMIT + 1
    );
    let status = receiver.raw(&announced).await;
    assert!(status.contains(" 413 "), "{status}");
    let chunked = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        BODY_LIMIT + 1,
        "x".repeat(BODY_LIMIT + 1)
    );
    let status = receiver.raw(&chunked).await;
    assert!(status.contains(" 413 "), "{status}");
    assert!(receiver.bodies().await.is_empty());

    let fits = chunked
        .replacen(
            &format!("{:x}", BODY_LIMIT + 1),
            &format!("{BODY_LIMIT:x}"),
            1,
        )
        .replacen("xx", "x", 1);
    let status = receiver.raw(&fits).await;
    assert!(status.contains(" 200 "), "{status}");
    assert_eq!(receiver.bodies().await[0].len(), BODY_LIMIT);
}

#[rstest]
#[actix_web::test]
async fn every_method_and_content_type_is_taken(#[values(Path::Journal, Path::Spool)] way: Path) {
    let receiver = Receiver::start(way).await;
    let path = receiver.path("shop");
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = receiver.request(method, &format!("{path}?id=a%2Bb&status=sent"));
        let (status, _) = answer(request.header("content-type", "application/x-odd")).await;
        assert_eq!(status, 200);
    }
    let entries = receiver.entries().await;
    let methods: Vec<_> = entries
        .iter()
        .map(|entry| entry.record.method.as_str())
        .collect();
    assert_eq!(
        methods,
        ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PROPFIND"]
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry.record.query == "id=a%2Bb&status=sent")
    );
}

#[rstest]
#[actix_web::test]
async fn concurrent_callbacks_are_all_there_after_reopening(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start(way).await;
    let path = receiver.path("shop");
    let bodies: BTreeSet<Vec<u8>> = (0..64)
        .map(|number| format!("body {number}").into_bytes())
        .collect();
    let answers = join_all(bodies.iter().map(|body| receiver.post(&path, body))).await;
    assert!(answers.iter().all(|answer| *answer == ok()));
    let ids: Vec<_> = receiver
        .entries()
        .await
        .iter()
        .map(|entry| entry.record.id)
        .collect();
    let database = receiver.stop().await;

    let journal = Journal::open(database.unmigrated_journal().await)
        .await
        .unwrap();
    let entries = journal.read_after(0, 1000, u64::MAX).await.unwrap();
    assert!(entries.is_sorted_by(|one, next| one.seq < next.seq));
    let kept: BTreeSet<_> = entries
        .iter()
        .map(|entry| entry.record.body.clone())
        .collect();
    assert_eq!((entries.len(), kept), (64, bodies));
    for id in ids {
        assert!(journal.find(id).await.unwrap().is_some());
    }
}

#[rstest]
#[actix_web::test]
async fn an_unknown_account_and_a_wrong_token_look_the_same_and_leave_nothing(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start(way).await;
    let path = receiver.path("shop");
    let token = path.rsplit('/').next().unwrap();
    let longer = format!("{path}A");
    let answers = join_all(
        [
            format!("/callbacks/unknown/{token}"),
            format!("/callbacks/NO%20SLUG/{token}"),
            format!("/callbacks/vault/{token}"),
            path[..path.len() - 1].to_owned(),
            longer,
        ]
        .iter()
        .map(|path| receiver.post(path, b"x")),
    )
    .await;
    for answer in answers {
        assert_eq!(answer, (404, "not found".to_owned()));
    }
    assert!(receiver.bodies().await.is_empty());
}

#[rstest]
#[actix_web::test]
async fn a_wrong_token_is_refused_before_the_body_is_read(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start(way).await;
    let waiting =
        "POST /callbacks/shop/wrong HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n";
    let status = receiver.raw(waiting).await;
    assert!(status.contains(" 404 "), "{status}");
}

#[rstest]
#[actix_web::test]
async fn a_callback_that_proves_its_origin_is_verified_and_its_secrets_are_not_stored(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start(way).await;
    let path = receiver.path("vault");
    let body = "{\"name\":\"Zoë\"}".as_bytes();
    let request = receiver
        .request(Method::POST, &format!("{path}?k={HEADER_VALUE}&x=1"))
        .header("cookie", "session=abc")
        .header("x-original-uri", path.as_str())
        .header("x-note", format!("said {PASSWORD} twice"));
    assert_eq!(answer(genuine(request, body)).await, ok());

    let record = receiver.entries().await.remove(0).record;
    assert_eq!(record.authenticity, Authenticity::Verified);
    assert_eq!(record.query, "k=…&x=1");
    assert_eq!(record.header("x-note"), Some("said … twice"));
    assert_eq!(
        record.header("x-hub-signature-256"),
        Some(signature(body).as_str())
    );
    let stored = format!("{:?} {}", record.headers, record.query);
    let token = path.rsplit('/').next().unwrap();
    for secret in [PASSWORD, HEADER_VALUE, SIGNING_SECRET, "session=abc", token] {
        assert!(!stored.contains(secret), "{secret} is stored");
    }
}

#[rstest]
#[actix_web::test]
async fn a_callback_that_does_not_prove_its_origin_is_kept_aside_and_refused(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start(way).await;
    let path = receiver.path("vault");
    let forged = receiver
        .request(Method::POST, &path)
        .basic_auth("hook", Some(PASSWORD))
        .header("x-key", HEADER_VALUE)
        .header("x-hub-signature-256", signature(b"another body"))
        .body("forged");
    let refused = (401, "unauthorized".to_owned());
    assert_eq!(answer(forged).await, refused);
    assert_eq!(receiver.post(&path, b"bare").await, refused);

    let kept: Vec<_> = receiver
        .entries()
        .await
        .into_iter()
        .map(|entry| (entry.record.body, entry.record.authenticity))
        .collect();
    let because = |reason: &str| Authenticity::Unverified {
        reason: reason.to_owned(),
    };
    assert_eq!(
        kept,
        [
            (
                b"forged".to_vec(),
                because("the signature in `X-Hub-Signature-256` does not match the body")
            ),
            (b"bare".to_vec(), because("no Basic login was presented")),
        ]
    );
}

#[rstest]
#[actix_web::test]
async fn unverified_callbacks_are_kept_up_to_a_thousand_an_hour(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start(way).await;
    let known = accounts()
        .into_iter()
        .find(|(id, _)| *id == account("vault"));
    let (id, known) = known.unwrap();
    let receive = async |now: DateTime<Utc>| {
        let request = RawRequest {
            account: id.clone(),
            route: Route::Callback,
            token: Secret::new("a token of some length"),
            method: "POST".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            remote: None,
            body: b"forged".to_vec(),
        };
        let room = receiver.journal.reserve(6).await.unwrap();
        let ingest = &receiver.state.ingest;
        ingest
            .receive(request, Some(&known), room, now)
            .await
            .unwrap()
    };
    let received = join_all((0..1_100).map(|_| receive(noon()))).await;
    let beyond = received
        .iter()
        .filter(|received| **received == IngestOutcome::OverUnverifiedLimit)
        .count();
    assert_eq!(beyond, 100);
    assert_eq!(receiver.entries().await.len(), 1_000);
    let next_hour = receive(noon() + TimeDelta::hours(1)).await;
    assert!(matches!(next_hour, IngestOutcome::Unverified(_)));
}

#[rstest]
#[actix_web::test]
async fn a_probe_is_answered_and_not_kept(#[values(Path::Journal, Path::Spool)] way: Path) {
    let receiver = Receiver::start(way).await;
    for name in ["shop", "vault"] {
        let path = receiver.path(name);
        assert_eq!(answer(receiver.request(Method::GET, &path)).await, ok());
        let (status, _) = answer(receiver.request(Method::HEAD, &path)).await;
        assert_eq!(status, 200);
    }
    assert!(receiver.bodies().await.is_empty());
    let probes = &receiver.state.ingest.counters().probes;
    assert_eq!(probes.load(std::sync::atomic::Ordering::Relaxed), 4);
    let path = receiver.path("shop");
    let with_body = receiver.request(Method::GET, &path).body("status");
    assert_eq!(answer(with_body).await, ok());
    assert_eq!(receiver.bodies().await, [b"status"]);
}

#[rstest]
#[actix_web::test]
async fn a_handshake_is_answered_with_its_challenge(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start(way).await;
    let ask = async |name: &str, token: &str| {
        let path = format!(
            "{}?hub.mode=subscribe&hub.challenge=%3Cb%3E1158&hub.verify_token={token}",
            receiver.path(name)
        );
        receiver.request(Method::GET, &path).send().await.unwrap()
    };
    let reply = ask("vault", VERIFY_TOKEN).await;
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(reply.headers()["x-content-type-options"], "nosniff");
    assert_eq!(reply.text().await.unwrap(), "<b>1158");
    for (name, token) in [("vault", "another"), ("shop", VERIFY_TOKEN), ("shop", "")] {
        let reply = ask(name, token).await;
        assert_eq!(reply.status(), 403);
        assert_eq!(reply.text().await.unwrap(), "forbidden");
    }
    assert!(receiver.bodies().await.is_empty());
}

#[rstest]
#[actix_web::test]
async fn the_previous_address_works_until_it_is_retired(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start(way).await;
    let address = |name: &str, generation| {
        let token = receiver.keys.callback_token(&account(name), generation);
        format!("/callbacks/{name}/{token}")
    };
    for (name, generation, status) in [
        ("moved", 3, 200),
        ("moved", 2, 200),
        ("moved", 1, 404),
        ("moved", 4, 404),
        ("retired", 2, 200),
        ("retired", 1, 404),
        ("gone", 1, 200),
    ] {
        let (answered, _) = receiver.post(&address(name, generation), b"x").await;
        assert_eq!(answered, status, "{name} {generation}");
    }
    let routes: Vec<_> = receiver
        .entries()
        .await
        .iter()
        .map(|entry| entry.record.route)
        .collect();
    assert_eq!(
        routes,
        [
            Route::Callback,
            Route::OldCallback,
            Route::Callback,
            Route::Callback
        ]
    );
}

#[rstest]
#[actix_web::test]
async fn a_signed_report_address_names_its_message_and_every_changed_character_is_refused(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start(way).await;
    let message = MessageId::new(noon());
    let token = receiver.keys.report_token(&account("vault"), message);
    assert_eq!(
        receiver.post(&format!("/reports/{token}"), b"report").await,
        ok()
    );
    for position in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[position] = if changed[position] == b'A' {
            b'B'
        } else {
            b'A'
        };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(
            receiver.post(&format!("/reports/{changed}"), b"x").await,
            (401, "unauthorized".to_owned()),
            "{position}"
        );
    }
    let entries = receiver.entries().await;
    assert_eq!(entries.len(), 1);
    let record = &entries[0].record;
    assert_eq!(record.route, Route::Report(message));
    assert_eq!(record.account, account("vault"));
    assert_eq!(record.authenticity, Authenticity::Verified);
}

#[rstest]
#[actix_web::test]
async fn a_client_that_never_finishes_its_body_is_disconnected(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start_with(way, Duration::from_millis(50)).await;
    let unfinished = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf",
        receiver.path("shop")
    );
    let status = receiver.raw(&unfinished).await;
    assert!(status.contains(" 408 "), "{status}");
    assert!(receiver.bodies().await.is_empty());
}

#[rstest]
#[actix_web::test]
async fn what_cannot_be_made_durable_is_not_acknowledged(
    #[values(Path::Journal, Path::Spool)] way: Path,
) {
    let receiver = Receiver::start(way).await;
    receiver.journal.stop().await;
    let path = receiver.path("shop");
    assert_eq!(
        receiver.post(&path, b"x").await,
        (503, "unavailable".to_owned())
    );
    let url = format!("{}{path}", receiver.base);
    let reply = receiver.client.post(url).body("x").send().await.unwrap();
    assert_eq!(reply.headers()["retry-after"], "5");
    assert!(receiver.bodies().await.is_empty());
}
