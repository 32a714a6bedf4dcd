//! Parses the command line, starts the log, runs a subcommand. The only file that exits.

use std::io;
use std::process::ExitCode;

use bluetick::cli::{self, Arguments, CommandError, ErrorWithStatus};
use bluetick::config::process_environment;
use bluetick::telemetry;
use clap::Parser;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    disable_huge_pages();
    match run() {
        Ok(()) => {
            telemetry::flush();
            ExitCode::SUCCESS
        }
        // `bluetick token list | head`: the reader has closed the pipe, which is no error.
        Err(failure) if is_closed_pipe(&failure) => {
            telemetry::flush();
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let status = failure.downcast_ref::<ErrorWithStatus>();
            let exit_code = status.map_or(ExitCode::FAILURE, |status| ExitCode::from(status.code));
            let failure = failure.to_string();
            let lines = failure.lines().map(|line| format!("bluetick: {line}\n"));
            telemetry::print_and_flush(&lines.collect::<String>());
            exit_code
        }
    }
}

/// An I/O error of a network connection does not count: it is wrapped in another error type.
fn is_closed_pipe(failure: &CommandError) -> bool {
    failure
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Transparent huge pages tripled the memory of an idle process. A kernel without them returns an
/// error, which changes nothing.
#[cfg(target_os = "linux")]
fn disable_huge_pages() {
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn run() -> Result<(), CommandError> {
    let arguments = Arguments::parse();
    telemetry::start(&process_environment())?;
    cli::run(arguments)
}
