//! Precedence, merging, completion and refusals of whole configurations.

use rstest::rstest;

use super::*;

fn message(layers: Layers) -> String {
    layers.resolve().expect_err("must be refused").to_string()
}

fn variables(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn flags_win_over_environment_over_files_over_defaults() {
    let variables = variables(&[
        ("KUMA_TRANSPARENT_PROXY_REDIRECT_INBOUND_PORT", "3"),
        ("KUMA_TRANSPARENT_PROXY_REDIRECT_OUTBOUND_PORT", "4"),
    ]);
    let resolved = Layers::default()
        .flag("redirect-inbound-port", "5")
        .environment(&variables)
        .file("a", "redirect: {inbound: {port: 1, excludePorts: [1]}, outbound: {port: 2}}")
        .file("b", "redirect: {inbound: {excludePorts: \"7, 8\"}}")
        .resolve()
        .unwrap();
    assert_eq!(resolved.config.inbound.port.unwrap().get(), 5);
    assert_eq!(resolved.config.outbound.port.unwrap().get(), 4);
    assert_eq!(resolved.config.inbound.exclude_ports.to_string(), "7-8");
    assert_eq!(resolved.origin("redirect.inbound.port").to_string(), "--redirect-inbound-port");
    assert_eq!(resolved.origin("redirect.inbound.excludePorts").to_string(), "b:1");
    assert_eq!(resolved.origin("ipFamilyMode"), Origin::Default);
}

#[test]
fn documents_merge_key_by_key_and_lists_are_replaced() {
    let resolved = Layers::default()
        .file("1", "redirect: {dns: {enabled: false, port: 7777}, inbound: {excludePorts: [1]}}")
        .file("2", "redirect: {dns: {enabled: true, port: 8888}, inbound: {excludePorts: [10000, 20000]}}")
        .file(
            "3",
            "redirect: {dns: {enabled: true, captureAll: true}, inbound: {excludePorts: [4444, 55555]}}",
        )
        .resolve()
        .unwrap();
    assert_eq!(resolved.config.dns.port.unwrap().get(), 8888);
    assert!(resolved.config.dns.enabled && resolved.config.dns.capture_all);
    assert_eq!(resolved.config.inbound.exclude_ports.to_string(), "4444,55555");
}

#[test]
fn items_of_repeated_list_flags_add_up_and_replace_those_of_files() {
    let resolved = Layers::default()
        .file("f", "redirect: {outbound: {excludePortsForIPs: [10.9.9.9], excludePorts: [9]}}")
        .flag("exclude-outbound-ips", "10.0.0.1,10.0.0.2")
        .flag("exclude-outbound-ports", "80")
        .flag("exclude-outbound-ips", "fd00::/8")
        .flag("exclude-outbound-ports", "81")
        .resolve()
        .unwrap();
    let networks: Vec<String> =
        resolved.config.outbound.exclude_networks.0.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.1/32", "10.0.0.2/32", "fd00::/8"]);
    assert_eq!(resolved.config.outbound.exclude_ports.to_string(), "81");
}

#[rstest]
#[case(
    "redirect-inbound-port",
    "0",
    "--redirect-inbound-port: `0` is not a port from 1 to 65535, which inbound capture needs"
)]
#[case("redirect-inbound-port", "+80", "--redirect-inbound-port: `+80` is not a port from 1 to 65535")]
#[case(
    "exclude-outbound-ports",
    "80,x",
    "--exclude-outbound-ports: `x` is not a port from 1 to 65535, or a range of them like 8000-8999"
)]
#[case("redirect-inbound", "maybe", "--redirect-inbound: `maybe` is not `true` or `false`")]
#[case("ip-family-mode", "ipv6", "--ip-family-mode: `ipv6` is not `dualstack` or `ipv4`")]
#[case(
    "kuma-dp-user",
    "4294967295",
    "--kuma-dp-user: `4294967295` is not a user name or a user id from 0 to 4294967294"
)]
#[case(
    "redirect-outbound-port",
    "15006",
    "--redirect-outbound-port: `15006` is the inbound port, too; give each a port of its own"
)]
#[case(
    "iptables-executables",
    "iptables:/a",
    "--iptables-executables: a family's three programs go together; missing: iptables-save, iptables-restore"
)]
#[case(
    "iptables-executables",
    "ebtables:/a",
    "--iptables-executables: `ebtables` is not one of iptables, iptables-save, iptables-restore, ip6tables, ip6tables-save, ip6tables-restore"
)]
#[case(
    "vnet",
    "docker0",
    "--vnet: `docker0` has no network: write interface:network, like docker0:172.17.0.0/16"
)]
#[case(
    "vnet",
    "docker0:",
    "--vnet: `docker0:` has no network: write interface:network, like docker0:172.17.0.0/16"
)]
#[case(
    "vnet",
    "docker0:172.17.0.0",
    "--vnet: `docker0:172.17.0.0` has no mask: write the network like 172.17.0.0/16"
)]
#[case(
    "vnet",
    "docker0:172.17.0.0/40",
    "--vnet: the mask of `172.17.0.0/40` is `40`, which is not a number from 0 to 32"
)]
#[case(
    "vnet",
    ":172.17.0.0/16",
    "--vnet: `` is not an interface name: 1 to 15 bytes without blanks, quotes, `/` or `:`; a `+` at the end stands for any rest"
)]
#[case(
    "exclude-inbound-interfaces",
    "a-name-too-long-0",
    "--exclude-inbound-interfaces: `a-name-too-long-0` is not an interface name: 1 to 15 bytes without blanks, quotes, `/` or `:`; a `+` at the end stands for any rest"
)]
#[case(
    "exclude-outbound-interfaces",
    "a\"b",
    "--exclude-outbound-interfaces: `a\"b` is not an interface name: 1 to 15 bytes without blanks, quotes, `/` or `:`; a `+` at the end stands for any rest"
)]
#[case(
    "backend",
    "nftables",
    "--backend: `nftables` is not `auto`, `iptables-nft`, `iptables-legacy` or `ebpf`"
)]
#[case(
    "sleep-between-retries",
    "soon",
    "--sleep-between-retries: `soon` is not a duration like 2s, 500ms or 1m30s"
)]
#[case("wait", "-1", "--wait: `-1` is not a whole number from 0 to 4294967295")]
#[case(
    "exclude-outbound-ips",
    "",
    "--exclude-outbound-ips: an empty item is not an IP address or a network in CIDR form, like 10.0.0.1, 10.0.0.0/8 or fd00::/8"
)]
fn a_bad_flag_is_one_sentence_with_name_value_and_what_is_allowed(
    #[case] flag: &str,
    #[case] value: &str,
    #[case] sentence: &str,
) {
    assert_eq!(message(Layers::default().flag(flag, value)), sentence);
}

#[rstest]
#[case("log: {level: 8}", "log.level: `8` is not a level from 0 (emergency) to 7 (debug)")]
#[case(
    "redirect: {inbound: {excludePortsForUIDs: [\"1000\"]}}",
    "redirect.inbound.excludePortsForUIDs: `1000` cannot be honoured"
)]
#[case(
    "redirect: {inbound: {excludePorts: [80, [81]]}}",
    "redirect.inbound.excludePorts: a list in a list is not a port"
)]
#[case(
    "redirect: {inbound: {excludePorts: null}}",
    "redirect.inbound.excludePorts: has no value; give a list of ports"
)]
#[case(
    "redirect: {outbound: {excludePortsForUIDs: [1000, \"\"]}}",
    "redirect.outbound.excludePortsForUIDs: an empty item is not"
)]
#[case(
    "redirect: {dns: {enabled: true, port: 0}}",
    "redirect.dns.port: `0` is not a port from 1 to 65535, which DNS capture needs"
)]
#[case(
    "redirect: {dns: {enabled: true, port: 15001}}",
    "redirect.dns.port: `15001` is the outbound port, too"
)]
#[case(
    "redirect: {outbound: {enabled: false, port: 0}, vnet: {networks: [\"a:10.0.0.0/8\"]}}",
    "redirect.outbound.port: `0` is not a port from 1 to 65535, which a virtual network needs"
)]
#[case(
    "backend: iptables-nft\nebpf: {enabled: true}",
    "backend: `iptables-nft` and ebpf.enabled `true` (f:2) disagree"
)]
#[case("backend: ebpf\nebpf: {enabled: false}", "backend: `ebpf` and ebpf.enabled `false` (f:2) disagree")]
#[case(
    "iptablesExecutables: {ip6tables: /a}",
    "iptablesExecutables: a family's three programs go together; missing: ip6tables-save, ip6tables-restore"
)]
#[case(
    "iptablesExecutables: {iptables: /a, iptables-save: /a, iptables-restore: /a, ip6tables-restore: /a}",
    "iptablesExecutables: a family's three programs go together; missing: ip6tables, ip6tables-save"
)]
#[case(
    "iptablesExecutables: {ip6tables: /a, ip6tables-save: /a}",
    "iptablesExecutables: a family's three programs go together; missing: ip6tables-restore"
)]
#[case(
    "redirect: {inbound: {enabled: false, port: 15001}}",
    "redirect.inbound.port: `15001` is the outbound port, too"
)]
#[case(
    "redirect: {outbound: {chainName: NINETEEN_CHARACTERS}}",
    "redirect.outbound.chainName: `NINETEEN_CHARACTERS` is not a name of 1 to 18 letters"
)]
#[case(
    "redirect: {inbound: {chainName: \"\"}}",
    "redirect.inbound.chainName: `` is not a name of 1 to 18 letters"
)]
#[case(
    "redirect: {inbound: {chainName: OUTBOUND}}",
    "redirect.inbound.chainName: `OUTBOUND` is the name of redirect.outbound.chainName, too"
)]
#[case(
    "redirect: {outbound: {redirectChainName: INBOUND}}",
    "redirect.outbound.redirectChainName: `INBOUND` is the name of redirect.inbound.chainName, too"
)]
#[case(
    "redirect: {inbound: {chainName: X}, outbound: {chainName: X}}",
    "redirect.outbound.chainName: `X` is the name of redirect.inbound.chainName, too"
)]
#[case(
    "redirect: {inbound: {chainName: \"A B\"}}",
    "redirect.inbound.chainName: `A B` is not a name of 1 to 18 letters"
)]
#[case("ebpf: {bpffsPath: run}", "ebpf.bpffsPath: `run` is not an absolute path")]
#[case("ebpf: {tcAttachIface: eth+}", "ebpf.tcAttachIface: `eth+` is not the name of one interface")]
#[case("ebpf: {instanceIP: host}", "ebpf.instanceIP: `host` is not an IP address")]
#[case("wait: 1\nentirely:\n", "entirely: is not a known key")]
#[case("wait: 9\0", "a NUL byte stands here")]
#[case("a: [", "cannot be read as YAML")]
#[case("- 1", "a configuration is a mapping of keys to values")]
fn a_bad_file_is_told_at_its_place(#[case] text: &str, #[case] sentence: &str) {
    let said = message(Layers::default().file("f", text));
    assert!(said.starts_with(sentence), "{said}");
}

#[test]
fn a_misspelt_key_is_shown_at_its_place_with_a_suggestion() {
    insta::assert_snapshot!(message(Layers::default().file("cfg.yaml", "redirct:\n  inbound: {}\n")), @r"
    redirct: is not a known key; did you mean `redirect`?
     --> cfg.yaml:1:1
      |
    1 | redirct:
      | ^^^^^^^
    ");
}

#[test]
fn a_bad_item_is_shown_at_its_own_place() {
    let text = "redirect:\n  outbound:\n    excludePortsForIPs:\n      - 10.0.0.0/8\n      - 10.0.0.0/99\n";
    insta::assert_snapshot!(message(Layers::default().file("cfg.yaml", text)), @"
    redirect.outbound.excludePortsForIPs: the mask of `10.0.0.0/99` is `99`, which is not a number from 0 to 32
     --> cfg.yaml:5:9
      |
    5 |       - 10.0.0.0/99
      |         ^^^^^^^^^^^
    ");
}

#[test]
fn all_problems_of_one_run_are_reported_together() {
    let text =
        "redirect:\n  inbound: {port: 0, excludePorts: [a, b]}\n  outbound: {prt: 1}\nipFamilyMode: both\n";
    let found = Layers::default().file("f", text).flag("redirect-inbound", "?").resolve().unwrap_err();
    assert_eq!(found.iter().count(), 6, "{found}");
}

#[test]
fn many_problems_of_one_list_hide_none_of_another_key_or_source() {
    let items = |from: usize| (from..from + 10_000).map(|n| format!("/{n}")).collect::<Vec<_>>().join(",");
    let text = |from: usize| {
        format!(
            "redirect: {{outbound: {{excludePortsForIPs: [{}], excludePorts: [/]}}}}\nretr: 1\n",
            items(from)
        )
    };
    let variables =
        variables(&[("KUMA_TRANSPARENT_PROXY_REDIRECT_OUTBOUND_EXCLUDE_PORTS_FOR_IPS", &items(1))]);
    let found = Layers::default()
        .file("f", text(1))
        .file("g", text(20_000))
        .environment(&variables)
        .flag("exclude-outbound-gids", items(1))
        .flag("wait", "soon")
        .resolve()
        .unwrap_err();
    let told = found.render(crate::diagnostic::Colours::Never);
    let begins = |words: &str| told.iter().position(|told| told.starts_with(words)).expect(words);
    let order = [
        "--exclude-outbound-gids: `/1` is not",
        "--exclude-outbound-gids: and 9994 more like these",
        "--wait: `soon` is not",
        "KUMA_TRANSPARENT_PROXY_REDIRECT_OUTBOUND_EXCLUDE_PORTS_FOR_IPS: `/1` is not",
        "KUMA_TRANSPARENT_PROXY_REDIRECT_OUTBOUND_EXCLUDE_PORTS_FOR_IPS: and 9994 more like these",
    ]
    .map(begins);
    assert!(order.is_sorted(), "{order:?}");
    for file in ["f", "g"] {
        begins(&format!("{file}: redirect.outbound.excludePortsForIPs: and 9994 more like these"));
        for key in ["retr: is not a known key", "redirect.outbound.excludePorts: `/` is not a port"] {
            let place = format!(" --> {file}:");
            assert!(
                told.iter().any(|told| told.starts_with(key) && told.contains(&place)),
                "{key} of {file}"
            );
        }
    }
    assert!(told.len() < 70, "{}", told.len());
}

#[test]
fn what_the_user_should_know_is_told_beside_what_is_wrong() {
    let layers = Layers::default().warning("old").flag("include-inbound-ports", "1").flag("wait", "x");
    let problems = layers.flag("exclude-inbound-ports", "2").resolve().unwrap_err();
    let counts = "redirect.inbound.excludePorts does not count beside redirect.inbound.includePorts";
    assert_eq!(problems.warnings(), ["old", counts]);
}

#[rstest]
#[case("INSTANCE_IP", "somewhere", "`somewhere` is not an IP address")]
#[case("BPFFS_PATH", "bpf", "`bpf` is not an absolute path")]
#[case("TC_ATTACH_IFACE", "a/b", "`a/b` is not")]
fn a_variable_of_a_common_name_is_judged_only_where_ebpf_is_on(
    #[case] name: &str,
    #[case] value: &str,
    #[case] sentence: &str,
) {
    let bare = || Layers::default().environment(&variables(&[(name, value)]));
    let off = bare().resolve().unwrap();
    assert_eq!(off.config, Config::default());
    let told = off.warnings.concat();
    assert!(told.starts_with(&format!("{name}: {sentence}")), "{told}");
    assert!(told.ends_with("; it does not count, as eBPF is off"), "{told}");
    for on in ["ebpf: {enabled: true}", "backend: ebpf"] {
        assert!(message(bare().file("f", on)).starts_with(&format!("{name}: {sentence}")));
    }
    let prefixed = format!("KUMA_TRANSPARENT_PROXY_EBPF_{name}");
    let said = message(Layers::default().environment(&variables(&[(&prefixed, value)])));
    assert!(said.starts_with(&format!("{prefixed}: {sentence}")), "{said}");
}

#[rstest]
#[case("log: {level: 0o17}", "log.level: `0o17` is not")]
#[case("redirect: {inbound: {port: 015006}}", "redirect.inbound.port: `015006` is not a port")]
#[case(
    "redirect: {inbound: {excludePorts: [80, 0x1FFFF]}}",
    "redirect.inbound.excludePorts: `0x1FFFF` is not"
)]
#[case("redirect: {inbound: {excludePorts: [80, 080.0]}}", "redirect.inbound.excludePorts: `080.0` is not")]
#[case("redirect: {inbound: {port: True}}", "redirect.inbound.port: `True` is not a port")]
#[case("redirect: {inbound: {port: \"True\"}}", "redirect.inbound.port: `True` is not a port")]
#[case(
    "wait: 99999999999999999999999999999999999999999",
    "wait: `99999999999999999999999999999999999999999` is not"
)]
fn a_value_is_quoted_as_the_file_spells_it(#[case] text: &str, #[case] sentence: &str) {
    let said = message(Layers::default().file("f", text));
    assert!(said.starts_with(sentence), "{said}");
}

#[rstest]
#[case(
    "redirect: {inbound: {port: }}",
    "redirect.inbound.port: has no value; give a port from 1 to 65535, or leave the key out"
)]
#[case("verbose:\n", "verbose: has no value; give `true` or `false`, or leave the key out")]
#[case(
    "redirect: {outbound: {excludeGIDs: [1, true]}}",
    "redirect.outbound.excludeGIDs: `true` is not an id from 0 to 4294967294, or a range of them like 1000-1999"
)]
#[case(
    "redirect: {outbound: {excludePorts: [[1]]}}",
    "redirect.outbound.excludePorts: a list in a list is not a port from 1 to 65535, or a range of them like 8000-8999"
)]
fn what_is_no_value_is_told_with_what_is_allowed(#[case] text: &str, #[case] sentence: &str) {
    let said = message(Layers::default().file("f", text));
    assert_eq!(said.lines().next(), Some(sentence));
}

#[test]
fn kumactl_only_warns_of_unknown_keys() {
    let layers = Layers::default().file("f", "redirct: {}\nwait: 9\n").tolerating_unknown_keys();
    let resolved = layers.resolve().unwrap();
    assert_eq!(resolved.config.loading.wait, 9);
    assert!(resolved.warnings.concat().starts_with("redirct: is not a known key"), "{:?}", resolved.warnings);
}

#[test]
fn a_misspelt_variable_is_told_and_does_not_count() {
    let variables =
        variables(&[("KUMA_TRANSPARENT_PROXY_WIAT", "9"), ("KUMA_TRANSPARENT_PROXY_SERVICE_HOST", "x")]);
    let resolved = Layers::default().environment(&variables).resolve().unwrap();
    assert_eq!(resolved.config, Config::default());
    assert_eq!(
        resolved.warnings,
        [
            "KUMA_TRANSPARENT_PROXY_SERVICE_HOST is not a known variable and does not count",
            "KUMA_TRANSPARENT_PROXY_WIAT is not a known variable and does not count; did you mean KUMA_TRANSPARENT_PROXY_WAIT?",
        ]
    );
}

#[rstest]
#[case("1000,tcp:80:2000", "1000 tcp:80:2000")]
#[case("tcp:80,443:1000;2000", "tcp:80,443:1000 2000")]
#[case("", "")]
#[case(" ", "")]
fn a_variable_separates_exclusions_by_commas_or_semicolons(#[case] text: &str, #[case] read: &str) {
    let variables = variables(&[("KUMA_TRANSPARENT_PROXY_REDIRECT_OUTBOUND_EXCLUDE_PORTS_FOR_UIDS", text)]);
    let config = Layers::default().environment(&variables).resolve().unwrap().config;
    let written: Vec<String> = config.outbound.exclude_uids.iter().map(ToString::to_string).collect();
    assert_eq!(written.join(" "), read);
}

#[test]
fn a_bare_variable_counts_where_the_prefixed_one_is_unset() {
    let bare = variables(&[("EXCLUDE_PORTS_FOR_IPS", "10.0.0.1"), ("EXCLUDE_PORTS_FOR_UIDS", "7")]);
    let config = Layers::default().environment(&bare).resolve().unwrap().config;
    assert_eq!(config.inbound.exclude_networks, config.outbound.exclude_networks);
    assert_eq!((config.inbound.exclude_uids.len(), config.outbound.exclude_uids.len()), (0, 1));
    let both = variables(&[("KUMA_DP_USER", "1"), ("KUMA_TRANSPARENT_PROXY_KUMA_DP_USER", "2")]);
    let resolved = Layers::default().environment(&both).resolve().unwrap();
    assert_eq!(resolved.config.kuma_dp_user, Some(super::super::SidecarUser::Uid(2)));
}

#[test]
fn capture_all_means_that_dns_is_captured() {
    let resolved = Layers::default().file("f", "redirect: {dns: {captureAll: true}}").resolve().unwrap();
    assert!(resolved.config.dns.enabled);
    assert_eq!(resolved.origin("redirect.dns.enabled").to_string(), "f:1");
}

#[rstest]
#[case("true", "true", false)]
#[case("false", "true", false)]
#[case("true", "false", true)]
fn only_one_of_the_dns_flags_may_be_given(#[case] dns: &str, #[case] all: &str, #[case] fits: bool) {
    let layers = Layers::default().flag("redirect-dns", dns).flag("redirect-all-dns-traffic", all);
    let resolved = layers.resolve();
    assert_eq!(resolved.is_ok(), fits, "{resolved:?}");
    let in_a_file = "redirect: {dns: {enabled: true, captureAll: true}}";
    assert!(Layers::default().file("f", in_a_file).flag("redirect-dns", "true").resolve().is_ok());
}

#[test]
fn a_direction_that_is_off_may_have_no_port() {
    let text =
        "redirect: {inbound: {enabled: false, port: 0}, outbound: {enabled: false, port: 0}, dns: {port: 0}}";
    let config = Layers::default().file("f", text).resolve().unwrap().config;
    assert_eq!((config.inbound.port, config.outbound.port, config.dns.port), (None, None, None));
}

#[rstest]
#[case("redirect: {dns: {port: 15001}}")]
#[case("redirect: {dns: {port: 15006, enabled: false}}")]
#[case("redirect: {inbound: {port: 15053}}")]
fn the_dns_port_collides_with_none_while_dns_is_off(#[case] text: &str) {
    assert!(Layers::default().file("f", text).resolve().is_ok());
    for flag in ["redirect-dns", "redirect-all-dns-traffic"] {
        let on = Layers::default().file("f", text).flag(flag, "true");
        assert!(message(on).contains("port, too; give each a port of its own"), "{flag}");
    }
}

#[test]
fn a_file_may_have_4_mib_and_all_of_them_together_no_more() {
    let text = |bytes: usize| format!("wait: 9\n#{}", "x".repeat(bytes - 9));
    let largest = super::super::LARGEST_FILE;
    assert!(Layers::default().file("f", text(largest)).resolve().is_ok());
    assert!(
        message(Layers::default().file("f", text(largest + 1))).starts_with("the file is larger than 4 MiB")
    );
    let half = || Layers::default().file("f", text(largest / 2));
    assert!(half().file("g", text(largest / 2)).resolve().is_ok());
    assert!(message(half().file("g", text(largest / 2 + 1))).contains("larger than 4 MiB together"));
}

#[test]
fn a_list_may_have_131072_items_and_no_more() {
    let text =
        |items: usize| format!("redirect: {{outbound: {{excludeGIDs: \"{}\"}}}}", vec!["1"; items].join(","));
    let config = Layers::default().file("f", text(1 << 17)).resolve().unwrap().config;
    assert_eq!(config.outbound.exclude_gids.len(), 1 << 17);
    assert!(message(Layers::default().file("f", text((1 << 17) + 1))).contains("has more than 131072 items"));
}

#[rstest]
#[case("80-80", "80")]
#[case("1-100,5-6", "1-100")]
#[case("5-6,1-100,101,103", "1-101,103")]
fn a_set_of_ports_is_kept_in_its_shortest_form(#[case] text: &str, #[case] short: &str) {
    let config = Layers::default().flag("exclude-outbound-ports", text).resolve().unwrap().config;
    assert_eq!(config.outbound.exclude_ports.to_string(), short);
}

#[test]
fn a_word_is_said_only_where_included_and_excluded_ports_stand_together() {
    let warnings = |text: &str| {
        let text = format!("redirect: {{outbound: {{{text}}}}}");
        Layers::default().file("f", text).resolve().unwrap().warnings
    };
    assert_eq!(warnings("includePorts: [1]"), Vec::<String>::new());
    assert_eq!(warnings("excludePorts: [1]"), Vec::<String>::new());
    let word = "redirect.outbound.excludePorts does not count beside redirect.outbound.includePorts";
    assert_eq!(warnings("includePorts: [1], excludePorts: [2]"), [word]);
}

#[rstest]
#[case("iptablesExecutables: {ip6tables-save: /a}", "f:1:39")]
#[case("iptablesExecutables: {iptables-restore: /a}", "f:1:41")]
fn half_a_family_is_told_at_the_program_that_was_given(#[case] text: &str, #[case] place: &str) {
    let said = message(Layers::default().file("f", text));
    assert!(said.contains(&format!(" --> {place}\n")), "{said}");
}

#[test]
fn what_ebpf_implies_comes_from_where_ebpf_was_asked_for() {
    for (flag, value) in [("ebpf-enabled", "true"), ("backend", "ebpf")] {
        let resolved = Layers::default().flag(flag, value).resolve().unwrap();
        for key in ["backend", "ebpf.enabled"] {
            assert_eq!(resolved.origin(key).to_string(), format!("--{flag}"), "{key}");
        }
    }
}

#[test]
fn two_directions_without_a_port_do_not_collide() {
    let text = "redirect: {inbound: {enabled: false, port: 0}, outbound: {enabled: false, port: 0}}";
    assert!(Layers::default().file("f", text).resolve().is_ok());
}

#[test]
fn a_chain_with_the_longest_name_has_28_characters() {
    let text = "redirect: {inbound: {chainName: EIGHTEEN_CHARACTER}}";
    let config = Layers::default().file("f", text).resolve().unwrap().config;
    assert_eq!("KUMA_MESH_".len() + config.inbound.chain.as_str().len(), 28);
}

#[test]
fn ebpf_enabled_and_backend_ebpf_are_the_same() {
    let enabled = Layers::default().flag("ebpf-enabled", "true").resolve().unwrap().config;
    let backend = Layers::default().flag("backend", "ebpf").resolve().unwrap().config;
    assert_eq!(enabled, backend);
    let legacy = Layers::default().file("f", "ebpf: {enabled: true}").flag("backend", "iptables-legacy");
    assert_eq!(
        message(legacy),
        "--backend: `iptables-legacy` and ebpf.enabled `true` (f:1) disagree; give only one of the two"
    );
}

#[rstest]
#[case("2s", 2_000_000_000)]
#[case("500ms", 500_000_000)]
#[case("\"2s\"", 2_000_000_000)]
#[case("3000", 3_000)]
fn a_duration_flag_takes_units_and_what_kumactl_took(#[case] text: &str, #[case] nanoseconds: u128) {
    let config = Layers::default().flag("sleep-between-retries", text).resolve().unwrap().config;
    assert_eq!(config.loading.sleep_between_retries.as_nanos(), nanoseconds);
}

#[test]
fn json_is_read_as_yaml_is() {
    let json =
        "{\n\t\"redirect\": {\n\t\t\"inbound\": {\"port\": 7, \"excludePorts\": [\"80,81\", 443]}\n\t}\n}";
    let config = Layers::default().file("f", json).resolve().unwrap().config;
    assert_eq!(config.inbound.port.unwrap().get(), 7);
    assert_eq!(config.inbound.exclude_ports.to_string(), "80-81,443");
}
