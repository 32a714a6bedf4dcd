//! `bluetick token`: what can be asked about API tokens.

use clap::{Args, Subcommand};

/// `token …`
#[derive(Subcommand, Debug)]
pub enum TokenCommand {
    /// Make an API token and print it, alone, on stdout
    ///
    /// Only its fingerprint is stored: it cannot be shown again.
    Create(CreateArguments),
    /// List API tokens: id, name, scopes, when made, when last used
    List,
    /// Withdraw an API token at once
    Revoke(RevokeArguments),
}

/// `token create`
#[derive(Args, Debug)]
pub struct CreateArguments {
    /// A name to know it by
    #[arg(long)]
    pub name: String,
    /// What it may do: send, read, operate, admin; separated by commas
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', required = true)]
    pub scopes: Vec<String>,
}

/// `token revoke`
#[derive(Args, Debug)]
pub struct RevokeArguments {
    /// Its name or id, as `token list` shows it
    #[arg(value_name = "NAME")]
    pub token: String,
}
