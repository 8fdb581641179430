//! Questions to the kernel by netlink, synchronously.
//!
//! A socket acts in the network namespace of the thread that opens it. Must never know what a message means.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use netlink_packet_core::{
    DecodeError, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Sends `message` with `flags`, `NLM_F_ACK` or `NLM_F_DUMP` among them, and hands each answer to `take` until the
/// kernel says that it was the last.
///
/// # Errors
/// What the kernel refused, or an answer that is no netlink message.
pub(crate) fn ask<M>(protocol: isize, message: M, flags: u16, take: impl FnMut(M)) -> io::Result<()>
where
    M: NetlinkSerializable + NetlinkDeserializable,
{
    converse(protocol, message, flags, Unreadable::IsAnError, take)
}

/// Asks for all of a kind, and hands each to `take` that can be read. The others are of kinds that another program made and
/// nobody here knows, and must not keep anybody from seeing those that are known.
///
/// # Errors
/// What the kernel refused, or an answer that is no netlink message.
pub(crate) fn list<M>(protocol: isize, message: M, take: impl FnMut(M)) -> io::Result<()>
where
    M: NetlinkSerializable + NetlinkDeserializable,
{
    converse(protocol, message, NLM_F_DUMP, Unreadable::IsPassedOver, take)
}

/// What an answer is whose inside cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unreadable {
    IsAnError,
    IsPassedOver,
}

fn converse<M>(
    protocol: isize,
    message: M,
    flags: u16,
    unreadable: Unreadable,
    mut take: impl FnMut(M),
) -> io::Result<()>
where
    M: NetlinkSerializable + NetlinkDeserializable,
{
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        if !read(&datagram, unreadable, &mut take)? {
            return Ok(());
        }
    }
}

/// Reads the answers of one datagram; whether there are more to come.
fn read<M>(datagram: &[u8], unreadable: Unreadable, take: &mut impl FnMut(M)) -> io::Result<bool>
where
    M: NetlinkDeserializable,
{
    let invalid = |error: DecodeError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    let mut rest = datagram;
    while !rest.is_empty() {
        let header = NetlinkBuffer::new_checked(&rest).map_err(invalid)?;
        let (length, is_control) = (header.length() as usize, header.message_type() < LEAST_TYPE);
        match NetlinkMessage::<M>::deserialize(rest).map(|answer| answer.payload) {
            Ok(NetlinkPayload::InnerMessage(message)) => take(message),
            Ok(NetlinkPayload::Done(done)) if done.code < 0 => {
                return Err(io::Error::from_raw_os_error(-done.code));
            }
            Ok(NetlinkPayload::Error(error)) if error.code.is_some() => return Err(error.to_io()),
            Ok(NetlinkPayload::Done(_) | NetlinkPayload::Error(_)) => return Ok(false),
            Ok(_) => {}
            Err(_) if unreadable == Unreadable::IsPassedOver && !is_control => {}
            Err(error) => return Err(invalid(error)),
        }
        rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    Ok(true)
}

/// The least type of a message that is not about messages (NLMSG_MIN_TYPE of linux/netlink.h).
const LEAST_TYPE: u16 = 0x10;
/// Messages of one datagram begin at multiples of it (NLMSG_ALIGNTO of linux/netlink.h).
const ALIGNMENT: usize = 4;

/// What the kernel announces, from the moment of subscribing on.
pub(crate) struct Announcements {
    socket: Socket,
}

impl Announcements {
    /// Those to `groups`, bits of `RTMGRP_*` of linux/rtnetlink.h or of another protocol.
    ///
    /// # Errors
    /// The kernel refuses the socket.
    pub(crate) fn to(protocol: isize, groups: u32) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind(&SocketAddr::new(0, groups))?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket })
    }

    /// Waits, at most `patience`, until one is announced that `is_it` knows. What cannot be read is passed over.
    pub(crate) fn wait_for<M: NetlinkDeserializable>(
        &self,
        patience: Duration,
        is_it: impl Fn(&M) -> bool,
    ) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut events = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            if left.is_zero() || poll(&mut events, timeout).is_err() {
                return false;
            }
            let Ok((datagram, _)) = self.socket.recv_from_full() else { continue };
            // Each announcement is a datagram of its own.
            let message = NetlinkMessage::<M>::deserialize(&datagram).map(|message| message.payload);
            if matches!(message, Ok(NetlinkPayload::InnerMessage(message)) if is_it(&message)) {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::RouteNetlinkMessage;
    use netlink_packet_route::tc::TcMessage;

    use super::*;

    /// A queue, and behind its header these bytes.
    fn queue(more: &[u8]) -> Vec<u8> {
        let message = RouteNetlinkMessage::NewQueueDiscipline(TcMessage::default());
        let mut message =
            NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::InnerMessage(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        let length = u32::try_from(bytes.len() + more.len()).unwrap();
        bytes.splice(..4, length.to_ne_bytes());
        [&bytes, more].concat()
    }

    #[test]
    fn what_cannot_be_read_hides_nothing_behind_it_where_all_of_a_kind_are_listed() {
        // An attribute that says that it is longer than what there is.
        let datagram = [queue(&[]), queue(&[0xff, 0xff, 1, 0]), queue(&[])].concat();
        let count = |unreadable| {
            let mut seen = 0;
            read(&datagram, unreadable, &mut |_: RouteNetlinkMessage| seen += 1).map(|more| (more, seen))
        };
        assert_eq!(count(Unreadable::IsPassedOver).unwrap(), (true, 2));
        assert_eq!(count(Unreadable::IsAnError).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
