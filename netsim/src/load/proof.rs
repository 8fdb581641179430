//! Whether a run redirected what it claims: what the sidecar and the peer saw, and what the kernel's rules counted,
//! against the connections that were made. A figure without that is void.
//!
//! Pure. Must never let a connection more or less pass: a case that captures almost all is as void as one without rules.

use std::net::SocketAddr;

use super::case::{Case, Way};
use crate::actor::{Handled, Seen, Tally};

/// What was seen of the connections of one round.
#[derive(Clone, Debug)]
pub(super) struct Witness {
    /// How the caller's connections ended.
    pub(super) tally: Tally,
    /// What the sidecar accepted.
    pub(super) sidecar: Vec<Seen>,
    /// What the peer accepted.
    pub(super) peer: Vec<Seen>,
}

/// Why a round of `connections` to `peer` is void; `None` when it is what the case claims.
pub(super) fn of_round(case: Case, connections: usize, peer: SocketAddr, seen: &Witness) -> Option<String> {
    let answered = seen.tally.0.get("peer").copied().unwrap_or(0);
    if answered != connections || seen.peer.len() != connections {
        return Some(format!(
            "the peer answered {answered} and saw {} of {connections} connections: {:?}",
            seen.peer.len(),
            seen.tally.0
        ));
    }
    let forwarded = |seen: &&Seen| seen.handled == Handled::Forwarded;
    let to_peer = |seen: &&Seen| seen.original_destination == Some(peer);
    let (what, counted, expected) = match case.way {
        Way::Direct | Way::Own(_) => ("saw", seen.sidecar.len(), 0),
        Way::Straight => {
            let called = seen.sidecar.iter().filter(forwarded).filter(|seen| !to_peer(seen));
            ("forwarded without redirection", called.count(), connections)
        }
        Way::Captured(_) => {
            let redirected = seen.sidecar.iter().filter(forwarded).filter(to_peer);
            ("was redirected to with the peer as original destination", redirected.count(), connections)
        }
    };
    (counted != expected || seen.sidecar.len() != expected).then(|| {
        format!(
            "the sidecar accepted {} connections, and {counted} of the {expected} that it {what}",
            seen.sidecar.len()
        )
    })
}

/// How many packets, the first of a connection each, our rules for this case have counted, in the output of
/// `iptables-save -c`.
pub(super) fn counted(way: Way, saved: &str) -> u64 {
    let ours = saved.lines().filter(|line| line.contains("-A KUMA_MESH_"));
    let decided = ours.filter(|line| match way {
        Way::Direct | Way::Straight => false,
        Way::Captured(_) => line.ends_with("-j REDIRECT --to-ports 15001"),
        Way::Own(_) => line.contains("outbound/sidecar ") || line.contains("outbound/sidecar\""),
    });
    decided.filter_map(packets).sum()
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

    fn witness(sidecar: Vec<Seen>) -> Witness {
        let tally = Tally(BTreeMap::from([("peer".to_owned(), 2)]));
        Witness { tally, sidecar, peer: vec![seen("peer", None, Handled::Answered); 2] }
    }

    fn judged(way: Way, sidecar: Vec<Seen>) -> Option<String> {
        of_round(Case { way, exclusions: 0 }, 2, peer(), &witness(sidecar))
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
            let verdict = judged(way, sidecar.clone());
            assert_eq!(verdict.is_none(), sound, "{way:?} {sidecar:?} {verdict:?}");
        }
    }

    #[test]
    fn connections_that_do_not_arrive_are_void() {
        let mut failed = witness(vec![]);
        failed.tally = Tally(BTreeMap::from([("peer".to_owned(), 1), ("connection reset".to_owned(), 1)]));
        let case = Case { way: Way::Direct, exclusions: 0 };
        let reason = of_round(case, 2, peer(), &failed).unwrap();
        assert!(
            reason.contains("answered 1 and saw 2 of 2") && reason.contains("connection reset"),
            "{reason}"
        );
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
        assert_eq!(counted(Way::Captured(NFT), saved), 4);
        assert_eq!(counted(Way::Own(NFT), saved), 3);
        assert_eq!(counted(Way::Direct, saved), 0);
    }
}
