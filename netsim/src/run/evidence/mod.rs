//! What is kept of a variant that failed, so that nobody has to run it again to learn more: packets of every node, what
//! every server saw, and the flow that failed, sent once more with rules counted and traced.
//!
//! Must never change a verdict: what cannot be collected is said in the evidence, and the run goes on.

mod again;
mod difference;
mod folder;
mod place;
mod text;
mod trace;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::stage::Stage;
use super::{Check, RunError};
use crate::actor::Seen;
use crate::link::Network;
use crate::scenario::{Expectation, Variant};
use crate::wire::{Capture, Captured};
use again::Again;
pub use place::EvidencePlace;

/// How many bytes of frames a variant may keep, all nodes together.
const ROOM: usize = 4 << 20;
/// So many flows of a variant are sent again.
const FLOWS: usize = 3;

/// Collects while a variant runs.
pub(super) struct Witness {
    place: EvidencePlace,
    captures: Mutex<Vec<(String, Capture)>>,
    again: Mutex<Vec<Again>>,
}

/// All that is known of a variant that failed.
struct Evidence<'a> {
    variant: &'a Variant,
    seed: u64,
    /// How the run ended: every check, or why it could not go on.
    found: Result<&'a [Check], &'a RunError>,
    /// All rules in force at the end, where it came to its end.
    rules: &'a str,
    again: Vec<Again>,
    /// By node.
    captured: BTreeMap<String, Captured>,
    seen: Vec<Seen>,
    /// What could not be collected, and why.
    missing: Vec<String>,
}

impl Witness {
    /// Begins to collect, for evidence of `variant` in `place`. What an earlier run has left there goes: it would look
    /// like this one's.
    pub(super) fn begin(
        network: &Network,
        variant: &Variant,
        place: EvidencePlace,
    ) -> Result<Self, RunError> {
        if let Some(folder) = place.known().map(|root| root.join(folder::name(variant))) {
            folder::forget(&folder).map_err(|error| RunError::OldEvidence { folder, error })?;
        }
        let room = ROOM / network.nodes().len().max(1);
        let capture = |node: &crate::node::Node| Ok((node.name().to_owned(), Capture::begin(node, room)?));
        let captures = network.nodes().iter().map(capture).collect::<Result<_, RunError>>()?;
        Ok(Self { place, captures: Mutex::new(captures), again: Mutex::default() })
    }

    /// Takes over the packets that were seen so far, to make room for those that come.
    pub(super) fn collect(&self) -> Result<(), RunError> {
        let mut captures = self.captures.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(captures.iter_mut().try_for_each(|(_, capture)| capture.collect())?)
    }

    /// A flow has failed: it is sent again, if not many were.
    pub(super) fn failed(&self, stage: &Stage, wanted: &Expectation, checks: &[Check]) {
        let lock = || self.again.lock().unwrap_or_else(PoisonError::into_inner);
        if lock().len() < FLOWS {
            let again = Again::send(stage, wanted, checks);
            lock().push(again);
        }
    }

    /// Writes what was collected, and tells where.
    pub(super) fn testify(
        &self,
        stage: &Stage,
        variant: &Variant,
        found: Result<&[Check], &RunError>,
        rules: &str,
    ) -> Result<PathBuf, String> {
        let (mut captured, mut missing) = (BTreeMap::new(), Vec::new());
        let captures = std::mem::take(&mut *self.captures.lock().unwrap_or_else(PoisonError::into_inner));
        for (node, capture) in captures {
            let ended = stage.network.node(&node).map_err(RunError::from);
            match ended.and_then(|node| Ok(capture.end(node)?)) {
                Ok(seen) => drop(captured.insert(node, seen)),
                Err(error) => missing.push(format!("packets of {node}: {error}")),
            }
        }
        let again = std::mem::take(&mut *self.again.lock().unwrap_or_else(PoisonError::into_inner));
        let (seed, seen) = (stage.seed, stage.remembered());
        let evidence = Evidence { variant, seed, found, rules, again, captured, seen, missing };
        let folder = self.place.root()?.join(folder::name(variant));
        folder::write(&folder, &evidence, stage.network.topology())
            .map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
        Ok(folder)
    }
}
