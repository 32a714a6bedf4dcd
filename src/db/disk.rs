//! Free disk space, and the share of the disk that callbacks must leave free.

use std::io;
use std::path::{Path, PathBuf};

/// In bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disk {
    /// Available to unprivileged programs.
    pub free: u64,
    pub total: u64,
}

impl Disk {
    /// Cheap enough for every batch.
    pub fn measure(folder: &Path) -> io::Result<Self> {
        let disk = rustix::fs::statvfs(folder)?;
        Ok(Self {
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
            total: disk.f_blocks.saturating_mul(disk.f_frsize),
        })
    }

    /// Bytes that can be used before less than `percent` is free.
    pub fn free_above(self, percent: u64) -> u64 {
        self.free.saturating_sub(self.total / 100 * percent)
    }
}

/// A share of a disk that stays free, so that the database can still be opened and purged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DiskReserve {
    pub(crate) folder: PathBuf,
    pub(crate) percent: u64,
}

impl DiskReserve {
    /// `StorageFull` if `bytes` would use the reserve; a reserve of 0 % is not checked.
    pub(crate) fn check(&self, bytes: u64) -> io::Result<()> {
        if self.percent == 0 || Disk::measure(&self.folder)?.free_above(self.percent) > bytes {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::StorageFull,
            format!(
                "the write would leave less than {} % of the disk free",
                self.percent
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_not_free() {
        let disk = Disk {
            free: 70,
            total: 1_000,
        };
        assert_eq!(disk.free_above(5), 20);
        assert_eq!(disk.free_above(7), 0);
        assert_eq!(disk.free_above(90), 0);
    }

    #[test]
    fn a_reserve_larger_than_the_disk_makes_it_full() {
        let folder = std::env::temp_dir();
        let reserve = |percent| DiskReserve {
            folder: folder.clone(),
            percent,
        };
        assert!(reserve(0).check(u64::MAX).is_ok());
        let error = reserve(101).check(0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(
            error.to_string(),
            "the write would leave less than 101 % of the disk free"
        );
    }
}
