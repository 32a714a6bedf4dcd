//! `bluetick demo`: `serve` on a temporary database, with four simulated providers and generated
//! traffic.
//!
//! Ignores configuration file and environment, listens on 127.0.0.1 only, and deletes its data at
//! the end.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::app::signals::Signals;
use crate::cli::command_error::CommandError;
use crate::cli::demo_history;
use crate::cli::serve::announce;
use crate::config::{Config, account_with_defaults};
use crate::domain::clock::SystemClock;
use crate::domain::ids::AccountId;
use crate::domain::provider_account::{Account, Credentials, KaleyraRegion, Preflight};
use crate::domain::scope::{Scope, Scopes};
use crate::domain::secret::Secret;
use crate::services::Services;
use crate::simulator::demo_traffic::{Traffic, TrafficAccount};
use crate::simulator::{CallbackTargets, Settings, Simulator};
use crate::store::api_tokens::TokenCreation;
use crate::web::listener::{Listener, Listeners, SocketOwner};
use crate::web::{open_files, server};

/// With this seed the first two dozen messages reach every ordinary outcome, failures included.
const SEED: u64 = 8;
/// Charges of WhatsApp for marketing messages, for deliveries without a reported price.
const RATES: &str = "valid_from,account,country,category,amount,currency
2025-01-01,*,IN,*,0.7846,INR
2025-01-01,*,BR,*,0.0625,USD
2025-01-01,*,GB,*,0.0529,USD
";
/// Tried first unless a port is given; if it is in use, any free port.
const PORT: u16 = 8080;

#[derive(Args, Debug, Default)]
pub struct DemoArguments {
    /// Fill the database with this many past days first, such as 30d
    #[arg(long, value_name = "DAYS", value_parser = demo_history::parse_days)]
    pub history: Option<i64>,
    /// Listen on this port of 127.0.0.1; without it on 8080, or a free one if that is in use.
    /// The configuration, environment variables included, is ignored
    #[arg(long)]
    pub port: Option<u16>,
}

pub fn run(arguments: &DemoArguments) -> Result<(), CommandError> {
    open_files::require_enough()?;
    server::block_on(run_demo(arguments.history, arguments.port))
}

async fn run_demo(history: Option<i64>, port: Option<u16>) -> Result<(), CommandError> {
    let folder = tempfile::Builder::new()
        .prefix("bluetick-demo-")
        .tempdir()?;
    let listener = match port {
        Some(port) => TcpListener::bind(("127.0.0.1", port)).map_err(|error| {
            format!("cannot listen on port {port}: {error}; name another with --port")
        })?,
        None => TcpListener::bind(("127.0.0.1", PORT))
            .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?,
    };
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let settings = Settings {
        seed: SEED,
        ..Settings::default()
    };
    let simulated = TcpListener::bind(("127.0.0.1", 0))?;
    let accounts = accounts(&settings, &format!("http://{}", simulated.local_addr()?))?;
    let simulator = Simulator::start(settings.clone(), simulated)?;

    let mut config = Config::in_folder(folder.path().to_path_buf());
    config.listen = address.to_string();
    config.public_url = format!("http://{address}");
    config.accounts = accounts;
    // Outside the data folder, which must be empty at the first start.
    let mut rates = tempfile::Builder::new()
        .prefix("bluetick-demo-")
        .suffix(".csv")
        .tempfile()?;
    rates.write_all(RATES.as_bytes())?;
    config.rates_file = Some(rates.path().to_path_buf());
    let _serve_lock = app::claim_serve_lock(&config, SocketOwner::ThisProcess).await?;
    let services = app::open(config, Arc::new(SystemClock)).await?;
    if let Some(days) = history {
        let mut signals = Signals::catch()?;
        tokio::select! {
            filled = demo_history::fill(&services, settings, days, services.clock.now()) => {
                filled?;
            }
            // The temporary files are removed on return.
            () = signals.received() => return Ok(simulator.stop().await?),
        }
    }
    simulator.set_targets(targets(&services));
    let main = Listener {
        socket: listener,
        owner: SocketOwner::ThisProcess,
    };
    let listeners = Listeners {
        main,
        callbacks: None,
    };
    let running = app::start(listeners, services.clone())?;
    let stop = CancellationToken::new();
    let traffic = tokio::spawn(traffic(&services).await?.run(stop.clone()));

    let link = services
        .store
        .create_sign_in_link(services.clock.now())
        .await?;
    // The demo often runs before the program is installed.
    let program = std::env::current_exe().unwrap_or_else(|_| "bluetick".into());
    announce(format!(
        "listening on http://{address}\n\
         four simulated providers; Ctrl-C stops the demo and deletes its data\n\
         sign-in link (valid once, for 15 minutes): http://{address}/login?token={}\n\
         another sign-in link, in another terminal: BLUETICK_CONFIG=/dev/null BLUETICK_DATA_DIR={} BLUETICK_PUBLIC_URL=http://{address} {} user sign-in-link\n",
        link.expose(),
        folder.path().display(),
        program.display()
    ));
    let ended = running.run_until_stopped().await;
    stop.cancel();
    if let Ok(Err(error)) = traffic.await {
        tracing::warn!(error = %error.without_url(), "the demo's traffic ended early");
    }
    simulator.stop().await?;
    Ok(ended?)
}

/// One account per provider, with the credentials that the simulator accepts.
fn accounts(settings: &Settings, base_url: &str) -> Result<Vec<Account>, CommandError> {
    let account = |id: &str, credentials, sender: &str| -> Result<Account, CommandError> {
        let id: AccountId = id.parse()?;
        Ok(Account {
            base_url: Some(base_url.to_owned()),
            senders: vec![sender.to_owned()],
            // The hosts of the demo's media do not exist.
            preflight: Preflight::Off,
            ..account_with_defaults(id, credentials)
        })
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
    let kaleyra_sender = settings
        .kaleyra
        .senders
        .first()
        .map_or("+919000000002", String::as_str);
    Ok(vec![
        account("sobot-main", sobot, "+919000000001")?,
        account("kaleyra-in", kaleyra, kaleyra_sender)?,
        account("zixflow-main", zixflow, "+919000000003")?,
        account("lancepilot-br", lancepilot, "+5511900000004")?,
    ])
}

fn targets(services: &Services) -> CallbackTargets {
    services
        .accounts
        .values()
        .fold(CallbackTargets::default(), |targets, account| {
            targets.with(
                account.provider(),
                services.callback_url(&account.id, account.callback_generation),
            )
        })
}

async fn traffic(services: &Services) -> Result<Traffic, CommandError> {
    let scopes = Scopes::new(&[Scope::Send]);
    let created = services
        .store
        .create_token("demo traffic", &scopes, services.clock.now())
        .await?;
    let TokenCreation::Created(_, token) = created else {
        return Err("the demo's database is not new".into());
    };
    let accounts = services
        .accounts
        .values()
        .map(|account| TrafficAccount {
            id: account.id.to_string(),
            provider: account.provider(),
        })
        .collect();
    Ok(Traffic::new(
        services.config.public_url.clone(),
        token.expose().to_owned(),
        accounts,
    ))
}
