//! `bluetick completions`: completions of the command line for a shell.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::command_error::CommandError;

#[derive(Args, Debug)]
pub struct CompletionsArguments {
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `C` is the whole command line.
pub fn run<C: CommandFactory>(
    arguments: &CompletionsArguments,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let mut command = C::command();
    // Into memory first: the generator panics if its output is closed.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "bluetick", &mut script);
    out.write_all(&script)?;
    Ok(())
}
