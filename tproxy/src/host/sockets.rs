//! Who has a unix socket of this network namespace open, from /proc.

use std::os::linux::fs::MetadataExt;
use std::path::Path;

/// A process and its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOwner {
    /// Process id.
    pub pid: i32,
    /// User id.
    pub uid: u32,
}

/// Who has the abstract socket `name` open; `None` where it is gone, or the process cannot be seen from here.
#[must_use]
pub fn owner_of_abstract(name: &[u8]) -> Option<SocketOwner> {
    let listed = std::fs::read_to_string("/proc/thread-self/net/unix").ok()?;
    let links = links(&listed, &format!("@{}", String::from_utf8_lossy(name)));
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.map(|entry| entry.path()).filter(|process| has_open(process, &links)).find_map(|process| {
        let pid = process.file_name()?.to_str()?.parse().ok()?;
        Some(SocketOwner { pid, uid: std::fs::metadata(&process).ok()?.st_uid() })
    })
}

/// The sockets of a name as /proc/PID/fd shows them: the one that is bound, and those that wait to be accepted, which no
/// process has. Columns: `Num RefCount Protocol Flags Type St Inode Path`.
fn links(listed: &str, path: &str) -> Vec<String> {
    let named = listed.lines().filter(|line| line.split_whitespace().nth(7) == Some(path));
    named.filter_map(|line| line.split_whitespace().nth(6)).map(|inode| format!("socket:[{inode}]")).collect()
}

fn has_open(process: &Path, links: &[String]) -> bool {
    let Ok(open) = std::fs::read_dir(process.join("fd")) else { return false };
    let is_named = |target: &Path| links.iter().any(|link| target.as_os_str() == link.as_str());
    open.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| is_named(&target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_socket_that_does_not_listen_is_found() {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};
        use std::os::fd::AsRawFd;
        let name = format!("tproxy/test/owner/{}", std::process::id());
        let held = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(held.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes()).unwrap()).unwrap();
        let owner = owner_of_abstract(name.as_bytes()).unwrap();
        assert_eq!(owner.pid, std::process::id().cast_signed());
        assert_eq!(owner.uid, nix::unistd::geteuid().as_raw());
        drop(held);
        assert_eq!(owner_of_abstract(name.as_bytes()), None);
    }
}
