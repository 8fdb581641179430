//! The users and hosts that a node knows: its passwd, group, hosts and resolv.conf as text.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::identity::Identity;

/// A user of a node, with a group of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The group's name.
    pub group: String,
    /// Their ids.
    pub identity: Identity,
}

impl Account {
    /// A user with a group of the same name and number.
    pub fn new(name: &str, id: u32) -> Self {
        Self { name: name.to_owned(), group: name.to_owned(), identity: Identity::new(id, id) }
    }

    /// The users that every node has unless its specification says otherwise.
    pub fn usual() -> Vec<Self> {
        vec![
            Self::new("root", 0),
            Self::new("app", 1000),
            Self::new("other", 1001),
            Self::new("kuma-dp", 5678),
            Self { group: "nogroup".to_owned(), ..Self::new("nobody", 65534) },
        ]
    }
}

/// The text of `/etc/passwd`.
pub(super) fn passwd(accounts: &[Account]) -> String {
    accounts.iter().fold(String::new(), |mut text, Account { name, identity, .. }| {
        let home = if identity.uid == 0 { "/root" } else { "/tmp" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}:x:{}:{}:{name}:{home}:/bin/sh", identity.uid, identity.gid);
        text
    })
}

/// The text of `/etc/group`.
pub(super) fn group(accounts: &[Account]) -> String {
    accounts.iter().fold(String::new(), |mut text, Account { group, identity, .. }| {
        let _ = writeln!(text, "{group}:x:{}:", identity.gid);
        text
    })
}

/// The text of `/etc/hosts`: localhost, then the given ones.
pub(super) fn hosts(hosts: &[(IpAddr, String)]) -> String {
    let local = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n".to_owned();
    hosts.iter().fold(local, |mut text, (address, name)| {
        let _ = writeln!(text, "{address} {name}");
        text
    })
}

/// The text of `/etc/resolv.conf`.
pub(super) fn resolv_conf(name_servers: &[IpAddr]) -> String {
    let comment = "# made by netsim\n".to_owned();
    name_servers.iter().fold(comment, |mut text, address| {
        let _ = writeln!(text, "nameserver {address}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_accounts_hold_the_default_sidecar_user() {
        let accounts = Account::usual();
        assert!(passwd(&accounts).contains("\nkuma-dp:x:5678:5678:kuma-dp:/tmp:/bin/sh\n"));
        assert!(group(&accounts).ends_with("\nkuma-dp:x:5678:\nnogroup:x:65534:\n"));
    }

    #[test]
    fn name_servers_of_both_families_are_written() {
        let servers = ["10.0.0.53".parse().unwrap(), "fd00::53".parse().unwrap()];
        assert_eq!(resolv_conf(&servers), "# made by netsim\nnameserver 10.0.0.53\nnameserver fd00::53\n");
    }
}
