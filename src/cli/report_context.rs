//! What `bluetick report` and its subcommand read from.

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::reporting::costs::Costs;

#[derive(Clone, Copy, Debug)]
pub struct ReportContext<'a> {
    pub config: &'a Config,
    pub costs: &'a Costs,
    pub now: DateTime<Utc>,
}
