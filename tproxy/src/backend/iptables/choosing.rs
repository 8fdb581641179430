//! Which flavour a run installs with.
//!
//! Must never weigh evidence: that is for `iptables::choice`.

use std::time::Instant;

use super::Iptables;
use crate::host::iptables::ToolError;
use crate::iptables::choice::{self, Choice, Reason, Seen};
use crate::iptables::render::Installed;
use crate::iptables::{Flavour, Tool};
use crate::plan::Plan;

impl Iptables {
    /// Takes the programs of the flavour that `installed` speaks for, where the user left it open.
    ///
    /// # Errors
    /// Neither flavour, or not the one that the user chose, works here.
    pub fn choose(&mut self, installed: &Installed) -> Result<Choice, ToolError> {
        self.useless.clone_from(&installed.useless);
        let own = self.tools.flavour;
        let useless = || match self.words_of(&self.tools.ipv4) {
            Some(words) => ToolError::Unusable { tool: self.tools.ipv4.clone(), words: words.to_owned() },
            None => ToolError::NotFound(None),
        };
        let choice = match self.decided {
            Some(_) if self.words_of(&self.tools.ipv4).is_some() => return Err(useless()),
            Some(reason) => Choice { flavour: own, reason, is_doubtful: false },
            None => {
                let seen = |flavour| self.seen(flavour, installed);
                choice::choose(seen(Flavour::Nft), seen(Flavour::Legacy)).ok_or_else(useless)?
            }
        };
        if choice.flavour != own {
            self.swap();
        }
        Ok(choice)
    }

    /// This backend with the other flavour, for a plan of which this one lacks something: where the user left it open,
    /// nothing is installed that would have to move, and the other one has it all. From there no way leads back.
    #[must_use]
    pub fn instead(&self, plan: &Plan, installed: &Installed, until: Instant) -> Option<(Self, Choice)> {
        let flavour = self.second.as_ref()?.flavour;
        if !installed.is_empty() || !self.seen(flavour, installed).usable {
            return None;
        }
        let mut other = self.clone();
        other.swap();
        other.second = None;
        let has_all = other.lacking(plan, until).iter().all(|one| one.need.is_dispensable());
        has_all.then_some((other, Choice { flavour, reason: Reason::Only, is_doubtful: false }))
    }

    /// Programs that can do nothing here say so.
    pub(super) fn words_of(&self, tool: &Tool) -> Option<&str> {
        self.useless.iter().find(|(useless, _)| useless == tool).map(|(_, words)| words.as_str())
    }

    /// What speaks for and against a flavour that may be installed with.
    #[must_use]
    pub fn seen(&self, flavour: Flavour, installed: &Installed) -> Seen {
        // Programs of an earlier run may see a flavour that cannot be installed with.
        let offered = std::iter::once(&self.tools).chain(&self.second).any(|tools| tools.flavour == flavour);
        let seen = installed.seen(flavour);
        Seen { usable: seen.usable && offered, ..seen }
    }

    fn swap(&mut self) {
        if let Some(second) = self.second.take() {
            self.second = Some(std::mem::replace(&mut self.tools, second));
        }
    }
}
