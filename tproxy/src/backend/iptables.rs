//! The iptables backend: joins the reading half (`host::iptables`) to the pure half (`iptables`).
//!
//! Must never decide on a rule.

use super::{Backend, BackendId, Capabilities};
use crate::apply::change::Change;
use crate::apply::record::Record;
use crate::family::IpFamily;
use crate::host;
use crate::host::iptables::{ToolError, Tools};
use crate::iptables::render::{self, Installed, InstalledRules, Unsupported};
use crate::iptables::{Flavour, Tool};
use crate::plan::Plan;

/// iptables with the programs of one flavour; installations of the other flavour are seen and removed, too.
#[derive(Debug, Clone)]
pub struct Iptables {
    tools: Tools,
    /// Programs that an earlier run used and that may not be found otherwise.
    earlier: Vec<Tool>,
    loopback: String,
}

impl Iptables {
    /// A backend that installs with `tools`.
    #[must_use]
    pub fn new(tools: Tools, loopback: &str) -> Self {
        Self { tools, earlier: Vec::new(), loopback: loopback.to_owned() }
    }

    /// A backend that removes whatever is there, with the programs of any flavour and those that `record` names.
    ///
    /// # Errors
    /// There is no iptables at all.
    pub fn for_removal(record: Option<&Record>, loopback: &str) -> Result<Self, ToolError> {
        let mut earlier: Vec<Tool> = record.map(|record| record.tools.clone()).unwrap_or_default();
        earlier.retain(is_there);
        let first = |family| {
            let found = [Flavour::Nft, Flavour::Legacy].into_iter();
            let mut found = found.filter_map(|flavour| host::iptables::found(flavour, family));
            earlier.iter().find(|tool| tool.family == family).cloned().or_else(|| found.next())
        };
        let ipv4 = first(IpFamily::V4).ok_or(ToolError::NotFound(Flavour::Nft))?;
        let tools = Tools { flavour: ipv4.flavour, ipv6: first(IpFamily::V6), ipv4 };
        Ok(Self { tools, earlier, loopback: loopback.to_owned() })
    }

    /// Insists that whatever `record` says was installed can be seen, and so removed.
    ///
    /// # Errors
    /// A family's programs of a flavour are gone.
    pub fn sees_all_of(&self, record: Option<&Record>) -> Result<(), ToolError> {
        let seen = self.observers();
        let sees = |tool: &Tool| {
            !host::iptables::has_family(tool.family)
                || (tool.flavour == Flavour::Legacy && !host::iptables::has_legacy_tables(tool.family))
                || seen.iter().any(|other| (other.flavour, other.family) == (tool.flavour, tool.family))
        };
        match record.iter().flat_map(|record| &record.tools).find(|tool| !sees(tool)) {
            Some(tool) => Err(ToolError::Blind { family: tool.family, flavour: tool.flavour }),
            None => Ok(()),
        }
    }

    /// What a host shows where nothing is installed, for those who may not look.
    #[must_use]
    pub fn nothing_installed(&self) -> Vec<InstalledRules> {
        let tools = [Some(self.tools.ipv4.clone()), self.tools.ipv6.clone()].into_iter().flatten();
        tools.map(|tool| InstalledRules { tool, tables: Vec::new() }).collect()
    }

    /// The programs to ask: those that install, those of earlier runs, and those of the other flavour where it may
    /// have rules. One a flavour and family.
    fn observers(&self) -> Vec<Tool> {
        let mut tools: Vec<Tool> =
            [Some(self.tools.ipv4.clone()), self.tools.ipv6.clone()].into_iter().flatten().collect();
        tools.extend(self.earlier.iter().cloned());
        for family in IpFamily::ALL {
            tools.extend(host::iptables::found(Flavour::Nft, family));
            if host::iptables::has_legacy_tables(family) {
                tools.extend(host::iptables::found(Flavour::Legacy, family));
            }
        }
        let mut seen = Vec::new();
        tools.retain(|tool| {
            let new = !seen.contains(&(tool.flavour, tool.family));
            seen.push((tool.flavour, tool.family));
            new && host::iptables::has_family(tool.family)
        });
        tools
    }
}

fn is_there(tool: &Tool) -> bool {
    host::iptables::is_executable(&tool.save) && host::iptables::is_executable(&tool.restore)
}

impl Backend for Iptables {
    type Installed = Installed;
    type Error = ToolError;
    type Unsupported = Unsupported;

    fn id(&self) -> BackendId {
        match self.tools.flavour {
            Flavour::Nft => BackendId::IptablesNft,
            Flavour::Legacy => BackendId::IptablesLegacy,
        }
    }

    fn probe(&self) -> Capabilities {
        let without_ipv6 = match self.tools.ipv6 {
            Some(_) => None,
            None => Some(format!("no ip6tables of the {} flavour was found", self.tools.flavour)),
        };
        Capabilities { without_ipv6 }
    }

    fn observe(&self, record: Option<Record>) -> Result<Installed, ToolError> {
        let tools = self.observers();
        // Each is a process of its own: ask all at once.
        let tables = std::thread::scope(|scope| {
            let asked: Vec<_> = tools.iter().map(|tool| scope.spawn(|| host::iptables::read(tool))).collect();
            asked
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<Result<Vec<_>, _>>()
        })?;
        let rules =
            tools.into_iter().zip(tables).map(|(tool, tables)| InstalledRules { tool, tables }).collect();
        let has_address = host::has_address(&self.loopback, IpFamily::V6.passthrough())?;
        Ok(Installed { rules, has_address, record, stored: None })
    }

    fn render(&self, plan: &Plan, installed: &Installed) -> Result<Vec<Change>, Unsupported> {
        render::install(plan, installed, self.tools.flavour)
    }

    fn remove(&self, installed: &Installed) -> Vec<Change> {
        render::remove(installed, &self.loopback)
    }
}
