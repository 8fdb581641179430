//! Which network namespace this is, as programs know it: by its cookie.
//!
//! Sockets tell it since Linux 5.14. Before, programs alone are told: one is attached to this process's own cgroup for a
//! moment, and asked. Must never leave it there, nor have it touch another call than the one that asks.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::error::EbpfError;
use super::place::Mounts;
use super::{call, object};
use crate::host::netns;

/// `BPF_CGROUP_INET4_BIND` of linux/bpf.h.
const BIND4: u32 = 8;

/// The cookie of the calling thread's network namespace.
///
/// # Errors
/// The kernel tells it in neither way.
pub(super) fn cookie() -> Result<u64, EbpfError> {
    match netns::cookie() {
        Some(cookie) => Ok(cookie),
        None => asked().map_err(|error| EbpfError::NoCookie(error.to_string())),
    }
}

/// The cookie as a program tells it.
fn asked() -> Result<u64, EbpfError> {
    // Nobody else binds to it: it is random, in a corner of 127.0.0.0/8; a process id would be another's in another
    // namespace.
    let [high, middle, low, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
    let address = Ipv4Addr::new(127, 128 | high, middle, low);
    let (program, map) = object::cookie_program(u32::from_ne_bytes(address.octets()))?;
    let path = own_cgroup()?;
    let cgroup = File::open(&path).map_err(|error| EbpfError::File { what: "open", path, error })?;
    let link = call::link(program.as_fd(), cgroup.as_fd(), BIND4)
        .map_err(|error| EbpfError::Attach { hook: "bind4", error })?;
    // It is refused, by the program.
    let _ = UdpSocket::bind(SocketAddrV4::new(address, 0));
    drop(link);
    let failed = |error| EbpfError::Map { what: "read", map: "tproxy_cookie", error };
    let value = call::lookup(map.as_fd(), &0_u32.to_ne_bytes(), size_of::<u64>()).map_err(failed)?;
    let cookie = value.and_then(|value| value.try_into().ok()).map_or(0, u64::from_ne_bytes);
    match cookie {
        0 => Err(failed(std::io::Error::other("the program was not asked"))),
        cookie => Ok(cookie),
    }
}

fn own_cgroup() -> Result<PathBuf, EbpfError> {
    let path = Path::new("/proc/thread-self/cgroup");
    let failed = |error| EbpfError::File { what: "read", path: path.to_owned(), error };
    let text = fs::read_to_string(path).map_err(failed)?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    Mounts::read()?.cgroup(Path::new(own)).ok_or_else(|| EbpfError::NoCgroup { path: own.into() })
}
