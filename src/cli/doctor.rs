//! `bluetick doctor`: what is wrong with this installation, and how to fix it.

use std::io::Write;

use clap::Args;

use crate::app;
use crate::cli::command_error::CommandError;
use crate::config::Config;
use crate::data_dir::{self, SECRET_KEY_FILE};
use crate::domain::clock::Clock;
use crate::domain::secret::Secret;
use crate::keys::Keys;
use crate::operating::doctor::{Finding, Installation, Level, examine};
use crate::reporting::number_format::counted;

#[derive(Args, Debug)]
pub struct DoctorArguments {
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// Fails if there is a problem. Warnings alone are not a failure.
pub async fn run(
    arguments: &DoctorArguments,
    config: &Config,
    clock: &dyn Clock,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let store = app::open_read_only(config).await;
    let keys = read_secret_key(config).map(|secret| Keys::derive(&secret, &[]));
    let installation = Installation {
        config,
        store: store.as_ref().map_err(ToString::to_string),
        keys: keys.as_ref().map_err(Clone::clone),
        now: clock.now(),
    };
    let findings = examine(&installation).await;
    if let Ok(store) = store {
        store.close().await?;
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&serde_json::json!({ "findings": findings }))?;
        writeln!(out, "{text}")?;
    } else {
        print_findings(&findings, out)?;
    }
    let problems = findings
        .iter()
        .filter(|found| found.level == Level::Problem);
    match problems.count() {
        0 => Ok(()),
        number => {
            let number = u64::try_from(number).unwrap_or(u64::MAX);
            Err(format!("{} found", counted(number, "problem", "problems")).into())
        }
    }
}

/// Reads the secret key. Unlike `serve`, creates none.
fn read_secret_key(config: &Config) -> Result<Secret, String> {
    if let Some(secret) = &config.secret_key {
        return Ok(secret.clone());
    }
    let file = config.data_dir.join(SECRET_KEY_FILE);
    data_dir::read_secret_key(&file).map_err(|error| error.to_string())
}

fn print_findings(findings: &[Finding], out: &mut impl Write) -> std::io::Result<()> {
    if findings.is_empty() {
        return writeln!(out, "nothing is wrong");
    }
    for finding in findings {
        let Finding {
            check,
            level,
            summary,
            fix,
        } = finding;
        writeln!(out, "{} [{check}] {summary}\n  fix: {fix}", level.as_str())?;
    }
    Ok(())
}
