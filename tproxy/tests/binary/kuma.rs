//! What Kuma installed without comments is replaced and removed, and what others wrote beside it stays.

use super::pod::Pod;

/// Rules of other programs, some of the same shapes.
const OTHERS: &str = r#"
for f in nft legacy; do for i in iptables ip6tables; do $i-$f-restore --noflush <<'END'
*nat
-A OUTPUT -p udp -m udp --dport 53 -m owner --uid-owner 7 -j RETURN
-A OUTPUT -p tcp -m multiport --dports 80,81 -m owner --uid-owner 7 -j RETURN
-A OUTPUT -j LOG --log-prefix "other:"
-A PREROUTING -i eth1 -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053
COMMIT
*raw
-A PREROUTING -p udp -m udp --sport 53 -j CT --zone 9
COMMIT
*mangle
-A PREROUTING -m conntrack --ctstate INVALID -j DROP
COMMIT
END
done; done"#;

/// As kumactl writes them with comments disabled: queries of two servers, exclusions, logs and a virtual network.
fn kuma(tool: &str) -> String {
    let (localhost, passthrough, server, network) = match tool.starts_with("ip6") {
        true => ("::1/128", "::6/128", "2001:db8::67", "2001:db8:5::/64"),
        false => ("127.0.0.1/32", "127.0.0.6/32", "10.0.0.53", "172.18.0.0/16"),
    };
    format!(
        "{tool}-restore --noflush <<'END'
* raw
-A PREROUTING -s {server} -p udp --sport 53 -j CT --zone 1
-A OUTPUT -p udp --dport 53 -m owner --uid-owner 5678 -j CT --zone 1
-A OUTPUT -p udp --sport 15053 -m owner --uid-owner 5678 -j CT --zone 2
-A OUTPUT -d {server} -p udp --dport 53 -j CT --zone 2
COMMIT
* nat
-N KUMA_MESH_INBOUND
-N KUMA_MESH_OUTBOUND
-N KUMA_MESH_INBOUND_REDIRECT
-N KUMA_MESH_OUTBOUND_REDIRECT
-I PREROUTING 1 -i br+ -m udp -p udp --dport 53 -j REDIRECT --to-ports 15053
-I PREROUTING 2 ! -d {network} -i br+ -p tcp -j REDIRECT --to-ports 15001
-I PREROUTING 3 -p tcp -j KUMA_MESH_INBOUND
-A PREROUTING -j LOG --log-prefix PREROUTING: --log-level 7
-I OUTPUT 1 -j LOG --log-prefix OUTPUT: --log-level 7
-I OUTPUT 2 -p tcp -m multiport --dport 1:65535 -m owner --uid-owner 106-108 -j RETURN
-I OUTPUT 3 -d {network} -j RETURN
-I OUTPUT 4 -p udp --dport 53 -m owner --uid-owner 5678 -j RETURN
-I OUTPUT 5 -d {server} -p udp --dport 53 -j REDIRECT --to-ports 15053
-A OUTPUT -p tcp --dport 53 -m owner ! --uid-owner 5678 -j RETURN
-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND
-A KUMA_MESH_INBOUND -p tcp -j KUMA_MESH_INBOUND_REDIRECT
-A KUMA_MESH_OUTBOUND -s {passthrough} -o lo -j RETURN
-A KUMA_MESH_OUTBOUND -p tcp -o lo ! -d {localhost} -m owner --uid-owner 5678 -j KUMA_MESH_INBOUND_REDIRECT
-A KUMA_MESH_OUTBOUND -p tcp -o lo -m owner ! --uid-owner 5678 -j RETURN
-A KUMA_MESH_OUTBOUND -m owner --uid-owner 5678 -j RETURN
-A KUMA_MESH_OUTBOUND -d {localhost} -j RETURN
-A KUMA_MESH_OUTBOUND -j KUMA_MESH_OUTBOUND_REDIRECT
-A KUMA_MESH_INBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A KUMA_MESH_OUTBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
END"
    )
}

/// All rules, without counters.
fn rules(pod: &Pod) -> String {
    pod.sh(
        "for f in nft legacy; do iptables-$f-save; ip6tables-$f-save; done | sed -e '/^#/d' -e 's/ \\[.*//'",
    )
}

#[test]
fn d13_an_uncommented_installation_of_kuma_is_removed_and_nothing_else() {
    for flavour in ["nft", "legacy"] {
        let Some(pod) = Pod::start() else { return };
        pod.sh(OTHERS);
        let before = rules(&pod);
        pod.sh(&kuma(&format!("iptables-{flavour}")));
        pod.sh(&kuma(&format!("ip6tables-{flavour}")));
        assert_ne!(rules(&pod), before);
        let said = pod.done("uninstall").stderr_text();
        assert_eq!(rules(&pod), before);
        let doubt = "-t mangle -A PREROUTING -m conntrack --ctstate INVALID -j DROP; it stays";
        assert!(said.contains(&format!("IPv4 {doubt}")) && said.contains(&format!("IPv6 {doubt}")), "{said}");
    }
}

#[test]
fn installing_over_an_uncommented_installation_of_kuma_equals_a_fresh_one_in_its_place() {
    let Some(pod) = Pod::start() else { return };
    pod.sh(OTHERS);
    pod.done("install");
    // A jump takes the place of Kuma's: before the rule for eth1, as beside a virtual network.
    let sorted = || rules(&pod).lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let fresh = sorted();
    pod.done("uninstall");
    pod.sh(&kuma("iptables-nft"));
    pod.sh(&kuma("ip6tables-nft"));
    pod.done("install");
    assert_eq!(sorted(), fresh);
    let hooks = pod.sh("iptables-nft -t nat -S PREROUTING | sed 1d");
    assert!(hooks.lines().next().is_some_and(|first| first.ends_with("-j KUMA_MESH_INBOUND")), "{hooks}");
    assert!(!pod.done("install").stderr_text().contains("may be of Kuma"));
}
