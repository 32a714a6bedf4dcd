//! The command line. One thin file per subcommand.

pub mod account;
pub mod backup;
pub mod campaign;
pub mod campaign_context;
mod campaign_continuation;
pub mod campaign_send;
mod campaign_send_messages;
mod command_error;
mod command_line_actor;
pub mod completions;
pub mod config;
pub mod demo;
mod demo_history;
pub mod dismiss_orphans;
pub mod doctor;
pub mod erase;
pub mod explain;
pub mod export;
pub mod export_person;
pub mod filter_arguments;
pub mod media;
pub mod migrate;
mod output_file;
mod progress;
pub mod purge;
pub mod rebuild;
pub mod replay;
pub mod report;
pub mod report_context;
pub mod report_diff;
pub mod serve;
pub mod simulate;
mod text_table;
pub mod token;
pub mod user;
pub mod verify;

use std::io::{Write as _, stderr, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Parser, Subcommand};

pub use command_error::{CommandError, ErrorWithStatus};

use crate::app::{self, Databases};
use crate::config::{Config, process_environment};
use crate::domain::clock::{Clock, SystemClock};
use crate::services::Services;
use crate::web::server;

/// Send WhatsApp media messages through Sobot, Kaleyra, Zixflow and LancePilot, and track their
/// delivery
#[derive(Parser, Debug)]
#[command(name = "bluetick", version, propagate_version = true)]
pub struct Arguments {
    /// Configuration file [default: bluetick.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE", env = "BLUETICK_CONFIG")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve API, callbacks and dashboard, and submit messages
    Serve,
    /// Run on a temporary database with four simulated providers and live traffic
    Demo(demo::DemoArguments),
    /// Apply pending schema migrations
    Migrate,
    /// Simulate the four providers: send APIs, callbacks, faults
    ///
    /// The default credentials are invented.
    Simulate(Box<simulate::SimulateArguments>),
    /// Write messages as CSV, NDJSON or XLSX
    Export(Box<export::ExportArguments>),
    /// Write the delivery summary, or compare a provider's own file
    Report(Box<report::ReportArguments>),
    /// Explain the state of a message
    ///
    /// Prints the receipts, the rule that applies, the meaning of a failure code, what happens next and
    /// what to do.
    Explain(explain::ExplainArguments),
    /// Recompute states, ids and counts from sent messages, operator actions and the journal
    ///
    /// Stop `serve` first. An interrupted rebuild continues when `serve` or `rebuild` runs again.
    Rebuild,
    /// Replay callbacks: parse them again and replace their receipts
    ///
    /// All given conditions must match. Unverified callbacks are released (processed although their
    /// authentication failed) only if named by --id or by --outcome unverified.
    Replay(Box<replay::ReplayArguments>),
    /// Dismiss the orphans of an account, reports that match no message, or count them
    ///
    /// They no longer count as problems and never become observed messages. A new report on one of
    /// them lists it again. Can be used while `serve` is running.
    DismissOrphans(dismiss_orphans::DismissOrphansArguments),
    /// Send a campaign, and show and change campaigns
    ///
    /// Works on the database directly; a running `serve` sends the messages.
    #[command(subcommand)]
    Campaign(campaign::CampaignCommand),
    /// Check that journal, receipts, states, ids and counts are consistent
    ///
    /// Prints one line per discrepancy and exits with 1 if there is one. Can be used while `serve`
    /// is running.
    Verify,
    /// Copy the data of SQLite into a new folder and check the copy
    ///
    /// Can be used while `serve` is running. The backup does not contain the secret key.
    Backup(backup::BackupArguments),
    /// Restore a backup into a data folder without databases
    ///
    /// Messages that were queued or being sent when the backup was made become uncertain: they may
    /// have been sent since. They are sent only if an operator resends them. Running campaigns are
    /// paused.
    Restore(backup::RestoreArguments),
    /// Find what is wrong with this installation, and how to fix it
    ///
    /// Checks the machine, the data folder, the files of SQLite, backups and accounts, and calls the
    /// public URL as a provider would. Changes nothing; exits with 1 if there is a problem. Can be
    /// used while `serve` is running.
    Doctor(doctor::DoctorArguments),
    /// Erase the personal data of one customer
    ///
    /// Messages keep state, times and cost, and lose recipient, content and ids; callbacks that
    /// name the customer are deleted. Then searches the files of the data folder and names those
    /// that still hold the number. Can be used while `serve` is running; writes wait while the
    /// files are rewritten.
    Erase(erase::EraseArguments),
    /// Export everything about one customer as a zip
    ///
    /// Messages with receipts and attempts, callbacks as received, uploaded files. Recorded in the audit
    /// log, without the number. Can be used while `serve` is running.
    ExportPerson(export_person::ExportPersonArguments),
    /// Print completions of the command line for a shell
    Completions(completions::CompletionsArguments),
    /// Delete callbacks and messages that are past their retention
    Purge(purge::PurgeArguments),
    /// Pause and resume sending for an account
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Create, list and revoke API tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Manage access to the dashboard
    #[command(subcommand)]
    User(user::UserCommand),
    /// Check media files
    #[command(subcommand)]
    Media(media::MediaCommand),
    /// Check the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// Opens the databases, and closes them after the work.
fn with_databases(
    path: Option<&Path>,
    work: impl AsyncFnOnce(&Config, &Databases) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    server::block_on(async {
        let config = Config::load(path, &process_environment())?;
        let is_new = !config.uses_postgres() && !config.data_dir.exists();
        let databases = app::open_databases(&config).await?;
        if is_new {
            // The usual reason is that the command ran in another folder than `serve`.
            writeln!(
                stderr(),
                "note: {} did not exist; a new, empty installation was created there",
                config.data_dir.display()
            )?;
        }
        let result = work(&config, &databases).await;
        databases.close().await;
        result
    })
}

/// Opens everything but the HTTP server and the background jobs, and closes it after the work.
fn with_services(
    path: Option<&Path>,
    work: impl AsyncFnOnce(&Services) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    server::block_on(async {
        let config = Config::load(path, &process_environment())?;
        let services = app::open(config, Arc::new(SystemClock)).await?;
        let result = work(&services).await;
        app::close(services).await;
        result
    })
}

async fn run_export(
    command: export::ExportArguments,
    config: &Config,
    databases: &Databases,
) -> Result<(), CommandError> {
    let costs = app::open_costs(config, &databases.store)?;
    let exporter = app::open_exporter(config, &costs);
    export::run(command, &exporter, SystemClock.now()).await
}

async fn run_report(
    command: report::ReportArguments,
    config: &Config,
    databases: &Databases,
) -> Result<(), CommandError> {
    let costs = app::open_costs(config, &databases.store)?;
    let context = report_context::ReportContext {
        config,
        costs: &costs,
        now: SystemClock.now(),
    };
    report::run(command, &context).await
}

async fn run_campaign(
    command: campaign::CampaignCommand,
    config: &Config,
    databases: &Databases,
) -> Result<(), CommandError> {
    let (store, keys) = (&databases.store, Arc::clone(&databases.keys));
    let acceptor = app::open_acceptor(config, store, keys)?;
    let context = campaign_context::CampaignContext {
        store,
        acceptor: &acceptor,
        clock: &SystemClock,
    };
    campaign::run(command, &context, &mut stdout()).await
}

async fn run_verify(file: Option<&Path>) -> Result<(), CommandError> {
    let config = Config::load(file, &process_environment())?;
    let store = app::open_read_only(&config).await?;
    let journal = app::open_journal_read_only(&config, &store).await?;
    let result = verify::run(&store, &journal, SystemClock.now(), &mut stdout()).await;
    journal.close().await?;
    store.close().await?;
    result
}

pub fn run(arguments: Arguments) -> Result<(), CommandError> {
    let path = arguments.config.as_deref();
    match arguments.command {
        Command::Serve => serve::run(path),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Migrate => migrate::run(path),
        Command::Simulate(arguments) => Ok(server::block_on(simulate::run(*arguments))?),
        Command::Export(command) => with_databases(path, async |config, databases| {
            run_export(*command, config, databases).await
        }),
        Command::Report(command) => with_databases(path, async |config, databases| {
            run_report(*command, config, databases).await
        }),
        Command::Explain(command) => server::block_on(async {
            let config = Config::load(path, &process_environment())?;
            let store = app::open_read_only(&config).await?;
            let now = SystemClock.now();
            let result = explain::run(&command, &config, &store, now, &mut stdout()).await;
            store.close().await?;
            result
        }),
        Command::Rebuild => with_services(path, async |services| {
            rebuild::run(services, &mut stdout()).await
        }),
        Command::Replay(command) => with_services(path, async |services| {
            replay::run(*command, services, &mut stdout()).await
        }),
        Command::DismissOrphans(command) => with_databases(path, async |_, databases| {
            let now = SystemClock.now();
            dismiss_orphans::run(command, &databases.store, now, &mut stdout()).await
        }),
        Command::Campaign(command) => with_databases(path, async |config, databases| {
            run_campaign(command, config, databases).await
        }),
        Command::Verify => server::block_on(run_verify(path)),
        Command::Backup(command) => server::block_on(async {
            let config = Config::load(path, &process_environment())?;
            backup::create(&command, &config, &SystemClock, &mut stdout()).await
        }),
        Command::Restore(command) => server::block_on(async {
            let config = Config::load(path, &process_environment())?;
            backup::restore(&command, &config, SystemClock.now(), &mut stdout()).await
        }),
        Command::Doctor(command) => server::block_on(async {
            let config = Config::load(path, &process_environment())?;
            doctor::run(&command, &config, &SystemClock, &mut stdout()).await
        }),
        Command::Erase(command) => with_services(path, async |services| {
            erase::run(&command, services, &mut stdout()).await
        }),
        Command::ExportPerson(command) => with_services(path, async |services| {
            export_person::run(&command, services, &mut stdout()).await
        }),
        Command::Completions(command) => completions::run::<Arguments>(&command, &mut stdout()),
        Command::Purge(command) => with_services(path, async |services| {
            purge::run(&command, services, &mut stdout()).await
        }),
        Command::Account(command) => with_databases(path, async |_, databases| {
            let now = SystemClock.now();
            account::run(command, &databases.store, now, &mut stdout()).await
        }),
        Command::Token(command) => with_databases(path, async |_, databases| {
            let now = SystemClock.now();
            token::run(command, &databases.store, now, &mut stdout()).await
        }),
        Command::User(command) => with_databases(path, async |config, databases| {
            let now = SystemClock.now();
            user::run(&command, config, &databases.store, now, &mut stdout()).await
        }),
        Command::Media(command) => server::block_on(async {
            let config = Config::load(path, &process_environment())?;
            media::run(&command, &config, &mut stdout()).await
        }),
        Command::Config(command) => config::run(&command, path),
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
