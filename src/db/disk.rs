//! Free disk space, and how much of it callbacks must leave free.

use std::io;
use std::path::{Path, PathBuf};

const MIB: u64 = 1024 * 1024;

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

    /// Free bytes beyond the reserve.
    pub fn free_above(self, reserve: Reserve) -> u64 {
        self.free.saturating_sub(reserve.bytes(self))
    }
}

/// The disk space that callbacks leave free, so that the database can still be opened and purged:
/// the smaller of a share and a size. On a large disk the share would be far more than needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reserve {
    pub percent: u64,
    /// In bytes.
    pub at_most: u64,
}

impl Reserve {
    pub const NONE: Self = Self {
        percent: 0,
        at_most: 0,
    };

    pub fn bytes(self, disk: Disk) -> u64 {
        (disk.total / 100 * self.percent).min(self.at_most)
    }
}

impl Default for Reserve {
    fn default() -> Self {
        Self {
            percent: 5,
            at_most: 2 * 1024 * MIB,
        }
    }
}

/// The reserve of the disk that holds a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DiskReserve {
    pub(crate) folder: PathBuf,
    pub(crate) reserve: Reserve,
}

impl DiskReserve {
    /// `StorageFull` if `bytes` would use the reserve.
    pub(crate) fn check(&self, bytes: u64) -> io::Result<()> {
        if self.reserve == Reserve::NONE {
            return Ok(());
        }
        let disk = Disk::measure(&self.folder)?;
        if disk.free_above(self.reserve) > bytes {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::StorageFull,
            format!(
                "the write would leave less than {} MiB of the disk free",
                self.reserve.bytes(disk) / MIB
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
        let free_above = |percent, at_most| disk.free_above(Reserve { percent, at_most });
        assert_eq!(free_above(5, 1_000), 20);
        assert_eq!(free_above(7, 1_000), 0);
        assert_eq!(free_above(90, 1_000), 0);
        assert_eq!(free_above(90, 30), 40);
    }

    #[test]
    fn the_reserve_of_a_large_disk_is_limited() {
        let reserve = |total| Reserve::default().bytes(Disk { free: 0, total }) / MIB;
        assert_eq!(reserve(20_000 * MIB), 1_000);
        assert_eq!(reserve(4 * 1024 * 1024 * MIB), 2_048);
    }

    #[test]
    fn a_reserve_larger_than_the_disk_makes_it_full() {
        let folder = std::env::temp_dir();
        let of = |reserve| DiskReserve {
            folder: folder.clone(),
            reserve,
        };
        assert!(of(Reserve::NONE).check(u64::MAX).is_ok());
        let everything = Reserve {
            percent: 101,
            at_most: u64::MAX,
        };
        let error = of(everything).check(0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(
            error.to_string().ends_with(" MiB of the disk free"),
            "{error}"
        );
    }
}
