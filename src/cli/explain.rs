//! `bluetick explain ID`: explains the state of a message, in the same words as the API.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Args;

use crate::cli::command_error::CommandError;
use crate::config::Config;
use crate::domain::ids::MessageId;
use crate::domain::scope::Visibility;
use crate::operating::explain::explain_without_services;
use crate::store::Store;
use crate::store::messages::FoundMessage;

#[derive(Args, Debug)]
pub struct ExplainArguments {
    /// Message id
    #[arg(value_name = "ID")]
    pub id: MessageId,
}

pub async fn run(
    arguments: &ExplainArguments,
    config: &Config,
    store: &Store,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let mut id = arguments.id;
    let message = loop {
        match store.find_message(id).await? {
            Some(FoundMessage::Message(message)) => break message,
            Some(FoundMessage::Merged(survivor)) => {
                writeln!(out, "{id} was merged into {survivor}\n")?;
                id = survivor;
            }
            None => return Err(format!("there is no message {id}").into()),
        }
    };
    let accounts = config
        .accounts
        .iter()
        .map(|account| (account.id.clone(), account.clone()))
        .collect();
    let explanation =
        explain_without_services(store, &accounts, &message, Visibility::Full, now).await?;
    Ok(write!(out, "{}", explanation.text())?)
}
