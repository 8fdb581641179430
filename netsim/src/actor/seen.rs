//! What servers saw: a log that is written inside nodes, and read and waited for from outside.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::node::Watched;

/// So many of the last connections are remembered when they were taken.
const REMEMBERED: usize = 1000;

/// A connection that a server accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seen {
    /// Who accepted it, as in [`super::Answer::actor`].
    pub actor: String,
    /// The address at which it arrived.
    pub local: SocketAddr,
    /// The address from which it came.
    pub source: SocketAddr,
    /// Where it was going before it was redirected.
    pub original_destination: Option<SocketAddr>,
    /// What was done with it.
    pub handled: Handled,
}

/// What a server did with a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handled {
    /// Answered it itself.
    Answered,
    /// Connected it to its original destination.
    Forwarded,
    /// Reset it, because its original destination is the server itself.
    Loop,
    /// Reset it, because there were too many at once.
    Overload,
    /// Reset it, because it could not be forwarded.
    Failed(String),
}

/// The connections that servers saw, oldest first. Copies share the log.
#[derive(Clone, Debug, Default)]
pub struct Log {
    seen: Watched<Vec<Seen>>,
    remembered: Watched<VecDeque<Seen>>,
}

impl Log {
    pub(super) fn push(&self, seen: Seen) {
        self.remembered.change(|log| {
            if log.len() == REMEMBERED {
                log.pop_front();
            }
            log.push_back(seen.clone());
        });
        self.seen.change(|log| log.push(seen));
    }

    /// The last of all that was ever seen, whether it was taken or not.
    pub fn remembered(&self) -> Vec<Seen> {
        self.remembered.look(|log| log.iter().cloned().collect())
    }

    /// All that was seen so far.
    pub fn all(&self) -> Vec<Seen> {
        self.seen.look(Clone::clone)
    }

    /// All that was seen since the log was last taken.
    pub fn take(&self) -> Vec<Seen> {
        self.seen.change(std::mem::take)
    }

    /// Waits until so many connections were seen by an actor. False when the deadline comes first.
    pub fn wait_for_count(&self, within: Duration, actor: &str, count: usize) -> bool {
        let enough = |log: &mut Vec<Seen>| {
            (log.iter().filter(|seen| seen.actor == actor).count() >= count).then_some(())
        };
        self.seen.wait_for(within, enough).is_some()
    }

    /// Waits until something that `matches` has been seen, and takes it out of the log. None when the deadline
    /// comes first.
    pub fn wait_for(&self, within: Duration, matches: impl Fn(&Seen) -> bool) -> Option<Seen> {
        self.seen.wait_for(within, |log| {
            let position = log.iter().position(&matches)?;
            Some(log.remove(position))
        })
    }
}
