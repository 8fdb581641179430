//! A run that is kept up: it says so on an abstract socket, by which another netsim finds it and enters its nodes.
//!
//! Must never leave a trace of itself: the socket goes with the process, however that ends.

mod find;

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::signal::unix::{SignalKind, signal};

use crate::link::Network;

pub use find::{NotFound, find};

/// The names of all sockets begin so; the process's number follows.
const NAME: &str = "netsim/kept/";

/// A run that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its variant.
    pub variant: String,
    /// The process that keeps it.
    pub process: u32,
    /// Its nodes.
    pub nodes: Vec<KeptNode>,
}

/// A node of a run that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptNode {
    /// Its name.
    pub name: String,
    /// The thread that is in its namespaces and its cgroup.
    pub thread: i32,
}

impl Kept {
    /// This process's network.
    #[must_use]
    pub fn new(variant: &str, network: &Network) -> Self {
        let node =
            |node: &crate::node::Node| KeptNode { name: node.name().to_owned(), thread: node.thread() };
        let nodes = network.nodes().iter().map(node).collect();
        Self { variant: variant.to_owned(), process: std::process::id(), nodes }
    }

    /// Lets itself be found until this process is told to end: by Ctrl-C, or SIGTERM or SIGHUP. `begun` is called when it
    /// can be found.
    ///
    /// # Errors
    /// The socket or the signals.
    pub fn until_told(&self, begun: impl FnOnce()) -> io::Result<()> {
        let address = SocketAddr::from_abstract_name(format!("{NAME}{}", self.process))?;
        let listener = UnixListener::bind_addr(&address)?;
        listener.set_nonblocking(true)?;
        let text = serde_json::to_vec(self)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let [mut interrupt, mut terminate, mut hangup] = {
                let [interrupt, terminate, hangup] = kinds.map(signal);
                [interrupt?, terminate?, hangup?]
            };
            let listener = tokio::net::UnixListener::from_std(listener)?;
            begun();
            loop {
                let asked = tokio::select! {
                    _ = interrupt.recv() => return Ok(()),
                    _ = terminate.recv() => return Ok(()),
                    _ = hangup.recv() => return Ok(()),
                    asked = listener.accept() => asked,
                };
                // Short enough for the socket's buffer. Whoever has gone meanwhile wants to know nothing any more.
                if let Ok((mut stream, _)) = asked {
                    let _ = stream.write_all(&text).await;
                }
            }
        })
    }
}
