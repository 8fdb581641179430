//! Flows that are under way when the rules change.
//!
//! Must never stop a verb: the rules are what was asked for, and they are in place.

use super::Surroundings;
use crate::apply;
use crate::conntrack::{self, Entry, Wanted};
use crate::host::{self, HostError};
use crate::iptables::redirects::Redirects;
use crate::plan::Plan;

/// Makes DNS flows that are under way get the verdict of `plan`, or of no rules, now that it is in force: a UDP flow keeps
/// the one of its first packet for as long as somebody uses it. `redirects` are those of before and of the plan.
pub(super) fn settle_queries(
    plan: Option<&Plan>,
    redirects: &Redirects,
    surroundings: &mut Surroundings<'_>,
) {
    if redirects.udp.is_empty() {
        return;
    }
    tell_settled(settle(plan, redirects), surroundings);
}

fn tell_settled(settled: Result<usize, HostError>, surroundings: &mut Surroundings<'_>) {
    match settled {
        Ok(0) => {}
        Ok(1) => surroundings.tell("# 1 DNS flow that is under way starts anew"),
        Ok(count) => surroundings.tell(format!("# {count} DNS flows that are under way start anew")),
        Err(error) => surroundings.warn(format!(
            "{error}; DNS sockets that are in use go where they went before, until they rest for two minutes"
        )),
    }
}

/// The same where a policy came back of which only the rules are known: those of `before`, over what redirected to
/// `redirects`. Where they capture queries, each flow that is under way starts anew.
pub(super) fn return_queries(before: &Redirects, redirects: &Redirects, surroundings: &mut Surroundings<'_>) {
    if before.udp.is_empty() {
        return settle_queries(None, redirects, surroundings);
    }
    tell_settled(delete_where(conntrack::is_query), surroundings);
}

fn delete_where(is_stale: impl Fn(&Entry) -> bool) -> Result<usize, HostError> {
    let mut stale = Vec::new();
    host::conntrack::each(|entry| {
        if is_stale(&entry) {
            stale.push(entry);
        }
    })?;
    apply::conntrack::delete(&stale).map_err(HostError::Conntrack)
}

fn settle(plan: Option<&Plan>, redirects: &Redirects) -> Result<usize, HostError> {
    let mut queries = Vec::new();
    host::conntrack::each(|entry| {
        if conntrack::is_query(&entry) {
            queries.push(entry);
        }
    })?;
    // After the entries: a flow without a socket by now has nobody who waits for its answer.
    let sockets = host::conntrack::udp_sockets()?;
    let wanted = Wanted { plan, redirects, sockets: &sockets };
    queries.retain(|entry| conntrack::is_stale(entry, wanted));
    apply::conntrack::delete(&queries).map_err(HostError::Conntrack)
}

/// How many connections are open that `redirects` captured; `None` where that cannot be seen.
pub(super) fn open_connections(redirects: &Redirects, surroundings: &mut Surroundings<'_>) -> Option<usize> {
    let mut count = 0;
    let seen = match redirects.tcp.is_empty() {
        true => Ok(()),
        false => host::conntrack::each(|entry| count += usize::from(conntrack::is_open(&entry, redirects))),
    };
    match seen {
        Ok(()) => Some(count),
        Err(error) => {
            surroundings.warn(format!("{error}; how many captured connections are open is not known"));
            None
        }
    }
}

/// What becomes of captured connections: NAT goes on for them as long as anything in the namespace needs connection
/// tracking, and when our rules were the last, the kernel ends it.
pub(super) fn tell_open(open: Option<usize>, surroundings: &mut Surroundings<'_>) {
    let (connections, they) = match open {
        None | Some(0) => return,
        Some(1) => ("1 captured connection is open: it ends".to_owned(), "it goes"),
        Some(count) => (format!("{count} captured connections are open: they end"), "they go"),
    };
    surroundings.tell(format!(
        "# {connections} with these rules, or {they} on where other rules need connection tracking"
    ));
}
