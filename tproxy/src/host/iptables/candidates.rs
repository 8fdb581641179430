//! The programs to choose from: those that the user named, those of the flavour asked for, or those of both.
//!
//! Must never choose: that is for [`crate::iptables::choice`].

use std::path::PathBuf;

use super::ToolError;
use super::programs::{self, found, is_executable};
use crate::config::{AbsolutePath, BackendChoice, Config, ProgramSet};
use crate::family::IpFamily;
use crate::iptables::choice::Reason;
use crate::iptables::{Flavour, Tool};

/// The programs of one flavour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// The flavour.
    pub flavour: Flavour,
    /// IPv4's programs.
    pub ipv4: Tool,
    /// IPv6's programs, where the host has them.
    pub ipv6: Option<Tool>,
}

/// The programs to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// Those to take where nothing speaks for the others.
    pub first: Tools,
    /// Those of the other flavour, where there is a choice.
    pub second: Option<Tools>,
    /// Why there is no choice, where the user left none.
    pub decided: Option<Reason>,
}

impl Tools {
    /// The programs, family by family.
    pub fn iter(&self) -> impl Iterator<Item = &Tool> {
        std::iter::once(&self.ipv4).chain(&self.ipv6)
    }

    fn found(flavour: Flavour) -> Option<Self> {
        Some(Self { flavour, ipv4: found(flavour, IpFamily::V4)?, ipv6: found(flavour, IpFamily::V6) })
    }
}

impl Candidates {
    /// One set of programs, without a choice.
    #[must_use]
    pub fn only(first: Tools) -> Self {
        Self { first, second: None, decided: None }
    }

    /// Programs that a host with this flavour has, by name: to write rules for, not to be run.
    #[must_use]
    pub fn assumed(flavour: Flavour) -> Self {
        let tool = |family| {
            let program = |what: &str| PathBuf::from(format!("{}-{flavour}{what}", programs::base(family)));
            Tool { flavour, family, save: program("-save"), restore: program("-restore") }
        };
        Self::only(Tools { flavour, ipv4: tool(IpFamily::V4), ipv6: Some(tool(IpFamily::V6)) })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Tools> {
        std::iter::once(&self.first).chain(&self.second)
    }
}

/// What `config` lets be chosen from on this host.
///
/// # Errors
/// None are there, or those named do not belong together.
pub fn candidates(config: &Config) -> Result<Candidates, ToolError> {
    let explicit = &config.iptables_executables;
    let ipv4 = named(&explicit.ipv4, IpFamily::V4)?;
    let ipv6 = named(&explicit.ipv6, IpFamily::V6)?;
    let asked = match config.backend {
        BackendChoice::IptablesLegacy => Some(Flavour::Legacy),
        BackendChoice::IptablesNft => Some(Flavour::Nft),
        BackendChoice::Auto | BackendChoice::Ebpf => None,
    };
    let given = ipv4.as_ref().or(ipv6.as_ref()).map(|tool| tool.flavour);
    let Some(flavour) = asked.or(given) else { return of_both() };
    if let Some(tool) = [&ipv4, &ipv6].into_iter().flatten().find(|tool| tool.flavour != flavour) {
        let (program, found) = (tool.restore.clone(), tool.flavour);
        return Err(ToolError::MixedFlavours { program, found, expected: flavour });
    }
    let ipv4 = ipv4.or_else(|| found(flavour, IpFamily::V4)).ok_or(ToolError::NotFound(Some(flavour)))?;
    let ipv6 = ipv6.or_else(|| found(flavour, IpFamily::V6));
    let decided = Some(if given.is_some() { Reason::Named } else { Reason::Asked });
    Ok(Candidates { first: Tools { flavour, ipv4, ipv6 }, second: None, decided })
}

fn of_both() -> Result<Candidates, ToolError> {
    let mut sets = [Flavour::Nft, Flavour::Legacy].into_iter().filter_map(Tools::found);
    let first = sets.next().ok_or(ToolError::NotFound(None))?;
    Ok(Candidates { first, second: sets.next(), decided: None })
}

/// The programs that the user named for a family, and none but these.
fn named(given: &ProgramSet, family: IpFamily) -> Result<Option<Tool>, ToolError> {
    let ProgramSet { base: Some(base), save: Some(save), restore: Some(restore) } = given else {
        return Ok(None);
    };
    let [base, save, restore] = [base, save, restore].map(AbsolutePath::as_path);
    if let Some(program) = [base, save, restore].into_iter().find(|program| !is_executable(program)) {
        return Err(ToolError::NotExecutable(program.to_owned()));
    }
    let flavour = programs::flavour_of(base)?;
    for program in [save, restore] {
        let found = programs::flavour_of(program)?;
        if found != flavour {
            return Err(ToolError::MixedFlavours { program: program.to_owned(), found, expected: flavour });
        }
    }
    Ok(Some(Tool { flavour, family, save: save.to_owned(), restore: restore.to_owned() }))
}
