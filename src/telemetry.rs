//! The log: to stderr, for people on a terminal and as JSON lines otherwise.
//!
//! **Invariant:** phone numbers, wamids, names, captions, tokens and bodies are never logged; types that hold them print masked.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Environment;

/// Libraries that tell too much at `info`, and could tell what nobody may read.
const QUIET: &str = "info,sqlx=warn,sea_orm=warn,sea_orm_migration=warn,actix=warn,actix_web=warn,actix_server=warn,actix_http=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,h2=warn";

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("{variable}: `{filter}` is not a log filter such as debug or info,bluetick=debug")]
    BadFilter {
        /// The variable it came from.
        variable: &'static str,
        /// What it held.
        filter: String,
    },
    /// A log was started before.
    #[error("the log cannot be started: {0}")]
    AlreadyStarted(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts the log for this process; `BLUETICK_LOG`, else `RUST_LOG`, says what is told beyond the default.
pub fn start(environment: &Environment) -> Result<(), TelemetryError> {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter(environment)?)
        .with_writer(io::stderr);
    if io::stderr().is_terminal() {
        subscriber.with_target(false).finish().try_init()?;
    } else {
        subscriber
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .try_init()?;
    }
    Ok(())
}

/// The default filter with the operator's directives over it.
fn filter(environment: &Environment) -> Result<EnvFilter, TelemetryError> {
    let asked = ["BLUETICK_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|variable| Some((variable, environment.get(variable)?)))
        .filter(|(_, filter)| !filter.trim().is_empty());
    let Some((variable, filter)) = asked else {
        return Ok(EnvFilter::new(QUIET));
    };
    EnvFilter::builder()
        .parse(format!("{QUIET},{filter}"))
        .map_err(|_| TelemetryError::BadFilter {
            variable,
            filter: filter.clone(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

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
