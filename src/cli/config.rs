//! `bluetick config check`: is the configuration good, and if not, everything that is wrong with it.

use std::io::{self, Write};
use std::path::Path;

use clap::Subcommand;

use crate::cli::Failure;
use crate::config::{Config, process_environment};

/// `config …`
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Name every problem of the configuration by its key
    ///
    /// Reads the file and the BLUETICK_… variables as serve does, and starts nothing.
    /// Exits with 1 when anything is wrong; warnings alone are no failure.
    #[command(verbatim_doc_comment)]
    Check,
}

/// Runs it; problems are the error, a line each.
pub fn run(command: &ConfigCommand, file: Option<&Path>) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check => {
            let config = Config::load(file, &process_environment())?;
            let mut out = io::stdout().lock();
            write_verdict(&config, &mut out)?;
            out.flush()?;
            Ok(())
        }
    }
}

fn write_verdict(config: &Config, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "configuration is good")?;
    for warning in config.warnings() {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_configuration_is_praised_before_its_warnings() {
        let mut out = Vec::new();
        write_verdict(&Config::in_folder("data".into()), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("configuration is good"));
        assert!(
            lines.next().unwrap().starts_with("warning: public_url: "),
            "{text}"
        );
    }
}
