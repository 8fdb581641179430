//! The course of an installation: with which backend, by which plan, and round what is missing.
//!
//! Must never change the system, nor go round something that the user asked for by name.

use super::Surroundings;
use super::error::CliError;
use crate::apply::patience::Patience;
use crate::backend::Backend;
use crate::backend::iptables::{Iptables, Lacking};
use crate::config::Config;
use crate::host::iptables::Candidates;
use crate::host::{self, HostFacts};
use crate::iptables::choice::Choice;
use crate::iptables::render::Installed;
use crate::plan::{self, Note, Plan, Sidecar};

/// How an installation is going to be made.
pub(super) struct Course<'a> {
    /// The backend of this host.
    pub(super) backend: Iptables,
    /// The plan for it.
    pub(super) plan: Plan,
    notes: Vec<Note>,
    config: &'a Config,
    facts: HostFacts,
    sidecar: Sidecar,
    with_comments: bool,
}

/// What lies before an installation.
pub(super) enum Way {
    /// Nothing that is known to be missing.
    Straight,
    /// Backend or plan is another now.
    Round,
    /// Something is missing, and nothing leads round it.
    Blocked(Box<Lacking>),
}

impl<'a> Course<'a> {
    /// As far as it can be known before anybody looks at rules.
    pub(super) fn begin(
        config: &'a Config,
        candidates: Candidates,
        sidecar: Sidecar,
    ) -> Result<Self, CliError> {
        let facts = host::facts(config)?;
        let backend = Iptables::new(candidates, &facts.loopback);
        let (plan, notes) = resolve(config, &facts, sidecar, &backend)?;
        Ok(Self { backend, plan, notes, config, facts, sidecar, with_comments: true })
    }

    /// Chooses the flavour by what is there, and says what the user should know of it.
    pub(super) fn choose(
        &mut self,
        installed: &Installed,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<Choice, CliError> {
        let before = self.backend.probe();
        let choice = self.backend.choose(installed)?;
        if self.backend.probe() != before {
            self.replan()?;
        }
        for note in &self.notes {
            surroundings.warn(note);
        }
        if choice.is_doubtful {
            surroundings.warn(format!("{choice}; choose with --backend"));
        }
        let unused = installed.useless.iter().filter(|_| choice.is_free());
        for (tool, words) in unused.filter(|(tool, _)| tool.flavour != choice.flavour) {
            surroundings.warn(format!("{} is not used: it does not work here: {words}", tool.save.display()));
        }
        if self.config.verbose {
            surroundings.tell(format!("# {choice}"));
        }
        Ok(choice)
    }

    /// Finds out what programs or kernel lack, and goes round it where something leads round.
    pub(super) fn go_round(
        &mut self,
        installed: &Installed,
        patience: &Patience,
        surroundings: &mut Surroundings<'_>,
    ) -> Result<Way, CliError> {
        let lacking = self.backend.lacking(&self.plan, patience.deadline);
        let Some(first) = lacking.iter().find(|one| !one.need.is_dispensable()) else {
            return Ok(self.without_comments(&lacking, surroundings));
        };
        let Some((other, choice)) = self.backend.instead(&self.plan, installed, patience.deadline) else {
            return Ok(Way::Blocked(Box::new(first.clone())));
        };
        self.backend = other;
        surroundings.warn(format!("{choice}; {first}"));
        let told = std::mem::take(&mut self.notes);
        self.replan()?;
        for note in self.notes.iter().filter(|note| !told.contains(note)) {
            surroundings.warn(note);
        }
        Ok(Way::Round)
    }

    /// Where comments are all that is lacking.
    fn without_comments(&mut self, lacking: &[Lacking], surroundings: &mut Surroundings<'_>) -> Way {
        for Lacking { tool, words, .. } in lacking {
            let program = tool.restore.display();
            surroundings.warn(format!("rules are written without comments: {program} refuses them: {words}"));
        }
        self.with_comments &= lacking.is_empty();
        self.plan.iptables.comments &= self.with_comments;
        if lacking.is_empty() { Way::Straight } else { Way::Round }
    }

    /// The plan for another backend. Families may differ: each has programs of its own.
    fn replan(&mut self) -> Result<(), CliError> {
        (self.plan, self.notes) = resolve(self.config, &self.facts, self.sidecar, &self.backend)?;
        self.plan.iptables.comments &= self.with_comments;
        Ok(())
    }
}

fn resolve(
    config: &Config,
    facts: &HostFacts,
    sidecar: Sidecar,
    backend: &Iptables,
) -> Result<(Plan, Vec<Note>), CliError> {
    let mut facts = facts.clone();
    facts.without_ipv6 = facts.without_ipv6.or(backend.probe().without_ipv6);
    Ok(plan::resolve(config, &facts, sidecar)?)
}
