//! `bluetick media`: checks of media files.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::app;
use crate::cli::command_error::CommandError;
use crate::config::Config;
use crate::domain::media_rules::MediaFinding;
use crate::domain::provider::ProviderId;
use crate::sending::media_check::{MediaPurpose, check_file};

/// Longer than the limits of the fetch itself, whose errors say why it failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Subcommand, Debug)]
pub enum MediaCommand {
    /// Check whether WhatsApp would accept an image or a video
    ///
    /// Prints one line per rule that it breaks and exits with 1 if there is one. A URL is fetched as
    /// before sending: from public addresses and `media_networks` only.
    Check(CheckArguments),
}

#[derive(Args, Debug)]
pub struct CheckArguments {
    /// An http(s) URL, or a file
    #[arg(value_name = "URL|FILE")]
    pub target: String,
    /// Whose size limits apply: sobot, kaleyra, zixflow or lancepilot [default: those of WhatsApp]
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<ProviderId>,
}

pub async fn run(
    command: &MediaCommand,
    config: &Config,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let MediaCommand::Check(arguments) = command;
    let purpose = MediaPurpose {
        kind: None,
        mime_type: None,
        provider: arguments.provider,
    };
    let target = arguments.target.as_str();
    let findings = if target.contains("://") {
        let checker = app::media_checker(config, std::env::temp_dir())?;
        checker.check_url(target, purpose, CHECK_TIMEOUT).await
    } else {
        check_path(Path::new(target), purpose).await?
    };
    for finding in &findings {
        writeln!(out, "{}: {}", finding.rule, finding.message)?;
    }
    match findings.len() {
        0 => Ok(writeln!(out, "no problems")?),
        1 => Err("1 problem".into()),
        number => Err(format!("{number} problems").into()),
    }
}

async fn check_path(
    path: &Path,
    purpose: MediaPurpose<'_>,
) -> Result<Vec<MediaFinding>, CommandError> {
    let name = path.file_name().and_then(|name| name.to_str());
    check_file(path, name, purpose)
        .await
        .map_err(|error| format!("{}: {error}", path.display()).into())
}
