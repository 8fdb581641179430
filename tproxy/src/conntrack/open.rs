//! Which captured connections are open.
//!
//! Must never count one that both ends have closed.

use super::Entry;
use crate::iptables::redirects::Redirects;
use crate::plan::flow::Protocol;

/// States in which one end at least may still send (TCP_CONNTRACK_ESTABLISHED, _FIN_WAIT, _CLOSE_WAIT).
const OPEN: [u8; 3] = [3, 4, 5];

/// Whether an entry is a TCP connection that one of `redirects` captured and that is not closed.
#[must_use]
pub fn is_open(entry: &Entry, redirects: &Redirects) -> bool {
    entry.protocol == Protocol::Tcp
        && entry.redirected_to().is_some_and(|port| redirects.tcp.contains(&port))
        && entry.tcp_state.is_some_and(|state| OPEN.contains(&state))
}
