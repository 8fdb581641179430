//! A frame, and what of it a flow is known by.

use std::net::{IpAddr, SocketAddr};

use pnet_datalink::MacAddr;
use pnet_packet::Packet;
use pnet_packet::ethernet::{EtherTypes, EthernetPacket};
use pnet_packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;
use pnet_packet::tcp::TcpPacket;
use pnet_packet::udp::UdpPacket;

/// A frame as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    bytes: Vec<u8>,
    leaves: bool,
}

/// TCP or UDP: what flows of scenarios are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, with the numbers of the segment.
    Tcp {
        /// Its sequence number.
        sequence: u32,
        /// What it acknowledges.
        acknowledgement: u32,
        /// How many bytes it carries.
        length: usize,
    },
    /// UDP.
    Udp,
}

/// A TCP segment or a UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What it is.
    pub transport: Transport,
    /// From where.
    pub source: SocketAddr,
    /// To where.
    pub destination: SocketAddr,
}

impl Frame {
    /// A frame that was seen by the interface with this address.
    pub(super) fn new(bytes: &[u8], own: MacAddr) -> Self {
        let leaves = EthernetPacket::new(bytes).is_some_and(|frame| frame.get_source() == own);
        Self { bytes: bytes.to_vec(), leaves }
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the interface sent it; else it arrived there.
    pub fn leaves(&self) -> bool {
        self.leaves
    }

    /// The segment that it carries; `None` where it carries anything else.
    pub fn segment(&self) -> Option<Segment> {
        let frame = EthernetPacket::new(&self.bytes)?;
        match frame.get_ethertype() {
            EtherTypes::Ipv4 => {
                let packet = Ipv4Packet::new(frame.payload())?;
                let ends = (packet.get_source().into(), packet.get_destination().into());
                segment(packet.get_next_level_protocol(), packet.payload(), ends)
            }
            EtherTypes::Ipv6 => {
                let packet = Ipv6Packet::new(frame.payload())?;
                let ends = (packet.get_source().into(), packet.get_destination().into());
                segment(packet.get_next_header(), packet.payload(), ends)
            }
            _ => None,
        }
    }
}

fn segment(protocol: IpNextHeaderProtocol, payload: &[u8], ends: (IpAddr, IpAddr)) -> Option<Segment> {
    let (transport, ports) = match protocol {
        IpNextHeaderProtocols::Tcp => {
            let tcp = TcpPacket::new(payload)?;
            let (sequence, acknowledgement) = (tcp.get_sequence(), tcp.get_acknowledgement());
            let ports = (tcp.get_source(), tcp.get_destination());
            (Transport::Tcp { sequence, acknowledgement, length: tcp.payload().len() }, ports)
        }
        IpNextHeaderProtocols::Udp => {
            let udp = UdpPacket::new(payload)?;
            (Transport::Udp, (udp.get_source(), udp.get_destination()))
        }
        _ => return None,
    };
    let (source, destination) = (SocketAddr::new(ends.0, ports.0), SocketAddr::new(ends.1, ports.1));
    Some(Segment { transport, source, destination })
}
