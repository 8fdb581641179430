//! An application: a server that answers on some ports, at all addresses of its node.

use std::net::SocketAddr;

use futures_util::future::try_join_all;
use tokio::net::TcpStream;

use super::listen::{accept, listen};
use super::{ActorError, Answer, Handled, Log, Seen};
use crate::node::{Actor, Identity, Node, NodeError};

/// What an application shall be like.
#[derive(Clone, Debug)]
pub struct AppSpec {
    /// Its name, with which it answers: `app`, `peer`, …
    pub name: String,
    /// Who it runs as.
    pub identity: Identity,
    /// The ports on which it listens.
    pub ports: Vec<u16>,
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
        let seen = log.clone();
        actor.serve(move || async move {
            let listeners = spec.ports.iter().map(|port| listen(*port)).collect::<Result<Vec<_>, _>>()?;
            let loops = listeners.into_iter().flatten().map(move |listener| {
                let (name, seen) = (spec.name.clone(), seen.clone());
                accept(listener, move |stream, source| answer(name.clone(), seen.clone(), stream, source))
            });
            let service = async move { try_join_all(loops).await.map(drop) };
            Ok::<_, ActorError>(((), service))
        })??;
        Ok(Self { actor, log })
    }

    /// The connections that it saw.
    pub fn log(&self) -> &Log {
        &self.log
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
