//! Connections that are opened by one step and used by later ones, and segments that pretend to be of them.
//!
//! Must never judge a connection by who answers a second one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::stage::{POD, Stage};
use super::{About, Check, RunError, flow};
use crate::actor::{Attempt, Held, Outcome, Reaction};
use crate::scenario::{CraftedSegment, Inject, Open, Talk, Talked, Who};
use crate::wire::{Frame, Segment, Transport, Wire, WireError};

/// How long something said may take to come back.
const BACK: Duration = Duration::from_secs(5);

/// The connections that are kept, by name.
#[derive(Default)]
pub(super) struct Kept {
    open: Mutex<BTreeMap<String, (Who, Held)>>,
}

impl Kept {
    fn with<T>(
        &self,
        name: &str,
        work: impl FnOnce(&Who, &Held) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get(name) {
            Some((who, held)) => work(who, held),
            None => Err(RunError::NotOpen { name: name.to_owned() }),
        }
    }
}

pub(super) fn open(stage: &Stage, wanted: &Open) -> Result<Check, RunError> {
    let to = stage.endpoint(&wanted.to.value)?;
    let held = match stage.client(&wanted.from) {
        Some(client) => client.hold(Attempt::to(to).port(stage.ports.next(&wanted.from)))?,
        None => Err(Outcome::Unreachable(format!("{} is not on the stage", wanted.from))),
    };
    let happened = match &held {
        Ok(held) => held.answer.actor.clone(),
        Err(outcome) => format!("{outcome:?}"),
    };
    let mut problems = Vec::new();
    if happened != wanted.reaches.to_string() {
        problems.push(format!("expected to reach {}, got {happened}", wanted.reaches));
    }
    if let Ok(held) = held {
        let mut open = stage.kept.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(wanted.name.clone(), (wanted.from.clone(), held));
    }
    let title = format!("{} → {}, kept as {}", wanted.from, wanted.to.value, wanted.name);
    let path = [wanted.from.to_string(), happened.clone()];
    let explanation = flow::of(stage, &wanted.from, to, None)?.and_then(|flow| stage.explain(&flow));
    Ok(Check { explanation, ..Check::new(About::Traffic, title, happened, problems).along(path) })
}

pub(super) fn talk(stage: &Stage, wanted: &Talk) -> Result<Check, RunError> {
    let reaction = stage.kept.with(&wanted.over, |_, held| Ok(held.talk(BACK)?))?;
    let as_expected = matches!(
        (wanted.is, &reaction),
        (Talked::Echoed, Reaction::Echoed)
            | (Talked::Reset, Reaction::Reset)
            | (Talked::Closed, Reaction::Closed)
            | (Talked::Ended, Reaction::Reset | Reaction::Closed)
            | (Talked::Unheard, Reaction::Unheard)
    );
    let happened = match reaction {
        Reaction::Echoed => "echoed",
        Reaction::Reset => "reset",
        Reaction::Closed => "closed",
        Reaction::Unheard => "unheard",
        Reaction::Garbled => "something else came back",
    };
    let mut problems = Vec::new();
    if !as_expected {
        problems.push(format!(
            "expected what is said over {} to be {}, it was {happened}",
            wanted.over, wanted.is
        ));
    }
    Ok(Check::new(About::Traffic, format!("talk over {}", wanted.over), happened, problems))
}

/// A segment like the last one that was sent, out of its window, that acknowledges all that was received: so a refusal
/// of it would be believed.
fn crafted(seen: &[Frame], held: &Held) -> Option<Vec<u8>> {
    let between = |from: SocketAddr, to: SocketAddr| {
        let is_between = move |segment: &Segment| segment.source == from && segment.destination == to;
        seen.iter().rev().filter(move |frame| frame.segment().is_some_and(|segment| is_between(&segment)))
    };
    let received =
        between(held.peer_name, held.local).find_map(|frame| match frame.segment()?.transport {
            Transport::Tcp { sequence, length, .. } if length > 0 => {
                Some(sequence.wrapping_add(u32::try_from(length).ok()?))
            }
            _ => None,
        })?;
    between(held.local, held.peer_name).next()?.out_of_window(received)
}

/// Sends a segment as if it were of a kept connection, and sees it arrive at the pod.
pub(super) fn inject(stage: &Stage, wanted: &Inject) -> Result<Check, RunError> {
    let CraftedSegment::OutOfWindow = wanted.segment;
    stage.kept.with(&wanted.over, |who, held| {
        let network = &stage.network;
        let towards = |from: &str, to: &str| {
            let found = network.topology().interface_towards(from, to).map(str::to_owned);
            found.ok_or_else(|| WireError::NoInterface { interface: format!("{from} towards {to}") })
        };
        let (node, _) = stage.whereabouts(who);
        let mut near = Wire::open(network.node(node)?, &towards(node, POD)?)?;
        let mut pod = Wire::open(stage.pod()?, &towards(POD, node)?)?;
        // What is said shows the numbers of now.
        let heard = held.talk(BACK)?;
        let crafted = crafted(&near.until_now()?, held);
        let crafted = crafted.ok_or_else(|| WireError::NoSegment { interface: format!("{near:?}") })?;
        near.send(&crafted)?;
        let arrived = pod.wait_for(|frame| frame.bytes() == crafted)?;
        let number = arrived.as_ref().and_then(Frame::segment).map(|segment| match segment.transport {
            Transport::Tcp { sequence, .. } => format!("arrived with sequence number {sequence}"),
            Transport::Udp => "arrived".to_owned(),
        });
        let mut problems = Vec::new();
        if heard != Reaction::Echoed {
            problems.push(format!("{} did not work before the segment was sent", wanted.over));
        }
        if number.is_none() {
            problems.push("the segment was not seen on the pod's wire".to_owned());
        }
        let title = format!("a segment out of the window of {}", wanted.over);
        Ok(Check::new(About::Traffic, title, number.unwrap_or_else(|| "lost".to_owned()), problems))
    })
}
