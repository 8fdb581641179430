//! What of a flow was seen on wires: whether it left, to where it was sent.
//!
//! Must never be asked before the flow has ended.

use std::net::SocketAddr;

use super::RunError;
use super::stage::Stage;
use crate::scenario::{Expectation, Spanned, WirePlace};
use crate::wire::{Frame, Transport, Wire};

/// The wires that an expectation is about, watched.
pub(super) struct Watch {
    wires: Vec<(WirePlace, bool, Wire)>,
}

impl Watch {
    /// Begins to watch.
    pub(super) fn begin(stage: &Stage, wanted: &Expectation) -> Result<Self, RunError> {
        let leaving = wanted.leaves.iter().map(|place| (place, true));
        let staying = wanted.never_leaves.iter().map(|place| (place, false));
        let open = |(place, leaves): (&Spanned<WirePlace>, bool)| {
            let wire = Wire::open(stage.network.node(&place.value.node)?, &place.value.interface)?;
            Ok((place.value.clone(), leaves, wire))
        };
        Ok(Self { wires: leaving.chain(staying).map(open).collect::<Result<_, RunError>>()? })
    }

    /// What is not as it must be, for a flow to `destination` that is over.
    pub(super) fn end(self, destination: SocketAddr, is_tcp: bool) -> Result<Vec<String>, RunError> {
        let is_of_flow = |frame: &Frame| {
            frame.leaves()
                && frame.segment().is_some_and(|segment| {
                    segment.destination == destination && is_tcp == (segment.transport != Transport::Udp)
                })
        };
        let mut problems = Vec::new();
        for (place, leaves, mut wire) in self.wires {
            let count = wire.until_now()?.iter().filter(|frame| is_of_flow(frame)).count();
            let problem = match (leaves, count) {
                (true, 0) => format!("nothing for {destination} left by {place}"),
                (false, 1..) => format!("{count} frames for {destination} left by {place}, and none must"),
                _ => continue,
            };
            problems.push(problem);
        }
        Ok(problems)
    }
}
