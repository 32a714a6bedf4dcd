//! Only one `serve` per SQLite database. A second one fails at once, except on a socket inherited
//! from systemd or another parent, where it waits until the first has stopped.

use std::time::{Duration, Instant};

use crate::app::start_error::StartError;
use crate::config::Config;
use crate::data_dir;
use crate::db::serve_lock::{self, ServeLock, ServeLockClaim};
use crate::web::listener::SocketOwner;

/// How long the previous process may take to finish requests and close its databases.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Holds the configured database until the lock is dropped. No effect on PostgreSQL.
pub async fn claim_serve_lock(
    config: &Config,
    owner: SocketOwner,
) -> Result<ServeLock, StartError> {
    data_dir::prepare(&config.data_dir)?;
    let timeout = match owner {
        SocketOwner::ParentProcess => TAKEOVER_TIMEOUT,
        SocketOwner::ThisProcess => Duration::ZERO,
    };
    let started = Instant::now();
    let mut has_logged = false;
    loop {
        let claim = serve_lock::claim(&config.database_url).map_err(StartError::main_database)?;
        let folder = match claim {
            ServeLockClaim::Claimed(lock) => return Ok(lock),
            ServeLockClaim::HeldElsewhere(folder) => folder,
        };
        if started.elapsed() >= timeout {
            return Err(StartError::AlreadyServed(folder));
        }
        if !has_logged {
            tracing::info!(
                folder = %folder.display(),
                "another bluetick serve uses the database in this folder; waiting at most {} s until it has stopped",
                timeout.as_secs()
            );
            has_logged = true;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
