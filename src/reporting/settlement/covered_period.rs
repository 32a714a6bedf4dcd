//! The period that a provider's file covers.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::reporting::bucketed_statistics::{day_end, day_start};
use crate::reporting::settlement::provider_file::ProviderFile;

/// Why the period is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeriodError {
    /// It does not end after it begins.
    Reversed {
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    },
    /// The file has no times, and no period was given.
    NoTimes,
}

/// The given period. A missing start is the start of the day of the first time in the file, a missing
/// end the end of the day of the last, in `zone`. The second instant is exclusive.
pub fn covered_period(
    file: &ProviderFile,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    zone: Tz,
) -> Result<(DateTime<Utc>, DateTime<Utc>), PeriodError> {
    let times = || file.rows.iter().filter_map(|row| row.time);
    let day = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
    let from = from.or_else(|| times().min().map(|at| day_start(day(at), zone)));
    let to = to.or_else(|| times().max().map(|at| day_end(day(at), zone)));
    match (from, to) {
        (Some(from), Some(to)) if from < to => Ok((from, to)),
        (Some(from), Some(to)) => Err(PeriodError::Reversed { from, to }),
        _ => Err(PeriodError::NoTimes),
    }
}
