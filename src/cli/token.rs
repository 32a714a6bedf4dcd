//! `bluetick token`: creates, lists and revokes API tokens.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};

use crate::cli::command_error::CommandError;
use crate::domain::api_token::{ApiToken, parse_token_name};
use crate::domain::audit_action::{Action, Verb};
use crate::domain::ids::TokenId;
use crate::domain::scope::Scopes;
use crate::store::Store;
use crate::store::api_tokens::TokenCreation;

/// Actor in the audit log for commands run on the machine itself.
pub(super) const ACTOR: &str = "command line";

#[derive(Subcommand, Debug)]
pub enum TokenCommand {
    /// Create an API token and print it on stdout
    ///
    /// Only its hash is stored: it cannot be shown again.
    Create(CreateArguments),
    /// List API tokens with scopes, creation, last use and status
    List,
    /// Revoke an API token
    Revoke(RevokeArguments),
}

#[derive(Args, Debug)]
pub struct CreateArguments {
    /// Name of the token
    #[arg(long)]
    pub name: String,
    /// Scopes separated by commas: send, read, operate, admin
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', required = true)]
    pub scopes: Vec<String>,
}

#[derive(Args, Debug)]
pub struct RevokeArguments {
    /// Name or id of the token
    #[arg(value_name = "NAME")]
    pub token: String,
}

pub async fn run(
    command: TokenCommand,
    store: &Store,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    match command {
        TokenCommand::Create(arguments) => create(&arguments, store, now, out).await,
        TokenCommand::List => Ok(write_table(&store.list_tokens().await?, out)?),
        TokenCommand::Revoke(arguments) => revoke(&arguments.token, store, now).await,
    }
}

async fn create(
    arguments: &CreateArguments,
    store: &Store,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let name = parse_token_name(&arguments.name)?;
    let scopes: Scopes = arguments.scopes.join(",").parse()?;
    match store.create_token(name, &scopes, now).await? {
        TokenCreation::NameTaken => Err(format!(
            "an active token is already named `{name}`; choose another name or revoke that token"
        )
        .into()),
        TokenCreation::Created(token, text) => {
            record(Verb::CreateToken, &token, store, now).await?;
            writeln!(out, "{}", text.expose())?;
            Ok(())
        }
    }
}

async fn revoke(wanted: &str, store: &Store, now: DateTime<Utc>) -> Result<(), CommandError> {
    let id = wanted.parse::<TokenId>().ok();
    let token =
        store.list_tokens().await?.into_iter().find(|token| {
            token.revoked_at.is_none() && (Some(token.id) == id || token.name == wanted)
        });
    let Some(token) = token else {
        return Err(format!("no active token has the name or id `{wanted}`").into());
    };
    if store.revoke_token(token.id, now).await? {
        record(Verb::RevokeToken, &token, store, now).await?;
    }
    Ok(())
}

async fn record(
    verb: Verb,
    token: &ApiToken,
    store: &Store,
    now: DateTime<Utc>,
) -> Result<(), CommandError> {
    let mut action = Action::new(ACTOR, verb, now);
    action.detail = Some(format!("{} ({})", token.name, token.scopes));
    Ok(store.record_action(&action).await?)
}

fn write_table(tokens: &[ApiToken], out: &mut impl Write) -> std::io::Result<()> {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let header = ["ID", "NAME", "SCOPES", "CREATED", "LAST USED", "STATUS"];
    let rows = tokens.iter().map(|token| {
        [
            token.id.to_string(),
            token.name.clone(),
            token.scopes.to_string(),
            time(token.created_at),
            token.last_used_at.map_or_else(|| "never".to_owned(), time),
            token
                .revoked_at
                .map_or_else(|| "active".to_owned(), |at| format!("revoked {}", time(at))),
        ]
    });
    let table: Vec<[String; 6]> = std::iter::once(header.map(str::to_owned))
        .chain(rows)
        .collect();
    let widths: [usize; 6] = std::array::from_fn(|column| {
        table
            .iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    });
    for row in &table {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
