//! Which network namespace this is, and whether it may be changed.

use std::fmt;
use std::os::fd::AsRawFd;
use std::os::linux::fs::MetadataExt;
use std::str::FromStr;

use super::HostError;

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

/// Whether user ids in the calling thread's network namespace are others than those of the kernel: it belongs to a user
/// namespace that translates them.
///
/// # Errors
/// /proc is not mounted.
pub fn has_own_ids() -> Result<bool, HostError> {
    let read = |path: &str, error| HostError::Read { path: path.to_owned(), error };
    let (namespace, own, map) =
        ("/proc/thread-self/ns/net", "/proc/thread-self/ns/user", "/proc/thread-self/uid_map");
    let file = std::fs::File::open(namespace).map_err(|error| read(namespace, error))?;
    let own = std::fs::metadata(own).map_err(|error| read(own, error))?;
    // Only the owner's own processes and those above may ask for it.
    let Some(owner) = crate::process::owner_of_namespace(&file) else { return Ok(true) };
    let owner = owner.metadata().map_err(|error| read(namespace, error))?;
    let text = std::fs::read_to_string(map).map_err(|error| read(map, error))?;
    let is_plain = text.split_whitespace().eq(["0", "0", "4294967295"]);
    Ok(!(is_plain && (owner.st_dev(), owner.st_ino()) == (own.st_dev(), own.st_ino())))
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
