//! The log, on stderr: text on a terminal, JSON lines otherwise. Written by its own thread.
//!
//! **Invariant:** phone numbers, wamids, names, captions, tokens and bodies are never logged; types
//! that hold them print masked.

pub mod line_per_minute;
mod log_queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::thread;
use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::json;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Environment;
use crate::domain::clock::{Clock, SystemClock};
use crate::telemetry::log_queue::{LogOutput, LogQueue};

/// How long the program waits at its end for lines that are not written yet.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Precedes the first line that is written after lines were dropped.
const NOTICE: &str = "log lines were dropped: stderr was full, closed or not read";

const OWN_VARIABLE: &str = "BLUETICK_LOG";

static LOG_QUEUE: LogQueue = LogQueue::new();

/// Libraries that log too much at `info`, possibly private data. `actix_http` logs broken requests
/// and connections of clients as errors, and `actix_session` warns of every invalid cookie. sqlx
/// prints the values of parameters of `database_url` that it does not know.
const DEFAULT_FILTER: &str = "info,sqlx=warn,sqlx_postgres::options=error,sea_orm=warn,sea_orm_migration=warn,actix=warn,actix_web=warn,actix_server=warn,actix_http=off,actix_session=off,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,h2=warn";

const LEVELS: &str = "error, warn, info, debug, trace and off";

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error(
        "{variable}: `{filter}` is not a log filter such as debug or info,bluetick=debug; the levels are {LEVELS}"
    )]
    BadFilter {
        variable: &'static str,
        filter: String,
    },
    #[error(
        "{variable}: `{word}` is not a level; those are {LEVELS}. For one library write {word}=debug"
    )]
    UnknownLevel {
        variable: &'static str,
        word: String,
    },
    #[error("the thread that writes the log cannot be started: {0}")]
    Thread(#[from] io::Error),
    /// The log of this process was already started.
    #[error("the log cannot be started: {0}")]
    AlreadyStarted(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts the log of this process. `BLUETICK_LOG`, else `RUST_LOG`, extends the default filter.
pub fn start(environment: &Environment) -> Result<(), TelemetryError> {
    let is_terminal = io::stderr().is_terminal();
    let notice = if is_terminal {
        notice_text
    } else {
        notice_json
    };
    thread::Builder::new().name("log".into()).spawn(move || {
        let mut output = LogOutput::new(io::stderr());
        loop {
            LOG_QUEUE.write_next(&mut output, notice);
        }
    })?;
    // Filters of the whole log. With per-layer filters lines are lost: an event that a library only
    // asks about (`tracing::enabled!`) leaves a mark that suppresses the next one.
    let log = tracing_subscriber::registry()
        .with(filter(environment)?)
        .with(limits());
    let lines = tracing_subscriber::fmt::layer()
        // The layer would report them with `eprintln!`, which panics on a full disk.
        .log_internal_errors(false)
        .with_writer(|| &LOG_QUEUE);
    if is_terminal {
        log.with(lines.with_target(false)).try_init()?;
    } else {
        let lines = lines.json().flatten_event(true).with_current_span(false);
        log.with(lines).try_init()?;
    }
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Log lines that were not written, since the start.
pub fn dropped_lines() -> u64 {
    LOG_QUEUE.dropped()
}

/// Prints lines to stderr as they are, after the log, and waits at most a second for both.
pub fn print_and_flush(lines: &str) {
    LOG_QUEUE.push(lines.as_bytes());
    flush();
}

/// Waits until the log is written, at most a second.
pub fn flush() {
    LOG_QUEUE.flush(FLUSH_TIMEOUT);
}

fn notice_json(dropped: u64) -> String {
    let line = json!({
        "timestamp": now(),
        "level": "WARN",
        "message": NOTICE,
        "dropped": dropped,
        "target": module_path!(),
    });
    format!("{line}\n")
}

fn notice_text(dropped: u64) -> String {
    format!("{}  WARN {NOTICE} dropped={dropped}\n", now())
}

fn now() -> String {
    SystemClock
        .now()
        .to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Logs the location of a panic but not its message, which may quote private data.
/// `RUST_BACKTRACE=1` adds the backtrace. A panic of the main thread ends the process, so its line
/// is written first.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic
        .location()
        .map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(location, %backtrace, "panicked; this is a bug");
    } else {
        tracing::error!(location, "panicked; this is a bug");
    }
    if thread::current().name() == Some("main") {
        flush();
    }
}

/// Applies even if the operator asks for more: `actix_http` quotes headers of broken requests at
/// `debug`.
fn limits() -> Targets {
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_target("actix_http", LevelFilter::INFO)
}

/// The default filter, followed by the operator's directives, which take precedence.
fn filter(environment: &Environment) -> Result<EnvFilter, TelemetryError> {
    let configured = [OWN_VARIABLE, "RUST_LOG"]
        .into_iter()
        .find_map(|variable| Some((variable, environment.get(variable)?)))
        .filter(|(_, filter)| !filter.trim().is_empty());
    let Some((variable, filter)) = configured else {
        return Ok(EnvFilter::new(DEFAULT_FILTER));
    };
    // `RUST_LOG` is not checked: it may be set for other programs.
    if variable == OWN_VARIABLE
        && let Some(word) = filter
            .split(',')
            .map(str::trim)
            .find(|it| is_unknown_level(it))
    {
        return Err(TelemetryError::UnknownLevel {
            variable,
            word: word.to_owned(),
        });
    }
    EnvFilter::builder()
        .parse(format!("{DEFAULT_FILTER},{filter}"))
        .map_err(|_| TelemetryError::BadFilter {
            variable,
            filter: filter.clone(),
        })
}

/// Whether a directive is a single word that is neither a level nor this program's name. The filter
/// itself would accept any word as the name of a library.
fn is_unknown_level(directive: &str) -> bool {
    let is_word = directive.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_known = directive.parse::<LevelFilter>().is_ok() || directive == "bluetick";
    !directive.is_empty() && is_word && !is_known
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct LogBuffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for LogBuffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_logged_with_its_location_and_without_its_message() {
        let log = LogBuffer::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        let body = "a table for Ines, +447700900123";
        let before = panic::take_hook();
        panic::set_hook(Box::new(log_panic));
        let result = tracing::subscriber::with_default(subscriber, || {
            panic::catch_unwind(|| {
                body.parse::<u64>()
                    .unwrap_or_else(|_| panic!("not a number: {body}"))
            })
        });
        panic::set_hook(before);
        assert!(result.is_err());
        let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(logged.contains("src/telemetry/mod.rs:"), "{logged}");
        assert!(
            !logged.contains("Ines") && !logged.contains("447700900123"),
            "{logged}"
        );
    }

    fn filtered(variables: &[(&str, &str)]) -> Result<String, TelemetryError> {
        let environment = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        filter(&environment).map(|filter| filter.to_string())
    }

    fn directives(text: &str) -> Vec<&str> {
        text.split(',').collect()
    }

    #[test]
    fn noisy_libraries_stay_quiet_unless_they_are_named() {
        let plain = filtered(&[]).unwrap();
        assert!(directives(&plain).contains(&"sqlx=warn"), "{plain}");
        assert!(directives(&plain).contains(&"info"), "{plain}");
        assert!(directives(&plain).contains(&"actix_session=off"), "{plain}");
        let louder =
            filtered(&[("BLUETICK_LOG", "debug,sqlx=info"), ("RUST_LOG", "error")]).unwrap();
        let louder = directives(&louder);
        assert!(
            louder.contains(&"debug") && louder.contains(&"sqlx=info"),
            "{louder:?}"
        );
        assert!(
            !louder.contains(&"sqlx=warn") && !louder.contains(&"info"),
            "{louder:?}"
        );
        assert!(louder.contains(&"hyper=warn"), "{louder:?}");
        assert!(louder.contains(&"actix_http=off"), "{louder:?}");
    }

    #[test]
    fn an_unknown_level_is_refused_with_those_that_exist() {
        for filter in ["loud", "info,loud", " loud , sqlx=warn"] {
            let error = filtered(&[("BLUETICK_LOG", filter)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                "BLUETICK_LOG: `loud` is not a level; those are error, warn, info, debug, trace and off. For one library write loud=debug"
            );
        }
        for filter in [
            "DEBUG",
            "2",
            "bluetick",
            "bluetick::web",
            "loud=debug",
            "info,",
            "off",
        ] {
            assert!(filtered(&[("BLUETICK_LOG", filter)]).is_ok(), "{filter}");
        }
        // `RUST_LOG` may be set for other programs.
        assert!(filtered(&[("RUST_LOG", "loud")]).is_ok());
    }

    #[test]
    fn a_bad_filter_names_its_variable() {
        let error = filtered(&[("RUST_LOG", "bluetick=loud")]).unwrap_err();
        assert!(
            error.to_string().starts_with("RUST_LOG: `bluetick=loud`"),
            "{error}"
        );
    }
}
