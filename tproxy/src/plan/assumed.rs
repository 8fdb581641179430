//! What a verdict takes for granted about a flow of which not everything is said.
//!
//! Must never decide anything: the policy takes what is not said for nobody and nothing in particular.

use serde::Serialize;

use super::Plan;
use super::flow::{Direction, Flow};

/// One thing that is not said of a flow, and that another verdict may hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Assumption {
    /// The flag that would say it.
    pub flag: &'static str,
    /// What is taken for granted instead.
    pub meaning: &'static str,
}

impl Plan {
    /// What the verdict about `flow` takes for granted, as far as this plan asks for it.
    #[must_use]
    pub fn assumptions(&self, flow: &Flow) -> Vec<Assumption> {
        let sent = flow.as_sent();
        let found = match flow.direction {
            Direction::Outbound => self.assumed_of_sender(&sent),
            Direction::Inbound => self.assumed_of_arrival(&sent),
        };
        found.into_iter().flatten().collect()
    }

    fn assumed_of_sender(&self, flow: &Flow) -> [Option<Assumption>; 4] {
        let outbound = &self.policy.outbound;
        let to_self = self.host.owns(flow.destination.ip());
        let excludes_groups = outbound.exclusions.iter().any(|exclusion| exclusion.gids.is_some());
        [
            assumed(flow.uid.is_none(), "--uid", "its owner is neither the sidecar nor excluded"),
            assumed(flow.gid.is_none() && excludes_groups, "--gid", "its group is not excluded"),
            assumed(
                flow.source.is_none() && to_self,
                "--from",
                "its source is the one that the kernel chooses",
            ),
            assumed(
                flow.interface.is_none() && !to_self && !outbound.exclude_interfaces.is_empty(),
                "--interface",
                "it leaves by an interface that is not excluded",
            ),
        ]
    }

    fn assumed_of_arrival(&self, flow: &Flow) -> [Option<Assumption>; 4] {
        let inbound = &self.policy.inbound;
        let (has_vnets, excludes) = (!self.policy.vnets.is_empty(), !inbound.exclude_interfaces.is_empty());
        let only = inbound.only_interface.is_some();
        let by = match (has_vnets, excludes) {
            (true, _) if only => {
                "it arrives by the interface that is captured, which is of no virtual network"
            }
            (false, _) if only => "it arrives by the interface that is captured",
            (true, true) => "it arrives by an interface that is neither excluded nor of a virtual network",
            (true, false) => "it arrives by an interface that is of no virtual network",
            (false, _) => "it arrives by an interface that is not excluded",
        };
        [
            assumed(
                flow.source.is_none() && !inbound.exclude_sources.is_empty(),
                "--from",
                "its source is not excluded",
            ),
            assumed(flow.interface.is_none() && (has_vnets || excludes || only), "--interface", by),
            None,
            None,
        ]
    }
}

fn assumed(is_open: bool, flag: &'static str, meaning: &'static str) -> Option<Assumption> {
    is_open.then_some(Assumption { flag, meaning })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::plan::flow::Flow;
    use crate::plan::shapes_tests::{APP, arriving, by, plan, tcp};

    fn sent(to: &str) -> Flow {
        Flow { uid: None, ..tcp(to, APP) }
    }

    fn arrived() -> Flow {
        Flow { source: None, ..arriving("10.0.0.2:80", "10.9.9.9") }
    }

    const GROUPS: &str = "outbound: {excludeGIDs: [7]}";
    const SOURCES: &str = "inbound: {excludePortsForIPs: [10.8.0.0/16]}";
    const BOTH_WAYS: &str = "inbound: {excludeInterfaces: [eth1]}, outbound: {excludeInterfaces: [eth1]}";
    const VNETS: &str = "vnet: {networks: [\"br+:172.17.0.0/16\"]}";

    #[rstest]
    #[case::the_owner("", sent("10.9.9.9:80"), &["--uid"])]
    #[case::nothing_that_is_said("", tcp("10.9.9.9:80", APP), &[])]
    #[case::the_source_of_calls_to_itself("", tcp("10.0.0.2:80", APP), &["--from"])]
    #[case::the_group(GROUPS, sent("10.9.9.9:80"), &["--uid", "--gid"])]
    #[case::no_group_that_is_said(GROUPS, Flow { gid: Some(7), ..tcp("10.9.9.9:80", APP) }, &[])]
    #[case::the_way_out(BOTH_WAYS, tcp("10.9.9.9:80", APP), &["--interface"])]
    #[case::no_way_out_to_itself(BOTH_WAYS, tcp("10.0.0.2:80", APP), &["--from"])]
    #[case::nothing_of_what_arrives("", arrived(), &[])]
    #[case::whence_it_arrives(SOURCES, arrived(), &["--from"])]
    #[case::the_way_in(BOTH_WAYS, arrived(), &["--interface"])]
    #[case::the_virtual_network(VNETS, arrived(), &["--interface"])]
    #[case::no_way_in_that_is_said(VNETS, by("br0", arrived()), &[])]
    fn what_is_not_said_and_may_matter_is_assumed(
        #[case] redirect: &str,
        #[case] flow: Flow,
        #[case] expected: &[&str],
    ) {
        let found = plan(&format!("redirect: {{{redirect}}}")).assumptions(&flow);
        assert_eq!(found.iter().map(|assumed| assumed.flag).collect::<Vec<_>>(), expected);
    }
}
