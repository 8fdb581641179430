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
    /// The same TCP segment without what it says, acknowledging up to `acknowledgement`, and with a sequence number far
    /// beyond every window; everything else of it, checksums included, is right. `None` where this is no TCP segment.
    #[must_use]
    pub fn out_of_window(&self, acknowledgement: u32) -> Option<Vec<u8>> {
        let frame = EthernetPacket::new(self.bytes())?;
        let packet = match frame.get_ethertype() {
            EtherTypes::Ipv4 => of_ipv4(&Ipv4Packet::new(frame.payload())?, acknowledgement)?,
            EtherTypes::Ipv6 => of_ipv6(&Ipv6Packet::new(frame.payload())?, acknowledgement)?,
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

fn of_ipv4(original: &Ipv4Packet<'_>, acknowledgement: u32) -> Option<Vec<u8>> {
    let (source, destination) = (original.get_source(), original.get_destination());
    let checksum = |tcp: &TcpPacket<'_>| pnet_packet::tcp::ipv4_checksum(tcp, &source, &destination);
    let segment = beyond(original.payload(), acknowledgement, checksum)?;
    let header = usize::from(original.get_header_length()) * 4;
    let mut bytes = original.packet().get(..header)?.to_vec();
    bytes.resize(header + segment.len(), 0);
    let mut packet = MutableIpv4Packet::new(&mut bytes)?;
    packet.set_total_length(u16::try_from(header + segment.len()).ok()?);
    packet.set_payload(&segment);
    packet.set_checksum(pnet_packet::ipv4::checksum(&packet.to_immutable()));
    Some(bytes)
}

fn of_ipv6(original: &Ipv6Packet<'_>, acknowledgement: u32) -> Option<Vec<u8>> {
    let (source, destination) = (original.get_source(), original.get_destination());
    let checksum = |tcp: &TcpPacket<'_>| pnet_packet::tcp::ipv6_checksum(tcp, &source, &destination);
    let segment = beyond(original.payload(), acknowledgement, checksum)?;
    let header = Ipv6Packet::minimum_packet_size();
    let mut bytes = original.packet().get(..header)?.to_vec();
    bytes.resize(header + segment.len(), 0);
    let mut packet = MutableIpv6Packet::new(&mut bytes)?;
    packet.set_payload_length(u16::try_from(segment.len()).ok()?);
    packet.set_payload(&segment);
    Some(bytes)
}

fn beyond(segment: &[u8], acknowledgement: u32, checksum: impl Fn(&TcpPacket<'_>) -> u16) -> Option<Vec<u8>> {
    let length = usize::from(TcpPacket::new(segment)?.get_data_offset()) * 4;
    let mut bytes = segment.get(..length)?.to_vec();
    let mut tcp = MutableTcpPacket::new(&mut bytes)?;
    tcp.set_sequence(tcp.get_sequence().wrapping_add(BEYOND));
    tcp.set_acknowledgement(acknowledgement);
    tcp.set_flags(TcpFlags::ACK);
    tcp.set_checksum(checksum(&tcp.to_immutable()));
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use pnet_datalink::MacAddr;

    use super::super::Transport;
    use super::*;

    /// The segment 10.77.0.3:40000 → 10.77.0.2:80 with sequence number 1, acknowledging 2, that says `hi`.
    fn frame() -> Frame {
        let mut bytes = vec![0; 14 + 20 + 20];
        bytes[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        bytes[12..14].copy_from_slice(&[8, 0]);
        bytes[14..34].copy_from_slice(&[0x45, 0, 0, 42, 0, 0, 0, 0, 64, 6, 0, 0, 10, 77, 0, 3, 10, 77, 0, 2]);
        bytes[34..54]
            .copy_from_slice(&[0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 0, 1, 0, 0, 0, 0]);
        bytes.extend(b"hi");
        Frame::new(&bytes, MacAddr::new(2, 0, 0, 0, 0, 1))
    }

    #[test]
    fn a_crafted_segment_differs_in_its_numbers_only_and_its_checksums_are_right() {
        let frame = frame();
        let crafted = Frame::new(&frame.out_of_window(9).unwrap(), MacAddr::new(2, 0, 0, 0, 0, 1));
        let (old, new) = (frame.segment().unwrap(), crafted.segment().unwrap());
        assert_eq!((old.source, old.destination), (new.source, new.destination));
        assert!(crafted.leaves());
        assert_eq!(old.transport, Transport::Tcp { sequence: 1, acknowledgement: 2, length: 2 });
        let numbers = Transport::Tcp { sequence: 1 + BEYOND, acknowledgement: 9, length: 0 };
        assert_eq!(new.transport, numbers);
        let packet = Ipv4Packet::new(&crafted.bytes()[14..]).unwrap();
        assert_eq!(packet.get_checksum(), pnet_packet::ipv4::checksum(&packet));
        let tcp = TcpPacket::new(packet.payload()).unwrap();
        let (source, destination) = (packet.get_source(), packet.get_destination());
        assert_eq!(tcp.get_checksum(), pnet_packet::tcp::ipv4_checksum(&tcp, &source, &destination));
    }
}
