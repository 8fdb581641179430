//! Every way to damage an installation is seen by `status`, healed by installing the same again, and removed.

use netsim::node::{Exit, Program};
use rstest::rstest;

use super::pod::{APP, Pod};

const EVERYTHING: &str = "--redirect-all-dns-traffic --drop-invalid-packets --exclude-outbound-ports 22,9000 \
    --vnet docker0:172.17.0.0/16 --iptables-logs";

/// The rules without counters, and the addresses.
fn rules(pod: &Pod) -> String {
    let saved = pod.sh("for f in nft legacy; do iptables-$f-save; ip6tables-$f-save; done | \
         sed -e '/^#/d' -e '/^:/s/ \\[.*//' -e '/^COMMIT/d' -e '/^\\*/d' -e '/^:[A-Z]* /d'");
    format!("{saved}{}", pod.has_passthrough())
}

fn assert_damaged(pod: &Pod, line: &str, what: &str) {
    let text = pod.tproxy("status");
    assert_eq!(text.exit, Exit::Code(4), "{text}");
    assert!(text.stdout_text().contains(&format!("damage         {line}")), "{line}: {text}");
    let json: serde_json::Value = serde_json::from_str(&pod.tproxy("status --json").stdout_text()).unwrap();
    let kinds: Vec<&str> = json
        .pointer("/damage")
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one.get("what")?.as_str())
        .collect();
    assert!(kinds.contains(&what), "{what}: {kinds:?}");
}

fn assert_whole(pod: &Pod) {
    let status = pod.tproxy("status");
    assert_eq!(status.exit, Exit::Code(0), "{status}");
}

#[rstest]
#[case::a_rule_that_is_missing(
    "$I -t nat -D KUMA_MESH_OUTBOUND 2",
    "nat KUMA_MESH_OUTBOUND: missing: ",
    "rule-missing"
)]
#[case::a_foreign_rule_in_our_chain(
    "$I -t nat -I KUMA_MESH_INBOUND -j ACCEPT",
    "nat KUMA_MESH_INBOUND: not of the installation: -j ACCEPT",
    "rule-foreign"
)]
#[case::a_rule_out_of_order(
    "R=$($I -t nat -S KUMA_MESH_OUTBOUND | sed -n 2p); $I -t nat -D KUMA_MESH_OUTBOUND 1; eval $I -t nat $R",
    "nat KUMA_MESH_OUTBOUND: out of order: ",
    "rule-moved"
)]
#[case::an_empty_chain(
    "$I -t nat -F KUMA_MESH_OUTBOUND_REDIRECT",
    "nat KUMA_MESH_OUTBOUND_REDIRECT: missing: ",
    "rule-missing"
)]
#[case::a_jump_that_is_missing(
    "$I -t nat -D OUTPUT $($I -t nat -S OUTPUT | sed 1d | grep -n 'j KUMA_MESH_OUTBOUND$' | cut -d: -f1)",
    "nat OUTPUT: missing: -p tcp",
    "rule-missing"
)]
#[case::a_jump_twice(
    "R=$($I -t nat -S OUTPUT | grep 'j KUMA_MESH_OUTBOUND$'); eval $I -t nat $R",
    "nat OUTPUT: not of the installation: -p tcp",
    "rule-foreign"
)]
#[case::jumps_out_of_order(
    "R=$($I -t nat -S PREROUTING | sed -n 2p); $I -t nat -D PREROUTING 1; eval $I -t nat $R",
    "nat PREROUTING: out of order: ",
    "rule-moved"
)]
#[case::a_foreign_rule_before_a_jump_that_came_first(
    "$I -t nat -I PREROUTING -p tcp -j ACCEPT",
    "nat PREROUTING: behind rules of others that came later: ",
    "jump-shadowed"
)]
#[case::a_foreign_rule_before_a_jump_that_came_last(
    "$I -t nat -I OUTPUT -p tcp -j ACCEPT",
    "nat OUTPUT: behind rules of others that came later: ",
    "jump-shadowed"
)]
#[case::a_chain_of_nobody(
    "$I -t nat -N KUMA_MESH_X",
    "nat KUMA_MESH_X: the chain does not belong",
    "chain-foreign"
)]
#[case::a_table_that_is_gone("$I -t raw -F; $I -t raw -X", "raw: nothing is there", "table-missing")]
#[case::a_family_that_is_gone(
    "for t in raw nat mangle; do $I -t $t -F; $I -t $t -X; done",
    ": nothing is there of what was installed",
    "family-missing"
)]
fn damage_is_seen_healed_and_removed(
    #[case] damage: &str,
    #[case] line: &str,
    #[case] what: &str,
    #[values("nft", "legacy")] flavour: &str,
) {
    let Some(pod) = Pod::start() else { return };
    for program in ["iptables", "ip6tables"] {
        // In IPv6 there is no virtual network here.
        if program == "ip6tables" && damage.contains("-S PREROUTING") {
            continue;
        }
        let family = if program == "iptables" { "IPv4" } else { "IPv6" };
        let damage = damage.replace("$I", &format!("{program}-{flavour}"));
        let line = match line.strip_prefix(':') {
            Some(rest) => format!("{family} ({flavour}):{rest}"),
            None => format!("{family} ({flavour}) {line}"),
        };
        let install = format!("install --backend iptables-{flavour} {EVERYTHING}");
        pod.sh(&format!("{program}-{flavour} -t nat -A OUTPUT -d localhost -j RETURN"));
        pod.done(&install);
        assert_whole(&pod);
        let whole = rules(&pod);
        pod.sh(&damage);
        assert_damaged(&pod, &line, what);
        pod.done(&install);
        assert_whole(&pod);
        // What is foreign stays, behind ours where it came later.
        let healed = rules(&pod);
        let ours = |text: &str| {
            text.lines().filter(|line| line.contains("KUMA")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(ours(&healed), ours(&whole), "{damage}");
        assert!(pod.done(&install).stdout_text().contains("nothing to change"), "{damage}");
        pod.sh(&damage);
        pod.done("uninstall");
        assert!(!rules(&pod).contains("KUMA") && !pod.has_passthrough(), "{damage}");
        pod.sh(&format!("{program}-{flavour} -t nat -F"));
    }
}

#[test]
fn damage_is_seen_and_healed_without_the_journal() {
    let Some(pod) = Pod::start() else { return };
    for (damage, line) in [
        ("iptables-nft -t nat -D KUMA_MESH_OUTBOUND 1", "the rules are not those that were installed"),
        ("iptables-nft -t nat -F OUTPUT", "IPv4 (nft) nat OUTPUT: no jump to a chain of ours is there"),
        (
            "ip6tables-nft -t nat -F; ip6tables-nft -t nat -X",
            "IPv6 (nft): nothing is there of what was installed",
        ),
    ] {
        pod.done("install");
        pod.sh(&format!("rm -r /run/tproxy; {damage}"));
        let status = pod.tproxy("status");
        assert_eq!(status.exit, Exit::Code(4), "{status}");
        assert!(status.stdout_text().contains(line), "{status}");
        pod.done("install");
        assert_whole(&pod);
    }
}

#[test]
fn installing_what_is_there_already_writes_a_lost_record_again() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --exclude-outbound-ports 22");
    pod.sh("rm -r /run/tproxy");
    let again = pod.done("install --exclude-outbound-ports 22");
    assert!(again.stdout_text().contains("nothing to change"), "{again}");
    pod.sh("iptables-nft -t nat -D KUMA_MESH_OUTBOUND 1");
    assert_damaged(&pod, "IPv4 (nft) nat KUMA_MESH_OUTBOUND: missing: ! -o lo", "rule-missing");
}

#[rstest]
fn lines_count_with_comments_and_without(
    #[values("", "--disable-comments")] comments: &str,
    #[values("nft", "legacy")] flavour: &str,
) {
    let Some(pod) = Pod::start() else { return };
    pod.done(&format!("install --backend iptables-{flavour} {comments}"));
    // Nobody listens there: one packet a connection.
    for address in ["127.0.0.1", "127.0.0.2", "[::1]"] {
        let url = format!("http://{address}:1/");
        let refused = Program::new("curl").args(["-s", &url]).identity(APP).run(pod.node()).unwrap();
        assert_eq!(refused.exit, Exit::Code(7), "{refused}");
    }
    let json: serde_json::Value = serde_json::from_str(&pod.done("status --json").stdout_text()).unwrap();
    let lines = json["counters"].as_array().unwrap();
    let line =
        |name: &str| lines.iter().find(|line| line["line"] == name).unwrap_or(&serde_json::Value::Null);
    assert_eq!(
        *line("outbound/app-to-self"),
        serde_json::json!({"line": "outbound/app-to-self", "packets": 3, "bytes": 200,
            "ipv4": {"packets": 2, "bytes": 120}, "ipv6": {"packets": 1, "bytes": 80}})
    );
    assert_eq!(line("outbound/captured")["packets"], 0, "{json}");
    let text = pod.done("status").stdout_text();
    let row = text.lines().find(|line| line.starts_with("outbound/app-to-self")).unwrap_or_default();
    let numbers: Vec<&str> = row.split_whitespace().skip(1).collect();
    assert_eq!(numbers, ["3", "200", "2", "120", "1", "80"], "{text}");
}

#[test]
fn counters_that_nothing_attributes_are_said_to_be_so() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --disable-comments");
    pod.sh("rm -r /run/tproxy");
    let status = pod.tproxy("status").stdout_text();
    assert!(status.contains("counters       not known by line"), "{status}");
}

#[rstest]
fn jumps_of_others_to_our_chains_are_named_before_they_go(
    #[values("nft", "legacy")] flavour: &str,
    #[values("install --exclude-outbound-ports 9", "install", "uninstall")] verb: &str,
    #[values(true, false)] recorded: bool,
) {
    let Some(pod) = Pod::start() else { return };
    pod.done(&format!("install --backend iptables-{flavour}"));
    pod.sh(&format!(
        "iptables-{flavour} -t nat -N OTHER; iptables-{flavour} -t nat -A OTHER -p tcp -j KUMA_MESH_OUTBOUND; \
         iptables-{flavour} -t nat -I PREROUTING -i br0 -p tcp -j KUMA_MESH_INBOUND"
    ));
    if !recorded {
        pod.sh("rm -r /run/tproxy");
    }
    let rules = [
        "IPv4 -t nat -A PREROUTING -i br0 -p tcp -j KUMA_MESH_INBOUND",
        "IPv4 -t nat -A OTHER -p tcp -j KUMA_MESH_OUTBOUND",
    ];
    for dry_run in [" --dry-run", ""] {
        let done = pod.done(&format!("{verb}{dry_run} --json"));
        for rule in rules {
            let warning = format!("leads to a chain of tproxy and is removed: {rule}; ");
            assert_eq!(done.stderr_text().matches(&warning).count(), 1, "{done}");
            let named = if verb == "uninstall" { rule } else { rule.split_once(" -A ").unwrap().1 };
            assert!(done.stdout_text().contains(named), "{done}");
        }
        assert_eq!(done.stderr_text().matches("\"message\":\"this rule").count(), 2, "{done}");
    }
    let saved = pod.sh(&format!("iptables-{flavour}-save -t nat"));
    assert!(!saved.contains("br0") && saved.contains(":OTHER ") && !saved.contains("-A OTHER"), "{saved}");
    let again = pod.tproxy(verb);
    assert!(!again.stderr_text().contains("this rule"), "{again}");
}

#[test]
fn ipv6_that_came_later_is_said_to_pass() {
    const SAID: &str = "warning        this host has IPv6, and only IPv4 is captured";
    let Some(pod) = Pod::start() else { return };
    pod.sh("echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6");
    let installed = pod.done("install");
    let why = "only IPv4 is captured: IPv6 is disabled on lo, which captured connections go through, while eth0 has it";
    assert!(installed.stderr_text().contains(why), "{installed}");
    assert!(!pod.done("status").stdout_text().contains("warning"));
    pod.sh("echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6");
    assert!(pod.done("status").stdout_text().contains(SAID));
    assert!(pod.done("status --json").stdout_text().contains("\"warnings\""));
    pod.done("install");
    assert!(!pod.done("status").stdout_text().contains("warning"));
    pod.done("install --ip-family-mode ipv4");
    assert!(!pod.done("status").stdout_text().contains("warning"));
}

#[test]
fn where_no_interface_has_ipv6_it_is_disabled() {
    let Some(pod) = Pod::start() else { return };
    pod.sh("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6");
    let installed = pod.done("install");
    let why = "only IPv4 is captured: IPv6 is disabled (net.ipv6.conf.lo.disable_ipv6 is 1)";
    assert!(installed.stderr_text().contains(why), "{installed}");
}

#[test]
fn a_rule_before_a_jump_that_came_first_is_seen_without_the_journal_and_healed() {
    let Some(pod) = Pod::start() else { return };
    let install = "install --redirect-outbound-insert-instead-of-append";
    pod.done(install);
    pod.sh("iptables -t nat -I OUTPUT -p tcp -j ACCEPT; rm -r /run/tproxy");
    assert_damaged(
        &pod,
        "IPv4 (nft) nat OUTPUT: behind rules of others that came later: -p tcp",
        "jump-shadowed",
    );
    pod.done(install);
    assert_whole(&pod);
}

#[test]
fn rules_without_comments_are_not_called_kumas_without_the_journal() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --disable-comments");
    pod.sh("rm -r /run/tproxy");
    let status = pod.done("status").stdout_text();
    assert!(status.contains("installed by   tproxy\n"), "{status}");
}
