//! `bluetick backup` and `bluetick restore`.

use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;

use crate::app;
use crate::cli::command_error::CommandError;
use crate::cli::command_line_actor::COMMAND_LINE;
use crate::cli::progress::ProgressLine;
use crate::config::Config;
use crate::data_dir::{self, SECRET_KEY_FILE};
use crate::domain::clock::Clock;
use crate::keys::Keys;
use crate::operating::action_context::ActionContext;
use crate::operating::backup::{
    BackupSource, LossyRestore, PossiblySent, RestoreTarget, RestoredAccess, create_backup,
    restore_backup, restore_with_loss,
};
use crate::reporting::number_format::counted;
use crate::store::backup::QueuedMessages;

const POSTGRES_HINT: &str = "the data is in PostgreSQL: back up and restore its database, for instance with `pg_dump --format=custom` and \
     `pg_restore`. A dump contains everything except `secret_key` and the spool files in the data folder. It includes its schema version, so an older version of bluetick refuses it";

#[derive(Args, Debug)]
pub struct BackupArguments {
    /// A new or empty folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

#[derive(Args, Debug)]
pub struct RestoreArguments {
    /// The folder of a backup
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Keep queued messages queued and campaigns running, even if they were sent since the backup
    #[arg(long)]
    pub queue: bool,
    /// Restore a copy of a data folder that is not a backup, such as a `tar` made while `serve` ran
    ///
    /// Its databases may have been copied at different moments. Prints what is missing.
    #[arg(long)]
    pub accept_loss: bool,
}

pub async fn create(
    arguments: &BackupArguments,
    config: &Config,
    clock: &dyn Clock,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    if config.uses_postgres() {
        return Err(POSTGRES_HINT.into());
    }
    let store = app::open_read_only(config).await?;
    let journal = app::open_journal_read_only(config, &store).await?;
    let source = BackupSource {
        store: &store,
        journal: &journal,
        data_dir: &config.data_dir,
    };
    let line = ProgressLine::new()?;
    let mut progress = |progress: crate::operating::verify::VerifyProgress| {
        line.update(progress.done, &format!("{} checked", progress.stage));
    };
    let created = create_backup(&source, &arguments.folder, clock, &mut progress).await;
    line.finish();
    let recorded = match &created {
        Ok(manifest) => store.record_backup(manifest.taken_at).await,
        Err(_) => Ok(()),
    };
    let closed = (journal.close().await, store.close().await);
    let manifest = created?;
    closed.0?;
    closed.1?;
    writeln!(
        out,
        "{} holds every callback acknowledged before {}",
        arguments.folder.display(),
        format_time(manifest.callbacks_complete_until)
    )?;
    writeln!(
        out,
        "{}, {}; verified, no discrepancies",
        counted(manifest.counts.callbacks, "callback", "callbacks"),
        counted(manifest.counts.messages, "message", "messages")
    )?;
    writeln!(
        out,
        "it does not contain the secret key, without which it cannot be restored"
    )?;
    if let Err(error) = recorded {
        writeln!(
            out,
            "the backup could not be recorded for `bluetick doctor`: {error}"
        )?;
    }
    Ok(())
}

pub async fn restore(
    arguments: &RestoreArguments,
    config: &Config,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    if config.uses_postgres() {
        return Err(POSTGRES_HINT.into());
    }
    refuse_other_database(config)?;
    data_dir::prepare(&config.data_dir)?;
    let secret = match &config.secret_key {
        Some(secret) => secret.clone(),
        None => data_dir::read_secret_key(&config.data_dir.join(SECRET_KEY_FILE))?,
    };
    let keys = Keys::derive(&secret, &config.secret_key_previous);
    let mut key_fingerprints = keys.previous_fingerprints();
    key_fingerprints.push(keys.fingerprint());
    let target = RestoreTarget {
        data_dir: &config.data_dir,
        key_fingerprints,
        queued: if arguments.queue {
            QueuedMessages::StayQueued
        } else {
            QueuedMessages::BecomeUncertain
        },
    };
    let context = ActionContext {
        actor: COMMAND_LINE,
        now,
    };
    let folder = arguments.folder.display();
    let is_backup = arguments.folder.join("manifest.json").exists();
    if arguments.accept_loss && !is_backup {
        let loss = restore_with_loss(&arguments.folder, &target, &context).await?;
        print_loss(&loss, config, out)?;
        return print_queue_option(arguments, out);
    }
    if !is_backup {
        if !arguments.folder.is_dir() {
            return Err(format!("{folder}: there is no such folder").into());
        }
        return Err(format!("{folder} has no manifest.json, so it is not a complete backup; `--accept-loss` restores a copy of a data folder").into());
    }
    if arguments.accept_loss {
        writeln!(
            out,
            "{folder} is a complete backup; --accept-loss changes nothing"
        )?;
    }
    let restored = restore_backup(&arguments.folder, &target, &context).await?;
    let manifest = restored.manifest;
    writeln!(
        out,
        "restored {} and {} into {}",
        counted(manifest.counts.callbacks, "callback", "callbacks"),
        counted(manifest.counts.messages, "message", "messages"),
        config.data_dir.display()
    )?;
    print_possibly_sent(&restored.possibly_sent, out)?;
    print_access(&restored.access, out)?;
    print_queue_option(arguments, out)?;
    writeln!(
        out,
        "possibly missing: callbacks acknowledged from {} on, messages accepted from {} on",
        format_time(manifest.callbacks_complete_until),
        format_time(manifest.taken_at)
    )?;
    Ok(())
}

fn print_queue_option(
    arguments: &RestoreArguments,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    if arguments.queue {
        writeln!(
            out,
            "when `serve` starts, queued messages will be sent and campaigns continue, even if the messages were sent since"
        )?;
    }
    Ok(())
}

fn print_possibly_sent(
    possibly_sent: &PossiblySent,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    if possibly_sent.uncertain > 0 {
        writeln!(
            out,
            "{} may have been sent since; uncertain now, and sent only if you resend them",
            counted(possibly_sent.uncertain, "message", "messages")
        )?;
    }
    if possibly_sent.paused_campaigns > 0 {
        writeln!(
            out,
            "{} paused: the waiting recipients may have been sent their messages since; resume or cancel",
            counted(
                possibly_sent.paused_campaigns,
                "campaign is",
                "campaigns are"
            )
        )?;
    }
    Ok(())
}

fn print_access(access: &RestoredAccess, out: &mut impl Write) -> Result<(), CommandError> {
    writeln!(
        out,
        "{} ended, {} deleted; `bluetick user sign-in-link` creates a new link",
        counted(access.ended_sessions, "session was", "sessions were"),
        counted(access.deleted_links, "sign-in link", "sign-in links")
    )?;
    if !access.users.is_empty() {
        writeln!(
            out,
            "enabled users, with their roles and passwords as of the backup; `bluetick user disable EMAIL` for those you had disabled since:"
        )?;
    }
    for user in &access.users {
        writeln!(out, "  {} ({})", user.email, user.role.as_str())?;
    }
    if !access.tokens.is_empty() {
        writeln!(
            out,
            "valid tokens; `bluetick token revoke NAME` for those you had revoked since:"
        )?;
    }
    for token in &access.tokens {
        writeln!(out, "  {} ({})", token.name, token.scopes)?;
    }
    Ok(())
}

fn print_loss(
    loss: &LossyRestore,
    config: &Config,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    writeln!(out, "restored the copy into {}", config.data_dir.display())?;
    print_possibly_sent(&loss.possibly_sent, out)?;
    print_access(&loss.access, out)?;
    writeln!(
        out,
        "the journal has no copy of {} that were processed; {} will be processed by `serve`",
        counted(loss.missing_callbacks, "callback", "callbacks"),
        counted(loss.unprocessed, "callback", "callbacks")
    )?;
    let from = loss
        .last_callback_at
        .map_or_else(|| "the beginning".to_owned(), format_time);
    writeln!(
        out,
        "possibly missing: callbacks acknowledged from {from} on, and messages accepted since the copy"
    )?;
    Ok(())
}

/// Fails if `database_url` names another file than the one in the data folder, into which backups
/// are restored.
fn refuse_other_database(config: &Config) -> Result<(), CommandError> {
    let url = config.database_url.expose();
    let file = url.strip_prefix("sqlite://").unwrap_or(url);
    if Path::new(file) == config.data_dir.join("bluetick.db") {
        return Ok(());
    }
    Err("database_url must name bluetick.db in data_dir; unset database_url, restore, then move the databases".into())
}

fn format_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
