//! Kernel settings of a node's network namespace. Never anything outside `net/`: that would be the machine's.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Component, Path};

use super::error::SetupError;

/// What every node starts with, whatever the machine's settings are (IPv4 settings are inherited from it).
const DEFAULTS: [(&str, &str); 6] = [
    // An IPv6 address can be used at once, without a second of duplicate address detection.
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv4/ip_forward", "0"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    // As in a Kubernetes pod: any user may listen on port 80.
    ("net/ipv4/ip_unprivileged_port_start", "0"),
];

/// Applies the defaults. Those of a protocol that the kernel lacks are passed over.
pub(super) fn apply_defaults() -> Result<(), SetupError> {
    for (key, value) in DEFAULTS {
        match set(key, value) {
            Err(SetupError::Sysctl { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Whether a key names a setting of the network namespace.
pub(crate) fn check(key: &str) -> Result<(), SetupError> {
    let below_net = key.strip_prefix("net/").is_some_and(|rest| {
        !rest.is_empty() && Path::new(rest).components().all(|part| matches!(part, Component::Normal(_)))
    });
    if below_net { Ok(()) } else { Err(SetupError::SysctlForeign { key: key.to_owned() }) }
}

/// Sets a key, such as `net/ipv4/ip_forward`, in the calling thread's network namespace.
pub(super) fn set(key: &str, value: &str) -> Result<(), SetupError> {
    check(key)?;
    let write = || {
        let mut file = OpenOptions::new().write(true).open(Path::new("/proc/sys").join(key))?;
        file.write_all(value.as_bytes())
    };
    write().map_err(|source| SetupError::Sysctl { key: key.to_owned(), value: value.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_below_net_are_accepted() {
        assert!(check("net/ipv4/ip_forward").is_ok());
        for key in ["kernel/pid_max", "net/../kernel/pid_max", "net", "net/", "/net/ipv4/x", "net.ipv4.x", ""]
        {
            assert!(check(key).is_err(), "{key}");
        }
    }
}
