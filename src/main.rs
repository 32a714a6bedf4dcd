//! The program: reads the command line, starts the log, runs a subcommand. The only file that exits.

use std::process::ExitCode;

use bluetick::cli::{self, Arguments, CommandError};
use bluetick::config::process_environment;
use bluetick::telemetry;
use clap::Parser;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // The allocator's first touch of a region would make whole huge pages of it, which tripled the memory of an idle process. Where the kernel does not know this, nothing is lost.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
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

fn run() -> Result<(), CommandError> {
    let arguments = Arguments::parse();
    telemetry::start(&process_environment())?;
    cli::run(arguments)
}
