//! A bounded queue between the program and the descriptor of its log.
//!
//! A full disk, a closed descriptor or a pipe that is not read neither ends nor slows the program:
//! lines that cannot be queued or written are dropped and counted. Not `tracing-appender`: it does
//! not count failed writes, and it prints to standard output when its writer is stuck.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Maximum number of queued lines, of about 500 bytes each.
const MAX_LINES: usize = 1000;
/// The pause between two attempts on a descriptor that another process made non-blocking.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct LogQueue {
    state: Mutex<QueuedLines>,
    changed: Condvar,
}

#[derive(Debug)]
struct QueuedLines {
    lines: VecDeque<Vec<u8>>,
    is_writing: bool,
    /// Lines that were not queued or not written, since the start.
    dropped: u64,
    /// How many of the dropped lines a notice in the log has reported.
    reported: u64,
}

/// The descriptor of the log.
pub(super) struct LogOutput<W> {
    out: W,
    /// Whether the last write ended within a line.
    is_mid_line: bool,
}

impl LogQueue {
    pub(super) const fn new() -> Self {
        Self {
            state: Mutex::new(QueuedLines {
                lines: VecDeque::new(),
                is_writing: false,
                dropped: 0,
                reported: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Never waits for the descriptor.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.lines.len() < MAX_LINES {
            state.lines.push_back(line.to_vec());
            drop(state);
            self.changed.notify_all();
        } else {
            state.dropped += 1;
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits until every line was written or dropped, but not longer than `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        let is_busy = |state: &mut QueuedLines| state.is_writing || !state.lines.is_empty();
        // Neither a timeout nor a poisoned lock is an error here.
        drop(
            self.changed
                .wait_timeout_while(self.lock(), timeout, is_busy),
        );
    }

    /// Waits for a line and writes it. `notice` formats the number of lines that were
    /// dropped before it.
    pub(super) fn write_next<W: Write>(
        &self,
        output: &mut LogOutput<W>,
        notice: impl FnOnce(u64) -> String,
    ) {
        let mut state = self.lock();
        let mut line = loop {
            if let Some(line) = state.lines.pop_front() {
                break line;
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        };
        state.is_writing = true;
        let dropped = state.dropped;
        let unreported = dropped - state.reported;
        drop(state);
        if unreported > 0 {
            line = [notice(unreported).into_bytes(), line].concat();
        }
        let written = output.write_line(&line);
        let mut state = self.lock();
        match written {
            Ok(()) => state.reported = dropped,
            Err(_) => state.dropped += 1,
        }
        state.is_writing = false;
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, QueuedLines> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts one whole line per call, as `tracing_subscriber` writes them.
impl Write for &LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> LogOutput<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            is_mid_line: false,
        }
    }

    /// Blocks while the descriptor does. A disk that becomes full may accept a part of the line.
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_mid_line {
            self.write_all(b"\n")?;
        }
        self.write_all(line)
    }

    fn write_all(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while let Some(&last) = rest.last() {
            match self.out.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    self.is_mid_line = !rest.is_empty() || last != b'\n';
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(RETRY_INTERVAL);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with `free` bytes of space.
    #[derive(Default)]
    struct SmallDisk {
        written: Vec<u8>,
        free: usize,
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.free == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let accepted = bytes.len().min(self.free);
            self.free -= accepted;
            self.written.extend_from_slice(&bytes[..accepted]);
            Ok(accepted)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn notice(dropped: u64) -> String {
        format!("{dropped} dropped\n")
    }

    fn text(output: &LogOutput<SmallDisk>) -> &str {
        std::str::from_utf8(&output.out.written).unwrap()
    }

    #[test]
    fn lines_beyond_the_limit_are_dropped_and_the_next_written_line_reports_them() {
        let queue = LogQueue::new();
        for _ in 0..MAX_LINES + 7 {
            queue.push(b"line\n");
        }
        assert_eq!(queue.dropped(), 7);
        let mut output = LogOutput::new(SmallDisk {
            free: usize::MAX,
            ..SmallDisk::default()
        });
        queue.write_next(&mut output, notice);
        queue.write_next(&mut output, notice);
        assert_eq!(text(&output), "7 dropped\nline\nline\n");
        queue.push(b"room again\n");
        assert_eq!(queue.dropped(), 7);
    }

    #[test]
    fn a_full_disk_drops_lines_until_it_has_room_again() {
        let queue = LogQueue::new();
        let mut output = LogOutput::new(SmallDisk {
            free: 2,
            ..SmallDisk::default()
        });
        for line in ["first\n", "second\n", "third\n", "fourth\n"] {
            queue.push(line.as_bytes());
        }
        queue.write_next(&mut output, notice);
        queue.write_next(&mut output, notice);
        assert_eq!((text(&output), queue.dropped()), ("fi", 2));
        output.out.free = 100;
        queue.write_next(&mut output, notice);
        queue.write_next(&mut output, notice);
        assert_eq!(text(&output), "fi\n2 dropped\nthird\nfourth\n");
        assert_eq!(queue.dropped(), 2);
    }

    #[test]
    fn a_flush_waits_for_lines_but_not_for_a_descriptor_that_is_stuck() {
        let queue = LogQueue::new();
        queue.flush(Duration::MAX);
        queue.push(b"line\n");
        queue.flush(Duration::ZERO);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut output = LogOutput::new(SmallDisk {
                    free: 100,
                    ..SmallDisk::default()
                });
                queue.write_next(&mut output, notice);
                assert_eq!(text(&output), "line\n");
            });
            queue.flush(Duration::from_mins(1));
            assert!(queue.lock().lines.is_empty());
        });
    }
}
