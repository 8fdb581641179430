//! Everything that a node's interfaces sent and received, kept so far as there is room.
//!
//! Frames wait in the kernel until somebody collects them, so that nothing runs while traffic flows. Must never use more
//! memory than it was given: the oldest frames go first.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg};
use nix::sys::time::TimeSpec;

use super::WireError;
use super::pcap::{self, Record};
use crate::node::{Node, packet_socket};

/// So many bytes of a frame are kept: headers, a whole DNS answer, and how a conversation begins.
const KEPT: usize = 1024;
/// What the kernel keeps between two collections.
const WAITING: usize = 2 << 20;
/// What the kernel calls interfaces whose frames have an Ethernet header.
const WITH_HEADER: [u16; 2] = [libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK];

/// The frames of one node.
#[derive(Debug)]
pub struct Capture {
    node: String,
    socket: OwnedFd,
    records: VecDeque<(u32, Record)>,
    /// How many bytes may be kept, and are.
    room: usize,
    used: usize,
    forgotten: u64,
    lost: u64,
}

/// What was seen of one node.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// A pcap file for each interface that there is or from which something was seen.
    pub files: BTreeMap<String, Vec<u8>>,
    /// How many older frames there was no room for.
    pub forgotten: u64,
    /// How many frames came too fast to be seen at all.
    pub lost: u64,
}

impl Capture {
    /// Begins to see what a node's interfaces send and receive, and to keep so many bytes of it.
    ///
    /// # Errors
    /// The kernel refuses the socket.
    pub fn begin(node: &Node, room: usize) -> Result<Self, WireError> {
        // A packet socket belongs to the namespace of the thread that opened it, wherever it is read from.
        let socket = node.run(|| async { packet_socket(WAITING) })?;
        let name = node.name().to_owned();
        let socket = socket.map_err(|source| failed(&name, source))?;
        let records = VecDeque::new();
        Ok(Self { node: name, socket, records, room, used: 0, forgotten: 0, lost: 0 })
    }

    /// Takes over what the kernel has kept so far.
    ///
    /// # Errors
    /// The socket fails.
    pub fn collect(&mut self) -> Result<(), WireError> {
        let mut buffer = [0; KEPT];
        while let Some((interface, record)) = self.next(&mut buffer)? {
            self.used += record.size();
            self.records.push_back((interface, record));
            while self.used > self.room {
                let Some((_, oldest)) = self.records.pop_front() else { break };
                self.used -= oldest.size();
                self.forgotten += 1;
            }
        }
        Ok(())
    }

    /// The next frame that waits, with the number of its interface.
    fn next(&mut self, buffer: &mut [u8]) -> Result<Option<(u32, Record)>, WireError> {
        loop {
            let mut control = cmsg_space!(TimeSpec, u32);
            let mut parts = [IoSliceMut::new(buffer)];
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
            let received =
                recvmsg::<LinkAddr>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
            let received = match received {
                Ok(received) => received,
                Err(Errno::EAGAIN) => return Ok(None),
                // An interface that goes down says so once.
                Err(Errno::EINTR | Errno::ENETDOWN) => continue,
                Err(source) => return Err(failed(&self.node, source)),
            };
            let (length, address) = (received.bytes, received.address);
            let mut time = Duration::ZERO;
            for message in received.cmsgs().into_iter().flatten() {
                match message {
                    ControlMessageOwned::ScmTimestampns(at) => time = at.into(),
                    ControlMessageOwned::RxqOvfl(lost) => self.lost = lost.into(),
                    _ => {}
                }
            }
            let Some(address) = address.filter(is_shown) else { continue };
            let bytes = buffer.get(..length.min(KEPT)).unwrap_or_default().to_vec();
            let interface = u32::try_from(address.ifindex()).unwrap_or_default();
            return Ok(Some((interface, Record { time, length, bytes })));
        }
    }

    /// What is kept, by interface.
    ///
    /// # Errors
    /// The socket fails, or the node has ended.
    pub fn end(mut self, node: &Node) -> Result<Captured, WireError> {
        self.collect()?;
        let names = node.run(|| async { names() })?.map_err(|source| failed(&self.node, source))?;
        let name = |number: u32| names.get(&number).cloned().unwrap_or_else(|| format!("interface-{number}"));
        let mut records: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for (interface, record) in self.records {
            records.entry(name(interface)).or_default().push(record);
        }
        let files = records.into_iter().map(|(name, records)| (name, pcap::file(&records))).collect();
        Ok(Captured { files, forgotten: self.forgotten, lost: self.lost })
    }
}

/// Loopback shows each frame twice: as it leaves and as it arrives.
fn is_shown(address: &LinkAddr) -> bool {
    let is_second = address.hatype() == libc::ARPHRD_LOOPBACK && address.pkttype() == libc::PACKET_OUTGOING;
    WITH_HEADER.contains(&address.hatype()) && !is_second
}

/// The interfaces of the calling thread's network namespace, by number.
fn names() -> nix::Result<BTreeMap<u32, String>> {
    let known = nix::net::if_::if_nameindex()?;
    let named = known.iter().map(|known| (known.index(), known.name().to_string_lossy().into_owned()));
    Ok(named.collect())
}

fn failed(node: &str, source: Errno) -> WireError {
    WireError::Socket { interface: node.to_owned(), source: source.into() }
}
