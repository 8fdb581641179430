//! Deletes entries of connection tracking.
//!
//! Must never delete more than the entries given: each is named by its flow, its zone and its id.

use std::io;

use netlink_packet_core::NLM_F_ACK;
use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::conntrack::{self, Entry};
use crate::netlink;

/// Deletes entries, and says how many were still there.
///
/// # Errors
/// The kernel refuses one; those before it are gone.
pub fn delete(entries: &[Entry]) -> io::Result<usize> {
    let mut deleted = 0;
    for entry in entries {
        match netlink::ask(NETLINK_NETFILTER, conntrack::delete(entry), NLM_F_ACK, |_| ()) {
            Ok(()) => deleted += 1,
            // It timed out meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(deleted)
}
