//! `bluetick explain ID`: why a message's state is what it is, in the words of the API.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::Args;

use crate::cli::Failure;
use crate::config::Config;
use crate::domain::access::Visibility;
use crate::domain::ids::MessageId;
use crate::operating::explain::explain_from;
use crate::store::Store;
use crate::store::messages::Found;

/// Say why a message's state is what it is
///
/// Which facts, which rule, what a failure's code means, what happens next and what can be done.
#[derive(Args, Debug)]
pub struct ExplainArguments {
    /// The message's id
    #[arg(value_name = "ID")]
    pub id: MessageId,
}

/// Runs it on an open, migrated store; what it tells goes to `out`.
pub async fn run(
    arguments: &ExplainArguments,
    config: &Config,
    store: &Store,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut id = arguments.id;
    let message = loop {
        match store.find_message(id).await? {
            Some(Found::Message(message)) => break message,
            Some(Found::Moved(survivor)) => {
                writeln!(out, "{id} lives on in {survivor}\n")?;
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
    let explanation = explain_from(store, &accounts, &message, Visibility::Full, now).await?;
    Ok(write!(out, "{}", explanation.text())?)
}
