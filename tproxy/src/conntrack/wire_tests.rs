//! Messages as the kernel writes them, and requests that it understands. That it does is shown by the tests of the binary.

use netlink_packet_core::{NLA_F_NET_BYTEORDER, NetlinkMessage, NetlinkPayload};
use proptest::prelude::*;

use super::super::is_open;
use super::*;
use crate::iptables::redirects::Redirects;

fn nla(kind: u16, value: &[u8]) -> Vec<u8> {
    let attributes = [DefaultNla::new(kind, value.to_vec())];
    let attributes = attributes.as_slice();
    let mut bytes = vec![0; attributes.buffer_len()];
    attributes.emit(&mut bytes);
    bytes
}

fn nest(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    nla(kind | NLA_F_NESTED, &parts.concat())
}

fn tuple_of(kind: u16, protocol: u8, source: ([u8; 4], u16), destination: ([u8; 4], u16)) -> Vec<u8> {
    let ip = nest(CTA_TUPLE_IP, &[nla(CTA_IP_V4_SRC, &source.0), nla(CTA_IP_V4_DST, &destination.0)]);
    let port = |kind, port: u16| nla(kind | NLA_F_NET_BYTEORDER, &port.to_be_bytes());
    let ports = [
        nla(CTA_PROTO_NUM, &[protocol]),
        port(CTA_PROTO_SRC_PORT, source.1),
        port(CTA_PROTO_DST_PORT, destination.1),
    ];
    nest(kind, &[ip, nest(CTA_TUPLE_PROTO, &ports)])
}

/// A connection from 10.0.0.2 to 10.0.0.9:80 that 127.0.0.1:15001 answers.
fn captured(protocol: u8, tcp_state: u8) -> Message {
    let (own, peer) = ([10, 0, 0, 2], [10, 0, 0, 9]);
    let state = nla(CTA_PROTOINFO_TCP_STATE, &[tcp_state]);
    let attributes = [
        vec![AF_INET, 0, 0, 0],
        tuple_of(CTA_TUPLE_ORIG, protocol, (own, 4000), (peer, 80)),
        tuple_of(CTA_TUPLE_REPLY, protocol, ([127, 0, 0, 1], 15001), (own, 4000)),
        nla(CTA_STATUS, &0x1ae_u32.to_be_bytes()),
        nest(CTA_PROTOINFO, &[nest(CTA_PROTOINFO_TCP, &[state])]),
        nla(CTA_ID, &77_u32.to_be_bytes()),
        nla(CTA_ZONE, &2_u16.to_be_bytes()),
    ];
    Message { kind: CONNTRACK, body: attributes.concat() }
}

#[test]
fn an_entry_is_read() {
    let entry = entry(&captured(IPPROTO_TCP, 3)).unwrap();
    let [source, destination] = ["10.0.0.2:4000", "10.0.0.9:80"].map(|end| end.parse().unwrap());
    assert_eq!(entry.original, Tuple { source, destination });
    assert_eq!((entry.zone, entry.tcp_state), (2, Some(3)));
    assert_eq!((entry.redirected_to(), entry.family()), (Some(15001), IpFamily::V4));
}

#[test]
fn only_connections_that_one_end_may_still_use_are_open() {
    let redirects = Redirects { tcp: [15001].into(), ..Redirects::default() };
    let open: Vec<u8> = (0..10)
        .filter(|state| is_open(&entry(&captured(IPPROTO_TCP, *state)).unwrap(), &redirects))
        .collect();
    assert_eq!(open, [3, 4, 5]);
    assert!(!is_open(&entry(&captured(IPPROTO_UDP, 3)).unwrap(), &redirects));
    let others = Redirects { tcp: [15006].into(), ..Redirects::default() };
    assert!(!is_open(&entry(&captured(IPPROTO_TCP, 3)).unwrap(), &others));
}

#[test]
fn a_request_to_delete_names_flow_zone_and_id() {
    let request = delete(&entry(&captured(IPPROTO_TCP, 3)).unwrap());
    assert_eq!((request.kind, request.body[0]), (0x102, AF_INET));
    let attributes = &request.body[HEADER..];
    assert!(tuple(attribute(attributes, CTA_TUPLE_ORIG).unwrap()).is_some());
    assert_eq!(attribute(attributes, CTA_ZONE), Some(&2_u16.to_be_bytes()[..]));
    assert_eq!(attribute(attributes, CTA_ID), Some(&77_u32.to_be_bytes()[..]));
    // What goes out comes back as it was.
    let mut packet =
        NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::InnerMessage(request.clone()));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    let back = NetlinkMessage::<Message>::deserialize(&bytes).unwrap();
    assert_eq!(back.payload, NetlinkPayload::InnerMessage(request));
}

#[test]
fn protocols_without_ports_are_passed_over() {
    assert_eq!(entry(&captured(1, 3)), None);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_an_entry_without_a_flow(
        noise in prop::collection::vec(any::<u8>(), 0..80),
        cut in 0_usize..300,
    ) {
        for body in [noise.clone(), captured(IPPROTO_TCP, 3).body.into_iter().take(cut).chain(noise).collect()] {
            if let Some(entry) = entry(&Message { kind: CONNTRACK, body }) {
                prop_assert!(attribute(&entry.key, CTA_TUPLE_ORIG).is_some());
            }
        }
    }
}
