//! The whole program for a test: a real server on a free port, a fresh database, a fixed clock, four simulated providers.
//!
//! No background jobs run: [`App::run_jobs_until_idle`] runs them in steps, so that tests never wait.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use bluetick::app;
use bluetick::config::{Config, account_with_defaults};
use bluetick::domain::clock::{Clock, FixedClock};
use bluetick::domain::ids::AccountId;
use bluetick::domain::provider::ProviderId;
use bluetick::domain::provider_account::{Account, Credentials, KaleyraRegion, Preflight};
use bluetick::domain::scope::{Scope, Scopes};
use bluetick::domain::secret::Secret;
use bluetick::receiving::reconcile::ReconcileStep;
use bluetick::sending::campaign::SenderStep;
use bluetick::services::Services;
use bluetick::simulator::{
    CallbackRelease, CallbackTargets, ForcedReply, PlannedOutcome, ReceivedRequest, Settings,
    Simulator, SimulatorHandle,
};
use bluetick::store::api_tokens::TokenCreation;
use bluetick::web::connections::Connections;
use bluetick::web::server::{self, ServerSettings};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::harness::database::TestDatabase;
use crate::harness::recount::assert_counts_match_recount;

/// One account of each provider.
pub(crate) const SOBOT: &str = "sobot-main";
pub(crate) const KALEYRA: &str = "kaleyra-in";
pub(crate) const ZIXFLOW: &str = "zixflow-main";
pub(crate) const LANCEPILOT: &str = "lancepilot-br";
pub(crate) const ACCOUNTS: [&str; 4] = [SOBOT, KALEYRA, ZIXFLOW, LANCEPILOT];
/// The recipient where it does not matter.
pub(crate) const CUSTOMER: &str = "+44 7700 900123";

/// The time at which every clock starts.
pub(crate) fn noon() -> DateTime<Utc> {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// A status and a JSON body; null if the body is not JSON.
pub(crate) type Reply = (u16, Value);

/// A running program with its database and simulated providers.
pub(crate) struct App {
    pub(crate) services: Services,
    pub(crate) simulator: SimulatorHandle,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) client: Client,
    pub(crate) database: TestDatabase,
    tokens: BTreeMap<&'static str, String>,
    server: ServerHandle,
}

/// The program with the usual settings.
pub(crate) async fn start_app() -> App {
    start_app_with(|_, _| {}).await
}

/// The program with changed settings of the simulator and changed accounts.
pub(crate) async fn start_app_with(change: impl FnOnce(&mut Settings, &mut Vec<Account>)) -> App {
    Box::pin(start_app_configured(|settings, config| {
        change(settings, &mut config.accounts);
    }))
    .await
}

/// The program with changed settings of the simulator and a changed configuration.
pub(crate) async fn start_app_configured(change: impl FnOnce(&mut Settings, &mut Config)) -> App {
    let database = TestDatabase::new().await;
    let clock = Arc::new(FixedClock::at(noon()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let simulated = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = Settings {
        release: CallbackRelease::Manual,
        pace: 0.0,
        outcome: Some(PlannedOutcome::Read),
        customer_reply_share: 0.0,
        clock: clock.clone(),
        ..Settings::default()
    };
    settings.zixflow.reply_without_id_share = 0.0;
    settings.kaleyra.not_sent_share = 0.0;
    let base = format!("http://{}", simulated.local_addr().unwrap());
    let mut config = Config::in_folder(database.folder().to_path_buf());
    config.database_url = database.url_without_tls();
    config.secret_key = Some(Secret::new("s".repeat(32)));
    config.accounts = accounts(&settings, &base);
    config.media_networks = vec!["127.0.0.1/32".parse().unwrap()];
    change(&mut settings, &mut config);
    let simulator = Simulator::start(settings, simulated).unwrap();
    let (services, server) = serve(config, listener, clock.clone()).await;
    let mut tokens = BTreeMap::new();
    for scope in Scope::ALL {
        let scopes = Scopes::new(&[scope]);
        let created = services
            .store
            .create_token(scope.as_str(), &scopes, noon())
            .await
            .unwrap();
        let TokenCreation::Created(_, text) = created else {
            panic!("the database is new");
        };
        tokens.insert(scope.as_str(), text.expose().to_owned());
    }
    let app = App {
        services,
        simulator,
        clock,
        client: bluetick::http_client::builder().build().unwrap(),
        database,
        tokens,
        server,
    };
    app.set_callback_targets();
    app
}

async fn serve(
    mut config: Config,
    listener: TcpListener,
    clock: Arc<FixedClock>,
) -> (Services, ServerHandle) {
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    config.listen = address.to_string();
    config.public_url = format!("http://{address}");
    let services = Box::pin(app::open(config, clock)).await.unwrap();
    let settings = ServerSettings::default();
    let open = Connections::default();
    let server = server::start(listener, services.clone(), &open, settings).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    (services, handle)
}

fn accounts(settings: &Settings, base_url: &str) -> Vec<Account> {
    let account = |id: &str, sender: &str, credentials| Account {
        base_url: Some(base_url.to_owned()),
        senders: vec![sender.to_owned()],
        // The hosts of the tests' media do not exist.
        preflight: Preflight::Off,
        ..account_with_defaults(id.parse().unwrap(), credentials)
    };
    let sobot = Credentials::Sobot {
        api_key: Secret::new(&settings.sobot.api_key),
        api_secret: Secret::new(&settings.sobot.api_secret),
    };
    let kaleyra = Credentials::Kaleyra {
        region: Some(KaleyraRegion::India),
        sid: settings.kaleyra.sid.clone(),
        api_key: Secret::new(&settings.kaleyra.api_key),
    };
    let zixflow = Credentials::Zixflow {
        token: Secret::new(&settings.zixflow.token),
        phone_id: settings.zixflow.phone_id.clone(),
    };
    let lancepilot = Credentials::LancePilot {
        token: Secret::new(&settings.lancepilot.token),
        workspace: settings.lancepilot.workspace.clone(),
    };
    vec![
        account(SOBOT, "+919000000001", sobot),
        account(KALEYRA, "+919000000002", kaleyra),
        account(ZIXFLOW, "+919000000003", zixflow),
        account(LANCEPILOT, "+5511900000004", lancepilot),
    ]
}

/// The provider of a test account.
pub(crate) fn provider_of(account: &str) -> ProviderId {
    account.split('-').next().unwrap().parse().unwrap()
}

/// A complete message of a kind, to [`CUSTOMER`].
pub(crate) fn message(account: &str, kind: &str) -> Value {
    let file = if kind == "image" { "a.jpg" } else { "a.mp4" };
    json!({
        "account": account,
        "to": CUSTOMER,
        "name": "Ines Moreau",
        "kind": kind,
        "media": { "url": format!("https://media.example.com/{file}") },
        "caption": "Your order is on its way",
    })
}

/// A complete image message to a customer.
pub(crate) fn image_to(account: &str, to: &str) -> Value {
    let mut message = message(account, "image");
    message["to"] = json!(to);
    message
}

impl App {
    // --- API calls ---------------------------------------------------

    /// Sends an image to [`CUSTOMER`] and returns the message's id.
    pub(crate) async fn send_image(&self, account: &str) -> String {
        self.send(&message(account, "image")).await
    }

    /// Sends a video to [`CUSTOMER`] and returns the message's id.
    pub(crate) async fn send_video(&self, account: &str) -> String {
        self.send(&message(account, "video")).await
    }

    /// Sends a message that must be accepted and returns its id.
    pub(crate) async fn send(&self, body: &Value) -> String {
        let (status, reply) = self.post_json("/api/v1/messages", body).await;
        assert_eq!(status, 202, "{reply}");
        reply["id"].as_str().unwrap().to_owned()
    }

    /// POSTs JSON with the scope `admin`.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Reply {
        read(self.request("POST", path).json(body)).await
    }

    /// POSTs without a body, with the scope `admin`.
    pub(crate) async fn post(&self, path: &str) -> Reply {
        read(self.request("POST", path)).await
    }

    /// GETs with the scope `admin`.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        read(self.request("GET", path)).await
    }

    /// GETs JSON; the status must be 200.
    pub(crate) async fn get_ok(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// A request with the scope `admin`.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.request_as(Scope::Admin, method, path)
    }

    /// A request with this scope.
    pub(crate) fn request_as(&self, scope: Scope, method: &str, path: &str) -> RequestBuilder {
        self.client
            .request(method.parse().unwrap(), self.url(path))
            .bearer_auth(&self.tokens[scope.as_str()])
    }

    /// The token of a scope.
    pub(crate) fn token(&self, scope: Scope) -> &str {
        &self.tokens[scope.as_str()]
    }

    /// The complete URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.services.config.public_url)
    }

    /// One message as the API shows it with the scope `admin`.
    pub(crate) async fn message(&self, id: &str) -> Value {
        self.get_ok(&format!("/api/v1/messages/{id}")).await
    }

    /// The state of one message.
    pub(crate) async fn state(&self, id: &str) -> String {
        self.message(id).await["state"].as_str().unwrap().to_owned()
    }

    /// The orphans.
    pub(crate) async fn orphans(&self) -> Vec<Value> {
        let list = self.get_ok("/api/v1/orphans").await;
        list["data"].as_array().unwrap().clone()
    }

    /// The callbacks, newest first.
    pub(crate) async fn callbacks(&self) -> Vec<Value> {
        let list = self.get_ok("/api/v1/callbacks").await;
        list["data"].as_array().unwrap().clone()
    }

    /// The alarms without `disk_low`, which depends on the machine.
    pub(crate) async fn alarms(&self) -> Vec<Value> {
        let problems = self.get_ok("/api/v1/problems").await;
        let mut alarms = problems["alarms"].as_array().unwrap().clone();
        alarms.retain(|alarm| alarm["alarm"] != "disk_low");
        alarms
    }

    // --- Providers -------------------------------------------------

    /// The callback URL of an account.
    pub(crate) fn callback_url(&self, account: &str) -> String {
        let id: AccountId = account.parse().unwrap();
        let generation = self.services.accounts[&id].callback_generation;
        self.services.callback_url(&id, generation)
    }

    /// Posts a callback as JSON; it must be accepted.
    pub(crate) async fn deliver_callback(&self, account: &str, body: &Value) {
        let url = self.callback_url(account);
        let reply = self.client.post(url).json(body).send().await.unwrap();
        assert_eq!(reply.status(), 200);
    }

    /// Posts all of the simulator's queued callbacks, then runs the jobs.
    pub(crate) async fn deliver_simulated(&self) {
        self.simulator.deliver_all().await;
        self.run_jobs_until_idle().await;
    }

    /// Forces the reply to the next request to an account's provider.
    pub(crate) fn force(&self, account: &str, reply: ForcedReply) {
        self.simulator.force(provider_of(account), reply);
    }

    /// Requests that the provider of an account has received.
    pub(crate) fn received(&self, account: &str) -> Vec<ReceivedRequest> {
        let provider = provider_of(account);
        let all = self.simulator.received().into_iter();
        all.filter(|request| request.provider == provider).collect()
    }

    // --- Time and jobs -------------------------------------------------------

    /// Moves the clock.
    pub(crate) fn advance(&self, step: TimeDelta) {
        self.clock.advance(step);
    }

    /// The clock.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Submits, applies callbacks, sweeps and adopts until nothing is left to submit or apply.
    pub(crate) async fn run_jobs_until_idle(&self) {
        loop {
            self.advance_campaigns().await;
            let claimed = self.services.dispatcher.claim_due().await.unwrap();
            let submitted = claimed.len();
            for work in claimed {
                self.services.dispatcher.submit(work).await;
            }
            let applied = self.apply_callbacks().await;
            self.services.dispatcher.sweep().await.unwrap();
            self.services.reconciler.adopt().await.unwrap();
            if submitted == 0 && applied == 0 {
                return;
            }
        }
    }

    /// Advances campaigns until they wait for the queue or the clock.
    pub(crate) async fn advance_campaigns(&self) {
        let sender = &self.services.campaign_sender;
        while sender.step(self.now()).await.unwrap() == SenderStep::Busy {}
    }

    /// Applies one batch of callbacks from the journal; returns their number.
    pub(crate) async fn apply_callbacks(&self) -> usize {
        match self.services.reconciler.step().await.unwrap() {
            ReconcileStep::Applied { callbacks, .. } => callbacks,
            ReconcileStep::LeaseHeldElsewhere => panic!("another process holds the lease"),
        }
    }

    /// Replaces the process by another on the same database, with the same configuration and another port.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// The same with changed accounts.
    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut Vec<Account>)) -> Self {
        let mut config = (*self.services.config).clone();
        change(&mut config.accounts);
        self.server.stop(false).await;
        app::close(self.services).await;
        // The old process did not release its leases.
        self.clock.advance(TimeDelta::seconds(31));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (services, server) = serve(config, listener, self.clock.clone()).await;
        let app = Self {
            services,
            server,
            ..self
        };
        app.set_callback_targets();
        app
    }

    fn set_callback_targets(&self) {
        let is_configured = |account: &&&str| {
            let id: AccountId = account.parse().unwrap();
            self.services.accounts.contains_key(&id)
        };
        let targets = ACCOUNTS
            .iter()
            .filter(is_configured)
            .fold(CallbackTargets::default(), |targets, account| {
                targets.with(provider_of(account), self.callback_url(account))
            });
        self.simulator.set_targets(targets);
    }

    // --- Shutdown -------------------------------------------------------------

    /// Checks the count tables, then stops everything.
    pub(crate) async fn finish(self) {
        self.check_counts().await;
        self.stop().await;
    }

    /// Stops everything without that check, for tests that purge messages: their counts are kept.
    pub(crate) async fn stop(self) {
        self.server.stop(false).await;
        app::close(self.services).await;
        self.simulator.stop().await.unwrap();
    }

    /// The counts equal a recount of the messages.
    async fn check_counts(&self) {
        let recounted = assert_counts_match_recount(&self.database).await;
        let counts = self
            .services
            .store
            .count_messages(DateTime::UNIX_EPOCH)
            .await
            .unwrap();
        let sum: i64 = counts
            .sent
            .values()
            .chain(counts.observed.values())
            .chain(counts.dry_run.values())
            .flat_map(BTreeMap::values)
            .sum();
        assert_eq!(sum, recounted);
    }
}

/// Sends a request and reads status and JSON.
pub(crate) async fn read(request: RequestBuilder) -> Reply {
    read_response(request.send().await.unwrap()).await
}

/// Reads status and JSON.
pub(crate) async fn read_response(response: Response) -> Reply {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}
