//! Links between nodes: veth pairs, addresses, routes, and whole networks made from a topology.
//!
//! Only `netlink` speaks rtnetlink, and only from inside a node: a netlink socket belongs to the network
//! namespace of the thread that opened it. Nothing here ever appears in the machine's own network.

mod error;
mod netlink;
mod network;
mod shape;

pub use error::{LinkError, NetworkError};
pub use network::{Network, NetworkOptions};

use std::os::fd::AsRawFd;
use std::time::Duration;

use ipnet::IpNet;

use crate::node::Node;
use crate::topology::{Bridge, End, Link};

/// An address that an interface has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssignedAddress {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpNet,
}

/// Joins two nodes by a veth pair and waits until both ends carry traffic.
///
/// # Errors
/// When the kernel refuses a step, or the link does not come up within the nodes' deadline.
pub fn join(a: &Node, b: &Node, link: &Link) -> Result<(), LinkError> {
    create(a, b, link)?;
    let [near, far] = &link.ends;
    let pending = [configure(a, vec![near.clone()]), configure(b, vec![far.clone()])];
    pending.into_iter().try_for_each(|pending| pending.wait()?)
}

/// Makes the veth pair; both ends are in place, nothing is configured.
fn create(a: &Node, b: &Node, link: &Link) -> Result<(), LinkError> {
    let (link, target) = (link.clone(), b.net_namespace().as_raw_fd());
    // The descriptor stays open while `b` is borrowed, which is until the job is done.
    a.run(move || async move { netlink::create_veth(&link, target).await })?
}

/// Makes a bridge of interfaces that are in place; nothing is configured.
fn create_bridge(node: &Node, bridge: &Bridge) -> Result<(), LinkError> {
    let (name, ports) = (bridge.end.interface.clone(), bridge.ports.clone());
    node.run(move || async move { netlink::create_bridge(&name, &ports).await })?
}

/// Brings ends of one node up, with addresses and routes, and waits until they carry traffic.
fn configure(node: &Node, ends: Vec<End>) -> crate::node::Pending<Result<(), LinkError>> {
    node.submit(node.deadline(), move || async move {
        for end in &ends {
            netlink::configure(end).await?;
        }
        Ok(())
    })
}

/// The addresses of all interfaces of a node, sorted: the same list before and after means that nothing was left.
///
/// # Errors
/// When the kernel does not answer.
pub fn addresses(node: &Node) -> Result<Vec<AssignedAddress>, LinkError> {
    node.run(|| async { netlink::addresses().await })?
}

/// Gives an interface of a node an address, usable at once.
///
/// # Errors
/// When there is no such interface, or the kernel refuses the address.
pub fn add_address(node: &Node, interface: &str, address: IpNet) -> Result<(), LinkError> {
    let interface = interface.to_owned();
    node.run(move || async move { netlink::add_address(&interface, address).await })?
}

/// Sets an interface of a node up or down.
///
/// # Errors
/// When there is no such interface, or the kernel refuses.
pub fn set_up(node: &Node, interface: &str, up: bool) -> Result<(), LinkError> {
    let interface = interface.to_owned();
    node.run(move || async move { netlink::set_up(&interface, up).await })?
}

/// Brings an interface of a node up again, with what it had of addresses and routes.
///
/// # Errors
/// When the kernel refuses a step, or the link does not come up within the node's deadline.
pub fn restore(node: &Node, end: &End) -> Result<(), LinkError> {
    let end = end.clone();
    node.run(move || async move { netlink::configure(&end).await })?
}

/// How long a link may take to carry traffic once both ends are up.
const COMING_UP: Duration = Duration::from_secs(5);
