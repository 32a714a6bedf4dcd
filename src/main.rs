//! The program: reads the command line, starts the log, runs a subcommand. The only file that exits.

use std::process::ExitCode;

use bluetick::cli::{self, Arguments, Failure};
use bluetick::config::process_environment;
use bluetick::telemetry;
use clap::Parser;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for line in failure.to_string().lines() {
                eprintln!("bluetick: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    telemetry::start(&process_environment())?;
    cli::run(arguments)
}
