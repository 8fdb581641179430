//! Segments that no socket would send, made from one that a socket has sent.

use pnet_packet::Packet;
use pnet_packet::ethernet::{EtherTypes, EthernetPacket, MutableEthernetPacket};
use pnet_packet::ipv4::{Ipv4Packet, MutableIpv4Packet};
use pnet_packet::ipv6::{Ipv6Packet, MutableIpv6Packet};
use pnet_packet::tcp::{MutableTcpPacket, TcpFlags, TcpPacket};

use super::Frame;

/// So far beyond the last sequence number: no window reaches a quarter of all numbers.
const BEYOND: u32 = 1 << 30;

impl Frame {
    /// The same TCP segment without what it says, and with a sequence number far beyond every window; everything else of
    /// it, checksums included, is right. `None` where this is no TCP segment.
    #[must_use]
    pub fn out_of_window(&self) -> Option<Vec<u8>> {
        let frame = EthernetPacket::new(self.bytes())?;
        let packet = match frame.get_ethertype() {
            EtherTypes::Ipv4 => of_ipv4(&Ipv4Packet::new(frame.payload())?)?,
            EtherTypes::Ipv6 => of_ipv6(&Ipv6Packet::new(frame.payload())?)?,
            _ => return None,
        };
        let mut crafted = vec![0; EthernetPacket::minimum_packet_size() + packet.len()];
        let mut header = MutableEthernetPacket::new(&mut crafted)?;
        header.set_source(frame.get_source());
        header.set_destination(frame.get_destination());
        header.set_ethertype(frame.get_ethertype());
        header.set_payload(&packet);
        Some(crafted)
    }
}

fn of_ipv4(original: &Ipv4Packet<'_>) -> Option<Vec<u8>> {
    let (source, destination) = (original.get_source(), original.get_destination());
    let checksum = |tcp: &TcpPacket<'_>| pnet_packet::tcp::ipv4_checksum(tcp, &source, &destination);
    let segment = beyond(original.payload(), checksum)?;
    let header = usize::from(original.get_header_length()) * 4;
    let mut bytes = original.packet().get(..header)?.to_vec();
    bytes.resize(header + segment.len(), 0);
    let mut packet = MutableIpv4Packet::new(&mut bytes)?;
    packet.set_total_length(u16::try_from(header + segment.len()).ok()?);
    packet.set_payload(&segment);
    packet.set_checksum(pnet_packet::ipv4::checksum(&packet.to_immutable()));
    Some(bytes)
}

fn of_ipv6(original: &Ipv6Packet<'_>) -> Option<Vec<u8>> {
    let (source, destination) = (original.get_source(), original.get_destination());
    let checksum = |tcp: &TcpPacket<'_>| pnet_packet::tcp::ipv6_checksum(tcp, &source, &destination);
    let segment = beyond(original.payload(), checksum)?;
    let header = Ipv6Packet::minimum_packet_size();
    let mut bytes = original.packet().get(..header)?.to_vec();
    bytes.resize(header + segment.len(), 0);
    let mut packet = MutableIpv6Packet::new(&mut bytes)?;
    packet.set_payload_length(u16::try_from(segment.len()).ok()?);
    packet.set_payload(&segment);
    Some(bytes)
}

fn beyond(segment: &[u8], checksum: impl Fn(&TcpPacket<'_>) -> u16) -> Option<Vec<u8>> {
    let length = usize::from(TcpPacket::new(segment)?.get_data_offset()) * 4;
    let mut bytes = segment.get(..length)?.to_vec();
    let mut tcp = MutableTcpPacket::new(&mut bytes)?;
    tcp.set_sequence(tcp.get_sequence().wrapping_add(BEYOND));
    tcp.set_flags(TcpFlags::ACK);
    tcp.set_checksum(checksum(&tcp.to_immutable()));
    Some(bytes)
}
