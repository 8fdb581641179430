//! What is wrong with an installation, one thing a finding.

use std::fmt;

use serde::Serialize;

use crate::diagnostic::{shortened, visible};
use crate::family::IpFamily;
use crate::iptables::Flavour;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A run was ended before it was done.
    Interrupted,
    /// It waits to be confirmed, and who returns the state before is gone.
    Unguarded,
    /// Rules of more than one installation are here.
    SeveralInstallations,
    /// The passthrough address of an installation is there, and none of its rules.
    AddressAlone,
    /// The passthrough address of an installation is gone.
    AddressMissing,
    /// Rules were stored for firewalld, and are not there any more.
    StoredMissing,
    /// A family was installed, and nothing of it is there.
    FamilyMissing,
    /// Rules of another flavour or family than what was installed are there.
    FamilyForeign,
    /// A table was filled, and nothing of it is there.
    TableMissing,
    /// A chain of the installation is not there.
    ChainMissing,
    /// Fewer chains are there than Kuma makes.
    ChainsMissing,
    /// A chain has our prefix and does not belong to the installation.
    ChainForeign,
    /// A chain that is jumped to does nothing.
    ChainEmpty,
    /// No jump to a chain of ours is where one has to be.
    JumpMissing,
    /// A rule, or a jump to one of our chains, is not there.
    RuleMissing,
    /// Somebody put a rule into one of our chains, or another jump to one of them.
    RuleForeign,
    /// A rule or jump is not in its order.
    RuleMoved,
    /// Rules of other programs came before a jump that was installed before them.
    JumpShadowed,
    /// The rules are not those that were installed; which differ is not known.
    RulesDiffer,
    /// eBPF programs or what their maps hold are not as they were installed.
    Programs,
    /// eBPF programs are there that serve nobody.
    ProgramsLeft,
    /// eBPF programs were installed, and nothing of them is there.
    ProgramsMissing,
}

/// One thing that is wrong, with its place as far as it has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub what: What,
    /// In which family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<IpFamily>,
    /// Among the rules of which flavour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flavour: Option<Flavour>,
    /// In which table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// In which chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The rule, as iptables-save prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl Finding {
    /// A finding about the installation as a whole.
    #[must_use]
    pub fn new(what: What) -> Self {
        Self { what, family: None, flavour: None, table: None, chain: None, rule: None }
    }

    pub(super) fn in_family(mut self, family: IpFamily, flavour: Flavour) -> Self {
        (self.family, self.flavour) = (Some(family), Some(flavour));
        self
    }

    pub(super) fn in_table(mut self, table: &str) -> Self {
        self.table = Some(table.to_owned());
        self
    }

    pub(super) fn in_chain(mut self, chain: &str) -> Self {
        self.chain = Some(chain.to_owned());
        self
    }

    pub(super) fn about(mut self, rule: &impl fmt::Display) -> Self {
        self.rule = Some(rule.to_string());
        self
    }
}

impl What {
    fn sentence(self) -> &'static str {
        match self {
            Self::Interrupted => "a run was ended before it was done",
            Self::Unguarded => "nobody confirmed it, and the guardian, who returns the state before, is gone",
            Self::SeveralInstallations => "rules of more than one installation are here",
            Self::AddressAlone => "the address ::6 of an installation is there, and none of its rules",
            Self::AddressMissing => "the address ::6 of the installation is not there",
            Self::StoredMissing => "what was stored for firewalld is not there any more",
            Self::FamilyMissing => "nothing is there of what was installed",
            Self::FamilyForeign => "rules are there that do not belong to the installation",
            Self::TableMissing => "nothing is there of what was installed in this table",
            Self::ChainMissing => "the chain is not there",
            Self::ChainsMissing => "fewer than the four chains that Kuma makes are there",
            Self::ChainForeign => "the chain does not belong to the installation",
            Self::ChainEmpty => "the chain is empty",
            Self::JumpMissing => "no jump to a chain of ours is there",
            Self::RuleMissing => "missing",
            Self::RuleForeign => "not of the installation",
            Self::RuleMoved => "out of order",
            Self::JumpShadowed => "behind rules of others that came later",
            Self::Programs => "eBPF programs",
            Self::ProgramsLeft => {
                "eBPF programs are there that a run left which was ended before it was done"
            }
            Self::ProgramsMissing => "nothing is there of the eBPF programs that were installed",
            Self::RulesDiffer => {
                "the rules are not those that were installed; which of them differ is not recorded"
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = self.family.map(|family| family.title().to_owned());
        let flavour = self.flavour.map(|flavour| format!("({flavour})"));
        let chain = self.chain.as_deref().map(shortened);
        let place: Vec<String> = [family, flavour, self.table.clone(), chain].into_iter().flatten().collect();
        if !place.is_empty() {
            write!(f, "{}: ", place.join(" "))?;
        }
        f.write_str(self.what.sentence())?;
        match &self.rule {
            Some(rule) => write!(f, ": {}", visible(rule).replace('\n', "\\n")),
            None => Ok(()),
        }
    }
}
