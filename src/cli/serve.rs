//! `bluetick serve`: API, callbacks, dashboard and background jobs, until a signal stops it.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use crate::app::{self, RunningProcess, RunningServers, StartingProcess};
use crate::cli::command_error::CommandError;
use crate::cli::user::create_sign_in_link;
use crate::config::{Config, process_environment};
use crate::data_dir;
use crate::db::private_file::create_private_file;
use crate::domain::clock::SystemClock;
use crate::operating::upgrade::LockWait;
use crate::services::Services;
use crate::web::listener::{self, Listeners};
use crate::web::{open_files, server};

pub fn run(path: Option<&Path>) -> Result<(), CommandError> {
    let config = Config::load(path, &process_environment())?;
    open_files::require_enough()?;
    server::block_on(serve(config))
}

async fn serve(mut config: Config) -> Result<(), CommandError> {
    let listeners = listener::open(&config.listen, config.callback_listen.as_deref())
        .map_err(|error| error.to_string())?;
    let address = listeners.main.socket.local_addr()?;
    let callbacks = listeners.callbacks.as_ref();
    let callback_address = callbacks
        .map(|listener| listener.socket.local_addr())
        .transpose()?;
    config.public_url = config.public_url_at(address);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    if let Some(schedule) = &config.backup
        && let Err(error) = data_dir::check_usable(&schedule.directory)
    {
        // Callbacks are received even while the backup disk is not mounted.
        tracing::error!("backup.directory: {error}; no backups are made until it can be used");
    }
    // Held until the process has stopped.
    let _serve_lock = app::claim_serve_lock(&config, listeners.main.owner).await?;
    let starting = StartingProcess::open(config, Arc::new(SystemClock)).await?;
    let Some((running, sign_in_link)) = Box::pin(start(listeners, starting)).await? else {
        return Ok(());
    };
    let mut lines = format!("listening on http://{address}\n");
    if let Some(address) = callback_address {
        lines.push_str("listening for callbacks on http://");
        lines.push_str(&address.to_string());
        lines.push('\n');
    }
    if let Some(link) = sign_in_link {
        lines.push_str("sign-in link (valid once, for 15 minutes): ");
        lines.push_str(&link);
        lines.push('\n');
    }
    announce(lines);
    Ok(running.run_until_stopped().await?)
}

/// Starts the process. Callbacks are received even while the main database is migrated; returns
/// `None` if a signal arrives during that time.
async fn start(
    listeners: Listeners,
    starting: StartingProcess,
) -> Result<Option<(RunningProcess, Option<String>)>, CommandError> {
    if !starting.needs_upgrade() {
        let services = starting.finish(LockWait::Brief).await?;
        let sign_in_link = create_sign_in_link_until_used(&services).await?;
        return Ok(Some((app::start(listeners, services)?, sign_in_link)));
    }
    let (receiving, progress) = (starting.receiving.clone(), starting.progress.clone());
    let servers = RunningServers::receive(listeners, receiving, progress)?;
    let finish = async {
        let services = starting.finish(LockWait::UntilFree).await?;
        let sign_in_link = create_sign_in_link_until_used(&services).await?;
        Ok::<_, CommandError>((services, sign_in_link))
    };
    let opened = Box::pin(servers.receive_while(finish)).await?;
    Ok(opened.map(|(servers, (services, sign_in_link))| (servers.run(services), sign_in_link)))
}

/// Until the first sign-in, every start creates a one-time link. It is returned if stdout is a
/// terminal; otherwise it is written to a file with mode 0600, and the result is `None`. After the
/// first sign-in the next start removes the file.
async fn create_sign_in_link_until_used(
    services: &Services,
) -> Result<Option<String>, CommandError> {
    let file = services.config.data_dir.join("sign-in-link");
    if services.store.has_signed_in().await? {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, file = %file.display(), "the used sign-in link cannot be removed");
            }
            _ => {}
        }
        return Ok(None);
    }
    let link = create_sign_in_link(
        &services.config.public_url,
        &services.store,
        services.clock.now(),
    )
    .await?;
    if std::io::stdout().is_terminal() {
        return Ok(Some(link));
    }
    create_private_file(&file)?;
    std::fs::write(&file, format!("{link}\n"))?;
    tracing::info!(file = %file.display(), "no one has signed in yet; the file holds a one-time sign-in link");
    Ok(None)
}

/// Prints lines that other programs wait for. A stdout that is full or closed, or that no process
/// reads, neither stops nor delays this process.
pub(crate) fn announce(lines: String) {
    let print = move || {
        let mut out = std::io::stdout().lock();
        let printed = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
        if let Err(error) = printed {
            tracing::warn!(%error, "cannot print the listening address to stdout");
        }
    };
    if let Err(error) = std::thread::Builder::new().spawn(print) {
        tracing::warn!(%error, "cannot start the thread that prints the listening address");
    }
}
