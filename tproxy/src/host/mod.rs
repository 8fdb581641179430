//! What the host says about itself. Reads only.
//!
//! Must never change the system, and must never decide what the facts mean: that is the plan's part.

mod account;
mod addresses;
pub mod clock;
pub mod conntrack;
pub mod evidence;
mod file;
pub mod firewalld;
pub mod iptables;
mod ipv6;
mod mounts;
pub mod netns;
mod nftables;
mod others;
pub mod privileges;
pub mod probe;
pub mod resolv_conf;
mod resolvers;
pub mod sockets;
mod users;
pub mod xtables_lock;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Config;
use resolv_conf::Resolver;

pub use addresses::{ADDRESS_PROTOCOL, mark_of};
pub use file::FileError;
pub use users::Users;

/// All that a plan needs to know of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostFacts {
    /// The users that a configuration may mean.
    pub users: Users,
    /// Name of the loopback interface, usually `lo`.
    pub loopback: String,
    /// The addresses of all interfaces.
    pub addresses: Vec<InterfaceAddress>,
    /// Why IPv6 cannot be captured here; `None` when it can.
    pub without_ipv6: Option<String>,
    /// The name servers, where the configuration asks for them.
    pub resolver: Resolver,
}

/// An address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InterfaceAddress {
    /// Interface name.
    pub interface: String,
    /// The address itself.
    pub address: IpAddr,
}

/// A fact that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Interfaces and addresses could not be listed.
    #[error("cannot list the addresses of this host: {0}")]
    Addresses(nix::errno::Errno),
    /// Every Linux network namespace has one.
    #[error("this host has no loopback interface")]
    NoLoopback,
    /// A file could not be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// What went wrong.
        error: std::io::Error,
    },
    /// The file that names the name servers could not be read.
    #[error("cannot read {}: {error}; name a file with name servers, or use --redirect-all-dns-traffic", path.display())]
    ResolvConf {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: FileError,
    },
    /// The kernel does not show what it tracks.
    #[error("cannot see connection tracking: {0}")]
    Conntrack(std::io::Error),
    /// A user could not be looked up.
    #[error("cannot look up user `{user}`: {error}")]
    User {
        /// Name or id.
        user: String,
        /// What went wrong.
        error: nix::errno::Errno,
    },
}

/// Reads the facts that a plan from `config` needs, in the calling thread's network namespace.
///
/// # Errors
/// A fact that cannot be read. A user that does not exist and a host without IPv6 are facts, not errors.
pub fn facts(config: &Config) -> Result<HostFacts, HostError> {
    let asks = config.dns.enabled && !config.dns.capture_all;
    facts_beside(config, if asks { resolver(config)? } else { Resolver::default() })
}

/// The facts as [`facts`] reads them, with name servers that are known already.
///
/// # Errors
/// A fact that cannot be read.
pub fn facts_beside(config: &Config, resolver: Resolver) -> Result<HostFacts, HostError> {
    let (loopback, addresses) = addresses::list()?;
    Ok(HostFacts {
        users: users::look_up(config)?,
        without_ipv6: ipv6::missing(&loopback)?,
        resolver,
        loopback,
        addresses,
    })
}

/// The copy of resolv.conf that very old versions of Kuma made. They never deleted it, so that it may be years old.
#[must_use]
pub fn resolv_conf_backup() -> Option<&'static str> {
    const BACKUP: &str = "/etc/resolv.conf.kuma-backup";
    Path::new(BACKUP).exists().then_some(BACKUP)
}

/// The name servers of the file that `config` names.
///
/// # Errors
/// The file is no regular one, larger than 1 MiB, which no list of name servers is, or cannot be read.
pub fn resolver(config: &Config) -> Result<Resolver, HostError> {
    const LARGEST: u64 = 1 << 20;
    let path = config.dns.resolv_config_path.as_path();
    let text = file::read(path, LARGEST);
    let text = text.map_err(|error| HostError::ResolvConf { path: path.to_owned(), error })?;
    Ok(resolv_conf::parse(&text))
}
