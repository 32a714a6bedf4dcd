//! `bluetick simulate`: the four simulated providers on a socket of their own.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use tokio::sync::watch;
use url::Url;

use crate::domain::provider::ProviderId;
use crate::simulator::event_plan::FIRST_TRY_SEED;
use crate::simulator::fault_rates::UnknownFault;
use crate::simulator::{self, FaultRates, PostFailure, Settings, Simulator};

#[derive(Clone, Debug, clap::Args)]
pub struct SimulateArguments {
    /// Address and port; port 0 takes any free port
    #[arg(long, default_value = "127.0.0.1:9090", value_parser = parse_listen)]
    pub listen: SocketAddr,
    /// The same seed and the same messages give the same outcomes and the same ids: after a restart,
    /// use another seed with the same database. About one message in ten fails
    #[arg(long, default_value_t = FIRST_TRY_SEED)]
    pub seed: u64,
    /// Multiplies every delay; 0 means no delay
    #[arg(long, default_value_t = 1.0, value_parser = parse_pace)]
    pub pace: f64,
    /// Faults to inject, separated by commas, or `all`: duplicate, reorder, delay, drop, batch, corrupt, orphan-first,
    /// skewed-clocks, missing-timestamps, unknown-words, failed-after-delivered, delivered-after-failed
    ///
    /// duplicate posts a callback two to four times, delay posts it much later, drop never; batch combines neighbouring
    /// statuses of a message in one callback; corrupt truncates a body; orphan-first posts the first callback before the
    /// reply to the send request; skewed-clocks makes a timestamp wrong by hours or decades; unknown-words adds a status
    /// that no provider documents; failed-after-delivered and delivered-after-failed contradict an earlier report.
    #[arg(long, value_delimiter = ',')]
    pub chaos: Vec<String>,
    /// Write the expected state of every message to this file, one JSON object per line
    #[arg(long)]
    pub oracle: Option<PathBuf>,
    /// URL for Sobot's callbacks
    #[arg(long, value_name = "URL", value_parser = parse_callback_url)]
    pub sobot_callback: Option<String>,
    /// URL for Kaleyra's callbacks
    #[arg(long, value_name = "URL", value_parser = parse_callback_url)]
    pub kaleyra_callback: Option<String>,
    /// URL for Zixflow's inbound messages; its status callbacks go to each message's reportURL
    #[arg(long, value_name = "URL", value_parser = parse_callback_url)]
    pub zixflow_callback: Option<String>,
    /// URL for LancePilot's callbacks
    #[arg(long, value_name = "URL", value_parser = parse_callback_url)]
    pub lancepilot_callback: Option<String>,
    /// Sobot's x-api-key
    #[arg(long, default_value = "sobot-key")]
    pub sobot_api_key: String,
    /// Sobot's x-api-secret
    #[arg(long, default_value = "sobot-secret")]
    pub sobot_api_secret: String,
    /// Kaleyra's SID
    #[arg(long, default_value = "HXAP1700000000IN")]
    pub kaleyra_sid: String,
    /// Kaleyra's api-key
    #[arg(long, default_value = "kaleyra-key")]
    pub kaleyra_api_key: String,
    /// Kaleyra's sender numbers, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "+919000000002")]
    pub kaleyra_sender: Vec<String>,
    /// Zixflow's bearer token
    #[arg(long, default_value = "zixflow-token")]
    pub zixflow_token: String,
    /// Zixflow's phoneId
    #[arg(long, default_value = "104898309288001")]
    pub zixflow_phone_id: String,
    /// LancePilot's bearer token
    #[arg(long, default_value = "lancepilot-token")]
    pub lancepilot_token: String,
    /// LancePilot's workspace
    #[arg(long, default_value = "9c0e1b1e-0000-4000-8000-00000000000a")]
    pub lancepilot_workspace: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error(transparent)]
    FaultRates(#[from] UnknownFault),
    #[error("cannot listen on {address}: {source}; name another address with --listen")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(transparent)]
    Simulator(#[from] simulator::SimulatorError),
    #[error("signal handling or standard output failed: {0}")]
    System(#[from] io::Error),
}

/// Runs until SIGTERM or Ctrl-C, then posts queued callbacks for a few seconds, discards the rest, and writes the
/// oracle file.
pub async fn run(arguments: SimulateArguments) -> Result<(), SimulateError> {
    let listener = open_listener(arguments.listen).map_err(|source| SimulateError::Listen {
        address: arguments.listen,
        source,
    })?;
    // Registered before the line below is printed: a caller may send the signal as soon as it reads
    // it.
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    // Zixflow posts to the URL in each message.
    let callback_urls = [
        (ProviderId::Sobot, &arguments.sobot_callback),
        (ProviderId::Kaleyra, &arguments.kaleyra_callback),
        (ProviderId::LancePilot, &arguments.lancepilot_callback),
    ];
    let without_url = callback_urls.map(|(provider, url)| url.is_none().then_some(provider));
    let handle = Simulator::start(settings(arguments)?, listener)?;
    let mut lines = vec![format!("listening on http://{}\n", handle.address())];
    lines.extend(without_url.into_iter().flatten().map(|provider| {
        format!("callbacks of {provider} are not posted; add --{provider}-callback URL\n")
    }));
    // At once: a caller may close the pipe after the first line.
    io::stdout().write_all(lines.concat().as_bytes())?;
    io::stdout().flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        () = print_failures(handle.post_failures()) => {}
    }
    handle.stop().await?;
    Ok(())
}

/// Prints the first failure of each provider to standard error.
async fn print_failures(mut failures: watch::Receiver<Vec<PostFailure>>) {
    let mut printed = 0;
    loop {
        let all = failures.borrow_and_update().clone();
        for failure in all.iter().skip(printed) {
            let PostFailure { provider, .. } = failure;
            let option = match provider {
                // Its status callbacks go to each message's reportURL.
                ProviderId::Zixflow => "the reportURL of its messages".to_owned(),
                _ => format!("--{provider}-callback"),
            };
            // A closed standard error does not stop the simulator.
            let _ = writeln!(io::stderr(), "{failure}; check {option}");
        }
        printed = all.len();
        if failures.changed().await.is_err() {
            return;
        }
    }
}

/// The inherited socket (systemd's `LISTEN_FDS`) if there is one, else a new one.
fn open_listener(address: SocketAddr) -> io::Result<TcpListener> {
    match listenfd::ListenFd::from_env().take_tcp_listener(0)? {
        Some(inherited) => Ok(inherited),
        None => TcpListener::bind(address),
    }
}

fn settings(arguments: SimulateArguments) -> Result<Settings, UnknownFault> {
    let mut settings = Settings {
        seed: arguments.seed,
        pace: arguments.pace,
        oracle: arguments.oracle,
        remembered_requests: 0,
        faults: FaultRates::none(),
        ..Settings::default()
    };
    for switch in &arguments.chaos {
        settings.faults.enable(switch)?;
    }
    let targets = [
        (ProviderId::Sobot, arguments.sobot_callback),
        (ProviderId::Kaleyra, arguments.kaleyra_callback),
        (ProviderId::Zixflow, arguments.zixflow_callback),
        (ProviderId::LancePilot, arguments.lancepilot_callback),
    ];
    for (provider, url) in targets {
        if let Some(url) = url {
            settings.targets = settings.targets.with(provider, url);
        }
    }
    settings.sobot.api_key = arguments.sobot_api_key;
    settings.sobot.api_secret = arguments.sobot_api_secret;
    settings.kaleyra.sid = arguments.kaleyra_sid;
    settings.kaleyra.api_key = arguments.kaleyra_api_key;
    settings.kaleyra.senders = arguments.kaleyra_sender;
    settings.zixflow.token = arguments.zixflow_token;
    settings.zixflow.phone_id = arguments.zixflow_phone_id;
    settings.lancepilot.token = arguments.lancepilot_token;
    settings.lancepilot.workspace = arguments.lancepilot_workspace;
    Ok(settings)
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse();
    address.map_err(|_| "write address and port, such as 127.0.0.1:9090".to_owned())
}

fn parse_callback_url(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.to_owned()),
        _ => Err("write an http or https URL, such as the page /accounts shows".to_owned()),
    }
}

fn parse_pace(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(pace) if (0.0..=1_000.0).contains(&pace) => Ok(pace),
        _ => Err("use a number from 0 to 1000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct TestCommandLine {
        #[command(flatten)]
        arguments: SimulateArguments,
    }

    fn parse(line: &[&str]) -> Result<SimulateArguments, clap::Error> {
        TestCommandLine::try_parse_from([&["simulate"], line].concat()).map(|line| line.arguments)
    }

    #[test]
    fn default_keys_are_those_of_the_simulator() {
        let settings = settings(parse(&[]).unwrap()).unwrap();
        let defaults = Settings::default();
        assert_eq!(settings.sobot, defaults.sobot);
        assert_eq!(settings.kaleyra, defaults.kaleyra);
        assert_eq!(settings.zixflow, defaults.zixflow);
        assert_eq!(settings.lancepilot, defaults.lancepilot);
        assert_eq!(settings.faults, FaultRates::none());
    }

    #[test]
    fn faults_and_targets_are_applied() {
        let line = [
            "--chaos",
            "drop,batch",
            "--sobot-callback",
            "http://127.0.0.1:1/x",
        ];
        let settings = settings(parse(&line).unwrap()).unwrap();
        assert!(settings.faults.drop > 0.0 && settings.faults.batch > 0.0);
        let target = settings.targets.find(ProviderId::Sobot).unwrap();
        assert_eq!(target.url, "http://127.0.0.1:1/x");
        assert!(settings.targets.find(ProviderId::Kaleyra).is_none());
    }

    #[test]
    fn an_address_without_port_or_host_is_rejected_with_an_example() {
        for (line, expected) in [
            (
                ["--listen", "9090"],
                "write address and port, such as 127.0.0.1:9090",
            ),
            (
                ["--listen", "127.0.0.1"],
                "write address and port, such as 127.0.0.1:9090",
            ),
            (
                ["--kaleyra-callback", "hooks"],
                "write an http or https URL",
            ),
            (
                ["--sobot-callback", "ftp://x/y"],
                "write an http or https URL",
            ),
        ] {
            let error = parse(&line).unwrap_err().to_string();
            assert!(
                error.contains(expected) && error.contains(line[0]),
                "{error}"
            );
        }
    }

    #[test]
    fn an_unknown_fault_and_a_negative_pace_are_rejected() {
        assert!(settings(parse(&["--chaos", "havoc"]).unwrap()).is_err());
        assert!(parse(&["--pace=-1"]).is_err());
    }
}
