//! `bluetick user`: what can be asked about people.

use clap::Subcommand;

/// `user …`
#[derive(Subcommand, Debug)]
pub enum UserCommand {
    /// Print a one-time link that signs in to the dashboard
    ///
    /// It works once, within 15 minutes. Give it to nobody else: whoever opens it becomes an administrator.
    SignInLink,
}
