//! `bluetick serve`: API, callbacks, dashboard and workers until a signal ends it.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use crate::app;
use crate::cli::Failure;
use crate::config::{Config, process_environment};
use crate::domain::clock::SystemClock;
use crate::web::server;

/// Serves what the configuration says.
pub fn run(path: Option<&Path>) -> Result<(), Failure> {
    let config = Config::load(path, &process_environment())?;
    server::block_on(serve(config))
}

async fn serve(mut config: Config) -> Result<(), Failure> {
    let listener = server::listener(&config.listen)
        .map_err(|error| format!("listen {}: {error}", config.listen))?;
    let address = listener.local_addr()?;
    config.public_url = config.public_url_at(address);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let services = app::open(config, Arc::new(SystemClock)).await?;
    let running = app::start(listener, services)?;
    announce(&format!("listening on http://{address}"))?;
    Ok(running.until_stopped().await?)
}

/// A line that other programs wait for.
pub(crate) fn announce(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
