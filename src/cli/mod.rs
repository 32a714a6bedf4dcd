//! The command line: what can be asked, and who answers. Each subcommand is a thin file of its own.

pub mod config;
pub mod demo;
pub mod explain;
pub mod export;
pub mod migrate;
mod progress;
pub mod purge;
pub mod rebuild;
pub mod replay;
pub mod serve;
pub mod simulate;
pub mod token;
pub mod user;
pub mod verify;

use std::error::Error;
use std::io::stdout;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::app::{self, Databases};
use crate::config::{Config, process_environment};
use crate::domain::clock::{Clock, SystemClock};
use crate::services::Services;
use crate::web::server;

/// Sends WhatsApp media messages through Sobot, Kaleyra, Zixflow and LancePilot, and knows what became of every one of them.
#[derive(Parser, Debug)]
#[command(name = "bluetick", version, propagate_version = true)]
pub struct Arguments {
    /// Configuration file; without it `bluetick.toml` is read where it exists
    #[arg(long, global = true, value_name = "FILE", env = "BLUETICK_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve API, callbacks and dashboard, and hand messages over
    Serve,
    /// Show everything at work: a fresh database, four simulated providers, lively traffic
    Demo,
    /// Apply the schema changes that are missing, and end
    Migrate,
    /// Play the four providers: send APIs, callbacks, chaos
    Simulate(Box<simulate::SimulateArguments>),
    /// Write messages as CSV or NDJSON
    Export(Box<export::ExportArguments>),
    /// Say why a message's state is what it is
    Explain(explain::ExplainArguments),
    /// Derive states, ids and counts anew from what was sent, decided and received
    ///
    /// Stop `serve` first. Interrupted, it goes on when `serve` or `rebuild` runs again.
    Rebuild,
    /// Read callbacks again
    Replay(Box<replay::ReplayArguments>),
    /// Check that journal, facts, states, ids and counts agree
    ///
    /// Tells every discrepancy by ids and exits with 1 when there is any. Runs beside `serve`.
    Verify,
    /// Remove what is past its retention
    Purge(purge::PurgeArguments),
    /// Make, list and withdraw API tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Let people into the dashboard
    #[command(subcommand)]
    User(user::UserCommand),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// Anything that ends a command; shown on stderr, a line each.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Databases opened for a command that serves nothing.
struct Opened {
    config: Config,
    databases: Databases,
}

async fn open(path: Option<&Path>) -> Result<Opened, Failure> {
    let config = Config::load(path, &process_environment())?;
    let databases = app::open_databases(&config).await?;
    Ok(Opened { config, databases })
}

/// Everything but server and loops, for commands that work like a `serve`.
async fn open_services(path: Option<&Path>) -> Result<Services, Failure> {
    let config = Config::load(path, &process_environment())?;
    Ok(app::open(config, Arc::new(SystemClock)).await?)
}

/// Runs the subcommand.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Serve => serve::run(arguments.config.as_deref()),
        Command::Demo => demo::run(),
        Command::Migrate => migrate::run(arguments.config.as_deref()),
        Command::Simulate(arguments) => Ok(server::block_on(simulate::run(*arguments))?),
        Command::Export(command) => server::block_on(async {
            let opened = open(arguments.config.as_deref()).await?;
            export::run(*command, &opened.databases.store, SystemClock.now()).await
        }),
        Command::Explain(command) => server::block_on(async {
            let config = Config::load(arguments.config.as_deref(), &process_environment())?;
            let store = app::open_to_look(&config).await?;
            explain::run(&command, &config, &store, SystemClock.now(), &mut stdout()).await
        }),
        Command::Rebuild => server::block_on(async {
            let services = open_services(arguments.config.as_deref()).await?;
            let done = rebuild::run(&services, &mut stdout()).await;
            app::close(services).await;
            done
        }),
        Command::Replay(command) => server::block_on(async {
            let services = open_services(arguments.config.as_deref()).await?;
            let done = replay::run(*command, &services, &mut stdout()).await;
            app::close(services).await;
            done
        }),
        Command::Verify => server::block_on(async {
            let config = Config::load(arguments.config.as_deref(), &process_environment())?;
            let store = app::open_to_look(&config).await?;
            let journal = app::open_journal_to_look(&config, &store).await?;
            let done = verify::run(&store, &journal, &mut stdout()).await;
            journal.close().await?;
            store.close().await?;
            done
        }),
        Command::Purge(command) => server::block_on(async {
            let services = open_services(arguments.config.as_deref()).await?;
            let done = purge::run(&command, &services, &mut stdout()).await;
            app::close(services).await;
            done
        }),
        Command::Token(command) => server::block_on(async {
            let opened = open(arguments.config.as_deref()).await?;
            token::run(
                command,
                &opened.databases.store,
                SystemClock.now(),
                &mut stdout(),
            )
            .await
        }),
        Command::User(command) => server::block_on(async {
            let opened = open(arguments.config.as_deref()).await?;
            user::run(
                &command,
                &opened.config,
                &opened.databases.store,
                SystemClock.now(),
                &mut stdout(),
            )
            .await
        }),
        Command::Config(command) => config::run(&command, arguments.config.as_deref()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_configuration_can_be_named_before_and_after_the_subcommand() {
        for line in [
            ["bluetick", "--config", "x.toml", "config", "check"],
            ["bluetick", "config", "check", "--config", "x.toml"],
        ] {
            let arguments = Arguments::try_parse_from(line).unwrap();
            assert_eq!(arguments.config, Some(PathBuf::from("x.toml")));
        }
    }
}
