//! `bluetick user`: users of the dashboard, their roles and sign-in links.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};

use crate::cli::command_error::CommandError;
use crate::cli::command_line_actor::COMMAND_LINE;
use crate::cli::text_table::write_table;
use crate::config::Config;
use crate::db::Error;
use crate::domain::secret::Secret;
use crate::domain::user::{Email, Role, User};
use crate::operating::action_context::ActionContext;
use crate::operating::users_and_tokens::manage_users;
use crate::store::Store;

#[derive(Subcommand, Debug)]
pub enum UserCommand {
    /// Add a user and print a one-time sign-in link
    ///
    /// Valid once, for 24 hours. The user can set a password under Settings, or keep using links.
    Add(AddArguments),
    /// List users with role, status and last sign-in
    List,
    /// Change the role of a user
    Role(RoleArguments),
    /// Disable a user and end their sessions
    Disable(EmailArgument),
    /// Enable a disabled user
    Enable(EmailArgument),
    /// Print a one-time sign-in link for the dashboard
    ///
    /// Without an address, the link signs in as the administrator `admin@localhost`; it is valid
    /// once, for 15 minutes. With the address of a user, it signs in that user; it is valid once,
    /// for 24 hours. Keep it secret.
    SignInLink(LinkArguments),
}

#[derive(Args, Debug)]
pub struct AddArguments {
    /// E-mail address; no mail is sent
    #[arg(value_name = "EMAIL")]
    pub email: Email,
    /// viewer (read, masked), operator (read, act and send) or admin (all, and users, tokens, audit log)
    #[arg(long)]
    pub role: Role,
}

#[derive(Args, Debug)]
pub struct RoleArguments {
    /// E-mail address of the user
    #[arg(value_name = "EMAIL")]
    pub email: Email,
    /// viewer, operator or admin
    #[arg(value_name = "ROLE")]
    pub role: Role,
}

#[derive(Args, Debug)]
pub struct EmailArgument {
    /// E-mail address of the user
    #[arg(value_name = "EMAIL")]
    pub email: Email,
}

#[derive(Args, Debug)]
pub struct LinkArguments {
    /// E-mail address of the user; `admin@localhost` if it is left out
    #[arg(value_name = "EMAIL")]
    pub email: Option<Email>,
}

pub async fn run(
    command: &UserCommand,
    config: &Config,
    store: &Store,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let context = ActionContext {
        actor: COMMAND_LINE,
        now,
    };
    match command {
        UserCommand::Add(arguments) => {
            let (email, role) = (arguments.email.clone(), arguments.role);
            let (_, link) = manage_users::add_user(store, email, role, &context).await?;
            writeln!(out, "{}", sign_in_url(&config.public_url, &link))?;
        }
        UserCommand::List => write_users(&store.list_users().await?, out)?,
        UserCommand::Role(arguments) => {
            let user = manage_users::find(store, &arguments.email).await?;
            manage_users::change_role(store, &user, arguments.role, &context).await?;
            let (email, role) = (&user.email, arguments.role.as_str());
            writeln!(out, "the role of {email} is {role} now")?;
        }
        UserCommand::Disable(arguments) => {
            let user = manage_users::find(store, &arguments.email).await?;
            manage_users::disable(store, &user, &context).await?;
            writeln!(out, "{} is disabled, and signed out everywhere", user.email)?;
        }
        UserCommand::Enable(arguments) => {
            let user = manage_users::find(store, &arguments.email).await?;
            manage_users::enable(store, &user, &context).await?;
            writeln!(out, "{} is enabled, and can sign in again", user.email)?;
        }
        UserCommand::SignInLink(LinkArguments { email: None }) => {
            let link = manage_users::create_admin_link(store, &context).await?;
            writeln!(out, "{}", sign_in_url(&config.public_url, &link))?;
        }
        UserCommand::SignInLink(LinkArguments { email: Some(email) }) => {
            let user = manage_users::find(store, email).await?;
            let link = manage_users::create_link(store, &user, &context).await?;
            writeln!(out, "{}", sign_in_url(&config.public_url, &link))?;
        }
    }
    Ok(())
}

/// Returns `{public_url}/login?token=…` for the built-in administrator.
pub async fn create_sign_in_link(
    public_url: &str,
    store: &Store,
    now: DateTime<Utc>,
) -> Result<String, Error> {
    let token = store.create_sign_in_link(now).await?;
    Ok(sign_in_url(public_url, &token))
}

fn sign_in_url(public_url: &str, token: &Secret) -> String {
    format!("{public_url}/login?token={}", token.expose())
}

fn write_users(users: &[User], out: &mut impl Write) -> std::io::Result<()> {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let header = ["EMAIL", "ROLE", "SIGN-IN", "LAST SIGN-IN", "STATUS"];
    let rows = users.iter().map(|user| {
        let sign_in = if user.has_password {
            "password or link"
        } else {
            "link"
        };
        [
            user.email.to_string(),
            user.role.as_str().to_owned(),
            sign_in.to_owned(),
            user.last_sign_in_at
                .map_or_else(|| "never".to_owned(), time),
            user.disabled_at.map_or_else(
                || "active".to_owned(),
                |at| format!("disabled {}", time(at)),
            ),
        ]
    });
    write_table(header, rows, out)
}
