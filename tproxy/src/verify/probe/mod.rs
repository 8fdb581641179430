//! Tries with packets where connections and queries go: this process listens where the sidecar is going to listen, sends,
//! and insists that what arrives there answers with a token that nobody else can know.
//!
//! Must never take a port from anybody: where somebody listens already, nothing is tried. The one thing that it ever
//! adds to this network namespace is the interface of `arriving`, which goes with it.

mod arriving;
mod outgoing;
mod place;
mod socket;
mod token;

use nix::unistd::geteuid;
use serde::Serialize;

use crate::family::IpFamily;
use crate::plan::Plan;
use crate::plan::flow::{Flow, Verdict};
use crate::plan::line::Line;

pub use outgoing::to_self_at;

/// What was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// The line of the policy that is expected to decide.
    pub line: Line,
    /// The family.
    pub family: IpFamily,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "why", rename_all = "kebab-case")]
pub enum Outcome {
    /// It went where the line says.
    Works,
    /// It went elsewhere, or nowhere.
    Fails(String),
    /// It was not tried, for this reason.
    NotProbed(String),
}

/// Tries what a plan says, as the users that its lines are about.
#[derive(Debug, Clone, Copy)]
pub struct Prober<'a> {
    plan: &'a Plan,
    own_uid: u32,
}

impl<'a> Prober<'a> {
    /// A prober of what `plan` says; as root it sends as other users, too.
    #[must_use]
    pub fn new(plan: &'a Plan) -> Self {
        Self { plan, own_uid: geteuid().as_raw() }
    }

    /// The sidecar calling an address of this host: Kuma's own check. As root it is done as the sidecar, else as whoever
    /// runs this. `progress` hears of each try that failed.
    pub fn to_self(&self, family: IpFamily, progress: &mut dyn FnMut(&str)) -> Probe {
        let outcome = match self.plan.policy.inbound.port {
            None => Outcome::NotProbed("the sidecar has no inbound port".to_owned()),
            Some(port) => outgoing::to_self_at(family, port.get(), self.as_sidecar(), progress),
        };
        Probe { line: Line::OutboundSidecarToSelf, family, outcome }
    }

    /// An application's connection to another host.
    #[must_use]
    pub fn outbound(&self, family: IpFamily) -> Probe {
        Probe { line: Line::OutboundCaptured, family, outcome: settled(outgoing::connection(*self, family)) }
    }

    /// An application's DNS query.
    #[must_use]
    pub fn dns(&self, family: IpFamily) -> Probe {
        Probe { line: Line::OutboundDns, family, outcome: settled(outgoing::query(*self, family)) }
    }

    /// A connection from another network namespace, which is made for it and ends with it; needs root.
    #[must_use]
    pub fn inbound(&self, family: IpFamily) -> Probe {
        Probe { line: Line::InboundCaptured, family, outcome: settled(arriving::connection(*self, family)) }
    }

    /// Whom to be as the sidecar.
    fn as_sidecar(&self) -> Option<u32> {
        self.may_be_anybody().then_some(self.plan.policy.sidecar_uid)
    }

    fn may_be_anybody(&self) -> bool {
        self.own_uid == 0
    }

    /// The first of these flows that the plan redirects, and to which port; else why the last one is not.
    fn redirected(&self, flows: impl IntoIterator<Item = Flow>) -> Result<(Flow, u16), Outcome> {
        let mut why = "there is nothing to send it to".to_owned();
        for flow in flows {
            match self.plan.verdict(&flow).verdict {
                Verdict::Redirect(port) => return Ok((flow, port.get())),
                Verdict::Pass | Verdict::Drop | Verdict::Refuse => why = self.plan.explain(&flow).why,
            }
        }
        Err(Outcome::NotProbed(format!("it is not captured: {why}")))
    }
}

fn settled(result: Result<(), Outcome>) -> Outcome {
    result.map_or_else(|outcome| outcome, |()| Outcome::Works)
}
