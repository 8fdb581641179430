//! Kuma's table of flavours, row by row, and what an earlier installation adds to it.

use rstest::rstest;

use super::*;
use crate::iptables::save;

/// `-` for no programs; else what is there: `r` rules of others, `d` Docker's chain among them, `o` ours.
fn seen(letters: &str) -> Seen {
    let has = |letter| letters.contains(letter);
    Seen {
        usable: letters != "-",
        others: Others { rules: has('r') || has('d'), docker: has('d') },
        ours: has('o'),
    }
}

#[rstest]
#[case::nothing("-", "-", None)]
#[case::nft_alone("", "-", Some("nft only"))]
#[case::legacy_alone("-", "", Some("legacy only"))]
#[case::nft_alone_whatever_is_there("", "-", Some("nft only"))]
#[case::both_with_rules("r", "r", Some("nft usual doubtful"))]
#[case::both_with_docker("d", "d", Some("nft usual doubtful"))]
#[case::docker_in_legacy("r", "d", Some("legacy docker"))]
#[case::docker_in_nft("d", "r", Some("nft docker"))]
#[case::rules_in_legacy("", "r", Some("legacy others"))]
#[case::docker_alone_in_legacy("", "d", Some("legacy others"))]
#[case::rules_in_nft("r", "", Some("nft others"))]
#[case::empty("", "", Some("nft usual"))]
#[case::ours_in_legacy("", "o", Some("legacy installed"))]
#[case::ours_in_nft("o", "", Some("nft installed"))]
#[case::ours_in_both("o", "o", Some("nft usual"))]
#[case::ours_in_doubt("r", "ro", Some("legacy installed doubtful"))]
#[case::ours_in_legacy_and_others_in_nft("r", "o", Some("nft others"))]
#[case::ours_in_nft_and_others_in_legacy("o", "r", Some("legacy others"))]
#[case::ours_in_nft_and_docker_in_legacy("ro", "d", Some("legacy docker"))]
#[case::ours_where_no_programs_work("-", "o", Some("legacy only"))]
fn the_flavour_follows_from_what_is_seen(
    #[case] nft: &str,
    #[case] legacy: &str,
    #[case] expected: Option<&str>,
) {
    let told = choose(seen(nft), seen(legacy)).map(|choice| {
        let doubtful = if choice.is_doubtful { " doubtful" } else { "" };
        format!("{} {:?}{doubtful}", choice.flavour, choice.reason).to_lowercase()
    });
    assert_eq!(told.as_deref(), expected);
}

#[test]
fn an_installation_never_moves_of_its_own_accord() {
    for nft in ["", "r", "d"] {
        for legacy in ["", "r", "d"] {
            for before in [("", ""), ("o", ""), ("", "o"), ("o", "o")] {
                let with = |ours: &str, others: &str| seen(&format!("{others}{ours}"));
                let first = choose(with(before.0, nft), with(before.1, legacy)).unwrap().flavour;
                let after = match first {
                    Flavour::Nft => ("o", ""),
                    Flavour::Legacy => ("", "o"),
                };
                let second = choose(with(after.0, nft), with(after.1, legacy)).unwrap().flavour;
                assert_eq!(first, second, "nft `{nft}`, legacy `{legacy}`, ours {before:?}");
            }
        }
    }
}

#[rstest]
#[case::empty_tables("*nat\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n", "")]
#[case::a_rule("*nat\n:OUTPUT ACCEPT\n-A OUTPUT -j RETURN\nCOMMIT\n", "r")]
#[case::a_rule_in_mangle("*mangle\n:FORWARD ACCEPT\n-A FORWARD -j RETURN\nCOMMIT\n", "r")]
#[case::a_firewall("*filter\n:INPUT DROP\n:X -\n-A INPUT -j X\nCOMMIT\n", "")]
#[case::a_chain("*nat\n:KUBE-SERVICES -\nCOMMIT\n", "r")]
#[case::docker("*nat\n:OUTPUT ACCEPT\n:DOCKER_OUTPUT -\nCOMMIT\n", "d")]
#[case::ours(
    "*nat\n:OUTPUT ACCEPT\n:KUMA_MESH_OUTBOUND -\n-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND\n-A KUMA_MESH_OUTBOUND -j RETURN\nCOMMIT\n",
    ""
)]
#[case::ours_among_others(
    "*nat\n:OUTPUT ACCEPT\n:KUMA_MESH_OUTBOUND -\n-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND\n-A OUTPUT -j RETURN\nCOMMIT\n",
    "r"
)]
fn what_is_not_ours_is_told_from_what_is(#[case] text: &str, #[case] expected: &str) {
    let tables = save::parse(text).unwrap();
    assert_eq!(Others::of(&tables), seen(expected).others);
}
