//! What connection tracking knows in this network namespace, and the sockets that its UDP entries belong to.
//!
//! Needs `CAP_NET_ADMIN`. Must never delete an entry.

use std::io::ErrorKind;

use netlink_packet_core::NLM_F_DUMP;
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::{HostError, resolvers};
use crate::conntrack::{self, Entry, Socket};
use crate::netlink;

/// Hands each entry of a TCP or UDP flow to `take`: there may be more than fit into memory at once.
///
/// # Errors
/// The kernel does not show them.
pub fn each(mut take: impl FnMut(Entry)) -> Result<(), HostError> {
    let seen = |message| {
        if let Some(entry) = conntrack::entry(&message) {
            take(entry);
        }
    };
    netlink::ask(NETLINK_NETFILTER, conntrack::all(), NLM_F_DUMP, seen).map_err(HostError::Conntrack)
}

/// The UDP sockets, with the user that made each.
///
/// # Errors
/// /proc is not mounted.
pub fn udp_sockets() -> Result<Vec<Socket>, HostError> {
    let mut sockets = Vec::new();
    for file in ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"] {
        match std::fs::read_to_string(file) {
            Ok(text) => sockets.extend(
                text.lines().filter_map(resolvers::socket).map(|(address, uid)| Socket { address, uid }),
            ),
            // A kernel without IPv6.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(HostError::Read { path: file.to_owned(), error }),
        }
    }
    Ok(sockets)
}
