//! The limit of open files: raised as far as the system allows, and refused if the program cannot
//! start with it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// With fewer, databases, listeners and the runtime cannot be opened.
const NEEDED: u64 = 64;

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "at most {limit} files may be open, but at least {needed} are needed, and 4864 under load: set \
     `LimitNOFILE=65536` in the systemd unit, or run `ulimit -n 65536` before the start",
    needed = NEEDED
)]
pub struct TooFewOpenFiles {
    limit: u64,
}

/// Raises the limit far enough for a start. Later failures would name a database or a socket.
pub fn require_enough() -> Result<(), TooFewOpenFiles> {
    let limit = raise_limit(NEEDED);
    if limit < NEEDED {
        return Err(TooFewOpenFiles { limit });
    }
    Ok(())
}

/// Raises the limit to `wanted`, or as far as possible. Returns how many of these may be open.
pub(crate) fn raise_limit(wanted: u64) -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(limit.maximum.map_or(wanted, |most| most.min(wanted))),
            maximum: limit.maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    limit.current.unwrap_or(wanted).min(wanted)
}
