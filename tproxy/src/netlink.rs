//! Questions to the kernel by netlink, synchronously.
//!
//! A socket acts in the network namespace of the thread that opens it. Must never know what a message means.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use netlink_packet_core::{
    NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Sends `message` with `flags`, `NLM_F_ACK` or `NLM_F_DUMP` among them, and hands each answer to `take` until the
/// kernel says that it was the last.
///
/// # Errors
/// What the kernel refused, or an answer that is no netlink message.
pub(crate) fn ask<M>(protocol: isize, message: M, flags: u16, mut take: impl FnMut(M)) -> io::Result<()>
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
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let answer = NetlinkMessage::<M>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            let length = answer.header.length as usize;
            match answer.payload {
                NetlinkPayload::InnerMessage(message) => take(message),
                NetlinkPayload::Done(done) if done.code < 0 => {
                    return Err(io::Error::from_raw_os_error(-done.code));
                }
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Done(_) | NetlinkPayload::Error(_) => return Ok(()),
                _ => {}
            }
            rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        }
    }
}

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
