//! An application: a server that answers on some ports, at all addresses of its node.

use std::net::SocketAddr;

use futures_util::future::try_join_all;
use tokio::net::TcpStream;

use super::listen::{accept, listen};
use super::{ActorError, Answer, Handled, Log, Seen, datagrams};
use crate::node::{Actor, Identity, Node, NodeError};

/// What an application shall be like.
#[derive(Clone, Debug)]
pub struct AppSpec {
    /// Its name, with which it answers: `app`, `peer`, …
    pub name: String,
    /// Who it runs as.
    pub identity: Identity,
    /// The ports on which it listens for connections.
    pub ports: Vec<u16>,
    /// The ports on which it answers datagrams.
    pub udp_ports: Vec<u16>,
}

impl AppSpec {
    /// An application that takes connections on these ports.
    #[must_use]
    pub fn new(name: &str, identity: Identity, ports: impl IntoIterator<Item = u16>) -> Self {
        let ports = ports.into_iter().collect();
        Self { name: name.to_owned(), identity, ports, udp_ports: Vec::new() }
    }
}

/// A running application. It ends when dropped.
#[derive(Debug)]
pub struct App {
    actor: Actor,
    log: Log,
}

impl App {
    /// Starts an application. It listens when this returns.
    ///
    /// # Errors
    /// When a port is taken or the node refuses.
    pub fn start(node: &Node, spec: AppSpec) -> Result<Self, ActorError> {
        let actor = node.actor(&spec.name, spec.identity)?;
        let log = Log::default();
        let (seen, datagram_log) = (log.clone(), log.clone());
        actor.serve(move || async move {
            let datagram_name = spec.name.clone();
            let listeners = try_join_all(spec.ports.iter().map(|port| listen(*port))).await?;
            let loops = listeners.into_iter().flatten().map(move |listener| {
                let (name, seen) = (spec.name.clone(), seen.clone());
                accept(listener, move |stream, source| answer(name.clone(), seen.clone(), stream, source))
            });
            let sockets = try_join_all(spec.udp_ports.iter().map(|port| datagrams::bind(*port))).await?;
            let (name, seen) = (datagram_name, datagram_log);
            let datagrams = sockets
                .into_iter()
                .flatten()
                .map(move |socket| datagrams::serve(socket, name.clone(), seen.clone()));
            let service =
                async move { tokio::try_join!(try_join_all(loops), try_join_all(datagrams)).map(drop) };
            Ok::<_, ActorError>(((), service))
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

async fn answer(name: String, log: Log, mut stream: TcpStream, source: SocketAddr) {
    // The client may be gone already: then there is nobody to tell.
    let Ok(local) = stream.local_addr() else { return };
    let answer = Answer { actor: name.clone(), local, client: source, original_destination: None };
    // Before it answers, so that whoever has the answer finds it in the log.
    log.push(Seen { actor: name, local, source, original_destination: None, handled: Handled::Answered });
    let _ = answer.give(&mut stream).await;
}
