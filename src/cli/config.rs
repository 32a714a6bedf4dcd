//! `bluetick config check`: lists every problem of the configuration.

use std::io::{self, Write};
use std::path::Path;

use clap::Subcommand;

use crate::cli::command_error::CommandError;
use crate::config::{Config, process_environment};
use crate::data_dir;
use crate::reporting::costs::RatesFile;

#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// List every problem of the configuration by key
    ///
    /// Reads the file, the BLUETICK_… variables and `rates_file` as serve does, and checks whether
    /// `data_dir` and `backup.directory` can be used. Starts and changes nothing.
    /// Exits with 1 if there is an error; warnings alone are no error.
    #[command(verbatim_doc_comment)]
    Check,
}

pub fn run(command: &ConfigCommand, file: Option<&Path>) -> Result<(), CommandError> {
    match command {
        ConfigCommand::Check => {
            let config = Config::load(file, &process_environment())?;
            check_files(&config)?;
            let mut out = io::stdout().lock();
            write_result(&config, &mut out)?;
            out.flush()?;
            Ok(())
        }
    }
}

/// Checks the files and folders that `serve` would reject although the configuration is valid.
fn check_files(config: &Config) -> Result<(), CommandError> {
    let mut problems = Vec::new();
    if let Err(error) = data_dir::check(&config.data_dir) {
        problems.push(format!("data_dir: {error}"));
    }
    if let Some(schedule) = &config.backup
        && let Err(error) = data_dir::check_usable(&schedule.directory)
    {
        problems.push(format!("backup.directory: {error}"));
    }
    if let Err(error) = RatesFile::open(config.rates_file.clone()) {
        problems.push(error.to_string());
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}

fn write_result(config: &Config, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "configuration is valid")?;
    for warning in config.warnings() {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_configuration_is_confirmed_before_its_warnings() {
        let mut out = Vec::new();
        write_result(&Config::in_folder("data".into()), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("configuration is valid"));
        assert!(
            lines.next().unwrap().starts_with("warning: public_url: "),
            "{text}"
        );
    }
}
