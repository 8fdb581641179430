//! Who answers DNS queries on this host, from /proc/net and the user database. Needs no root.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::HostError;
use super::account::Account;
use crate::check::DnsListener;

/// The user that systemd-resolved runs as (systemd's sysusers.d).
const RESOLVED: &str = "systemd-resolve";
const DNS: u16 = 53;

/// The users with a UDP socket at port 53, each once; systemd-resolved's user even without one.
pub(super) fn list() -> Result<Vec<DnsListener>, HostError> {
    let mut found: Vec<DnsListener> = Vec::new();
    for file in ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"] {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            // A kernel without IPv6.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(HostError::Read { path: file.to_owned(), error }),
        };
        for (address, uid) in text.lines().filter_map(socket).filter(|(address, _)| address.port() == DNS) {
            if found.iter().all(|known| known.uid != uid) {
                found.push(DnsListener { uid, name: name(uid)?, address: Some(address) });
            }
        }
    }
    let failed = |error| HostError::User { user: RESOLVED.to_owned(), error };
    if let Some(user) = Account::named(RESOLVED).map_err(failed)?
        && found.iter().all(|known| known.uid != user.uid)
    {
        found.push(DnsListener { uid: user.uid, name: Some(user.name), address: None });
    }
    Ok(found)
}

fn name(uid: u32) -> Result<Option<String>, HostError> {
    let failed = |error| HostError::User { user: uid.to_string(), error };
    Ok(Account::with_uid(uid).map_err(failed)?.map(|user| user.name))
}

/// The local address and the owner of a socket: the second and the eighth word of a line (proc_net_udp).
pub(super) fn socket(line: &str) -> Option<(SocketAddr, u32)> {
    let mut words = line.split_ascii_whitespace();
    let (address, port) = words.nth(1)?.split_once(':')?;
    let uid = words.nth(5)?.parse().ok()?;
    Some((SocketAddr::new(ip(address)?, u16::from_str_radix(port, 16).ok()?), uid))
}

/// One group of eight digits for IPv4 and four for IPv6, each a number of this machine's byte order.
fn ip(digits: &str) -> Option<IpAddr> {
    let group = |at: usize| -> Option<[u8; 4]> {
        Some(u32::from_str_radix(digits.get(at..at + 8)?, 16).ok()?.to_ne_bytes())
    };
    match digits.len() {
        8 => Some(Ipv4Addr::from(group(0)?).into()),
        32 => {
            let groups = [group(0)?, group(8)?, group(16)?, group(24)?];
            let bytes: [u8; 16] = groups.as_flattened().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read_in_both_families() {
        let heading =
            "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout";
        assert_eq!(socket(heading), None);
        for address in ["127.0.0.53:0", "[::1]:0"] {
            let Ok(held) = UdpSocket::bind(address) else { continue };
            let expected = (held.local_addr().unwrap(), nix::unistd::geteuid().as_raw());
            let both = ["udp", "udp6"].map(|file| format!("/proc/thread-self/net/{file}"));
            let text: String = both.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect();
            assert!(text.lines().filter_map(socket).any(|found| found == expected), "{text}");
        }
    }
}
