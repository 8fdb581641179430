//! What is on the wire of an interface: frames that left and arrived, and frames that no socket would send.
//!
//! Must never judge: it tells what was seen. Only this module names pnet's types.

mod capture;
mod craft;
mod error;
mod frame;
mod pcap;

pub use capture::{Capture, Captured};
pub use error::WireError;
pub use frame::{Frame, Segment, Transport};
pub(crate) use pcap::no_frames;

use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pnet_datalink::{Channel, Config, DataLinkReceiver, DataLinkSender, MacAddr};

use crate::node::Node;
use crate::patience::patient;

/// How long the kernel may take to show a frame that was sent.
const SHOWING: Duration = Duration::from_secs(5);
/// How often a reader looks at its deadline.
const TICK: Duration = Duration::from_millis(100);
/// The ethertype of marks: IEEE 802's first one for local experiments, which no host answers.
const MARK: [u8; 2] = [0x88, 0xb5];
/// The shortest frame that Ethernet carries, in bytes.
const SHORTEST: usize = 60;

/// An interface of a node that is watched from when this is opened. Frames wait in the kernel until they are asked for;
/// it keeps some hundreds, so watch single flows, not bursts.
pub struct Wire {
    name: String,
    own: MacAddr,
    frames: Box<dyn DataLinkReceiver>,
    // A socket of its own: the kernel does not show a socket what it sent itself.
    sender: Box<dyn DataLinkSender>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({})", self.name)
    }
}

impl Wire {
    /// Begins to watch an interface.
    ///
    /// # Errors
    /// The node has no such interface, or the kernel refuses the socket.
    pub fn open(node: &Node, interface: &str) -> Result<Self, WireError> {
        let (name, interface) = (format!("{} {interface}", node.name()), interface.to_owned());
        // A packet socket belongs to the namespace of the thread that opened it, wherever it is read from.
        node.run(move || async move { Self::open_here(name, &interface) })?
    }

    fn open_here(name: String, interface: &str) -> Result<Self, WireError> {
        let known = pnet_datalink::interfaces().into_iter().find(|known| known.name == interface);
        let Some(known) = known else { return Err(WireError::NoInterface { interface: name }) };
        let config = Config { read_timeout: Some(TICK), promiscuous: false, ..Config::default() };
        let failed = |source| WireError::Socket { interface: name.clone(), source };
        let channel = || match pnet_datalink::channel(&known, config) {
            Ok(Channel::Ethernet(sender, frames)) => Ok((sender, frames)),
            Ok(_) => Err(failed(ErrorKind::Unsupported.into())),
            Err(error) => Err(failed(error)),
        };
        let ((_, frames), (sender, _)) = (channel()?, channel()?);
        Ok(Self { own: known.mac.unwrap_or_default(), name, frames, sender })
    }

    /// Everything that was seen since this was opened or last asked: a mark is sent behind it, and all that comes
    /// before the mark is told.
    ///
    /// # Errors
    /// The socket fails, or the mark is not seen.
    pub fn until_now(&mut self) -> Result<Vec<Frame>, WireError> {
        let mark = self.mark();
        self.send(&mark)?;
        let mut seen = Vec::new();
        let deadline = Instant::now() + patient(SHOWING);
        loop {
            match self.next(deadline)? {
                Some(frame) if frame.bytes() == mark => return Ok(seen),
                Some(frame) => seen.push(frame),
                None => {
                    return Err(WireError::Unseen { interface: self.name.clone(), within: patient(SHOWING) });
                }
            }
        }
    }

    /// Waits for a frame. `None` when it does not come in time; what comes before it is forgotten.
    ///
    /// # Errors
    /// The socket fails.
    pub fn wait_for(&mut self, wanted: impl Fn(&Frame) -> bool) -> Result<Option<Frame>, WireError> {
        let deadline = Instant::now() + patient(SHOWING);
        while let Some(frame) = self.next(deadline)? {
            if wanted(&frame) {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// Sends a frame as it is.
    ///
    /// # Errors
    /// The kernel does not take it.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let sent = self.sender.send_to(bytes, None).unwrap_or_else(|| Err(ErrorKind::OutOfMemory.into()));
        sent.map_err(|source| WireError::Socket { interface: self.name.clone(), source })
    }

    fn next(&mut self, deadline: Instant) -> Result<Option<Frame>, WireError> {
        while Instant::now() < deadline {
            match self.frames.next() {
                Ok(bytes) => return Ok(Some(Frame::new(bytes, self.own))),
                Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Err(source) => return Err(WireError::Socket { interface: self.name.clone(), source }),
            }
        }
        Ok(None)
    }

    /// A frame unlike every other.
    fn mark(&self) -> Vec<u8> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let own = self.own.octets();
        let number = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut mark = [&own[..], &own[..], &MARK[..], &number[..]].concat();
        mark.resize(SHORTEST, 0);
        mark
    }
}
