//! The composition root: builds the services that the server, the jobs and the commands use.

mod components;
mod databases;
mod running_process;
mod serve_claim;
pub(crate) mod signals;
mod start_error;
mod starting_process;

pub use components::{media_checker, open_acceptor, open_costs, open_exporter};
pub use databases::{Databases, open_databases, open_journal_read_only, open_read_only};
pub use running_process::{RunningProcess, RunningServers, close, start};
pub use serve_claim::claim_serve_lock;
pub use start_error::StartError;
pub use starting_process::{StartingProcess, open};
