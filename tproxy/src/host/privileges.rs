//! What the calling process may do, from its capabilities.

use super::HostError;
use crate::check::Privileges;

/// Bits of capabilities (capability.h).
const NET_ADMIN: u32 = 12;
const NET_RAW: u32 = 13;

/// The effective user and capabilities.
///
/// # Errors
/// /proc cannot be read.
pub fn own() -> Result<Privileges, HostError> {
    let path = "/proc/thread-self/status";
    let status =
        std::fs::read_to_string(path).map_err(|error| HostError::Read { path: path.to_owned(), error })?;
    let effective = effective(&status);
    let has = |bit: u32| effective & (1 << bit) != 0;
    Ok(Privileges { uid: nix::unistd::geteuid().as_raw(), net_admin: has(NET_ADMIN), net_raw: has(NET_RAW) })
}

/// The line `CapEff:` of proc(5); none where it does not stand there.
fn effective(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_capabilities_are_read_in_hexadecimal() {
        assert_eq!(effective("Name:\ta\nCapPrm:\tff\nCapEff:\t0000000000003000\n"), 0x3000);
        assert_eq!(effective("Name:\ta\n"), 0);
    }
}
