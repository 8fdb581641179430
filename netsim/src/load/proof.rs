//! Whether a run redirected what it claims: what the sidecar and the peer saw, and what the kernel's rules counted,
//! against the connections that were made. A figure without that is void.
//!
//! Pure. Must never let a connection more or less pass: a case that captures almost all is as void as one without rules.

use std::net::SocketAddr;

use serde_json::Value;

use super::case::{Case, Direction, Load, Way};
use crate::actor::{Handled, Seen, Tally};

/// What was seen of the flows of one round.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    /// How the caller's flows ended.
    pub(super) tally: Tally,
    /// What each sidecar accepted.
    pub(super) sidecars: Vec<Vec<Seen>>,
    /// What each server accepted: that which is called, and of queries the sidecar's behind it.
    pub(super) servers: Vec<Vec<Seen>>,
}

/// Why a round of `flows` that were meant for `meant` is void; `None` when it is what the case claims.
pub(super) fn of_round(case: Case, flows: usize, meant: SocketAddr, seen: &Witness) -> Option<String> {
    let by_sidecar = case.load == Load::Queries && case.way != Way::Direct;
    let who = if by_sidecar { "sidecar-dns" } else { "server" };
    let answered = seen.tally.0.get(who).copied().unwrap_or(0);
    let expected = if by_sidecar { [0, flows] } else { [flows, 0] };
    for (number, accepted) in seen.servers.iter().map(Vec::len).enumerate() {
        let expected = expected.get(number).copied().unwrap_or(0);
        if answered != flows || accepted != expected {
            return Some(format!(
                "{who} answered {answered} of {flows}, and server {} of them saw {accepted}, not {expected}: {:?}",
                number + 1,
                seen.tally.0
            ));
        }
    }
    if case.load == Load::Queries {
        return None;
    }
    seen.sidecars.iter().find_map(|accepted| of_sidecar(case.way, flows, meant, accepted))
}

/// Why what a sidecar accepted is not what it must be.
fn of_sidecar(way: Way, flows: usize, meant: SocketAddr, accepted: &[Seen]) -> Option<String> {
    let forwarded = |seen: &&Seen| seen.handled == Handled::Forwarded;
    let as_meant = |seen: &&Seen| seen.original_destination == Some(meant);
    let (what, counted, expected) = match way {
        Way::Direct | Way::Own(_) => ("saw", accepted.len(), 0),
        Way::Straight => {
            let called = accepted.iter().filter(forwarded).filter(|seen| !as_meant(seen));
            ("forwarded without redirection", called.count(), flows)
        }
        Way::Captured(_) => {
            let redirected = accepted.iter().filter(forwarded).filter(as_meant);
            ("was redirected to with their original destination", redirected.count(), flows)
        }
    };
    (counted != expected || accepted.len() != expected).then(|| {
        format!(
            "the sidecar accepted {} connections, and {counted} of the {expected} that it {what}",
            accepted.len()
        )
    })
}

/// How many packets, the first of a connection each, our rules for this case have counted, in the output of
/// `iptables-save -c`.
pub(super) fn counted(way: Way, direction: Direction, saved: &str) -> u64 {
    let ours = saved.lines().filter(|line| line.contains("-A KUMA_MESH_"));
    let port = if direction == Direction::Inbound { "15006" } else { "15001" };
    let redirects = format!("-j REDIRECT --to-ports {port}");
    let decided = ours.filter(|line| match way {
        Way::Direct | Way::Straight => false,
        Way::Captured(_) => line.ends_with(&redirects),
        Way::Own(_) => line.contains("outbound/sidecar ") || line.contains("outbound/sidecar\""),
    });
    decided.filter_map(packets).sum()
}

/// The same in the output of `tproxy status --json`.
pub(super) fn counted_by_line(case: Case, direction: Direction, status: &str) -> u64 {
    let line = match (case.way, direction) {
        (Way::Direct | Way::Straight, _) => return 0,
        (Way::Captured(_), _) if case.load == Load::Queries => "outbound/dns",
        (Way::Own(_), _) => "outbound/sidecar",
        (Way::Captured(_), Direction::Inbound) => "inbound/captured",
        (Way::Captured(_), _) => "outbound/captured",
    };
    let status: Value = serde_json::from_str(status).unwrap_or_default();
    let lines = status.get("counters").and_then(Value::as_array).into_iter().flatten();
    let packets = lines.filter(|counted| counted.get("line").and_then(Value::as_str) == Some(line));
    packets.filter_map(|counted| counted.get("packets")?.as_u64()).sum()
}

/// The packets in `[packets:bytes] -A CHAIN …`.
fn packets(line: &str) -> Option<u64> {
    line.strip_prefix('[')?.split_once(':')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tproxy::backend::BackendId;

    use super::*;

    const NFT: BackendId = BackendId::IptablesNft;

    fn peer() -> SocketAddr {
        "10.77.0.3:80".parse().unwrap()
    }

    fn seen(actor: &str, original_destination: Option<SocketAddr>, handled: Handled) -> Seen {
        let local = "127.0.0.1:15001".parse().unwrap();
        Seen { actor: actor.to_owned(), local, source: local, original_destination, handled }
    }

    fn witness(sidecars: Vec<Vec<Seen>>) -> Witness {
        let tally = Tally(BTreeMap::from([("server".to_owned(), 2)]));
        Witness { tally, sidecars, servers: vec![vec![seen("server", None, Handled::Answered); 2]] }
    }

    fn case(way: Way) -> Case {
        Case::new(Load::Connections, Direction::Outbound, way)
    }

    #[test]
    fn each_case_is_sound_only_with_what_it_claims() {
        let redirected = || seen("sidecar-outbound", Some(peer()), Handled::Forwarded);
        let called = || seen("sidecar-outbound", None, Handled::Forwarded);
        let reset = || seen("sidecar-outbound", Some(peer()), Handled::Overload);
        for (way, sidecar, sound) in [
            (Way::Direct, vec![], true),
            (Way::Direct, vec![redirected()], false),
            (Way::Straight, vec![called(), called()], true),
            (Way::Straight, vec![redirected(), redirected()], false),
            (Way::Straight, vec![], false),
            (Way::Captured(NFT), vec![redirected(), redirected()], true),
            (Way::Captured(NFT), vec![redirected(), called()], false),
            (Way::Captured(NFT), vec![redirected(), redirected(), reset()], false),
            (Way::Captured(NFT), vec![redirected()], false),
            (Way::Captured(NFT), vec![], false),
            (Way::Own(NFT), vec![], true),
            (Way::Own(NFT), vec![redirected(), redirected()], false),
        ] {
            let verdict = of_round(case(way), 2, peer(), &witness(vec![sidecar.clone()]));
            assert_eq!(verdict.is_none(), sound, "{way:?} {sidecar:?} {verdict:?}");
        }
    }

    #[test]
    fn each_of_two_sidecars_must_see_every_flow() {
        let redirected = vec![seen("sidecar-inbound", Some(peer()), Handled::Forwarded); 2];
        let whole = Case { direction: Direction::Whole, ..case(Way::Captured(NFT)) };
        let both = witness(vec![redirected.clone(), redirected.clone()]);
        assert_eq!(of_round(whole, 2, peer(), &both), None);
        let one = witness(vec![redirected, vec![]]);
        assert!(of_round(whole, 2, peer(), &one).unwrap().contains("accepted 0 connections"));
    }

    #[test]
    fn queries_are_answered_by_whom_the_case_claims() {
        let of = |way| Case::new(Load::Queries, Direction::Outbound, way);
        let query = seen("any", None, Handled::Answered);
        let by = |who: &str, servers: [usize; 2]| Witness {
            tally: Tally(BTreeMap::from([(who.to_owned(), 2)])),
            sidecars: vec![vec![]],
            servers: servers.map(|count| vec![query.clone(); count]).to_vec(),
        };
        for (way, who, servers, sound) in [
            (Way::Direct, "server", [2, 0], true),
            (Way::Direct, "sidecar-dns", [0, 2], false),
            (Way::Captured(NFT), "sidecar-dns", [0, 2], true),
            (Way::Captured(NFT), "server", [2, 0], false),
            (Way::Captured(NFT), "sidecar-dns", [1, 2], false),
            (Way::Straight, "sidecar-dns", [0, 2], true),
        ] {
            let verdict = of_round(of(way), 2, peer(), &by(who, servers));
            assert_eq!(verdict.is_none(), sound, "{way:?} {verdict:?}");
        }
    }

    #[test]
    fn flows_that_do_not_arrive_are_void() {
        let mut failed = witness(vec![]);
        failed.tally = Tally(BTreeMap::from([("server".to_owned(), 1), ("connection reset".to_owned(), 1)]));
        let reason = of_round(case(Way::Direct), 2, peer(), &failed).unwrap();
        assert!(reason.contains("answered 1 of 2") && reason.contains("connection reset"), "{reason}");
    }

    #[test]
    fn only_our_deciding_rules_count() {
        let saved = "\
:KUMA_MESH_OUTBOUND - [9:900]
[7:420] -A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND
[3:180] -A KUMA_MESH_OUTBOUND ! -o lo -m owner --uid-owner 5678 -m comment --comment \"kuma/mesh/transparent/proxy/outbound/sidecar\" -j RETURN
[1:60] -A KUMA_MESH_OUTBOUND -o lo -m comment --comment kuma/mesh/transparent/proxy/outbound/sidecar-to-self -j X
[4:240] -A KUMA_MESH_OUTBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15001
[5:300] -A OTHER -p tcp -j REDIRECT --to-ports 15001
";
        let outbound = |way| counted(way, Direction::Outbound, saved);
        assert_eq!(outbound(Way::Captured(NFT)), 4);
        assert_eq!(outbound(Way::Own(NFT)), 3);
        assert_eq!(outbound(Way::Direct), 0);
        assert_eq!(counted(Way::Captured(NFT), Direction::Inbound, saved), 0);
    }

    #[test]
    fn programs_tell_by_the_line_that_decides() {
        let status = r#"{"counters": [{"line": "outbound/captured", "packets": 4}, {"line": "inbound/captured", "packets": 3}, {"line": "outbound/dns", "packets": 2}]}"#;
        let captured = case(Way::Captured(BackendId::Ebpf));
        assert_eq!(counted_by_line(captured, Direction::Outbound, status), 4);
        assert_eq!(counted_by_line(captured, Direction::Inbound, status), 3);
        let queries = Case { load: Load::Queries, ..captured };
        assert_eq!(counted_by_line(queries, Direction::Outbound, status), 2);
        assert_eq!(counted_by_line(case(Way::Own(BackendId::Ebpf)), Direction::Outbound, "{}"), 0);
    }
}
