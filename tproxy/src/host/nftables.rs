//! Asks nf_tables itself whether it has tables, in a hundredth of the time that starting a program takes.
//!
//! Reads only: asking makes no table. Must never say that there are none where the kernel did not answer.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use crate::family::IpFamily;

/// NFNL_SUBSYS_NFTABLES of include/uapi/linux/netfilter/nfnetlink.h, as the upper byte of a message's type.
const NFTABLES: u16 = 10 << 8;
/// NFT_MSG_NEWTABLE of include/uapi/linux/netfilter/nf_tables.h: a table.
const TABLE: u16 = NFTABLES;
/// NFT_MSG_GETTABLE: which tables there are.
const GET_TABLE: u16 = NFTABLES | 1;
/// NLMSG_ERROR and NLMSG_DONE of include/uapi/linux/netlink.h.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// NLM_F_REQUEST and NLM_F_DUMP.
const REQUEST_ALL: u16 = 0x1 | 0x300;
/// Length of struct nlmsghdr.
const HEADER: usize = 16;

/// What a datagram says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// There is a table.
    Table,
    /// That was all.
    Nothing,
    /// More is to come.
    More,
    /// The kernel refuses, with this number.
    Refused(i32),
}

/// Whether nf_tables has any table of a family in this network namespace.
///
/// # Errors
/// The kernel does not say: it has no nf_tables, or the caller lacks `CAP_NET_ADMIN`.
pub(super) fn has_tables(family: IpFamily) -> io::Result<bool> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&request(family), 0)?;
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        match said(&datagram) {
            Said::Table => return Ok(true),
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
    bytes.extend(GET_TABLE.to_ne_bytes());
    bytes.extend(REQUEST_ALL.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

fn said(mut datagram: &[u8]) -> Said {
    while let Some((length, kind)) = header(datagram) {
        match kind {
            TABLE => return Said::Table,
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

    #[test]
    fn an_answer_says_whether_there_is_a_table() {
        let none = message(DONE, &0_i32.to_ne_bytes());
        assert_eq!(said(&none), Said::Nothing);
        assert_eq!(said(&message(TABLE, &[2, 0, 0, 0])), Said::Table);
        let noise_first = [message(1, &[7]), message(TABLE, &[2, 0, 0, 0])].concat();
        assert_eq!(said(&noise_first), Said::Table);
        assert_eq!(said(&message(1, &[7])), Said::More);
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
