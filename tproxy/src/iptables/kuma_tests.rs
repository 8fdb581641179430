//! What Kuma wrote without comments is told from what others wrote, by saved rules as iptables prints them.

use super::super::save;
use super::super::state::TableState;

/// The chains that Kuma makes for user 5678 and the usual ports.
const CHAINS: &str = "\
-A KUMA_MESH_INBOUND -p tcp -j KUMA_MESH_INBOUND_REDIRECT
-A KUMA_MESH_INBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A KUMA_MESH_OUTBOUND -s 127.0.0.6/32 -o lo -j RETURN
-A KUMA_MESH_OUTBOUND ! -d 127.0.0.1/32 -o lo -p tcp -m owner --uid-owner 5678 -j KUMA_MESH_INBOUND_REDIRECT
-A KUMA_MESH_OUTBOUND -o lo -p tcp -m owner ! --uid-owner 5678 -j RETURN
-A KUMA_MESH_OUTBOUND -m owner --uid-owner 5678 -j RETURN
-A KUMA_MESH_OUTBOUND -d 127.0.0.1/32 -j RETURN
-A KUMA_MESH_OUTBOUND -j KUMA_MESH_OUTBOUND_REDIRECT
-A KUMA_MESH_OUTBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15001
";

/// What stays of `rules` in the built-in chains of `table`, and which of it is doubtful, marked with `?`.
fn left_in(table: &str, rules: &str) -> String {
    let nat = if table == "nat" { rules } else { "-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND\n" };
    let names = ["INBOUND", "OUTBOUND", "INBOUND_REDIRECT", "OUTBOUND_REDIRECT"];
    let declared: String = names.iter().map(|name| format!(":KUMA_MESH_{name} - [0:0]\n")).collect();
    let builtin = ":PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    let mut text = format!("*nat\n{builtin}{declared}{nat}{CHAINS}COMMIT\n");
    if table != "nat" {
        text.push_str(&format!("*{table}\n{builtin}{rules}COMMIT\n"));
    }
    let states = TableState::of_all(save::parse(&text).unwrap());
    let state = states.iter().find(|state| state.table == table);
    let line = |chain: &str, rule: &dyn std::fmt::Display| format!("-A {chain} {rule}");
    let ours: Vec<String> =
        state.iter().flat_map(|state| &state.hooks).map(|hook| line(&hook.chain, &hook.rule)).collect();
    let doubtful: Vec<String> =
        state.iter().flat_map(|state| &state.doubtful).map(|(chain, rule)| line(chain, rule)).collect();
    let plain = |rule: &str| rule.replace('"', "");
    let left = rules.lines().filter(|rule| !ours.iter().any(|own| plain(own) == plain(rule)));
    left.map(|rule| format!("{}{rule}\n", if doubtful.iter().any(|own| own == rule) { "? " } else { "" }))
        .collect()
}

#[test]
fn a_default_installation_is_its_jumps() {
    assert_eq!(
        left_in("nat", "-A PREROUTING -p tcp -j KUMA_MESH_INBOUND\n-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND\n"),
        ""
    );
}

#[test]
fn queries_logs_and_exclusions_are_recognised_among_rules_of_others() {
    let rules = "\
-A OUTPUT -j LOG --log-prefix \"OUTPUT:\" --log-level 7
-A OUTPUT -p tcp -m multiport --dports 53,3000:5000 -m owner --uid-owner 106-108 -j RETURN
-A OUTPUT -d 192.168.0.0/24 -j RETURN
-A OUTPUT -p udp -m udp --dport 53 -m owner --uid-owner 5678 -j RETURN
-A OUTPUT -d 10.0.0.53/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053
-A OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053
-A OUTPUT -d 172.16.0.0/12 -j RETURN
-A OUTPUT -d 10.0.0.54/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353
-A OUTPUT -p tcp -m multiport --dports 80,81 -m owner --uid-owner 7 -j RETURN
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A OUTPUT -p tcp -m tcp --dport 53 -m owner ! --uid-owner 5678 -j RETURN
-A OUTPUT -p tcp -m tcp --dport 53 -m owner ! --uid-owner 5679 -j RETURN
-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND
";
    insta::assert_snapshot!(left_in("nat", rules), @r"
    ? -A OUTPUT -d 172.16.0.0/12 -j RETURN
    -A OUTPUT -d 10.0.0.54/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353
    -A OUTPUT -p tcp -m multiport --dports 80,81 -m owner --uid-owner 7 -j RETURN
    -A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
    -A OUTPUT -p tcp -m tcp --dport 53 -m owner ! --uid-owner 5679 -j RETURN
    ");
}

#[test]
fn a_network_that_is_excluded_at_the_head_is_doubtful_where_nothing_tells_its_author() {
    let rules = "\
-A OUTPUT -p tcp -m multiport --dports 53 -m owner --uid-owner 9 -j RETURN
-A OUTPUT -d 192.168.0.0/24 -j RETURN
-A OUTPUT -p udp -j ACCEPT
-A OUTPUT -p tcp -m multiport --dports 54 -m owner --uid-owner 9 -j RETURN
-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND
";
    insta::assert_snapshot!(left_in("nat", rules), @r"
    ? -A OUTPUT -d 192.168.0.0/24 -j RETURN
    -A OUTPUT -p udp -j ACCEPT
    -A OUTPUT -p tcp -m multiport --dports 54 -m owner --uid-owner 9 -j RETURN
    ");
}

#[test]
fn virtual_networks_are_recognised_by_the_outbound_port() {
    let rules = "\
-A PREROUTING -i br+ -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053
-A PREROUTING ! -d 172.18.0.0/16 -i br+ -p tcp -j REDIRECT --to-ports 15001
-A PREROUTING -i eth1 -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053
-A PREROUTING ! -d 172.19.0.0/16 -i eth1 -p tcp -j REDIRECT --to-ports 3128
-A PREROUTING -p tcp -j KUMA_MESH_INBOUND
-A PREROUTING -j LOG --log-prefix \"PREROUTING:\" --log-level 7
-A PREROUTING -j LOG --log-prefix \"mine:\" --log-level 7
-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND
";
    insta::assert_snapshot!(left_in("nat", rules), @r#"
    -A PREROUTING -i eth1 -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053
    -A PREROUTING ! -d 172.19.0.0/16 -i eth1 -p tcp -j REDIRECT --to-ports 3128
    -A PREROUTING -j LOG --log-prefix "mine:" --log-level 7
    "#);
}

#[test]
fn zones_are_recognised_and_other_zones_are_not() {
    let rules = "\
-A PREROUTING -s 10.0.0.53/32 -p udp -m udp --sport 53 -j CT --zone 1
-A PREROUTING -p udp -m udp --sport 53 -j CT --zone 9
-A OUTPUT -p udp -m udp --dport 53 -m owner --uid-owner 5678 -j CT --zone 1
-A OUTPUT -p udp -m udp --sport 15053 -m owner --uid-owner 5678 -j CT --zone 2
-A OUTPUT -d 10.0.0.53/32 -p udp -m udp --dport 53 -j CT --zone 2
-A OUTPUT -s 127.0.0.11/32 -d 127.0.0.1/32 -p udp -j CT --zone 1
-A OUTPUT -p udp -m udp --dport 53 -m owner --uid-owner 7 -j CT --zone 1
";
    insta::assert_snapshot!(left_in("raw", rules), @r"
    -A PREROUTING -p udp -m udp --sport 53 -j CT --zone 9
    -A OUTPUT -p udp -m udp --dport 53 -m owner --uid-owner 7 -j CT --zone 1
    ");
}

#[test]
fn dropping_invalid_packets_is_what_many_do() {
    let rules = "-A PREROUTING -m conntrack --ctstate INVALID -j DROP\n";
    assert_eq!(left_in("mangle", rules), format!("? {rules}"));
}

#[test]
fn beside_chains_with_comments_no_bare_rule_is_claimed() {
    let text = "*nat\n:OUTPUT ACCEPT [0:0]\n:KUMA_MESH_OUTBOUND - [0:0]\n\
        -A OUTPUT -j LOG --log-prefix \"OUTPUT:\" --log-level 7\n-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND\n\
        -A KUMA_MESH_OUTBOUND -m owner --uid-owner 5678 -m comment --comment kuma/mesh/transparent/proxy/x -j RETURN\n\
        -A KUMA_MESH_OUTBOUND -m owner --uid-owner 5678 -j RETURN\nCOMMIT\n";
    let states = TableState::of_all(save::parse(text).unwrap());
    assert_eq!(states[0].hooks.len(), 1);
}
