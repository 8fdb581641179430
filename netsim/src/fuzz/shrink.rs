//! The smallest options and flow that still go wrong.
//!
//! Each try is a real installation and a real flow. Must never take a smaller case for the same mistake when nothing goes
//! wrong in it.

use std::net::IpAddr;

use super::judge::{Mismatch, judge, plan};
use super::lab::Lab;
use super::options::Options;
use super::world::{Sender, Shot};
use super::{Failure, FuzzError};
use crate::topology::IpFamily;

/// How often something smaller is tried.
const TRIES: usize = 200;

/// Shrinks a failure.
pub(super) fn smallest(lab: &Lab, failure: Failure) -> Result<Failure, FuzzError> {
    let mut smallest = failure;
    let mut tries = 0;
    'again: loop {
        for (options, shot) in smaller(&smallest) {
            tries += 1;
            if tries > TRIES {
                return Ok(smallest);
            }
            if let Some(mismatch) = attempt(lab, &options, &shot)? {
                smallest = Failure { options, shot, mismatch, ..smallest };
                continue 'again;
            }
        }
        return Ok(smallest);
    }
}

/// What is smaller by one step. A claim holds for the options that it was made with.
fn smaller(failure: &Failure) -> Vec<(Options, Shot)> {
    let mut all = Vec::new();
    if !matches!(failure.mismatch, Mismatch::Claim { .. }) {
        let shot = Shot { claim: None, ..failure.shot.clone() };
        all.extend(failure.options.smaller().into_iter().map(|options| (options, shot.clone())));
        all.extend(simpler(&shot).into_iter().map(|shot| (failure.options.clone(), shot)));
    }
    all
}

fn simpler(shot: &Shot) -> Vec<Shot> {
    let mut all = Vec::new();
    if shot.source.is_some() {
        all.push(Shot { source: None, ..shot.clone() });
    }
    let app = Sender::uid(1000).filter(|app| matches!(shot.from, Sender::Local(_)) && *app != shot.from);
    all.extend(app.map(|from| Shot { from, ..shot.clone() }));
    if shot.to.port() != 80 {
        let mut to = shot.to;
        to.set_port(80);
        all.push(Shot { to, ..shot.clone() });
    }
    let plain: Option<IpAddr> = super::world::addresses("peer", IpFamily::of(shot.to.ip())).first().copied();
    if let Some(address) =
        plain.filter(|address| shot.to.ip() != *address && shot.from != Sender::Node("peer"))
    {
        let mut to = shot.to;
        to.set_ip(address);
        all.push(Shot { to, ..shot.clone() });
    }
    all
}

fn attempt(lab: &Lab, options: &Options, shot: &Shot) -> Result<Option<Mismatch>, FuzzError> {
    // What tproxy refuses is no smaller case.
    let Ok(plan) = plan(options, lab.backend(), lab.topology()) else { return Ok(None) };
    lab.install(options, plan.policy.sidecar_uid)?;
    let outcomes = lab.send(std::slice::from_ref(shot))?;
    Ok(outcomes.first().and_then(|outcome| judge(shot, &plan, lab.topology(), outcome)))
}
