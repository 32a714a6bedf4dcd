//! Reads records of a spool file by position, and finds the next readable one after damage.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::domain::callback_record::CallbackRecord;
use crate::journal::spool::record_format::{HEAD_BYTES, RecordHead, RecordMarker};

/// Bytes searched at a time for the next readable record.
const SEARCH_BYTES: usize = 64 * 1024;

pub(super) struct RecordScan<'f> {
    pub(super) file: &'f File,
    pub(super) marker: RecordMarker,
    /// Where reading stops: the end of the last record or of the file.
    pub(super) end: u64,
}

/// A head, the size of the content after it, and the position of the record's end.
struct LocatedHead {
    head: RecordHead,
    content_bytes: usize,
    end: u64,
}

impl RecordScan<'_> {
    /// The number of records from `start` on.
    pub(super) fn count_from(&self, start: u64) -> io::Result<u64> {
        let (mut at, mut records) = (start, 0);
        while at < self.end {
            if let Some(located) = self.head_at(at)? {
                records += 1;
                at = located.end;
            } else if let Some(found) = self.find_record(at + 1)? {
                at = found;
            } else {
                break;
            }
        }
        Ok(records)
    }

    /// The record at this position, and its end.
    pub(super) fn read_at(&self, at: u64) -> io::Result<Option<(CallbackRecord, u64)>> {
        let Some(located) = self.head_at(at)? else {
            return Ok(None);
        };
        let mut content = vec![0; located.content_bytes];
        self.file
            .read_exact_at(&mut content, at + HEAD_BYTES as u64)?;
        let record = located.head.read(&content);
        Ok(record.map(|record| (record, located.end)))
    }

    fn head_at(&self, at: u64) -> io::Result<Option<LocatedHead>> {
        let mut bytes = [0; HEAD_BYTES];
        if at + HEAD_BYTES as u64 > self.end {
            return Ok(None);
        }
        self.file.read_exact_at(&mut bytes, at)?;
        let located = RecordHead::parse(bytes, self.marker).and_then(|head| {
            let content_bytes = head.content_bytes()?;
            let end = at + (HEAD_BYTES + content_bytes) as u64;
            (end <= self.end).then_some(LocatedHead {
                head,
                content_bytes,
                end,
            })
        });
        Ok(located)
    }

    /// Start of the next readable record at or after `from`.
    pub(super) fn find_record(&self, mut from: u64) -> io::Result<Option<u64>> {
        let mut window = vec![0; SEARCH_BYTES];
        while from + HEAD_BYTES as u64 <= self.end {
            let length = window
                .len()
                .min(usize::try_from(self.end - from).unwrap_or(usize::MAX));
            self.file.read_exact_at(&mut window[..length], from)?;
            for offset in 0..=length - self.marker.len() {
                let at = from + offset as u64;
                if window[offset..].starts_with(&self.marker) && self.read_at(at)?.is_some() {
                    return Ok(Some(at));
                }
            }
            from += (length - self.marker.len() + 1) as u64;
        }
        Ok(None)
    }
}
