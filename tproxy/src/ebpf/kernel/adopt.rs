//! Listeners of a sidecar that was there before the programs, which see only those that come later.
//!
//! Must never touch a socket but the listeners on the ports it is asked about.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use super::call;
use super::error::EbpfError;
use super::maps::{Maps, Role};
use crate::host::HostError;

/// How often sockets are looked for that nobody has when their process is looked at: they may have been closed.
const LOOKS: usize = 3;
/// State of a listening socket in /proc/net/tcp (`TCP_LISTEN` of net/tcp_states.h).
const LISTENING: &str = "0A";

struct Listener {
    inode: u64,
    port: u16,
    family: u16,
    role: Role,
}

/// Notes every socket of the calling thread's network namespace that listens on one of these ports.
pub(super) fn adopt(maps: &Maps, netns: u64, ports: &[(u16, Role)]) -> Result<(), EbpfError> {
    let mut why = "no process was found that has it".to_owned();
    let mut left = Vec::new();
    for _ in 0..LOOKS {
        left = listeners(ports)?;
        if left.is_empty() {
            return Ok(());
        }
        for process in processes() {
            take(maps, netns, process, &mut left, &mut why)?;
            if left.is_empty() {
                return Ok(());
            }
        }
    }
    left.first().map_or(Ok(()), |listener| Err(EbpfError::Adopt { port: listener.port, why }))
}

/// Takes the listeners that a process has.
fn take(
    maps: &Maps,
    netns: u64,
    process: i32,
    left: &mut Vec<Listener>,
    why: &mut String,
) -> Result<(), EbpfError> {
    for (descriptor, inode) in sockets(process) {
        let Some(at) = left.iter().position(|listener| listener.inode == inode) else { continue };
        match call::descriptor_of(process, descriptor) {
            Ok(socket) => note(maps, netns, &left.swap_remove(at), &socket)?,
            Err(error) => *why = format!("process {process} has it ({error})"),
        }
    }
    Ok(())
}

fn note(maps: &Maps, netns: u64, listener: &Listener, socket: &OwnedFd) -> Result<(), EbpfError> {
    // Connections are the paths' own sockets', and only the kernel has these.
    let protocol = socket2::SockRef::from(socket).protocol();
    if protocol.is_ok_and(|protocol| protocol == Some(socket2::Protocol::MPTCP)) {
        return Err(EbpfError::SeveralPaths { port: listener.port });
    }
    maps.adopt(netns, listener.port, listener.family, listener.role, socket)
}

fn listeners(ports: &[(u16, Role)]) -> Result<Vec<Listener>, EbpfError> {
    let mut found = Vec::new();
    for (path, family) in
        [("/proc/thread-self/net/tcp", libc::AF_INET), ("/proc/thread-self/net/tcp6", libc::AF_INET6)]
    {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            // A kernel without IPv6.
            Err(error) if error.kind() == ErrorKind::NotFound && family == libc::AF_INET6 => {
                continue;
            }
            Err(error) => return Err(HostError::Read { path: path.to_owned(), error }.into()),
        };
        let family = u16::try_from(family).unwrap_or_default();
        found.extend(text.lines().skip(1).filter_map(|line| listener(line, family, ports)));
    }
    Ok(found)
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …` (proc(5)).
fn listener(line: &str, family: u16, ports: &[(u16, Role)]) -> Option<Listener> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if *words.get(3)? != LISTENING {
        return None;
    }
    let port = u16::from_str_radix(words.get(1)?.rsplit(':').next()?, 16).ok()?;
    let (port, role) = *ports.iter().find(|(known, _)| *known == port)?;
    Some(Listener { inode: words.get(9)?.parse().ok()?, port, family, role })
}

fn processes() -> impl Iterator<Item = i32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The sockets of a process: descriptor and inode. One that is gone, or may not be looked at, has none.
fn sockets(process: i32) -> Vec<(i32, u64)> {
    let all = match fs::read_dir(format!("/proc/{process}/fd")) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return tried(process),
        all => all.into_iter().flatten().flatten(),
    };
    let socket = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
        Some((entry.file_name().to_str()?.parse().ok()?, inode))
    };
    all.filter_map(socket).collect()
}

/// The same of a process of another user whose directory must not be read: CAP_SYS_PTRACE gives descriptors by number alone.
fn tried(process: i32) -> Vec<(i32, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")?.trim().parse().ok());
    let socket = |descriptor: i32| {
        let found = call::descriptor_of(process, descriptor).ok()?;
        // Of a file, even to ask what it is may wait for whoever serves it.
        call::socket_cookie(&found).ok()?;
        Some((descriptor, File::from(found).metadata().ok()?.ino()))
    };
    (0..size.unwrap_or(0)).filter_map(socket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listeners_on_the_ports_asked_for_are_found() {
        let ports = [(15006, Role::Inbound)];
        let line = "   0: 00000000:3A9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000  5678        0 4242 1 0";
        let found = listener(line, 2, &ports).unwrap();
        assert_eq!((found.inode, found.port, found.role), (4242, 15006, Role::Inbound));
        assert!(listener(&line.replace(" 0A ", " 01 "), 2, &ports).is_none());
        assert!(listener(&line.replace("3A9E", "3A9D"), 2, &ports).is_none());
    }
}
