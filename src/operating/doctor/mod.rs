//! Finds problems of an installation, each with the command or setting that fixes it. Checks the
//! machine, the data folder, backups, accounts, and the public URL as a provider reaches it.
//!
//! Changes nothing, and can be used while `serve` is running.

mod data_checks;
mod database_files;
mod examine;
mod finding;
mod folder_checks;
mod machine_checks;
mod public_url;
mod reply_checks;

pub use examine::{Installation, examine};
pub use finding::{Finding, Level};
pub use public_url::{PublicUrl, check_public_url};
pub use reply_checks::{ArrivedRequest, CHECK_HEADER};
