//! What a node shall be like: plain data.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::accounts::Account;
use super::error::{NodeError, SetupError};
use super::{files, sysctl};
use crate::patience::patient;

/// Longest name of a node or an actor.
const LONGEST_NAME: usize = 60;

/// The specification of a node. `NodeSpec::new(name)` is a complete one; change its fields to taste.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// The node's name: letters, digits, '-', '_' and '.'.
    pub name: String,
    /// Its users, in place of the machine's.
    pub accounts: Vec<Account>,
    /// The name servers in its resolv.conf; none by default.
    pub name_servers: Vec<IpAddr>,
    /// The hosts in its hosts file, beside localhost.
    pub hosts: Vec<(IpAddr, String)>,
    /// Programs to be made available by name, from a path of the machine: found first in PATH, even when the
    /// path lies in a directory that the node does not see, such as /tmp.
    pub programs: Vec<(String, PathBuf)>,
    /// Files to be written at start, below /run, /tmp or /etc.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// Kernel settings, as in `("net/ipv6/conf/all/disable_ipv6", "1")`. Only keys below `net/`.
    pub sysctls: Vec<(String, String)>,
    /// How long starting the node, one job on it and its end may take, each.
    pub deadline: Duration,
}

impl NodeSpec {
    /// A node with the usual users and nothing special.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            accounts: Account::usual(),
            name_servers: Vec::new(),
            hosts: Vec::new(),
            programs: Vec::new(),
            files: Vec::new(),
            sysctls: Vec::new(),
            deadline: patient(Duration::from_secs(10)),
        }
    }

    /// Finds what cannot be, before anything is made.
    pub(super) fn check(&self) -> Result<(), NodeError> {
        check_name(&self.name)?;
        let outcome = self
            .sysctls
            .iter()
            .try_for_each(|(key, _)| sysctl::check(key))
            .and_then(|()| self.files.iter().try_for_each(|(path, _)| files::check(path)));
        outcome.map_err(|source: SetupError| NodeError::Setup { thread: self.name.clone(), source })
    }
}

/// Whether a name can be that of a node or an actor.
pub(super) fn check_name(name: &str) -> Result<(), NodeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(NodeError::Name { name: name.to_owned() })
    }
}
