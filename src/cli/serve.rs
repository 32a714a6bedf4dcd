//! `bluetick serve`: API, callbacks, dashboard and workers until a signal ends it.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use crate::app;
use crate::cli::Failure;
use crate::cli::user::make_sign_in_link;
use crate::config::{Config, process_environment};
use crate::db::connection::make_private_file;
use crate::domain::clock::SystemClock;
use crate::services::Services;
use crate::web::server;

/// Serves what the configuration says.
pub fn run(path: Option<&Path>) -> Result<(), Failure> {
    let config = Config::load(path, &process_environment())?;
    server::block_on(serve(config))
}

async fn serve(mut config: Config) -> Result<(), Failure> {
    let listener = server::listener(&config.listen)
        .map_err(|error| format!("listen {}: {error}", config.listen))?;
    let address = listener.socket.local_addr()?;
    config.public_url = config.public_url_at(address);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    // Held to the end of the process's work.
    let _serving = app::claim_serving(&config, listener.owner).await?;
    let services = app::open(config, Arc::new(SystemClock)).await?;
    let invitation = invite(&services).await?;
    let running = app::start(listener, services)?;
    announce(&format!("listening on http://{address}"))?;
    if let Some(link) = invitation {
        announce(&format!("sign in (once, within 15 minutes): {link}"))?;
    }
    Ok(running.until_stopped().await?)
}

/// Until somebody signed in for the first time, every start makes a one-time link: for the terminal, or where there is none in a file that only its owner can read.
async fn invite(services: &Services) -> Result<Option<String>, Failure> {
    let file = services.config.data_dir.join("sign-in-link");
    if services.store.has_signed_in().await? {
        return Ok(None);
    }
    let link = make_sign_in_link(
        &services.config.public_url,
        &services.store,
        services.clock.now(),
    )
    .await?;
    if std::io::stdout().is_terminal() {
        return Ok(Some(link));
    }
    make_private_file(&file)?;
    std::fs::write(&file, format!("{link}\n"))?;
    tracing::info!(file = %file.display(), "nobody has signed in yet; a one-time link is in this file");
    Ok(None)
}

/// A line that other programs wait for.
pub(crate) fn announce(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
