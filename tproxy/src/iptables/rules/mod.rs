//! The rules that a policy means, for one family.
//!
//! Each rule's comment is the name of the policy line that it realises, and rules stand in the order of the policy's
//! table, but for two things: what the sidecar sends to other hosts leaves first, because it always passes; and a chain
//! that nothing needs is left out. Jumps have no comments yet. Must never put a rule into a built-in chain that is not a jump to a chain of ours.

mod dns;
mod exclusion;
mod inbound;
mod outbound;
mod ports;
mod tree;
mod vnet;

use super::CHAIN_PREFIX;
use super::hooks::{Hook, Place};
use super::rule::Rule;
use super::state::{Chain, TableState};
use crate::config::ports::Ports;
use crate::family::IpFamily;
use crate::plan::line::Line;
use crate::plan::{Dns, IptablesOptions, Plan, Policy};

/// Whether a chain's name, without the prefix, is one that we use beside those that can be chosen.
pub(super) fn is_reserved(name: &str) -> bool {
    [dns::CHAIN, dns::ZONES, vnet::CHAIN, INVALID, LOG_OUTPUT, LOG_PREROUTING].contains(&name)
        || name.starts_with(tree::STEM)
}

/// In how many rules these ports are written.
pub(super) fn matches_of(ports: &Ports) -> usize {
    ports::groups(ports).len()
}

const INVALID: &str = "INVALID";
const LOG_OUTPUT: &str = "LOG_OUTPUT";
const LOG_PREROUTING: &str = "LOG_PREROUTING";

/// What the rules of one family are written from.
#[derive(Clone, Copy)]
struct Writer<'a> {
    plan: &'a Plan,
    family: IpFamily,
}

/// Our part of every table that we use: `nat` always, `raw` and `mangle` where the plan needs them.
pub(super) fn tables(plan: &Plan, family: IpFamily) -> Vec<TableState> {
    let writer = Writer { plan, family };
    [writer.raw(), Some(writer.nat()), writer.mangle()].into_iter().flatten().collect()
}

impl<'a> Writer<'a> {
    fn policy(self) -> &'a Policy {
        &self.plan.policy
    }

    fn options(self) -> &'a IptablesOptions {
        &self.plan.iptables
    }

    /// DNS capture of this family.
    fn dns(self) -> Option<&'a Dns> {
        self.policy().dns_of(self.family)
    }

    /// A rule that realises a line of the policy.
    fn line(self, line: Line, text: &str) -> Rule {
        Rule::new(text).commented(line.name())
    }

    /// A jump from a built-in chain to one of ours.
    fn hook(self, chain: &str, place: Place, matching: &str, target: &str) -> Hook {
        let rule = Rule::new(&format!("{matching} -j {target}"));
        Hook { chain: chain.to_owned(), place, rule }
    }

    fn nat(self) -> TableState {
        let mut table = TableState::empty("nat");
        self.log(&mut table);
        self.vnets(&mut table);
        self.dns_capture(&mut table);
        self.inbound(&mut table);
        self.outbound(&mut table);
        table
    }

    /// Packets that conntrack cannot place would slip past the redirection.
    fn mangle(self) -> Option<TableState> {
        let name = mesh(INVALID);
        let rule = self.line(Line::InboundInvalid, "-j DROP");
        let hook = self.hook("PREROUTING", Place::Last, "-m conntrack --ctstate INVALID", &name);
        let chains = vec![Chain { name, rules: vec![rule] }];
        self.policy().drop_invalid.then(|| TableState {
            chains,
            hooks: vec![hook],
            ..TableState::empty("mangle")
        })
    }

    /// What enters our rules is logged before they decide.
    fn log(self, table: &mut TableState) {
        let Some(level) = self.options().log_level else { return };
        for (builtin, name, place) in
            [("OUTPUT", LOG_OUTPUT, Place::First), ("PREROUTING", LOG_PREROUTING, self.place_inbound())]
        {
            let rule = Rule::new(&format!("-j LOG --log-prefix {builtin}: --log-level {level}"));
            table.hooks.push(self.hook(builtin, place, "", &mesh(name)));
            table.chains.push(Chain { name: mesh(name), rules: vec![rule] });
        }
    }
}

/// A chain's name with our prefix.
fn mesh(name: &str) -> String {
    format!("{CHAIN_PREFIX}{name}")
}
