//! The figures of a bench: as a table, as a page with plots, and as one plot alone. Rounds nothing away: an interval
//! that holds no difference is shown as one.

mod chart;
mod instructions;
mod page;
mod text;

use std::collections::BTreeSet;

use tproxy::family::IpFamily;

use crate::load::{Case, Direction, Load, Measured, Outcome};

pub use page::{page, plot};
pub use text::text;

/// Rounds below which an interval says little.
const ENOUGH: usize = 10;

/// The groups of cases that are compared with each other: those that differ in nothing but the way and exclusions.
fn groups(outcome: &Outcome) -> Vec<(Group, Vec<&Measured>)> {
    let groups: BTreeSet<Group> = outcome.cases.iter().map(|measured| Group::of(measured.case)).collect();
    let of = |group: &Group| outcome.cases.iter().filter(|one| Group::of(one.case) == *group).collect();
    groups.into_iter().map(|group| (group, of(&group))).collect()
}

/// What such cases have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    load: Load,
    direction: Direction,
    clients: usize,
    mtu: u32,
    family: IpFamily,
}

impl Group {
    fn of(case: Case) -> Self {
        let Case { load, direction, clients, mtu, family, way: _, exclusions: _ } = case;
        Self { load, direction, clients, mtu, family }
    }

    fn title(&self) -> String {
        let load = match self.load {
            Load::Connections => "connections",
            Load::RoundTrips => "round trips of 64 bytes on a kept connection",
            Load::Bulk => "a MiB there and back on a kept connection",
            Load::Queries => "DNS queries",
        };
        let direction = match self.direction {
            Direction::Outbound => "outbound",
            Direction::Inbound => "inbound",
            Direction::Whole => "from sidecar to sidecar",
        };
        let clients =
            if self.clients == 1 { "one client".to_owned() } else { format!("{} clients", self.clients) };
        let family = if self.family == IpFamily::V6 { ", IPv6" } else { "" };
        format!("{load}, {direction}, {clients}, MTU {}{family}", self.mtu)
    }
}

/// A case within its group.
fn way(case: Case) -> String {
    let name = case.to_string();
    let is_of_all = |part: &str| part.ends_with("-clients") || part.starts_with("mtu-") || part == "ipv6";
    let mut parts = name.split('/').skip(2).filter(|part| !is_of_all(part));
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| format!("{name}, {}", part.replace('-', " ")))
}
