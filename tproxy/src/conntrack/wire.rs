//! Conntrack's netlink messages (linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h).
//!
//! Must never make a request to delete that names no flow: the kernel takes that for all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NLA_F_NESTED, NLA_TYPE_MASK, NetlinkDeserializable, NetlinkHeader,
    NetlinkSerializable, NlaBuffer, NlasIterator, parse_u8, parse_u16_be, parse_u32_be,
};

use super::{Entry, Tuple};
use crate::family::IpFamily;
use crate::plan::flow::Protocol;

/// NFNL_SUBSYS_CTNETLINK, in the upper half of a message's type.
const CONNTRACK: u16 = 1 << 8;
const IPCTNL_MSG_CT_GET: u16 = CONNTRACK | 1;
const IPCTNL_MSG_CT_DELETE: u16 = CONNTRACK | 2;
/// struct nfgenmsg: family, version, resource id.
const HEADER: usize = 4;
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
/// Within a tuple.
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
/// Within CTA_TUPLE_IP: sources are odd, destinations even.
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
/// Within CTA_TUPLE_PROTO.
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
/// Within CTA_PROTOINFO, and within that.
const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_TCP_STATE: u16 = 1;

const IPPROTO_TCP: u8 = 6;
const IPPROTO_UDP: u8 = 17;
/// Bit of CTA_STATUS (enum ip_conntrack_status).
const IPS_DST_NAT: u32 = 1 << 5;

/// A message to or from conntrack, behind netlink's own header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    kind: u16,
    body: Vec<u8>,
}

/// The request for all entries of both families.
#[must_use]
pub fn all() -> Message {
    Message { kind: IPCTNL_MSG_CT_GET, body: vec![AF_UNSPEC, 0, 0, 0] }
}

/// The request to delete one entry.
#[must_use]
pub fn delete(entry: &Entry) -> Message {
    let family = match entry.family() {
        IpFamily::V4 => AF_INET,
        IpFamily::V6 => AF_INET6,
    };
    let mut body = vec![family, 0, 0, 0];
    body.extend_from_slice(&entry.key);
    Message { kind: IPCTNL_MSG_CT_DELETE, body }
}

/// The entry that a message shows; `None` for protocols that have no ports, and for what cannot be read.
#[must_use]
pub fn entry(message: &Message) -> Option<Entry> {
    let attributes = message.body.get(HEADER..)?;
    let (original, protocol) = tuple(attribute(attributes, CTA_TUPLE_ORIG)?)?;
    let (reply, _) = tuple(attribute(attributes, CTA_TUPLE_REPLY)?)?;
    let zone = attribute(attributes, CTA_ZONE).map_or(Some(0), |value| parse_u16_be(value).ok())?;
    let status = parse_u32_be(attribute(attributes, CTA_STATUS)?).ok()?;
    let tcp = attribute(attributes, CTA_PROTOINFO).and_then(|info| attribute(info, CTA_PROTOINFO_TCP));
    let tcp_state = tcp.and_then(|tcp| parse_u8(attribute(tcp, CTA_PROTOINFO_TCP_STATE)?).ok());
    let destination_nat = status & IPS_DST_NAT != 0;
    Some(Entry { protocol, zone, original, reply, destination_nat, tcp_state, key: key(attributes)? })
}

/// The value of the first attribute of a kind.
fn attribute(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    let mut found = NlasIterator::new(attributes).map_while(Result::ok);
    let found = found.find(|attribute| attribute.kind() & NLA_TYPE_MASK == kind)?;
    value(found)
}

/// With the lifetime of the message, not of the attribute.
fn value(attribute: NlaBuffer<&[u8]>) -> Option<&[u8]> {
    let length = usize::from(attribute.length());
    attribute.into_inner().get(NLA_HEADER..length)
}

/// Length and type of an attribute.
const NLA_HEADER: usize = 4;

fn tuple(attributes: &[u8]) -> Option<(Tuple, Protocol)> {
    let (ip, ports) = (attribute(attributes, CTA_TUPLE_IP)?, attribute(attributes, CTA_TUPLE_PROTO)?);
    let protocol = match parse_u8(attribute(ports, CTA_PROTO_NUM)?).ok()? {
        IPPROTO_TCP => Protocol::Tcp,
        IPPROTO_UDP => Protocol::Udp,
        _ => return None,
    };
    let end = |v4, v6, port| {
        let address = match attribute(ip, v4) {
            Some(bytes) => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
            None => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(attribute(ip, v6)?).ok()?)),
        };
        Some(SocketAddr::new(address, parse_u16_be(attribute(ports, port)?).ok()?))
    };
    let source = end(CTA_IP_V4_SRC, CTA_IP_V6_SRC, CTA_PROTO_SRC_PORT)?;
    let destination = end(CTA_IP_V4_DST, CTA_IP_V6_DST, CTA_PROTO_DST_PORT)?;
    Some((Tuple { source, destination }, protocol))
}

/// The flow, its zone and the entry's id, as the kernel gave them.
fn key(attributes: &[u8]) -> Option<Vec<u8>> {
    let mut named = Vec::new();
    for (kind, nested) in [(CTA_TUPLE_ORIG, NLA_F_NESTED), (CTA_ZONE, 0), (CTA_ID, 0)] {
        if let Some(value) = attribute(attributes, kind) {
            named.push(DefaultNla::new(kind | nested, value.to_vec()));
        }
    }
    let named = named.as_slice();
    let mut bytes = vec![0; named.buffer_len()];
    named.emit(&mut bytes);
    (!bytes.is_empty()).then_some(bytes)
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.body.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        // The buffer is as long as was asked for.
        for (place, byte) in buffer.iter_mut().zip(&self.body) {
            *place = *byte;
        }
    }
}

impl NetlinkDeserializable for Message {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self { kind: header.message_type, body: payload.to_vec() })
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
