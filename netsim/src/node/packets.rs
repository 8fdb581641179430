//! A packet socket of the calling thread's network namespace, which is shown every frame on every interface of it.
#![expect(unsafe_code, reason = "the option that counts lost frames has no safe wrapper")]

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket};

/// Opens it. The kernel keeps `memory` bytes of frames until they are read, loses what comes beyond that, and tells with
/// each frame when it came and how many were lost so far.
pub(crate) fn packet_socket(memory: usize) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    setsockopt(&socket, ReceiveTimestampns, &true)?;
    // The kernel doubles the number, for what it needs itself.
    setsockopt(&socket, RcvBufForce, &(memory / 2))?;
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the kernel reads one int, which lives until the call returns.
    let set = unsafe {
        let (socket, option) = (socket.as_raw_fd(), (libc::SOL_SOCKET, libc::SO_RXQ_OVFL));
        libc::setsockopt(socket, option.0, option.1, (&raw const on).cast(), length)
    };
    Errno::result(set)?;
    Ok(socket)
}
