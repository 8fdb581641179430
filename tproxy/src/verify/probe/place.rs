//! Being somebody else, and being elsewhere: the one place where probes take another user's identity or make a network
//! namespace. Each does so in a thread of its own, which ends with it.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::thread;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Uid, setfsuid};

use crate::apply::address;
use crate::apply::change::LoopbackAddress;
use crate::netlink;

/// What the other end of a pair is called.
const FAR_END: &str = "eth0";

/// Does `work` in a thread whose sockets belong to user `uid`: iptables looks at the file-system id with which a socket
/// was made.
pub(super) fn as_user<T: Send>(
    uid: Option<u32>,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let Some(uid) = uid.map(Uid::from_raw) else { return work() };
    in_a_thread(|| {
        setfsuid(uid);
        // It tells only the id before; a second call tells whether the first one took it.
        if setfsuid(uid) != uid {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        work()
    })
}

fn in_a_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// Another network namespace, which ends with this, however the process ends: it has no name, and nothing but this file
/// and the sockets that were made in it hold it.
struct Elsewhere {
    namespace: File,
}

impl Elsewhere {
    fn new() -> io::Result<Self> {
        in_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(Self { namespace: File::open("/proc/thread-self/ns/net")? })
        })
    }

    fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        in_a_thread(|| {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET)?;
            work()
        })
    }
}

/// A network namespace of its own, joined to this one by a veth pair. The interface in this one is removed with this, and
/// by the kernel when the other namespace ends without.
pub(super) struct Neighbour {
    interface: String,
    elsewhere: Elsewhere,
}

impl Neighbour {
    /// Joins a new network namespace by an interface with the address `here`, whose other end has the address `there`.
    pub(super) fn new(interface: &str, here: IpAddr, there: IpAddr, prefix: u8) -> io::Result<Self> {
        let elsewhere = Elsewhere::new()?;
        create_pair(interface, &elsewhere.namespace)?;
        // The interface exists from here on, and goes with this.
        let neighbour = Self { interface: interface.to_owned(), elsewhere };
        let on =
            |interface: &str, address| LoopbackAddress { interface: interface.to_owned(), address, prefix };
        address::add(&on(interface, here))?;
        neighbour.run(|| {
            address::add(&on(FAR_END, there))?;
            let up = RouteNetlinkMessage::NewLink(end(FAR_END, LinkFlags::Up, Vec::new()));
            request(up, NLM_F_ACK)
        })?;
        Ok(neighbour)
    }

    /// Does `work` in the other namespace.
    pub(super) fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        self.elsewhere.run(work)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // Should this fail, the kernel does it when the other namespace ends, which is next.
        let gone = RouteNetlinkMessage::DelLink(end(&self.interface, LinkFlags::empty(), Vec::new()));
        let _ = request(gone, NLM_F_ACK);
    }
}

/// A pair whose far end is in `namespace`, and down: it cannot come up before the pair is complete.
fn create_pair(interface: &str, namespace: &File) -> io::Result<()> {
    let namespace = LinkAttribute::NetNsFd(namespace.as_raw_fd());
    let far = InfoVeth::Peer(end(FAR_END, LinkFlags::empty(), vec![namespace]));
    let veth = vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(far))];
    let message = end(interface, LinkFlags::Up, vec![LinkAttribute::LinkInfo(veth)]);
    request(RouteNetlinkMessage::NewLink(message), NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
}

fn request(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    netlink::ask(NETLINK_ROUTE, message, flags, |_| ())
}

/// What is said of one end; the flags are those that change.
fn end(name: &str, flags: LinkFlags, more: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.flags = flags;
    message.header.change_mask = flags;
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    message.attributes.extend(more);
    message
}
