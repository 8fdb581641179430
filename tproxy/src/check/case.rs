//! What is judged: a configuration, the facts of the host, and the plan that both mean, as far as there is one.
//!
//! Must never refuse: a configuration that cannot be installed is what the doctor is asked about.

use std::borrow::Cow;

use crate::config::Config;
use crate::family::IpFamily;
use crate::firewalld::DirectFile;
use crate::host::HostFacts;
use crate::iptables::render::{self, Installed, InstalledRules, Unsupported};
use crate::iptables::{Tool, feature};
use crate::plan::{self, Note, Plan, PlanError, Sidecar};

use super::attempt::{self, Attempt};

/// A configuration on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The configuration.
    pub config: Config,
    /// The host.
    pub facts: HostFacts,
    /// The programs that would install; none where they were not found.
    pub tools: Vec<Tool>,
    /// The plan; for uid 5678 where the sidecar's user is not known.
    pub plan: Plan,
    /// What the plan leaves out, and why.
    pub notes: Vec<Note>,
    /// Why nobody knows who the sidecar is.
    pub without_sidecar: Option<PlanError>,
    /// Whether rules are written without comments, since they would be refused.
    pub refuses_comments: bool,
}

impl Case {
    /// The case of `config` on a host with these `facts` and programs.
    ///
    /// # Errors
    /// There is no plan even with another sidecar.
    pub fn new(config: Config, facts: HostFacts, tools: Vec<Tool>) -> Result<Self, PlanError> {
        let (plan, notes, without_sidecar) = match plan::resolve(&config, &facts, Sidecar::MustExist) {
            Ok((plan, notes)) => (plan, notes, None),
            Err(error) => {
                let anybody = Config { kuma_dp_user: None, ..config.clone() };
                let (plan, notes) = plan::resolve(&anybody, &facts, Sidecar::MayBeAssumed)?;
                (plan, notes, Some(error))
            }
        };
        Ok(Self { config, facts, tools, plan, notes, without_sidecar, refuses_comments: false })
    }

    /// What to try on this host, the features one by one, then the rules as a whole.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        let features = self.captured().flat_map(|tool| {
            let features = feature::needed(&self.plan, tool.family);
            features.into_iter().map(|need| attempt::of_need(&need, tool))
        });
        features.chain(self.rules().unwrap_or_default()).collect()
    }

    /// The programs of the families that are captured.
    pub(super) fn captured(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter().filter(|tool| self.plan.policy.families.contains(&tool.family))
    }

    /// The rules that would be installed on a host that has none, one attempt a family.
    fn rules(&self) -> Result<Vec<Attempt>, Unsupported> {
        let Some(first) = self.tools.first() else { return Ok(Vec::new()) };
        let mut plan = Cow::Borrowed(&self.plan);
        if self.refuses_comments {
            plan.to_mut().iptables.comments = false;
        }
        let changes = render::install(&plan, &self.empty_host(), first.flavour)?;
        Ok(changes.into_iter().filter_map(attempt::of_change).collect())
    }

    /// The part of the plan that no rules can be made of.
    pub(super) fn unsupported(&self) -> Option<Unsupported> {
        render::supported(&self.plan, &self.empty_host()).err().filter(|_| !self.tools.is_empty())
    }

    fn empty_host(&self) -> Installed {
        let nothing = |tool: &Tool| InstalledRules { tool: tool.clone(), tables: Vec::new() };
        Installed {
            rules: self.tools.iter().map(nothing).collect(),
            // Whether firewalld is there is told by itself.
            stored: Some(DirectFile::default()),
            ..Installed::default()
        }
    }

    /// The families that are captured.
    pub(super) fn families(&self) -> impl Iterator<Item = IpFamily> {
        self.plan.policy.families.iter().copied()
    }
}
