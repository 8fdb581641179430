//! The sidecar of a stage, with its listener for DNS queries: one that can be killed and started again.
//!
//! Must never tell of connections of a sidecar that was killed as if they were the next one's.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::RunError;
use crate::actor::{Log, NameServer, NameServerSpec, Seen, Sidecar, SidecarSpec};
use crate::node::Node;
use crate::scenario::Place;

/// What the sidecar shall be like, and the one that runs.
pub(super) struct Proxy {
    spec: SidecarSpec,
    dns: Option<NameServerSpec>,
    running: Mutex<Option<Running>>,
    /// The logs of those that were killed.
    past: Mutex<Vec<Log>>,
}

struct Running {
    sidecar: Sidecar,
    dns: Option<NameServer>,
}

impl Proxy {
    /// Starts it. It listens when this returns.
    pub(super) fn start(
        node: &Node,
        spec: SidecarSpec,
        dns: Option<NameServerSpec>,
    ) -> Result<Self, RunError> {
        let proxy = Self { spec, dns, running: Mutex::new(None), past: Mutex::default() };
        proxy.restart(node)?;
        Ok(proxy)
    }

    /// Ends it: its listeners and its connections are gone when this returns.
    pub(super) fn kill(&self) -> Result<(), RunError> {
        if let Some(Running { sidecar, dns }) = self.running().take() {
            let logs = [Some(sidecar.log()), dns.as_ref().map(NameServer::log)];
            self.past
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(logs.into_iter().flatten().cloned());
            sidecar.stop()?;
            dns.map_or(Ok(()), NameServer::stop)?;
        }
        Ok(())
    }

    /// Starts it anew.
    pub(super) fn restart(&self, node: &Node) -> Result<(), RunError> {
        self.kill()?;
        let sidecar = Sidecar::start(node, self.spec.clone())?;
        let dns = self.dns.clone().map(|spec| NameServer::start(node, spec)).transpose()?;
        *self.running() = Some(Running { sidecar, dns });
        Ok(())
    }

    /// Whether it runs.
    pub(super) fn is_running(&self) -> bool {
        self.running().is_some()
    }

    /// The connections that it saw since they were last taken.
    pub(super) fn take_seen(&self) -> Vec<Seen> {
        self.log().take()
    }

    /// The last connections and queries that it ever saw, also before it was killed.
    pub(super) fn remembered(&self) -> Vec<Seen> {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner).clone();
        past.iter().chain(&[self.log(), self.queries()]).flat_map(Log::remembered).collect()
    }

    /// Waits until one of its listeners has seen so many connections, or queries.
    pub(super) fn wait_for_count(&self, within: Duration, listener: Place, count: usize) -> bool {
        let log = if listener == Place::SidecarDns { self.queries() } else { self.log() };
        log.wait_for_count(within, &listener.to_string(), count)
    }

    /// Whether it still serves, where it was not killed.
    pub(super) fn health(&self) -> Result<(), RunError> {
        if let Some(Running { sidecar, dns }) = &*self.running() {
            sidecar.health()?;
            dns.as_ref().map_or(Ok(()), NameServer::health)?;
        }
        Ok(())
    }

    fn log(&self) -> Log {
        self.running().as_ref().map(|running| running.sidecar.log().clone()).unwrap_or_default()
    }

    fn queries(&self) -> Log {
        let running = self.running();
        let dns = running.as_ref().and_then(|running| running.dns.as_ref());
        dns.map(|dns| dns.log().clone()).unwrap_or_default()
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
