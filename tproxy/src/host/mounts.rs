//! Mounted file systems that the eBPF backend needs, from /proc/self/mountinfo (proc(5)).

use super::HostError;
use crate::check::Mount;

/// The mounts of cgroup2 and of the BPF file system.
pub(super) fn list() -> Result<Vec<Mount>, HostError> {
    let path = "/proc/thread-self/mountinfo";
    let text =
        std::fs::read_to_string(path).map_err(|error| HostError::Read { path: path.to_owned(), error })?;
    Ok(text.lines().filter_map(mount).collect())
}

/// `36 35 98:0 /root /mnt rw,noatime shared:1 - ext3 /dev/root rw`: the path is the fifth word, the kind the first one
/// behind the dash.
fn mount(line: &str) -> Option<Mount> {
    let (before, behind) = line.split_once(" - ")?;
    let kind = behind.split(' ').next().filter(|kind| ["cgroup2", "bpf"].contains(kind))?;
    Some(Mount { kind: kind.to_owned(), path: before.split(' ').nth(4)?.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_told_by_their_kind() {
        let found = mount("78 77 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw").unwrap();
        assert_eq!((found.kind.as_str(), found.path.to_str()), ("cgroup2", Some("/sys/fs/cgroup")));
        assert_eq!(mount("23 1 8:1 / / rw - ext4 /dev/cgroup2 rw"), None);
    }
}
