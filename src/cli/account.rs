//! `bluetick account`: pause and resume sending.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Subcommand;

use crate::cli::command_error::CommandError;
use crate::cli::command_line_actor::COMMAND_LINE;
use crate::domain::ids::AccountId;
use crate::operating::account_actions;
use crate::operating::action_context::{ActionContext, ActionError};
use crate::store::Store;

#[derive(Subcommand, Debug)]
pub enum AccountCommand {
    /// Pause sending; messages of the account stay queued
    ///
    /// Submissions in progress are finished. Can be used while `serve` is running.
    Pause {
        /// The account's id in the configuration
        #[arg(value_name = "ID")]
        account: AccountId,
        /// Shown with the waiting messages of the account
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Resume sending after a pause, or after the account tripped
    ///
    /// Can be used while `serve` is running.
    Resume {
        /// The account's id in the configuration
        #[arg(value_name = "ID")]
        account: AccountId,
    },
}

pub async fn run(
    command: AccountCommand,
    store: &Store,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let context = ActionContext {
        actor: COMMAND_LINE,
        now,
    };
    match command {
        AccountCommand::Pause { account, reason } => {
            let reason = account_actions::check_reason(reason)
                .map_err(|message| format!("the reason {message}"))?;
            let paused = account_actions::pause(store, &account, &reason, &context).await;
            name_known_accounts(paused, &account, store).await?;
            writeln!(out, "paused {account}: {reason}")?;
        }
        AccountCommand::Resume { account } => {
            let resumed = account_actions::resume(store, &account, &context).await;
            name_known_accounts(resumed, &account, store).await?;
            writeln!(out, "resumed {account}")?;
        }
    }
    Ok(())
}

/// If `account` does not exist, the error lists the accounts that do.
async fn name_known_accounts(
    result: Result<(), ActionError>,
    account: &AccountId,
    store: &Store,
) -> Result<(), CommandError> {
    let Err(ActionError::NotFound(_)) = result else {
        return Ok(result?);
    };
    let known = store.list_accounts().await?;
    let known: Vec<&str> = known.keys().map(AccountId::as_str).collect();
    Err(match known.as_slice() {
        [] => format!(
            "there is no account {account} yet; the first `bluetick serve` adds those of the configuration"
        ),
        known => format!("there is no account {account}; the accounts are {}", known.join(", ")),
    }
    .into())
}
