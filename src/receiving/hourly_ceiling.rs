//! The bytes and the receipts of callbacks that one account may send per hour.

use std::path::Path;

use crate::db::disk::{Disk, Reserve};

/// The hourly ceiling is the greater of 1 GiB (a million callbacks of 1 KiB) and a tenth of the
/// disk space that is free above the reserve.
pub(super) const MINIMUM_CEILING: u64 = 1024 * 1024 * 1024;
const FREE_SPACE_DIVISOR: u64 = 10;
/// About what a receipt and its message occupy in the database. Even a small callback may hold
/// thousands of receipts.
const RECEIPT_BYTES: u64 = 1024;

/// Receipts per hour at this ceiling of bytes.
pub(super) fn receipt_ceiling(byte_ceiling: u64) -> u64 {
    byte_ceiling / RECEIPT_BYTES
}

/// `folder` is on the disk that stores the callbacks.
pub(super) fn measure_ceiling(folder: &Path) -> u64 {
    hourly_ceiling(free_bytes(folder))
}

fn hourly_ceiling(free_bytes: Option<u64>) -> u64 {
    MINIMUM_CEILING.max(free_bytes.unwrap_or(0) / FREE_SPACE_DIVISOR)
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = Disk::measure(folder).ok()?;
    Some(disk.free_above(Reserve::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_grows_with_the_disk() {
        assert_eq!(hourly_ceiling(None), MINIMUM_CEILING);
        assert_eq!(hourly_ceiling(Some(5 * MINIMUM_CEILING)), MINIMUM_CEILING);
        let large = 1_000 * MINIMUM_CEILING;
        assert_eq!(hourly_ceiling(Some(large)), 100 * MINIMUM_CEILING);
    }
}
