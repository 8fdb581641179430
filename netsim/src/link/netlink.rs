//! Requests to the kernel about interfaces. The only file that names rtnetlink's types, which change every few
//! weeks. Every function works in the network namespace of the calling thread, so call it from a job of a node.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::RawFd;

use futures_util::{Stream, StreamExt, TryStreamExt};
use ipnet::IpNet;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags};
use netlink_packet_route::link::{InfoData, InfoVeth, LinkFlags, LinkMessage};
use nix::net::if_::{if_indextoname, if_nametoindex};
use rtnetlink::{
    Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, MulticastGroup, RouteMessageBuilder,
    new_connection, new_multicast_connection,
};
use tokio::task::{JoinHandle, spawn_local};

use super::{AssignedAddress, COMING_UP, LinkError};
use crate::patience::patient;
use crate::topology::{End, Link, Route};

/// A connection to the kernel, worked by a task that ends with it.
struct Connection {
    handle: Handle,
    task: JoinHandle<()>,
}

impl Connection {
    fn open() -> Result<Self, LinkError> {
        let (connection, handle, _) = new_connection().map_err(|source| LinkError::Socket { source })?;
        Ok(Self { handle, task: spawn_local(connection) })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes a veth pair in one message: the near end here, the far one in the namespace of the descriptor.
pub(super) async fn create_veth(link: &Link, far_namespace: RawFd) -> Result<(), LinkError> {
    let connection = Connection::open()?;
    let [near, far] = &link.ends;
    let far_end =
        with_mtu(LinkUnspec::new_with_name(&far.interface), link).setns_by_fd(far_namespace).build();
    // The near end can be up from the start. The far one cannot: it does not yet know its other end.
    let pair = with_mtu(LinkVeth::new(&near.interface, &far.interface), link)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(far_end)))
        .up()
        .build();
    connection.handle.link().add(pair).execute().await.map_err(|error| {
        refused(format!("make the veth pair {} and {}", near.interface, far.interface), error)
    })
}

/// Makes a bridge of these interfaces.
pub(super) async fn create_bridge(name: &str, ports: &[String]) -> Result<(), LinkError> {
    let connection = Connection::open()?;
    let bridge = LinkBridge::new(name).build();
    let made = connection.handle.link().add(bridge).execute().await;
    made.map_err(|error| refused(format!("make the bridge {name}"), error))?;
    for port in ports {
        let message = LinkUnspec::new_with_index(index(port)?).controller(index(name)?).build();
        let joined = connection.handle.link().set(message).execute().await;
        joined.map_err(|error| refused(format!("make {port} a port of {name}"), error))?;
    }
    Ok(())
}

fn with_mtu<T>(message: LinkMessageBuilder<T>, link: &Link) -> LinkMessageBuilder<T> {
    match link.mtu {
        Some(mtu) => message.mtu(mtu),
        None => message,
    }
}

/// Brings an interface up with addresses and routes, and returns when it carries traffic.
pub(super) async fn configure(end: &End) -> Result<(), LinkError> {
    let interface = end.interface.as_str();
    // Watching begins before the interface is set up, or an event could be missed.
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv6Ifaddr];
    let (watching, _, events) =
        new_multicast_connection(&groups).map_err(|source| LinkError::Socket { source })?;
    let _watching = AbortOnDrop(spawn_local(watching));
    let connection = Connection::open()?;
    let index = index(interface)?;
    set_flag(&connection.handle, interface, index, true).await?;
    let usable = |address: IpAddr| address.is_ipv4() || ipv6_enabled(interface);
    // Connections come from the first address of a family: IPv4 prefers the one added first, IPv6 the one added last.
    let (v4, v6): (Vec<&IpNet>, Vec<&IpNet>) =
        end.addresses.iter().filter(|address| usable(address.addr())).partition(|net| net.addr().is_ipv4());
    let mut coming = BTreeSet::new();
    for address in v4.into_iter().chain(v6.into_iter().rev()) {
        let is_new = there(assign(&connection.handle, interface, index, *address).await)?;
        coming.extend(Some(address.addr()).filter(|address| is_new && address.is_ipv6()));
    }
    for route in end.routes.iter().filter(|route| usable(route.gateway)) {
        there(add_route(&connection.handle, interface, index, *route).await)?;
    }
    let is_running = is_running(&connection.handle, interface, index).await?;
    let ready = until_ready(events, index, is_running, coming);
    match tokio::time::timeout(patient(COMING_UP), ready).await {
        // The kernel tells of an address a moment before it takes what is sent there; it serves one request of this kind
        // after the other, so that the next one finds it done.
        Ok(true) => set_flag(&connection.handle, interface, index, true).await,
        Ok(false) | Err(_) => {
            Err(LinkError::Down { interface: interface.to_owned(), within: patient(COMING_UP) })
        }
    }
}

/// Waits until the interface runs and its new addresses of IPv6 are its own: the kernel sees to that later, by a worker, and
/// a socket that talks to one before would take it for a neighbour's, and for seconds.
async fn until_ready<S>(
    mut events: impl Stream<Item = (NetlinkMessage<RouteNetlinkMessage>, S)> + Unpin,
    index: u32,
    mut is_running: bool,
    mut coming: BTreeSet<IpAddr>,
) -> bool {
    while !is_running || !coming.is_empty() {
        let Some((message, _)) = events.next().await else { return false };
        is_running |= reports_running(&message, index);
        if let Some(address) = reports_address(&message, index) {
            coming.remove(&address);
        }
    }
    true
}

/// Whether it is new: an interface that comes up again has some of its addresses still.
fn there(outcome: Result<(), LinkError>) -> Result<bool, LinkError> {
    match outcome {
        Err(LinkError::Refused { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            Ok(false)
        }
        outcome => outcome.map(|()| true),
    }
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The addresses of all interfaces, sorted.
pub(super) async fn addresses() -> Result<Vec<AssignedAddress>, LinkError> {
    let connection = Connection::open()?;
    let mut messages = std::pin::pin!(connection.handle.address().get().execute());
    let mut found = Vec::new();
    let failed = |error| refused("list the addresses".to_owned(), error);
    while let Some(message) = messages.try_next().await.map_err(failed)? {
        let local = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(address) => Some(*address),
            _ => None,
        });
        let address = local.or_else(|| {
            message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            })
        });
        let Some(Ok(address)) = address.map(|address| IpNet::new(address, message.header.prefix_len)) else {
            continue;
        };
        let interface = if_indextoname(message.header.index)
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        found.push(AssignedAddress { interface, address });
    }
    found.sort();
    Ok(found)
}

/// Gives an interface an address, usable at once.
pub(super) async fn add_address(interface: &str, address: IpNet) -> Result<(), LinkError> {
    let groups = [MulticastGroup::Ipv6Ifaddr];
    let (watching, _, events) =
        new_multicast_connection(&groups).map_err(|source| LinkError::Socket { source })?;
    let _watching = AbortOnDrop(spawn_local(watching));
    let (connection, index) = (Connection::open()?, index(interface)?);
    assign(&connection.handle, interface, index, address).await?;
    let coming = Some(address.addr()).filter(IpAddr::is_ipv6).into_iter().collect();
    match tokio::time::timeout(patient(COMING_UP), until_ready(events, index, true, coming)).await {
        Ok(true) => set_flag(&connection.handle, interface, index, true).await,
        Ok(false) | Err(_) => {
            Err(LinkError::Down { interface: interface.to_owned(), within: patient(COMING_UP) })
        }
    }
}

/// Sets an interface up or down.
pub(super) async fn set_up(interface: &str, up: bool) -> Result<(), LinkError> {
    let connection = Connection::open()?;
    set_flag(&connection.handle, interface, index(interface)?, up).await
}

async fn set_flag(handle: &Handle, interface: &str, index: u32, up: bool) -> Result<(), LinkError> {
    let message = LinkUnspec::new_with_index(index);
    let (message, word) = if up { (message.up(), "up") } else { (message.down(), "down") };
    let outcome = handle.link().set(message.build()).execute().await;
    outcome.map_err(|error| refused(format!("set {interface} {word}"), error))
}

async fn assign(handle: &Handle, interface: &str, index: u32, address: IpNet) -> Result<(), LinkError> {
    let mut request = handle.address().add(index, address.addr(), address.prefix_len());
    if address.addr().is_ipv6() {
        // Without duplicate address detection, or it could not be bound to for a second or two.
        request.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    request.execute().await.map_err(|error| refused(format!("give {interface} the address {address}"), error))
}

async fn add_route(handle: &Handle, interface: &str, index: u32, wanted: Route) -> Result<(), LinkError> {
    let step = || match wanted.network {
        Some(network) => format!("route {network} through {} on {interface}", wanted.gateway),
        None => format!("route by default through {} on {interface}", wanted.gateway),
    };
    let route = match (wanted.gateway, wanted.network) {
        (IpAddr::V4(gateway), network) => {
            let route = RouteMessageBuilder::<std::net::Ipv4Addr>::new().gateway(gateway);
            match network {
                Some(IpNet::V4(network)) => route.destination_prefix(network.network(), network.prefix_len()),
                _ => route,
            }
            .output_interface(index)
            .build()
        }
        (IpAddr::V6(gateway), network) => {
            let route = RouteMessageBuilder::<std::net::Ipv6Addr>::new().gateway(gateway);
            match network {
                Some(IpNet::V6(network)) => route.destination_prefix(network.network(), network.prefix_len()),
                _ => route,
            }
            .output_interface(index)
            .build()
        }
    };
    handle.route().add(route).execute().await.map_err(|error| refused(step(), error))
}

async fn is_running(handle: &Handle, interface: &str, index: u32) -> Result<bool, LinkError> {
    let mut links = std::pin::pin!(handle.link().get().match_index(index).execute());
    let link = links.try_next().await.map_err(|error| refused(format!("look at {interface}"), error))?;
    Ok(link.is_some_and(|link| running(&link)))
}

fn reports_running(message: &NetlinkMessage<RouteNetlinkMessage>, index: u32) -> bool {
    match &message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
            link.header.index == index && running(link)
        }
        _ => false,
    }
}

/// The address that an interface has been given.
fn reports_address(message: &NetlinkMessage<RouteNetlinkMessage>, index: u32) -> Option<IpAddr> {
    match &message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(new)) if new.header.index == index => {
            new.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            })
        }
        _ => None,
    }
}

/// Up, and the other end, too.
fn running(link: &LinkMessage) -> bool {
    link.header.flags.contains(LinkFlags::Up | LinkFlags::Running)
}

fn index(interface: &str) -> Result<u32, LinkError> {
    if_nametoindex(interface).map_err(|_| LinkError::NoInterface { interface: interface.to_owned() })
}

/// A node can have IPv6 switched off by a sysctl. Then its interfaces take no such address.
fn ipv6_enabled(interface: &str) -> bool {
    let setting = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
    std::fs::read_to_string(setting).is_ok_and(|value| value.trim() == "0")
}

fn refused(step: String, error: rtnetlink::Error) -> LinkError {
    let source = match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => std::io::Error::other(other.to_string()),
    };
    LinkError::Refused { step, source }
}
