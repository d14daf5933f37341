//! How much memory the process may have, and how near it is to that.
//!
//! A kernel that ends the process for want of memory ends every request in it. So before that,
//! clients have to do with less: from [`HIGH`] on nobody keeps an unused connection, from [`FULL`]
//! on nobody new is let in.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Parts of the limit, in percent.
const HIGH: u64 = 80;
const FULL: u64 = 90;
/// What the kernel writes for no limit depends on its page size, but is beyond this.
const BOUNDLESS: u64 = 1 << 60;

/// How near the limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub(super) enum Pressure {
    /// Far enough.
    #[default]
    Low,
    /// Unused connections end soon.
    High,
    /// And none are added.
    Full,
}

/// The memory that the process may have, and where what it has is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryLimit(Source);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// No limit is known.
    None,
    /// Given by the file: what is resident counts.
    Own(u64),
    /// The kernel's: all that the group of processes has counts, but for file pages that the kernel
    /// can drop, as Kubernetes counts it.
    Group { limit: u64, usage: PathBuf, stat: PathBuf, droppable: &'static str },
}

impl MemoryLimit {
    /// No limit.
    pub const NONE: Self = Self(Source::None);

    /// The limit that the file gives, else that of the control group (v2 or v1) we run in.
    #[must_use]
    pub fn of_process(given: Option<u64>) -> Self {
        if let Some(limit) = given {
            return Self(Source::Own(limit));
        }
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::of_groups(&groups, Path::new("/sys/fs/cgroup"))
    }

    pub(super) fn of_groups(groups: &str, mount: &Path) -> Self {
        let lowest = groups.lines().filter_map(|line| Hierarchy::of(line, mount)).flat_map(
            |(hierarchy, folder)| {
                // A limit of any group above ours holds for ours. In a container the path may be
                // the host's: then only the mount itself exists here, and it is our group.
                let above = folder.ancestors().take_while(|at| at.starts_with(&hierarchy.root));
                above.filter_map(|at| hierarchy.limit_at(at)).collect::<Vec<_>>()
            },
        );
        let limit = lowest.min_by_key(|source| match source {
            Source::Group { limit, .. } | Source::Own(limit) => *limit,
            Source::None => u64::MAX,
        });
        Self(limit.unwrap_or(Source::None))
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(&self) -> Option<u64> {
        match self.0 {
            Source::None => None,
            Source::Own(limit) | Source::Group { limit, .. } => Some(limit),
        }
    }

    fn used(&self) -> Option<u64> {
        match &self.0 {
            Source::None => None,
            Source::Own(_) => {
                let status = std::fs::read_to_string("/proc/self/status").ok()?;
                let kib = field(&status, "VmRSS:")?;
                Some(kib.saturating_mul(1024))
            }
            Source::Group { usage, stat, droppable, .. } => {
                let used = number_in(usage)?;
                let stat = std::fs::read_to_string(stat).ok()?;
                Some(used.saturating_sub(field(&stat, droppable).unwrap_or(0)))
            }
        }
    }
}

/// How a version of control groups calls its files.
struct Hierarchy {
    root: PathBuf,
    limit: &'static str,
    usage: &'static str,
    droppable: &'static str,
}

impl Hierarchy {
    /// The hierarchy that a line of `/proc/self/cgroup` is about, and our group's folder in it.
    fn of(line: &str, mount: &Path) -> Option<(Self, PathBuf)> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let hierarchy = match controllers {
            "" => Self {
                root: mount.to_owned(),
                limit: "memory.max",
                usage: "memory.current",
                droppable: "inactive_file",
            },
            all if all.split(',').any(|one| one == "memory") => Self {
                root: mount.join("memory"),
                limit: "memory.limit_in_bytes",
                usage: "memory.usage_in_bytes",
                droppable: "total_inactive_file",
            },
            _ => return None,
        };
        let folder = hierarchy.root.join(path.trim_start_matches('/'));
        Some((hierarchy, folder))
    }

    fn limit_at(&self, folder: &Path) -> Option<Source> {
        let limit = number_in(&folder.join(self.limit)).filter(|limit| *limit < BOUNDLESS)?;
        Some(Source::Group {
            limit,
            usage: folder.join(self.usage),
            stat: folder.join("memory.stat"),
            droppable: self.droppable,
        })
    }
}

fn number_in(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The limit, and what was last seen of it.
pub(super) struct Memory {
    limit: MemoryLimit,
    pressure: AtomicU8,
}

impl Memory {
    pub(super) fn new(limit: MemoryLimit) -> Self {
        Self { limit, pressure: AtomicU8::new(0) }
    }

    /// As of the last [`Memory::look`].
    pub(super) fn pressure(&self) -> Pressure {
        match self.pressure.load(Relaxed) {
            0 => Pressure::Low,
            1 => Pressure::High,
            _ => Pressure::Full,
        }
    }

    /// Looks again, and says limit and use in bytes. Where they cannot be read, the pressure stays
    /// as it was.
    pub(super) fn look(&self) -> Option<(u64, u64)> {
        let (limit, used) = self.limit.bytes().zip(self.limit.used())?;
        let (before, now) = (self.pressure(), pressure(used, limit));
        self.pressure.store(now as u8, Relaxed);
        if now > before {
            tracing::warn!(
                target: "portcullis::connection",
                used, limit, accepting = now < Pressure::Full,
                "memory is short: unused connections are closed"
            );
        } else if now < before && now == Pressure::Low {
            tracing::info!(target: "portcullis::connection", used, limit, "memory suffices again");
        }
        Some((limit, used))
    }
}

fn pressure(used: u64, limit: u64) -> Pressure {
    let percent = used.saturating_mul(100) / limit.max(1);
    match percent {
        FULL.. => Pressure::Full,
        HIGH.. => Pressure::High,
        _ => Pressure::Low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        std::fs::create_dir_all(folder).expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.join(name), text).expect("written");
        }
    }

    #[test]
    fn the_lowest_limit_of_our_group_and_those_above_holds() {
        let mount = tempfile::tempdir().expect("a folder");
        let at = |path: &str| mount.path().join(path);
        write(&at("a"), &[("memory.max", "1000\n")]);
        write(&at("a/b"), &[("memory.max", "max\n")]);
        write(&at("a/b/c"), &[("memory.max", "4000\n")]);
        let limit = MemoryLimit::of_groups("0::/a/b/c\n", mount.path());
        assert_eq!(limit.bytes(), Some(1000));
        write(
            &at("a"),
            &[("memory.current", "900\n"), ("memory.stat", "anon 1\ninactive_file 150\n")],
        );
        assert_eq!(limit.used(), Some(750));
    }

    #[test]
    fn version_1_is_read_by_its_own_names() {
        let mount = tempfile::tempdir().expect("a folder");
        write(
            &mount.path().join("memory/x"),
            &[
                ("memory.limit_in_bytes", "2000\n"),
                ("memory.usage_in_bytes", "500\n"),
                ("memory.stat", "inactive_file 1\ntotal_inactive_file 100\n"),
            ],
        );
        write(&mount.path().join("memory"), &[("memory.limit_in_bytes", "9223372036854771712\n")]);
        let limit = MemoryLimit::of_groups("4:cpu,memory:/x\n0::/\n", mount.path());
        assert_eq!((limit.bytes(), limit.used()), (Some(2000), Some(400)));
    }

    #[test]
    fn in_a_container_the_mount_is_our_group_whatever_the_path_says() {
        let mount = tempfile::tempdir().expect("a folder");
        write(mount.path(), &[("memory.max", "3000\n")]);
        let limit = MemoryLimit::of_groups("0::/kubepods/of/the/host\n", mount.path());
        assert_eq!(limit.bytes(), Some(3000));
    }

    #[test]
    fn without_a_limit_there_is_no_pressure() {
        let mount = tempfile::tempdir().expect("a folder");
        for groups in ["", "0::/\n", "garbage", "4:memory", "4:memory:/../../x\n"] {
            let limit = MemoryLimit::of_groups(groups, mount.path());
            assert_eq!(limit, MemoryLimit::NONE, "{groups}");
            let memory = Memory::new(limit);
            assert_eq!((memory.look(), memory.pressure()), (None, Pressure::Low));
        }
    }

    #[test]
    fn pressure_begins_at_four_fifths_and_is_full_at_nine_tenths() {
        let of = |used| pressure(used, 1000);
        assert_eq!(
            [0, 799, 800, 899, 900, u64::MAX].map(of),
            [
                Pressure::Low,
                Pressure::Low,
                Pressure::High,
                Pressure::High,
                Pressure::Full,
                Pressure::Full
            ]
        );
    }

    #[test]
    fn what_the_file_gives_is_held_against_what_is_resident() {
        let limit = MemoryLimit::of_process(Some(1 << 40));
        assert_eq!(limit.bytes(), Some(1 << 40));
        assert!(limit.used().is_some_and(|used| used > 1 << 20));
    }
}
