//! A sidecar: takes what is redirected to it, learns from the kernel where it was going, and either answers
//! itself or forwards it there as a real one does.
//!
//! It never connects to itself: an original destination that is one of its own listeners is refused, or one
//! wrong rule would end in ten thousand connections.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::try_join_all;
use nix::sys::socket::{getsockopt, sockopt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::listen::{accept, listen};
use super::{ActorError, Answer, Handled, Log, Seen};
use crate::node::{Actor, Identity, Node, NodeError};
use crate::patience::patient;
use crate::topology::IpFamily;

/// How long the original destination may take to accept a forwarded connection.
const CONNECTING: Duration = Duration::from_secs(5);

/// What a sidecar does with what it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It answers itself, so that a test sees that the connection came here.
    Record,
    /// It connects to the original destination and copies both ways: inbound from the passthrough address.
    Forward,
    /// It connects there, wherever the connection was going: for those who call the sidecar themselves.
    ForwardTo(SocketAddr),
}

/// What a sidecar shall be like.
#[derive(Clone, Debug)]
pub struct SidecarSpec {
    /// Who it runs as.
    pub identity: Identity,
    /// The port to which arriving connections are redirected.
    pub inbound_port: u16,
    /// The port to which leaving connections are redirected.
    pub outbound_port: u16,
    /// Further inbound and outbound ports, where configurations with other ports replace each other.
    pub further_ports: Vec<[u16; 2]>,
    /// What it does with them.
    pub mode: Mode,
    /// How many connections it handles at once; more are reset.
    pub connections: usize,
}

impl SidecarSpec {
    /// A sidecar that records, on Kuma's default ports.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            inbound_port: 15006,
            outbound_port: 15001,
            further_ports: Vec::new(),
            mode: Mode::Record,
            // Of connections that clients have ended it may not know yet, when the machine is busy: far more than are open.
            connections: 1024,
        }
    }

    /// Every port that it listens on, with what arrives there.
    fn ports(&self) -> BTreeSet<(u16, Side)> {
        let first = [self.inbound_port, self.outbound_port];
        let pairs = self.further_ports.iter().chain([&first]);
        pairs
            .flat_map(|[inbound, outbound]| [(*inbound, Side::Inbound), (*outbound, Side::Outbound)])
            .collect()
    }
}

/// A running sidecar. It ends when dropped.
#[derive(Debug)]
pub struct Sidecar {
    actor: Actor,
    log: Log,
}

impl Sidecar {
    /// Starts a sidecar. It listens when this returns.
    ///
    /// # Errors
    /// When a port is taken or the node refuses.
    pub fn start(node: &Node, spec: SidecarSpec) -> Result<Self, ActorError> {
        let actor = node.actor("sidecar", spec.identity)?;
        let log = Log::default();
        let seen = log.clone();
        actor.serve(move || async move {
            let mut loops = Vec::new();
            let slots = Semaphore::new(spec.connections);
            let ports = spec.ports();
            let proxy = Rc::new(Proxy { spec, slots, log: seen });
            for (port, side) in ports {
                let listeners = listen(port).await?.into_iter();
                loops.extend(listeners.map(|listener| serve(Rc::clone(&proxy), side, listener)));
            }
            Ok::<_, ActorError>(((), async move { try_join_all(loops).await.map(drop) }))
        })??;
        Ok(Self { actor, log })
    }

    /// The connections that it saw.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Ends it, and tells what went wrong.
    ///
    /// # Errors
    /// Its thread does not end, or its cgroup cannot be removed.
    pub fn stop(self) -> Result<(), NodeError> {
        self.actor.stop()
    }

    /// Whether it still serves.
    ///
    /// # Errors
    /// Why not.
    pub fn health(&self) -> Result<(), NodeError> {
        self.actor.health()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Inbound,
    Outbound,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Inbound => "sidecar-inbound",
            Self::Outbound => "sidecar-outbound",
        }
    }
}

struct Proxy {
    spec: SidecarSpec,
    slots: Semaphore,
    log: Log,
}

async fn serve(proxy: Rc<Proxy>, side: Side, listener: TcpListener) -> Result<(), String> {
    accept(listener, move |stream, source| {
        let proxy = Rc::clone(&proxy);
        async move { proxy.handle(side, stream, source).await }
    })
    .await
}

impl Proxy {
    async fn handle(&self, side: Side, mut stream: TcpStream, source: SocketAddr) {
        // The client may be gone already: then there is nobody to serve.
        let Ok(local) = stream.local_addr() else { return };
        let original_destination = original_destination(&stream, local);
        let record = |handled| {
            let actor = side.name().to_owned();
            self.log.push(Seen { actor, local, source, original_destination, handled });
        };
        let Ok(_slot) = self.slots.try_acquire() else {
            record(Handled::Overload);
            return reset(&stream);
        };
        let fixed = match self.spec.mode {
            Mode::ForwardTo(destination) => Some(destination),
            Mode::Record | Mode::Forward => None,
        };
        let destination = fixed.or(original_destination);
        if destination.is_some_and(|destination| self.is_own_listener(destination)) {
            record(Handled::Loop);
            return reset(&stream);
        }
        match self.spec.mode {
            Mode::Record => {
                record(Handled::Answered);
                let actor = side.name().to_owned();
                let answer = Answer { actor, local, client: source, original_destination };
                let _ = answer.give(&mut stream).await;
            }
            Mode::Forward | Mode::ForwardTo(_) => match connect(side, destination).await {
                Ok(onward) => {
                    record(Handled::Forwarded);
                    copy(stream, onward).await;
                }
                Err(why) => {
                    record(Handled::Failed(why));
                    reset(&stream);
                }
            },
        }
    }

    /// Not whether it is where the connection was accepted: eBPF hands an arriving connection over as it was sent.
    fn is_own_listener(&self, destination: SocketAddr) -> bool {
        let own_port = self.spec.ports().iter().any(|(port, _)| *port == destination.port());
        own_port && is_local(destination.ip())
    }
}

/// Where the connection was going before it was redirected. None when the kernel does not track it.
fn original_destination(stream: &TcpStream, local: SocketAddr) -> Option<SocketAddr> {
    if local.is_ipv4() {
        let address = getsockopt(stream, sockopt::OriginalDst).ok()?;
        let ip = u32::from_be(address.sin_addr.s_addr).into();
        Some(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
    } else {
        let address = getsockopt(stream, sockopt::Ip6tOriginalDst).ok()?;
        let ip = address.sin6_addr.s6_addr.into();
        Some(SocketAddrV6::new(ip, u16::from_be(address.sin6_port), 0, 0).into())
    }
}

/// Whether an address is this host's: only then can it be bound.
fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// Connects to the original destination: to the own application from the passthrough address.
async fn connect(side: Side, destination: Option<SocketAddr>) -> Result<TcpStream, String> {
    let destination = destination.ok_or("the kernel knows no original destination")?;
    let family = IpFamily::of(destination.ip());
    let socket = match family {
        IpFamily::V4 => TcpSocket::new_v4(),
        IpFamily::V6 => TcpSocket::new_v6(),
    };
    let socket = socket.map_err(|error| format!("cannot make a socket: {error}"))?;
    if side == Side::Inbound {
        let source = family.passthrough();
        socket
            .bind((source, 0).into())
            .map_err(|error| format!("cannot call from {source}: {error}; is it an address of this host?"))?;
    }
    match timeout(patient(CONNECTING), socket.connect(destination)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("cannot connect to {destination}: {error}")),
        Err(_) => Err(format!("{destination} does not accept within {:?}", patient(CONNECTING))),
    }
}

/// Sends at once what there is, as real proxies do: small writes would wait for acknowledgements otherwise.
fn at_once(stream: &TcpStream) {
    // It fails only for a socket that is gone already.
    let _ = stream.set_nodelay(true);
}

/// Copies both ways until both sides have said all. When one side breaks, so does the other.
async fn copy(mut near: TcpStream, mut onward: TcpStream) {
    at_once(&near);
    at_once(&onward);
    let outcome: io::Result<_> = tokio::io::copy_bidirectional(&mut near, &mut onward).await;
    if outcome.is_err() {
        reset(&near);
        reset(&onward);
    }
}

/// Lets the stream be closed by a reset instead of a farewell.
fn reset(stream: &TcpStream) {
    // It fails only for a socket that is gone already.
    let _ = stream.set_zero_linger();
}
