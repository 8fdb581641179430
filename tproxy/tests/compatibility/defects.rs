//! Kuma's defects of 8.2 that concern configuration, each by its number: none of them is here.
//!
//! D10 and D26 need a node: they stand with the tests of the binary.

use std::net::SocketAddr;

use rstest::rstest;
use serde_json::json;
use tproxy::config::{Config, Layers};
use tproxy::plan::flow::{Direction, Flow, Protocol, Verdict};

use crate::command::{configuration, run, run_with};
use crate::pod_host::{APP, plan, plan_of};
use crate::write;

fn to(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn query(server: &str) -> Flow {
    Flow { protocol: Protocol::Udp, ..Flow::outbound(to(server), APP) }
}

fn refusal(layers: Layers) -> String {
    layers.resolve().expect_err("must be refused").to_string()
}

/// The help of `tproxy install`, its lines joined.
fn help() -> String {
    run(&["tproxy", "install", "--help"]).out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn d01_variables_count_without_a_file() {
    let variables = write::variables([("KUMA_TRANSPARENT_PROXY_REDIRECT_INBOUND_PORT", "7")]);
    let ran = run_with(&["tproxy", "config"], variables);
    assert!(ran.out.contains("\n  inbound:\n    enabled: true\n    port: 7\n"), "{}", ran.out);
}

#[test]
fn d02_a_duration_flag_takes_what_its_help_shows() {
    for (text, printed) in [("2s", "2s"), ("500ms", "500ms"), ("\"2s\"", "2s"), ("2000000000", "2s")] {
        let (config, _) = configuration(&["--sleep-between-retries", text]);
        assert_eq!(config["retry"]["sleepBetweenRetries"], printed, "{text}");
    }
    assert!(help().contains("Time between two tries, like 2s or 500ms [default: 2s]"), "{}", help());
}

#[rstest]
#[case("")]
#[case(" ")]
#[case("1000;")]
#[case("tcp:80:")]
#[case("::")]
#[case("*")]
fn d05_an_empty_uid_element_is_refused(#[case] text: &str) {
    let flag = "exclude-outbound-ports-for-uids";
    assert!(refusal(Layers::default().flag(flag, text)).starts_with(&format!("--{flag}: ")));
    let item = json!({ "redirect": { "outbound": { "excludePortsForUIDs": [text] } } });
    let said = refusal(Layers::default().file("f", item.to_string()));
    assert!(said.starts_with("redirect.outbound.excludePortsForUIDs: "), "{said}");
}

#[test]
fn d06_uid_exclusions_for_inbound_are_refused() {
    let sentence = "`1000` cannot be honoured: arriving connections have no user of this host; exclude ports, networks or interfaces instead";
    let name = "KUMA_TRANSPARENT_PROXY_REDIRECT_INBOUND_EXCLUDE_PORTS_FOR_UIDS";
    let variables = write::variables([(name, "1000")]);
    assert_eq!(refusal(Layers::default().environment(&variables)), format!("{name}: {sentence}"));
    let file = "redirect: {inbound: {excludePortsForUIDs: [\"1000\"]}}";
    let said = refusal(Layers::default().file("f", file));
    assert!(said.starts_with(&format!("redirect.inbound.excludePortsForUIDs: {sentence}\n")), "{said}");
    // The bare variable is for outbound only.
    let bare = Layers::default().environment(&write::variables([("EXCLUDE_PORTS_FOR_UIDS", "1000")]));
    let config = bare.resolve().unwrap().config;
    assert_eq!((config.inbound.exclude_uids.len(), config.outbound.exclude_uids.len()), (0, 1));
}

#[test]
fn d08_a_scoped_name_server_is_skipped_with_a_word_and_never_widened() {
    let config = Layers::default().flag("redirect-dns", "true").resolve().unwrap().config;
    let (plan, notes) = plan(&config);
    let decided = |server: &str| plan.verdict(&query(server)).line.name();
    assert_eq!(decided("[fd77::53]:53"), "outbound/dns");
    for other in ["[fe80::1]:53", "[fd99::53]:53"] {
        assert_eq!(decided(other), "outbound/not-tcp", "{other}");
    }
    let said: Vec<String> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("queries to name server `fe80::1%eth0` are not captured: "), "{said:?}");
}

#[test]
fn d12_ipv4_in_any_case_is_ipv4() {
    for mode in ["ipv4", "IPv4", "IPV4"] {
        let config = Layers::default().flag("ip-family-mode", mode).resolve().unwrap().config;
        let line = plan(&config).0.verdict(&Flow::outbound(to("[fd99::9]:80"), APP)).line;
        assert_eq!(line.name(), "outbound/family-off", "{mode}");
    }
}

#[test]
fn d15_user_ids_have_32_bits() {
    let config = Layers::default()
        .flag("kuma-dp-user", "1000650000")
        .flag("exclude-outbound-ports-for-uids", "tcp:80:1000660000-1000669999")
        .flag("exclude-outbound-gids", "4294967294");
    let (plan, _) = plan(&config.resolve().unwrap().config);
    let line = |flow: Flow| plan.verdict(&flow).line.name();
    assert_eq!(line(Flow::outbound(to("10.9.9.9:80"), 1_000_650_000)), "outbound/sidecar");
    assert_eq!(line(Flow::outbound(to("10.9.9.9:80"), 1_000_665_000)), "outbound/exclusion");
    assert_eq!(line(Flow::outbound(to("10.9.9.9:81"), 1_000_665_000)), "outbound/captured");
    let grouped = Flow { gid: Some(4_294_967_294), ..Flow::outbound(to("10.9.9.9:81"), APP) };
    assert_eq!(line(grouped), "outbound/exclusion");
}

#[test]
fn d18_port_0_is_taken_for_what_is_off_and_told_for_what_is_on() {
    // As a control plane writes it whose DNS is off.
    let off = Layers::default().file("f", "redirect: {dns: {enabled: false, port: 0}}").resolve().unwrap();
    assert_eq!(off.config.dns.port, None);
    let on = refusal(Layers::default().file("f", "redirect: {dns: {enabled: true, port: 0}}"));
    assert!(
        on.starts_with("redirect.dns.port: `0` is not a port from 1 to 65535, which DNS capture needs"),
        "{on}"
    );
}

/// A flow that arrives from a virtual machine behind docker0.
fn by_docker0(protocol: Protocol, destination: &str) -> Flow {
    let source = if destination.starts_with('[') { "fd17::9" } else { "172.17.0.9" };
    Flow {
        protocol,
        source: source.parse().ok(),
        interface: Some("docker0".to_owned()),
        ..Flow::new(Direction::Inbound, to(destination))
    }
}

#[test]
fn d22_an_interface_may_have_several_networks() {
    let plan = plan_of(
        "redirect: {vnet: {networks: [\"docker0:172.17.0.0/16\", \"docker0:172.18.0.0/16\", \"docker0:fd17::/64\"]}}",
    );
    let line = |destination: &str| plan.verdict(&by_docker0(Protocol::Tcp, destination)).line.name();
    for inside in ["172.17.0.8:80", "172.18.0.8:80", "[fd17::8]:80"] {
        assert_eq!(line(inside), "inbound/forwarded", "{inside}");
    }
    for outside in ["172.19.0.8:80", "10.9.9.9:80", "[fd18::8]:80"] {
        assert_eq!(line(outside), "inbound/vnet-tcp", "{outside}");
    }
}

#[test]
fn d22_a_virtual_network_asks_the_sidecar_only_where_dns_is_captured() {
    let query = by_docker0(Protocol::Udp, "10.9.9.53:53");
    let network = "vnet: {networks: [\"docker0:172.17.0.0/16\"]}";
    let off = plan_of(&format!("redirect: {{{network}}}"));
    assert_eq!(
        (off.verdict(&query).verdict, off.verdict(&query).line.name()),
        (Verdict::Pass, "inbound/not-tcp")
    );
    let on = plan_of(&format!("redirect: {{{network}, dns: {{enabled: true}}}}"));
    assert_eq!(on.verdict(&query).line.name(), "inbound/vnet-dns");
    // Nobody is behind it in the other family.
    assert_eq!(on.verdict(&by_docker0(Protocol::Udp, "[fd77::53]:53")).line.name(), "inbound/not-tcp");
}

#[test]
fn d24_an_excluded_network_is_for_any_protocol_and_port_and_help_says_so() {
    let plan = plan_of(
        "redirect: {dns: {enabled: true, captureAll: true}, outbound: {excludePortsForIPs: [10.9.9.0/24]}, \
         inbound: {excludePortsForIPs: [10.8.8.0/24]}}",
    );
    for port in [53, 80, 65535] {
        let destination = SocketAddr::new("10.9.9.9".parse().unwrap(), port);
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let line = plan.verdict(&Flow { protocol, ..Flow::outbound(destination, APP) }).line;
            assert_eq!(line.name(), "outbound/exclusion", "{port}/{protocol}");
        }
        let own = SocketAddr::new("10.77.0.2".parse().unwrap(), port);
        let line = plan.verdict(&Flow::inbound(own, "10.8.8.8".parse().unwrap())).line;
        assert_eq!(line.name(), "inbound/excluded-source", "{port}");
    }
    let help = help();
    assert!(help.contains("sent to these addresses or networks, whatever protocol and port"), "{help}");
    assert!(help.contains("arrives from these addresses or networks, whatever the port"), "{help}");
}

#[test]
fn d25_port_22_is_captured_by_default_and_help_does_not_claim_otherwise() {
    let (plan, _) = plan(&Config::default());
    let login = Flow::inbound(to("10.77.0.2:22"), "10.9.9.9".parse().unwrap());
    assert_eq!(plan.verdict(&login).line.name(), "inbound/captured");
    let help = run(&["tproxy", "install", "--help"]).out;
    let options: Vec<&str> =
        help.split("\n      --").filter(|option| option.starts_with("exclude-")).collect();
    assert!(options.len() >= 8, "{options:?}");
    for option in options {
        assert!(!option.contains("default"), "{option}");
    }
}

#[test]
fn d27_config_takes_comma_separated_files_as_its_help_says_and_config_file_has_a_word() {
    assert!(
        help().contains("Configuration files, YAML or JSON, separated by commas; - reads standard input")
    );
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let both = format!("{},{}", path("a", "wait: 1"), path("b", "waitInterval: 2"));
    let (config, said) = configuration(&["--config", &both]);
    assert_eq!((&config["wait"], &config["waitInterval"], said.as_str()), (&json!(1), &json!(2), ""));
    let (config, said) = configuration(&["--config-file", &path("a", "wait: 1")]);
    assert_eq!((&config["wait"], said.as_str()), (&json!(1), "--config-file is deprecated; use --config\n"));
}
