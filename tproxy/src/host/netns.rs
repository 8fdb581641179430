//! Which network namespace this is, and whether it may be changed.

use std::fmt;
use std::os::fd::AsRawFd;
use std::os::linux::fs::MetadataExt;
use std::str::FromStr;

use super::HostError;
use crate::ebpf::{IdMap, Ids};

/// The variable that names a network namespace which must not be changed, as `device:inode`.
pub const FORBID_VARIABLE: &str = "TPROXY_FORBID_NETNS";

/// A network namespace by the device and inode of its file under /proc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetnsId {
    /// Device of nsfs.
    pub device: u64,
    /// Inode; unique among the namespaces that exist at one time.
    pub inode: u64,
}

impl NetnsId {
    /// The calling thread's network namespace.
    ///
    /// # Errors
    /// /proc is not mounted.
    pub fn current() -> Result<Self, HostError> {
        let path = "/proc/thread-self/ns/net";
        let data =
            std::fs::metadata(path).map_err(|error| HostError::Read { path: path.to_owned(), error })?;
        Ok(Self { device: data.st_dev(), inode: data.st_ino() })
    }
}

impl fmt::Display for NetnsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.device, self.inode)
    }
}

impl FromStr for NetnsId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (device, inode) = text.split_once(':').ok_or(())?;
        Ok(Self { device: device.parse().map_err(|_| ())?, inode: inode.parse().map_err(|_| ())? })
    }
}

/// Why this namespace may not be changed.
#[derive(Debug, thiserror::Error)]
pub enum Forbidden {
    /// It is the one that the variable names.
    #[error(
        "this network namespace ({0}) is the one that {FORBID_VARIABLE} forbids to change; \
         enter another one first, or unset the variable"
    )]
    ThisOne(NetnsId),
    /// The variable says something else: better refuse than guess.
    #[error("{FORBID_VARIABLE}: `{0}` is not a network namespace of the form device:inode")]
    Unreadable(String),
    /// The namespace itself is not known.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Refuses the namespace that `forbidden`, the value of [`FORBID_VARIABLE`], names.
///
/// # Errors
/// It is the calling thread's, or the value cannot be read.
pub fn permit(forbidden: Option<&str>) -> Result<(), Forbidden> {
    let Some(text) = forbidden else { return Ok(()) };
    let forbidden = text.parse::<NetnsId>().map_err(|()| Forbidden::Unreadable(text.to_owned()))?;
    let current = NetnsId::current()?;
    if current == forbidden { Err(Forbidden::ThisOne(current)) } else { Ok(()) }
}

/// A name for this namespace that no other namespace of this boot ever gets: its cookie (Linux 5.14), else its inode,
/// which the boot id of the record makes good enough.
///
/// # Errors
/// Neither can be read.
pub fn record_name() -> Result<String, HostError> {
    match cookie() {
        Some(cookie) => Ok(format!("netns-{cookie}")),
        None => NetnsId::current().map(|id| format!("netns-inode-{}", id.inode)),
    }
}

/// The cookie of the calling thread's network namespace (`SO_NETNS_COOKIE`, Linux 5.14).
#[must_use]
pub fn cookie() -> Option<u64> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).ok()?;
    crate::process::netns_cookie(socket.as_raw_fd())
}

/// Why ids in the calling thread's network namespace cannot be told in the kernel's terms.
#[derive(Debug, thiserror::Error)]
pub enum UnknownIds {
    /// This process itself lives in a user namespace with ids of its own.
    #[error(
        "this process is in a user namespace with ids of its own, where programs for eBPF cannot be told the kernel's: run \
         tproxy outside of it, as with nsenter --net, or use iptables"
    )]
    Here,
    /// The owner's map is that of any process in it.
    #[error(
        "this network namespace belongs to a user namespace in which no process is seen, so that its ids are not known: start \
         one first, or use iptables"
    )]
    Nobody,
    /// A file of /proc.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// What the ids of users and groups in the calling thread's network namespace are to the kernel: it may belong to a user
/// namespace that translates them.
///
/// # Errors
/// That cannot be told.
pub fn ids() -> Result<Ids, UnknownIds> {
    let (namespace, own) = ("/proc/thread-self/ns/net", "/proc/thread-self/ns/user");
    let file = std::fs::File::open(namespace).map_err(|error| unread(namespace, error))?;
    let own = std::fs::metadata(own).map_err(|error| unread(own, error))?;
    // Maps are shown as the reader's user namespace has ids.
    if !map("/proc/thread-self/uid_map")?.is_plain() || !map("/proc/thread-self/gid_map")?.is_plain() {
        return Err(UnknownIds::Here);
    }
    // Only the owner's own processes and those above may ask for it.
    let owner = crate::process::owner_of_namespace(&file).ok_or(UnknownIds::Here)?;
    let owner = owner.metadata().map_err(|error| unread(namespace, error))?;
    if same(&owner, &own) {
        return Ok(Ids::plain());
    }
    let processes = std::fs::read_dir("/proc").map_err(|error| unread("/proc", error))?;
    let found = processes.flatten().find_map(|process| {
        let at = process.path();
        let is_there = || std::fs::metadata(at.join("ns/user")).is_ok_and(|its| same(&its, &owner));
        let map = |name| map(at.join(name).to_str()?).ok();
        let ids = is_there().then(|| Some(Ids { users: map("uid_map")?, groups: map("gid_map")? }))??;
        // Not those of another that got its number meanwhile.
        is_there().then_some(ids)
    });
    found.ok_or(UnknownIds::Nobody)
}

fn same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    (one.st_dev(), one.st_ino()) == (other.st_dev(), other.st_ino())
}

fn unread(path: &str, error: std::io::Error) -> HostError {
    HostError::Read { path: path.to_owned(), error }
}

fn map(path: &str) -> Result<IdMap, HostError> {
    let text = std::fs::read_to_string(path).map_err(|error| unread(path, error))?;
    let broken = || unread(path, std::io::Error::other("it is no map of ids"));
    IdMap::read(&text).ok_or_else(broken)
}

/// The kernel's id of this boot.
///
/// # Errors
/// /proc is not mounted.
pub fn boot_id() -> Result<String, HostError> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text =
        std::fs::read_to_string(path).map_err(|error| HostError::Read { path: path.to_owned(), error })?;
    Ok(text.trim().to_owned())
}
