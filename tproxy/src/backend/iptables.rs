//! The iptables backend: joins the reading half (`host::iptables`) to the pure half (`iptables`).
//!
//! Must never decide on a rule.

mod choosing;
mod lacking;

use std::thread::ScopedJoinHandle;

use super::{Backend, BackendId, Capabilities};
use crate::apply::change::Change;
use crate::apply::record::{Before, Record};
use crate::family::IpFamily;
use crate::host;
use crate::host::iptables::{Candidates, ToolError, Tools};
use crate::iptables::choice::{Others, Reason};
use crate::iptables::render::{self, Installed, InstalledRules, Unsupported};
use crate::iptables::save::{SavedTable, Shown};
use crate::iptables::state::TableState;
use crate::iptables::{Flavour, Tool, wanted};
use crate::plan::Plan;

pub use lacking::Lacking;

/// iptables with the programs of one flavour; installations of the other flavour are seen and removed, too.
#[derive(Debug, Clone)]
pub struct Iptables {
    tools: Tools,
    /// The programs of the other flavour, where there is a choice.
    second: Option<Tools>,
    /// Why there is none, where the user left none.
    decided: Option<Reason>,
    /// Programs that an earlier run used and that may not be found otherwise.
    earlier: Vec<Tool>,
    /// Whether all of an installation must be seen, so that nothing of it stays.
    removes: bool,
    /// Programs that can do nothing here, with their words, once it was looked.
    useless: Vec<(Tool, String)>,
    loopback: String,
}

impl Iptables {
    /// A backend that installs with the first of `candidates`, until it is [chosen](Self::choose).
    #[must_use]
    pub fn new(candidates: Candidates, loopback: &str) -> Self {
        let Candidates { first, second, decided } = candidates;
        Self {
            tools: first,
            second,
            decided,
            earlier: Vec::new(),
            removes: false,
            useless: Vec::new(),
            loopback: loopback.to_owned(),
        }
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
        let ipv4 = first(IpFamily::V4).ok_or(ToolError::NotFound(None))?;
        let tools = Tools { flavour: ipv4.flavour, ipv6: first(IpFamily::V6), ipv4 };
        Ok(Self { earlier, removes: true, ..Self::new(Candidates::only(tools), loopback) })
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

    /// The programs to install with, family by family.
    pub fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.tools.iter()
    }

    /// All rules that are there once `plan` was applied over `installed`, as a record holds them.
    #[must_use]
    pub fn record_of(&self, plan: &Plan, installed: &Installed) -> Vec<InstalledRules> {
        wanted::settled(wanted::recorded(plan, installed, self.tools.flavour), installed)
    }

    /// What a host shows where nothing is installed, for those who may not look.
    #[must_use]
    pub fn nothing_installed(&self) -> Vec<InstalledRules> {
        let tools = std::iter::once(&self.tools).chain(&self.second).flat_map(Tools::iter);
        tools.map(|tool| InstalledRules { tool: tool.clone(), tables: Vec::new() }).collect()
    }

    /// All rules that the programs show, ours and others', with counters.
    ///
    /// # Errors
    /// A program fails, or prints what cannot be read.
    pub fn shown(&self) -> Result<Vec<Shown>, ToolError> {
        let tools = self.observers();
        // Each is a process of its own: ask all at once.
        let looks: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = tools.iter().map(|tool| scope.spawn(|| look(tool))).collect();
            let join = |thread: ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            asked.into_iter().map(join).collect()
        });
        tools.into_iter().zip(looks).map(|(tool, look)| Ok(Shown { tool, tables: look? })).collect()
    }

    /// What is installed, where the programs show these rules.
    ///
    /// # Errors
    /// The addresses of this host cannot be listed, or something that is to be removed cannot be seen.
    pub fn installed(&self, shown: Vec<Shown>, record: Option<Record>) -> Result<Installed, ToolError> {
        let mark = host::mark_of(&self.loopback, IpFamily::V6.passthrough())?;
        let (has_address, address_mark) = (mark.is_some(), mark.unwrap_or_default());
        let mut installed = Installed { has_address, address_mark, record, ..Installed::default() };
        for Shown { tool, tables } in shown {
            let tables = match tables {
                Ok(tables) => {
                    if tool.family == IpFamily::V4 {
                        installed.others.insert(tool.flavour, Others::of(&tables));
                    }
                    TableState::of_all(tables)
                }
                Err(words) => {
                    installed.useless.push((tool.clone(), words));
                    Vec::new()
                }
            };
            installed.rules.push(InstalledRules { tool, tables });
        }
        if self.removes { in_sight(installed) } else { Ok(installed) }
    }

    /// The programs to ask: those that install, those of earlier runs, and those of the other flavour where it may
    /// have rules. One a flavour and family.
    fn observers(&self) -> Vec<Tool> {
        let mut tools: Vec<Tool> =
            std::iter::once(&self.tools).chain(&self.second).flat_map(Tools::iter).cloned().collect();
        tools.extend(self.earlier.iter().cloned());
        for (flavour, family) in [Flavour::Nft, Flavour::Legacy].into_iter().flat_map(of_each_family) {
            let is_known = tools.iter().any(|tool| (tool.flavour, tool.family) == (flavour, family));
            let may_have_rules = flavour == Flavour::Nft || host::iptables::has_legacy_tables(family);
            if may_have_rules && !is_known {
                tools.extend(host::iptables::found(flavour, family));
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

fn of_each_family(flavour: Flavour) -> [(Flavour, IpFamily); 2] {
    IpFamily::ALL.map(|family| (flavour, family))
}

fn is_there(tool: &Tool) -> bool {
    host::iptables::is_executable(&tool.save) && host::iptables::is_executable(&tool.restore)
}

/// What a program shows; in its words why it is useless, where it shows nothing because it can do nothing here at all.
fn look(tool: &Tool) -> Result<Result<Vec<SavedTable>, String>, ToolError> {
    match host::iptables::read_all(tool) {
        Err(ToolError::Process(error)) => match host::probe::useless(tool) {
            Some(words) => Ok(Err(words)),
            None => Err(error.into()),
        },
        // What cannot be seen cannot be replaced or removed.
        Err(ToolError::Host(error)) => Ok(Err(error.to_string())),
        reading => reading.map(Ok),
    }
}

/// Insists that programs which see nothing here hide nothing: something else was found, and the record, if there is one,
/// does not say that rules were loaded with them.
fn in_sight(installed: Installed) -> Result<Installed, ToolError> {
    let recorded = |tool: &Tool| installed.record.iter().any(|record| record.tools.contains(tool));
    let all = || installed.useless.iter();
    match all().find(|(tool, _)| recorded(tool)).or_else(|| all().next().filter(|_| installed.is_empty())) {
        Some((tool, words)) => Err(ToolError::Unusable { tool: tool.clone(), words: words.clone() }),
        None => Ok(installed),
    }
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
        let without_ipv6 = match &self.tools.ipv6 {
            Some(tool) => self
                .words_of(tool)
                .map(|words| format!("ip6tables-{} does not work here: {words}", tool.flavour)),
            None => Some(format!("no ip6tables of the {} flavour was found", self.tools.flavour)),
        };
        Capabilities { without_ipv6 }
    }

    fn observe(&self, record: Option<Record>) -> Result<Installed, ToolError> {
        self.installed(self.shown()?, record)
    }

    fn render(&self, plan: &Plan, installed: &Installed) -> Result<Vec<Change>, Unsupported> {
        render::install(plan, installed, self.tools.flavour)
    }

    fn remove(&self, installed: &Installed) -> Vec<Change> {
        render::remove(installed, &self.loopback)
    }

    fn back(&self, before: &Before, record: &Record, installed: &Installed) -> Vec<Change> {
        render::back(before, record, installed, &self.loopback)
    }
}
