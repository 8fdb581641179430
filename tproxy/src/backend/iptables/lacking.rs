//! What programs and kernel lack of that which a plan needs, found out in namespaces that end with each try.
//!
//! Must never be asked where nothing speaks for it: each try is a process.

use std::fmt;
use std::thread::ScopedJoinHandle;
use std::time::Instant;

use super::Iptables;
use crate::host::probe;
use crate::iptables::Tool;
use crate::iptables::feature::{self, Need};
use crate::plan::Plan;

/// Something that a plan needs and that is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// What, and the options that ask for it.
    pub need: Need,
    /// The programs that refused it.
    pub tool: Tool,
    /// In these words.
    pub words: String,
}

impl Lacking {
    /// Whether an option asks for it, which can be left out.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        !self.need.options.is_empty()
    }
}

impl Iptables {
    /// Whether `plan` needs more than every installation does, so that options may have to be refused.
    #[must_use]
    pub fn asks_for_more(plan: &Plan) -> bool {
        let needs = plan.policy.families.iter().flat_map(|family| feature::needed(plan, *family));
        needs.into_iter().any(|need| !need.options.is_empty())
    }

    /// What is missing of all that `plan` needs, one family beside the other; nothing where it cannot be tried, or
    /// not in time.
    #[must_use]
    pub fn lacking(&self, plan: &Plan, until: Instant) -> Vec<Lacking> {
        let tools = self.tools.iter().filter(|tool| plan.policy.families.contains(&tool.family));
        std::thread::scope(|scope| {
            let families: Vec<_> =
                tools.map(|tool| scope.spawn(move || of_family(tool, plan, until))).collect();
            let join = |thread: ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            families.into_iter().flat_map(join).collect()
        })
    }
}

fn of_family(tool: &Tool, plan: &Plan, until: Instant) -> Vec<Lacking> {
    let lacking = probe::lacking(tool, feature::needed(plan, tool.family), until).into_iter();
    lacking.map(|(need, words)| Lacking { need, tool: tool.clone(), words }).collect()
}

impl fmt::Display for Lacking {
    /// The option first, where one asks for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { need, tool, words } = self;
        let (flavour, family) = (tool.flavour, tool.family.title());
        match need.options.as_slice() {
            [] => write!(f, "iptables-{flavour} cannot capture {family} here")?,
            [option] => write!(f, "{option} cannot be installed for {family} with iptables-{flavour} here")?,
            several => {
                write!(
                    f,
                    "{} cannot be installed for {family} with iptables-{flavour} here",
                    several.join(" and ")
                )?;
            }
        }
        write!(f, ": {} could not load {}: {words}", tool.restore.display(), need.feature.rules())?;
        write!(f, "; let the kernel have the module that is missing")?;
        match need.feature.instead {
            "" => Ok(()),
            instead => write!(f, ", or {instead}"),
        }
    }
}
