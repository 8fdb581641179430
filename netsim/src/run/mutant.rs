//! What tproxy installed, broken in one place behind its back, to see whether a scenario notices.
//!
//! Must never touch anything outside the pod, nor a family that is not the variant's.

use std::collections::BTreeSet;
use std::fmt;

use tproxy::backend::BackendId;

use super::stage::Stage;
use super::{RunError, breakage, programs_broken, rules_program};
use crate::node::Program;

/// One way in which an installation is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mutant {
    pub(super) change: Change,
    pub(super) table: String,
    pub(super) chain: String,
    /// The rule that is broken, without its comment, which differs from one installation to the next; or the hook, the key
    /// of an entry, or the name of what the programs look at first.
    pub(super) rule: String,
    /// What stands in its place, or is swapped with it.
    pub(super) with: String,
}

/// How it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// A rule is missing.
    Without,
    /// Two neighbours stand in each other's place.
    Swapped,
    /// It leads to another port.
    OtherPort,
    /// Or to another conntrack zone.
    OtherZone,
    /// One of its matches is turned round.
    Negated,
    /// A whole family has no rules.
    NoFamily,
    /// Exclusions are never applied.
    NoExclusions,
    /// The zones of captured queries stand for each other.
    ZonesSwapped,
    /// Queries of a virtual network are captured though DNS is off.
    VnetDns,
    /// The passthrough address stays when tproxy is uninstalled.
    AddressLeft,
    /// A rule does.
    RuleLeft,
    /// A pin does.
    PinLeft,
    /// An eBPF program is detached.
    Detached,
    /// Its maps lack an entry.
    WithoutEntry,
    /// One of its flags is turned round.
    Turned,
    /// It knows another port of the sidecar, or another user.
    OtherNumber,
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Self::Without => "without",
            Self::Swapped => "swapped",
            Self::OtherPort => "other port",
            Self::OtherZone => "other zone",
            Self::Negated => "negated",
            Self::NoFamily => "without any rule of the family",
            Self::NoExclusions => "without exclusions",
            Self::ZonesSwapped => "with zones swapped",
            Self::VnetDns => "with captured queries of virtual networks",
            Self::AddressLeft => "with ::6 left behind",
            Self::RuleLeft => "with a rule left behind",
            Self::PinLeft => "with a pin left behind",
            Self::Detached => "detached",
            Self::WithoutEntry => "without entry",
            Self::Turned => "turned",
            Self::OtherNumber => "other number",
        }
    }

    /// Whether it happens after tproxy was uninstalled, so that what is left counts.
    fn is_afterwards(self) -> bool {
        matches!(self, Self::AddressLeft | Self::RuleLeft | Self::PinLeft)
    }
}

impl Mutant {
    /// A change that is about no rule in particular.
    pub(super) fn of_all(change: Change) -> Self {
        let [table, chain, rule, with] = Default::default();
        Self { change, table, chain, rule, with }
    }

    /// Whether what is left after uninstalling counts, and not only traffic.
    #[must_use]
    pub fn is_afterwards(&self) -> bool {
        self.change.is_afterwards()
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.change.word())?;
        if !self.rule.is_empty() {
            let words = [&self.table, &self.chain, &self.rule].map(String::as_str);
            let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
            write!(f, ": {}", words.join(" "))?;
        }
        match self.change {
            Change::Swapped => write!(f, " <> {}", self.with),
            _ if !self.with.is_empty() => write!(f, " => {}", self.with),
            _ => Ok(()),
        }
    }
}

/// What is done behind tproxy's back.
#[derive(Debug, Clone)]
pub(super) enum Mutation {
    /// Nothing.
    None,
    /// Its rules are looked at, after each installation.
    Look,
    /// What was installed is broken so, where it can be.
    Break(Mutant),
}

impl Mutation {
    /// Carries out what belongs after an installation, and tells what could be broken if it was to be looked at.
    pub(super) fn after_install(&self, stage: &Stage) -> Result<BTreeSet<Mutant>, RunError> {
        match self {
            Self::None => Ok(BTreeSet::new()),
            Self::Look => {
                let mut all: BTreeSet<Mutant> = if stage.backend == BackendId::Ebpf {
                    let found = programs_broken::mutants(stage)?.into_iter().map(|(mutant, _)| mutant);
                    found.chain([Mutant::of_all(Change::PinLeft)]).collect()
                } else {
                    let rules = breakage::mutants(&stage.rules_of_family()?).into_iter();
                    rules.map(|(mutant, _)| mutant).chain([Mutant::of_all(Change::RuleLeft)]).collect()
                };
                if has_passthrough_address(stage)? {
                    all.insert(Mutant::of_all(Change::AddressLeft));
                }
                Ok(all)
            }
            Self::Break(wanted) if stage.backend == BackendId::Ebpf => {
                let mutants = programs_broken::mutants(stage)?;
                if let Some((_, how)) = mutants.into_iter().find(|(mutant, _)| mutant == wanted) {
                    programs_broken::carry_out(stage, how)?;
                }
                Ok(BTreeSet::new())
            }
            Self::Break(wanted) => {
                let mutants = breakage::mutants(&stage.rules_of_family()?);
                if let Some((_, edits)) = mutants.into_iter().find(|(mutant, _)| mutant == wanted) {
                    restore(stage, &edits.text())?;
                }
                Ok(BTreeSet::new())
            }
        }
    }

    /// Carries out what belongs after uninstalling.
    pub(super) fn after_uninstall(&self, stage: &Stage) -> Result<(), RunError> {
        match self {
            Self::Break(Mutant { change: Change::RuleLeft, .. }) => {
                const LEFT: &str =
                    "-A OUTPUT -m comment --comment kuma/mesh/transparent/proxy/left -j RETURN";
                restore(stage, &format!("*nat\n{LEFT}\nCOMMIT\n"))
            }
            Self::Break(Mutant { change: Change::PinLeft, .. }) => {
                Program::new("mkdir").arg("/sys/fs/bpf/tproxy-left").run(stage.pod()?)?.checked()?;
                Ok(())
            }
            Self::Break(Mutant { change: Change::AddressLeft, .. }) => {
                let words = ["address", "replace", "::6/128", "dev", "lo"];
                Program::new("ip").args(words).run(stage.pod()?)?.checked()?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn restore(stage: &Stage, text: &str) -> Result<(), RunError> {
    let program = Program::new(&rules_program(stage, "restore")).arg("--noflush").stdin(text.to_owned());
    program.run(stage.pod()?)?.checked().map(drop).map_err(RunError::Unbreakable)
}

fn has_passthrough_address(stage: &Stage) -> Result<bool, RunError> {
    let shown = Program::new("ip").args(["-6", "address", "show", "dev", "lo"]).run(stage.pod()?)?;
    Ok(shown.stdout_text().contains(" ::6/128 "))
}
