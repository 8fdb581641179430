//! Asks nf_tables itself whether it has rules, in a hundredth of the time that starting a program takes.
//!
//! Reads only: asking makes no table. Must never say that there are none where the kernel did not answer.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use crate::family::IpFamily;

/// NFNL_SUBSYS_NFTABLES of include/uapi/linux/netfilter/nfnetlink.h, as the upper byte of a message's type.
const NFTABLES: u16 = 10 << 8;
/// NFT_MSG_NEWCHAIN of include/uapi/linux/netfilter/nf_tables.h: a chain.
const CHAIN: u16 = NFTABLES | 3;
/// NFT_MSG_GETCHAIN: which chains there are.
const GET_CHAIN: u16 = NFTABLES | 4;
/// NFTA_CHAIN_HOOK: only chains that packets enter by themselves have it.
const HOOK: u16 = 4;
/// NFTA_CHAIN_USE: how many rules a chain has, and how many lead to it.
const USE: u16 = 6;
/// NLMSG_ERROR and NLMSG_DONE of include/uapi/linux/netlink.h.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// NLM_F_REQUEST and NLM_F_DUMP.
const REQUEST_ALL: u16 = 0x1 | 0x300;
/// Length of struct nlmsghdr.
const HEADER: usize = 16;
/// Length of struct nfgenmsg, behind which the attributes stand.
const GENERIC: usize = 4;
/// NLA_TYPE_MASK: an attribute's number without its flags.
const TYPE: u16 = 0x3fff;

/// What a datagram says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// There is a chain with rules, or one that a program made for rules.
    Rules,
    /// That was all.
    Nothing,
    /// More is to come.
    More,
    /// The kernel refuses, with this number.
    Refused(i32),
}

/// Whether nf_tables has any rules of a family in this network namespace, or chains for them. Empty built-in chains,
/// which stay when all rules are gone, do not count.
///
/// # Errors
/// The kernel does not say: it has no nf_tables, or the caller lacks `CAP_NET_ADMIN`.
pub(super) fn has_rules(family: IpFamily) -> io::Result<bool> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&request(family), 0)?;
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        match said(&datagram) {
            Said::Rules => return Ok(true),
            Said::Nothing => return Ok(false),
            Said::More => {}
            Said::Refused(number) => return Err(io::Error::from_raw_os_error(number)),
        }
    }
}

/// struct nlmsghdr (length, type, flags, sequence number, port), then struct nfgenmsg (family, version, resource).
fn request(family: IpFamily) -> Vec<u8> {
    let family = match family {
        IpFamily::V4 => libc::AF_INET,
        IpFamily::V6 => libc::AF_INET6,
    };
    let body = [u8::try_from(family).unwrap_or(0), 0, 0, 0];
    let length = u32::try_from(HEADER + body.len()).unwrap_or(0);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(GET_CHAIN.to_ne_bytes());
    bytes.extend(REQUEST_ALL.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

fn said(mut datagram: &[u8]) -> Said {
    while let Some((length, kind)) = header(datagram) {
        match kind {
            CHAIN if !is_empty_builtin(datagram.get(..length).unwrap_or_default()) => return Said::Rules,
            DONE | ERROR => {
                return match number(datagram) {
                    0 if kind == DONE => Said::Nothing,
                    // An error of none acknowledges, which was not asked for.
                    number => Said::Refused(number),
                };
            }
            _ => datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default(),
        }
    }
    Said::More
}

/// Whether a message is about a chain that netfilter calls and that does nothing.
fn is_empty_builtin(message: &[u8]) -> bool {
    let mut rest = message.get(HEADER + GENERIC..).unwrap_or_default();
    let (mut is_builtin, mut is_empty) = (false, false);
    // struct nlattr (length, number), then the value, each on a multiple of 4.
    while let Some((length, kind)) = attribute(rest) {
        is_builtin |= kind == HOOK;
        is_empty |= kind == USE && rest.get(4..length) == Some(&[0; 4]);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    is_builtin && is_empty
}

/// Length, with its header, and number of the first attribute.
fn attribute(bytes: &[u8]) -> Option<(usize, u16)> {
    let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
    let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
    (length >= 4).then_some((length, kind & TYPE))
}

/// Length and type of the first message; `None` where there is no whole header any more.
fn header(bytes: &[u8]) -> Option<(usize, u16)> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let length = usize::try_from(length).ok()?;
    (length >= HEADER).then_some((length, kind))
}

/// The error number behind a header, which the kernel writes negative.
fn number(bytes: &[u8]) -> i32 {
    let bytes = bytes.get(HEADER..HEADER + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(libc::EBADMSG, |bytes| i32::from_ne_bytes(bytes).saturating_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// A chain with these attributes.
    fn chain(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![2, 0, 0, 0];
        for (kind, value) in attributes {
            body.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        message(CHAIN, &body)
    }

    #[test]
    fn an_answer_says_whether_there_are_rules() {
        let (name, nested) = ((3, &b"OUTPUT\0"[..]), (HOOK | 0x8000, &[8, 0, 1, 0, 0, 0, 0, 3][..]));
        let (none, one) = ((USE, &[0; 4][..]), (USE, &[0, 0, 0, 1][..]));
        let done = message(DONE, &0_i32.to_ne_bytes());
        for (attributes, said_of_it) in [
            (vec![name, nested, none], Said::Nothing),
            (vec![name, nested, one], Said::Rules),
            (vec![name, none], Said::Rules),
            (vec![name, nested], Said::Rules),
            (vec![], Said::Rules),
        ] {
            let answer = [chain(&attributes), done.clone()].concat();
            assert_eq!(said(&answer), said_of_it, "{attributes:?}");
        }
        assert_eq!(said(&done), Said::Nothing);
        assert_eq!(said(&chain(&[name, nested, none])), Said::More);
        assert_eq!(said(&[]), Said::More);
    }

    #[test]
    fn what_is_no_answer_is_never_taken_for_none() {
        assert_eq!(said(&message(ERROR, &(-1_i32).to_ne_bytes())), Said::Refused(1));
        assert_eq!(said(&message(DONE, &(-4_i32).to_ne_bytes())), Said::Refused(4));
        assert_eq!(said(&message(DONE, &[])), Said::Refused(libc::EBADMSG));
        assert_eq!(said(&message(ERROR, &i32::MIN.to_ne_bytes())), Said::Refused(i32::MAX));
        assert_eq!(said(&[4, 0, 0, 0, 3, 0]), Said::More);
    }
}
