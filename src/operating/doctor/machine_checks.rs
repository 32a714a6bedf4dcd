//! Disk, clock and limits of the machine.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::process::{Resource, getrlimit};

use crate::db::disk::{Disk, Reserve};
use crate::operating::doctor::finding::Finding;

const MIB: u64 = 1024 * 1024;
/// 2026-11-01, in seconds since the epoch. This program did not exist before, so an earlier time is
/// wrong.
const EARLIEST_TIME: i64 = 1_793_491_200;
/// A file that is newer than the clock by more than this shows that the clock was set back.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);
/// Files that are open under load: connections, databases, spool and calls to providers.
const FILES_UNDER_LOAD: u64 = 4_864;

/// Callbacks are refused with 503 when less than the reserve is free.
pub(super) fn check_disk(folder: &Path, disk: Disk) -> Option<Finding> {
    let reserve = Reserve::default();
    let reserved = reserve.bytes(disk);
    let folder = folder.display();
    let fix = format!("free space on the disk of {folder}, or move data_dir to a larger one");
    let free = disk.free / MIB;
    if disk.free_above(reserve) == 0 {
        let summary = format!(
            "the disk of {folder} is full: {free} MiB are free, less than the {} MiB below which callbacks are refused",
            reserved / MIB
        );
        return Some(Finding::problem("disk_full", summary, fix));
    }
    (disk.free_above(reserve) <= reserved).then(|| {
        let summary = format!(
            "the disk of {folder} is nearly full: {free} MiB are free; below {} MiB callbacks are refused",
            reserved / MIB
        );
        Finding::warning("disk_low", summary, fix)
    })
}

/// `newest` is when the newest file in the data folder was written.
pub(super) fn check_clock(now: DateTime<Utc>, newest: Option<DateTime<Utc>>) -> Option<Finding> {
    let fix = "set the clock and keep it set: `timedatectl set-ntp true`, or install chrony";
    if now.timestamp() < EARLIEST_TIME {
        let summary = format!("the clock is not set: it shows {}", now.format("%Y-%m-%d"));
        return Some(Finding::problem("clock", summary, fix));
    }
    let newest = newest.filter(|newest| *newest > now + CLOCK_TOLERANCE)?;
    let summary = format!(
        "the clock was set back: it shows {}, but files in data_dir are from {}",
        now.format("%Y-%m-%d %H:%M"),
        newest.format("%Y-%m-%d %H:%M")
    );
    Some(Finding::problem("clock", summary, fix))
}

/// Checks the hard limit, because `serve` raises its soft limit to that.
pub(super) fn check_file_limit() -> Option<Finding> {
    let limit = getrlimit(Resource::Nofile).maximum;
    let limit = limit.filter(|limit| *limit < FILES_UNDER_LOAD)?;
    Some(Finding::warning(
        "file_limit",
        format!("at most {limit} files may be open; {FILES_UNDER_LOAD} are used under load"),
        "set `LimitNOFILE=65536` in the systemd unit, or `ulimit -Hn 65536` before the start",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(free: u64) -> Option<&'static str> {
        let disk = Disk {
            free: free * MIB,
            total: 100_000 * MIB,
        };
        check_disk(Path::new("/data"), disk).map(|found| found.check)
    }

    #[test]
    fn a_full_disk_is_a_problem_before_no_space_is_left() {
        // Less than 5 % of the disk.
        let reserve = 2_048;
        assert_eq!(disk(0), Some("disk_full"));
        assert_eq!(disk(reserve), Some("disk_full"));
        assert_eq!(disk(reserve + 1), Some("disk_low"));
        assert_eq!(disk(90_000), None);
    }

    #[test]
    fn a_clock_that_is_not_set_or_was_set_back_is_a_problem() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let now = at("2026-12-01T00:00:00Z");
        assert_eq!(check_clock(now, None), None);
        assert_eq!(check_clock(now, Some(now)), None);
        let unset = check_clock(at("1970-01-01T00:03:00Z"), None).unwrap();
        assert!(unset.summary.contains("not set"), "{}", unset.summary);
        assert!(unset.fix.contains("timedatectl"), "{}", unset.fix);
        let set_back = check_clock(now, Some(at("2027-01-01T00:00:00Z"))).unwrap();
        assert!(
            set_back.summary.contains("set back"),
            "{}",
            set_back.summary
        );
    }
}
