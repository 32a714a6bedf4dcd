//! The configuration, costs and time that `bluetick report` and its subcommand use.

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::reporting::costs::Costs;

#[derive(Clone, Copy, Debug)]
pub struct ReportContext<'a> {
    pub config: &'a Config,
    pub costs: &'a Costs,
    pub now: DateTime<Utc>,
}
