//! A name server: answers queries over UDP, at addresses of its own, and says in the answer who it is and what it saw.
//!
//! A question for text gets the [`Answer`] as JSON; a question for an address gets those of the server's zone, or the one
//! that the server is known by, so that real clients can tell who answered them. Must never ask anybody but the one that
//! it is told to.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::try_join_all;
use simple_dns::rdata::{A, AAAA, RData, TXT};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, Question, RCODE, ResourceRecord, TYPE};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::{ActorError, Answer, Handled, Log, Seen};
use crate::node::{Actor, Identity, Node, NodeError};
use crate::patience::patient;

/// The largest datagram that is read; longer queries are cut, and then no queries.
const LARGEST: usize = 4096;
/// How long another name server that is asked may take.
const ANSWERING: Duration = Duration::from_secs(2);
/// Seconds for which an answer may be kept: not at all.
const TTL: u32 = 0;

/// What a name server shall be like.
#[derive(Clone, Debug)]
pub struct NameServerSpec {
    /// Its name, with which it answers: `nameserver`, `sidecar-dns`, …
    pub name: String,
    /// Who it runs as.
    pub identity: Identity,
    /// The addresses at which it listens, each by a socket of its own, so that answers leave from the address asked.
    pub addresses: Vec<SocketAddr>,
    /// Whom it asks; without, it answers itself.
    pub upstream: Option<SocketAddr>,
    /// What it answers to questions for an IPv4 address; the IPv6 address is the same, mapped into 2001:db8::/96.
    pub known_by: Ipv4Addr,
    /// The addresses of names, in small letters. With any, there is no other name; without, each has `known_by`.
    pub zone: BTreeMap<String, Vec<IpAddr>>,
}

impl NameServerSpec {
    /// The addresses of a name; `None` where there is no such name.
    fn addresses_of(&self, name: &str) -> Option<Vec<IpAddr>> {
        if self.zone.is_empty() {
            return Some(vec![self.known_by.into(), mapped(self.known_by).into()]);
        }
        self.zone.get(&name.to_ascii_lowercase()).cloned()
    }
}

/// A running name server. It ends when dropped.
#[derive(Debug)]
pub struct NameServer {
    actor: Actor,
    log: Log,
}

impl NameServer {
    /// Starts a name server. It listens when this returns.
    ///
    /// # Errors
    /// When an address is taken or the node refuses.
    pub fn start(node: &Node, spec: NameServerSpec) -> Result<Self, ActorError> {
        let actor = node.actor(&spec.name, spec.identity)?;
        let log = Log::default();
        let seen = log.clone();
        actor.serve(move || async move {
            let mut loops = Vec::new();
            for address in &spec.addresses {
                let listening = |source| ActorError::ListenAt { address: *address, source };
                let socket = bind(*address).map_err(listening)?;
                loops.push(serve(socket, *address, spec.clone(), seen.clone()));
            }
            Ok::<_, ActorError>(((), async move { try_join_all(loops).await.map(drop) }))
        })??;
        Ok(Self { actor, log })
    }

    /// The queries that it saw.
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

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

async fn serve(socket: UdpSocket, local: SocketAddr, spec: NameServerSpec, log: Log) -> Result<(), String> {
    let socket = Rc::new(socket);
    let mut buffer = vec![0; LARGEST];
    loop {
        let (length, source) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // Whoever asked is gone: the kernel says so at the next call.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(format!("cannot receive at {local}: {error}")),
        };
        let answer = Answer { actor: spec.name.clone(), local, client: source, original_destination: None };
        let query = buffer.get(..length).unwrap_or_default().to_vec();
        if let Some(upstream) = spec.upstream {
            let socket = Rc::clone(&socket);
            spawn_local(async move {
                // Whoever asked hears nothing where nobody answers, as with a real one.
                if let Ok(Ok(reply)) = timeout(patient(ANSWERING), forward(&query, upstream)).await {
                    let _ = socket.send_to(&reply, source).await;
                }
            });
            continue;
        }
        let Some(reply) = reply(&query, &answer, &spec) else { continue };
        // Before it answers, so that whoever has the answer finds it in the log.
        log.push(Seen {
            actor: spec.name.clone(),
            local,
            source,
            original_destination: None,
            handled: Handled::Answered,
        });
        // The client may be gone already: then there is nobody to tell.
        let _ = socket.send_to(&reply, source).await;
    }
}

/// The answer of another name server.
async fn forward(query: &[u8], upstream: SocketAddr) -> io::Result<Vec<u8>> {
    let any: SocketAddr = if upstream.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(upstream).await?;
    socket.send(query).await?;
    let mut reply = vec![0; LARGEST];
    let length = socket.recv(&mut reply).await?;
    reply.truncate(length);
    Ok(reply)
}

/// The reply to a query; `None` for what is none.
fn reply(query: &[u8], answer: &Answer, spec: &NameServerSpec) -> Option<Vec<u8>> {
    let query = Packet::parse(query).ok()?;
    let question = query.questions.first()?;
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(
        PacketFlag::AUTHORITATIVE_ANSWER | PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE,
    );
    reply.questions.push(question.clone());
    let data = if question.qtype == QTYPE::TYPE(TYPE::TXT) {
        let text = serde_json::to_string(answer).ok()?;
        vec![RData::TXT(TXT::try_from(text.as_str()).ok()?.into_owned())]
    } else {
        let addresses = spec.addresses_of(&question.qname.to_string());
        if addresses.is_none() {
            *reply.rcode_mut() = RCODE::NameError;
        }
        addresses.unwrap_or_default().into_iter().filter_map(|one| of_type(one, question.qtype)).collect()
    };
    let records =
        data.into_iter().map(|data| ResourceRecord::new(question.qname.clone(), CLASS::IN, TTL, data));
    reply.answers.extend(records);
    reply.build_bytes_vec().ok()
}

/// An address as the answer to a question of its own type.
fn of_type(address: IpAddr, asked: QTYPE) -> Option<RData<'static>> {
    match (address, asked) {
        (IpAddr::V4(address), QTYPE::TYPE(TYPE::A)) => Some(RData::A(A::from(address))),
        (IpAddr::V6(address), QTYPE::TYPE(TYPE::AAAA)) => Some(RData::AAAA(AAAA::from(address))),
        _ => None,
    }
}

/// The IPv6 address that goes with a server's IPv4 address.
fn mapped(known_by: Ipv4Addr) -> Ipv6Addr {
    let prefix = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0));
    Ipv6Addr::from(prefix | u128::from(u32::from(known_by)))
}

/// A question for the text of a name, as a datagram.
pub(super) fn question(name: &str, id: u16) -> io::Result<Vec<u8>> {
    let mut query = Packet::new_query(id);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = simple_dns::Name::new(name).map_err(io::Error::other)?;
    query.questions.push(Question::new(
        name,
        QTYPE::TYPE(TYPE::TXT),
        simple_dns::QCLASS::CLASS(CLASS::IN),
        false,
    ));
    query.build_bytes_vec().map_err(io::Error::other)
}

/// The [`Answer`] that a reply to the question `id` holds.
pub(super) fn answer_in(reply: &[u8], id: u16) -> Option<Answer> {
    let reply = Packet::parse(reply).ok().filter(|reply| reply.id() == id)?;
    let text = reply.answers.iter().find_map(|record| match &record.rdata {
        RData::TXT(text) => String::try_from(text.clone()).ok(),
        _ => None,
    })?;
    serde_json::from_str(&text).ok()
}
