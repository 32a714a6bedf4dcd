//! `bluetick user`: let a person in.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Subcommand;

use crate::cli::Failure;
use crate::config::Config;
use crate::db::Error;
use crate::store::Store;

/// `user …`
#[derive(Subcommand, Debug)]
pub enum UserCommand {
    /// Print a one-time link that signs in to the dashboard
    ///
    /// It works once, within 15 minutes. Give it to nobody else: whoever opens it becomes an administrator.
    SignInLink,
}

/// Runs it on an open, migrated store; what it tells goes to `out`.
pub async fn run(
    command: &UserCommand,
    config: &Config,
    store: &Store,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match command {
        UserCommand::SignInLink => {
            writeln!(
                out,
                "{}",
                make_sign_in_link(&config.public_url, store, now).await?
            )?;
            Ok(())
        }
    }
}

/// A fresh one-time link, whole: `{public_url}/login?token=…`. `serve` makes its first one here too.
pub async fn make_sign_in_link(
    public_url: &str,
    store: &Store,
    now: DateTime<Utc>,
) -> Result<String, Error> {
    let token = store.create_sign_in_link(now).await?;
    Ok(format!("{public_url}/login?token={}", token.expose()))
}
