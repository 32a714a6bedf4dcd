//! Memory, processor time and context switches of a process, from `/proc`.

use std::fs;
use std::time::Duration;

use crate::error::BenchError;

/// The line `key` of `/proc/PID/status`, in MB.
pub fn memory(process: u32, key: &str) -> Result<f64, BenchError> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kib: f64 = kib.ok_or("no such line in its status")?.trim().parse()?;
    Ok(kib / 1024.0)
}

/// Processor time of a process, all threads.
pub fn processor_time(process: u32) -> Result<Duration, BenchError> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in brackets may contain anything; user and system time are fields 14 and 15.
    let (_, rest) = stat.rsplit_once(')').ok_or("no name in its stat")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks =
        || -> Result<u64, BenchError> { Ok(fields.next().ok_or("too short")?.parse()?) };
    // The unit is always a hundredth of a second on Linux.
    Ok(Duration::from_millis((ticks()? + ticks()?) * 10))
}

/// Context switches of a process, of all threads that still run.
pub fn context_switches(process: u32) -> Result<u64, BenchError> {
    let mut switches = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        // The thread may have ended meanwhile.
        let Ok(status) = fs::read_to_string(task?.path().join("status")) else {
            continue;
        };
        for line in status.lines() {
            if let Some((key, value)) = line.split_once(':')
                && key.ends_with("_ctxt_switches")
            {
                switches += value.trim().parse::<u64>()?;
            }
        }
    }
    Ok(switches)
}
