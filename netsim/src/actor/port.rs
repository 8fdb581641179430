//! Source ports that are wanted, and ports that somebody else may hold for a moment longer.

#![expect(unsafe_code, reason = "the option that limits the kernel's choice of ports has no safe wrapper")]

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep};

/// How long a port may stay taken that was given back.
pub(super) const HELD: Duration = Duration::from_secs(2);

/// What `bind` gives, tried for so long as the port is taken and `within` is not over.
///
/// A port that was just given back may be held by a child of this process between fork and exec; nothing tells when it is
/// free.
///
/// # Errors
/// Those of `bind`.
pub(super) async fn when_free<T>(within: Duration, mut bind: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    const AGAIN: Duration = Duration::from_millis(2);
    let deadline = Instant::now() + within;
    loop {
        match bind() {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                sleep(AGAIN).await;
            }
            bound => return bound,
        }
    }
}

/// The source port that the kernel is asked to choose, so that a flow can come again from the same one.
///
/// It remains the kernel's choice, made when it is always made: a socket that is bound by its owner is another case. Where
/// the kernel does not let itself be asked (before Linux 6.3) it chooses as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedPort {
    port: u16,
    /// How many of those after it may stand in for it.
    spare: u8,
}

impl WantedPort {
    /// From where Linux lets flows come, unless its administrator says otherwise (`ip_local_port_range`).
    const FIRST: u16 = 32_768;
    const COUNT: u16 = 28_232;
    /// Others hold a port or two at a time.
    const SPARE: u8 = 16;

    /// One of those from which the kernel would choose: the same for the same number.
    #[must_use]
    pub fn by(number: u64) -> Self {
        let within = u16::try_from(number % u64::from(Self::COUNT)).unwrap_or(0);
        Self { port: Self::FIRST + within, spare: Self::SPARE }
    }

    /// The number of the port.
    #[must_use]
    pub fn port(self) -> u16 {
        self.port
    }

    /// Whether the kernel of this machine can be asked for a port.
    ///
    /// # Errors
    /// It gives no socket to ask.
    pub fn is_understood() -> io::Result<bool> {
        Self::by(0).ask_of(&Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?)
    }

    /// Asks the kernel for it, before the socket is bound or connected; says whether the kernel knows the question.
    pub(super) fn ask_of(self, socket: &impl AsFd) -> io::Result<bool> {
        let only = u32::from(self.port) << 16 | u32::from(self.port);
        match limit_ports(socket, only) {
            Ok(()) => Ok(true),
            Err(Errno::ENOPROTOOPT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The next one, if this is taken, as `error` says.
    pub(super) fn instead(self, error: &io::Error) -> Option<Self> {
        let is_taken = matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable);
        let spare = self.spare.checked_sub(1).filter(|_| is_taken)?;
        Some(Self { spare, ..Self::by(u64::from(self.port - Self::FIRST) + 1) })
    }
}

/// A socket for datagrams at `address`; where its port is 0, at the wanted port or one after it.
///
/// # Errors
/// Those of the kernel.
pub(super) fn bind_from(address: SocketAddr, wanted: Option<WantedPort>) -> io::Result<UdpSocket> {
    let mut wanted = wanted.filter(|_| address.port() == 0);
    loop {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if let Some(port) = wanted {
            port.ask_of(&socket)?;
        }
        match socket.bind(&address.into()) {
            Ok(()) => return UdpSocket::from_std(socket.into()),
            Err(error) => match wanted.and_then(|port| port.instead(&error)) {
                Some(next) => wanted = Some(next),
                None => return Err(error),
            },
        }
    }
}

/// linux/in.h, since Linux 6.3 (ip(7)): the ports from which the kernel may choose, the first in the lower half, the last in
/// the upper; for sockets of both families.
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;

fn limit_ports(socket: &impl AsFd, range: u32) -> Result<(), Errno> {
    let length = size_of_val(&range) as libc::socklen_t;
    let (level, option) = (libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE);
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel reads `length` bytes at `range`, which lives until the call returns.
    let set = unsafe { libc::setsockopt(descriptor, level, option, (&raw const range).cast(), length) };
    Errno::result(set).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_followed_by_the_next_of_the_range_until_there_are_too_many() {
        let taken = io::Error::from(ErrorKind::AddrNotAvailable);
        let last = WantedPort::by(28_231);
        assert_eq!(last.port(), 60_999);
        assert_eq!(last.instead(&taken).map(WantedPort::port), Some(32_768));
        let all = std::iter::successors(Some(last), |port| port.instead(&taken));
        assert_eq!(all.count(), 17);
    }

    #[test]
    fn other_failures_are_not_the_ports_fault() {
        assert_eq!(WantedPort::by(0).instead(&ErrorKind::ConnectionRefused.into()), None);
    }
}
