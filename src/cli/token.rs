//! `bluetick token`: creates, lists and revokes API tokens.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::{Args, Subcommand};

use crate::cli::command_error::CommandError;
use crate::cli::command_line_actor::COMMAND_LINE;
use crate::cli::text_table::write_table;
use crate::domain::account_limit::AccountLimit;
use crate::domain::api_token::ApiToken;
use crate::domain::ids::TokenId;
use crate::domain::scope::Scopes;
use crate::operating::action_context::ActionContext;
use crate::operating::users_and_tokens::manage_tokens;
use crate::store::Store;

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
    /// When it expires: a duration such as 90d, or an RFC 3339 time [default: never]
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// The only accounts that it can access, separated by commas [default: all]
    #[arg(long, value_name = "IDS")]
    pub accounts: Option<AccountLimit>,
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
        TokenCommand::List => Ok(write_tokens(&store.list_tokens().await?, now, out)?),
        TokenCommand::Revoke(arguments) => revoke(&arguments.token, store, now, out).await,
    }
}

async fn create(
    arguments: &CreateArguments,
    store: &Store,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let scopes: Scopes = arguments.scopes.join(",").parse()?;
    let accounts = arguments.accounts.clone().unwrap_or_default();
    let expires = arguments.expires.as_deref();
    let expires = expires.map(|text| parse_expiry(text, now)).transpose()?;
    let context = ActionContext {
        actor: COMMAND_LINE,
        now,
    };
    let name = &arguments.name;
    let created =
        manage_tokens::create_token(store, name, &scopes, accounts, expires, &context).await?;
    writeln!(out, "{}", created.expose())?;
    Ok(())
}

async fn revoke(
    wanted: &str,
    store: &Store,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let id = wanted.parse::<TokenId>().ok();
    let tokens = store.list_tokens().await?.into_iter();
    let mut unrevoked = tokens.filter(|token| token.revoked_at.is_none());
    let token = unrevoked.find(|token| Some(token.id) == id || token.name == wanted);
    let Some(token) = token else {
        return Err(format!("no unrevoked token has the name or id `{wanted}`").into());
    };
    let context = ActionContext {
        actor: COMMAND_LINE,
        now,
    };
    manage_tokens::revoke_token(store, token.id, &context).await?;
    writeln!(out, "revoked the token `{}`, id {}", token.name, token.id)?;
    Ok(())
}

fn write_tokens(
    tokens: &[ApiToken],
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    // Both times are cut to the minute, so that a token never appears used before it was created.
    let minute = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%MZ").to_string();
    let header = [
        "ID",
        "NAME",
        "SCOPES",
        "ACCOUNTS",
        "CREATED",
        "LAST USED",
        "STATUS",
    ];
    let rows = tokens.iter().map(|token| {
        let accounts = if token.accounts.is_limited() {
            token.accounts.to_string()
        } else {
            "all".to_owned()
        };
        let status = match (token.revoked_at, token.expires_at) {
            (Some(at), _) => format!("revoked {}", time(at)),
            (None, Some(at)) if at <= now => format!("expired {}", time(at)),
            (None, Some(at)) => format!("active until {}", time(at)),
            (None, None) => "active".to_owned(),
        };
        [
            token.id.to_string(),
            token.name.clone(),
            token.scopes.to_string(),
            accounts,
            minute(token.created_at),
            token
                .last_used_at
                .map_or_else(|| "never".to_owned(), minute),
            status,
        ]
    });
    write_table(header, rows, out)
}

/// An RFC 3339 instant, or a duration from now.
fn parse_expiry(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, CommandError> {
    let instant = DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.to_utc());
    let after = || {
        let duration = humantime::parse_duration(text).ok()?;
        now.checked_add_signed(TimeDelta::from_std(duration).ok()?)
    };
    let expiry = instant.or_else(after).ok_or_else(|| {
        format!(
            "`{text}` is neither a time such as 2027-01-31T00:00:00Z nor a duration such as 90d"
        )
    })?;
    Ok(expiry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_listed_as_used_before_it_was_created() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let created_at = at("2026-11-20T12:00:45Z");
        let token = ApiToken {
            id: TokenId::new(created_at),
            name: "shop".to_owned(),
            scopes: "read".parse().unwrap(),
            accounts: AccountLimit::default(),
            created_at,
            expires_at: None,
            revoked_at: None,
            // In the minute in which it was created.
            last_used_at: Some(at("2026-11-20T12:00:00Z")),
        };
        let mut out = Vec::new();
        write_tokens(&[token], created_at, &mut out).unwrap();
        let printed = String::from_utf8(out).unwrap();
        let times: Vec<&str> = printed
            .split_whitespace()
            .filter(|word| word.starts_with("2026-"))
            .collect();
        assert_eq!(times, ["2026-11-20T12:00Z"; 2], "{printed}");
    }
}
