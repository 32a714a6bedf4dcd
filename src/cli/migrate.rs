//! `bluetick migrate`: applies pending schema migrations.

use std::io::{self, Write};
use std::path::Path;

use crate::app;
use crate::cli::command_error::CommandError;
use crate::config::{Config, process_environment};
use crate::web::server;

pub fn run(path: Option<&Path>) -> Result<(), CommandError> {
    let config = Config::load(path, &process_environment())?;
    server::block_on(async {
        app::open_databases(&config).await?;
        writeln!(io::stdout(), "both databases are up to date")?;
        Ok(())
    })
}
