//! `bluetick user`: access to the dashboard.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Subcommand;

use crate::cli::command_error::CommandError;
use crate::config::Config;
use crate::db::Error;
use crate::store::Store;

#[derive(Subcommand, Debug)]
pub enum UserCommand {
    /// Print a one-time sign-in link for the dashboard
    ///
    /// Valid once, for 15 minutes. Keep it secret: the person who opens it becomes an
    /// administrator.
    SignInLink,
}

pub async fn run(
    command: &UserCommand,
    config: &Config,
    store: &Store,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    match command {
        UserCommand::SignInLink => {
            writeln!(
                out,
                "{}",
                create_sign_in_link(&config.public_url, store, now).await?
            )?;
            Ok(())
        }
    }
}

/// Returns `{public_url}/login?token=…`.
pub async fn create_sign_in_link(
    public_url: &str,
    store: &Store,
    now: DateTime<Utc>,
) -> Result<String, Error> {
    let token = store.create_sign_in_link(now).await?;
    Ok(format!("{public_url}/login?token={}", token.expose()))
}
