//! Every finding appears where the evidence shows it, and only there.

use std::path::PathBuf;

use rstest::rstest;

use super::*;
use crate::config::Layers;
use crate::family::IpFamily;
use crate::host::resolv_conf::{self, Resolver};
use crate::host::{HostFacts, InterfaceAddress, Users};
use crate::iptables::choice::{self, Choice, Reason, Seen};
use crate::iptables::save;
use crate::iptables::{Flavour, Tool};

/// A host as it looked, to be changed.
struct Host {
    facts: HostFacts,
    tools: Vec<Tool>,
    evidence: Evidence,
    /// Of each attempt: what came of it.
    trial: fn(&Attempt) -> Trial,
}

fn tool(flavour: Flavour, family: IpFamily) -> Tool {
    let base = if family == IpFamily::V4 { "iptables" } else { "ip6tables" };
    let program = |what: &str| PathBuf::from(format!("/usr/sbin/{base}-{flavour}-{what}"));
    Tool { flavour, family, save: program("save"), restore: program("restore") }
}

/// A pod in which all works, as root.
fn host() -> Host {
    let address = |interface: &str, address: &str| InterfaceAddress {
        interface: interface.to_owned(),
        address: address.parse().unwrap(),
    };
    let tools: Vec<Tool> = IpFamily::ALL.map(|family| tool(Flavour::Nft, family)).into();
    let version = |tool: &Tool| Program { tool: tool.clone(), version: Ok("v1.8.9".to_owned()) };
    Host {
        facts: HostFacts {
            users: Users::named([("kuma-dp", 5678)]),
            loopback: "lo".to_owned(),
            addresses: vec![
                address("lo", "127.0.0.1"),
                address("eth0", "10.0.0.2"),
                address("eth0", "fe80::2"),
            ],
            without_ipv6: None,
            resolver: Resolver::default(),
        },
        evidence: Evidence {
            kernel: "6.18.0".to_owned(),
            privileges: Privileges { uid: 0, net_admin: true, net_raw: true },
            programs: Ok(tools.iter().map(version).collect()),
            chosen: None,
            without_lock: None,
            trials: Vec::new(),
            others: Some(Others::default()),
            name_servers: Ok(vec!["10.0.0.53".parse().unwrap(), "fd00::53".parse().unwrap()]),
            dns_listeners: Vec::new(),
            logs: true,
            has_firewalld: true,
            programs_of_ebpf: Some(Ok(())),
            mounts: ["cgroup2", "bpf"].map(|kind| Mount { kind: kind.to_owned(), path: "/x".into() }).into(),
        },
        tools,
        trial: |_| Trial::Loaded,
    }
}

fn judged(yaml: &str, change: impl FnOnce(&mut Host)) -> Vec<Finding> {
    let config = Layers::default().file("config.yaml", yaml).resolve().unwrap().config;
    let mut host = host();
    change(&mut host);
    if let (Ok(servers), true) = (&host.evidence.name_servers, !config.dns.capture_all) {
        host.facts.resolver.servers.clone_from(servers);
    }
    let case = Case::new(config, host.facts, host.tools).unwrap();
    let tried = case.attempts().into_iter().map(|attempt| ((host.trial)(&attempt), attempt));
    let trials = tried.map(|(trial, attempt)| (attempt, trial)).collect();
    findings(&case, &Evidence { trials, ..host.evidence })
}

/// What is not known to work, as `outcome subject`; that this version cannot install an option is another matter.
fn troubles(yaml: &str, change: impl FnOnce(&mut Host)) -> Vec<String> {
    let troubles = judged(yaml, change).into_iter();
    let troubles = troubles.filter(|finding| finding.outcome != Outcome::Works && finding.subject != "rules");
    troubles.map(|finding| format!("{} {}", finding.outcome, finding.subject)).collect()
}

const QUIET: &str = "redirect: { inbound: { excludePorts: [22] } }";
const DNS: &str = "redirect: { inbound: { excludePorts: [22] }, dns: { enabled: true } }";
const ALL_DNS: &str =
    "redirect: { inbound: { excludePorts: [22] }, dns: { enabled: true, captureAll: true } }";

fn save(host: &mut Host, flavour: Flavour, text: &str) {
    let others = host.evidence.others.as_mut().unwrap();
    others.tables.push((tool(flavour, IpFamily::V4), Ok(save::parse(text).unwrap())));
}

fn listener(host: &mut Host, uid: u32, name: Option<&str>, address: Option<&str>) {
    let address = address.map(|address| address.parse().unwrap());
    host.evidence.dns_listeners.push(DnsListener { uid, name: name.map(str::to_owned), address });
}

/// Which flavour was chosen, and what was seen; `None` for what may not be seen.
fn chosen(host: &mut Host, reason: Reason, is_doubtful: bool, seen: Option<Seen>) {
    let choice = Choice { flavour: Flavour::Nft, reason, is_doubtful };
    let seen = seen.ok_or("no root".to_owned()).map(|seen| [(Flavour::Nft, seen), (Flavour::Legacy, seen)]);
    host.evidence.chosen = Some(Chosen { choice, seen, passed_over: Vec::new() });
}

const RULES: Seen = Seen { usable: true, others: choice::Others { rules: true, docker: false }, ours: false };

const FOREIGN: &str = "*nat\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n:X -\n-A OUTPUT -d 1.2.3.4/32 -j X\n\
    -A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND\n-A OUTPUT -j LATER\nCOMMIT\n";
const FOREIGN_RAW: &str = "*raw\n:PREROUTING ACCEPT\n-A PREROUTING -j NOTRACK\nCOMMIT\n*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -j MARK\nCOMMIT\n";
const NATIVE: &str = r#"{"nftables":[{"chain":{"family":"inet","table":"t","name":"c","type":"nat","hook":"output","prio":-150}},
    {"chain":{"family":"inet","table":"t","name":"late","type":"nat","hook":"output","prio":0}}]}"#;

#[rstest]
#[case::all_is_well(QUIET, |_: &mut Host| (), &[])]
#[case::ssh_is_captured("", |_: &mut Host| (), &["warning ssh"])]
#[case::ssh_is_captured_without_addresses("", |host: &mut Host| host.facts.addresses.clear(), &["warning ssh"])]
#[case::ssh_goes_by_another_interface("redirect: { inbound: { excludeInterfaces: [eth+] } }", |_: &mut Host| (), &[])]
#[case::nothing_arriving_is_captured("redirect: { inbound: { enabled: false } }", |_: &mut Host| (), &[])]
#[case::no_user("", |host: &mut Host| host.facts.users = Users::default(), &["missing sidecar-user", "warning ssh"])]
#[case::unknown_user("kumaDPUser: ghost", |_: &mut Host| (), &["missing sidecar-user", "warning ssh"])]
#[case::unknown_uid("kumaDPUser: 77", |_: &mut Host| (), &["warning sidecar-user", "warning ssh"])]
#[case::an_ordinary_user(QUIET, |host: &mut Host| {
    host.evidence.privileges = Privileges { uid: 1000, net_admin: false, net_raw: false };
    host.evidence.others = None;
}, &["warning privileges", "unknown other-rules"])]
#[case::root_in_a_container(QUIET, |host: &mut Host| host.evidence.privileges.net_admin = false, &["missing privileges"])]
#[case::nft_needs_no_raw_sockets(QUIET, |host: &mut Host| host.evidence.privileges.net_raw = false, &[])]
#[case::legacy_needs_raw_sockets(QUIET, |host: &mut Host| {
    host.tools = vec![tool(Flavour::Legacy, IpFamily::V4)];
    host.evidence.privileges.net_raw = false;
}, &["missing privileges"])]
#[case::no_lock(QUIET, |host: &mut Host| host.evidence.without_lock = Some("/run: read-only".to_owned()), &["missing xtables-lock"])]
#[case::no_iptables(QUIET, |host: &mut Host| {
    host.tools.clear();
    host.evidence.programs = Err(Lack { evidence: "none".to_owned(), advice: "install".to_owned() });
}, &["missing programs"])]
#[case::a_program_that_does_not_start(QUIET, |host: &mut Host| {
    host.evidence.programs.as_mut().unwrap()[1].version = Err("cannot start".to_owned());
}, &["missing ipv6/programs"])]
#[case::a_clear_flavour(QUIET, |host: &mut Host| chosen(host, Reason::Others, false, Some(RULES)), &[])]
#[case::a_doubtful_flavour(QUIET, |host: &mut Host| chosen(host, Reason::Usual, true, Some(RULES)), &["warning flavour"])]
#[case::a_flavour_chosen_without_looking(QUIET, |host: &mut Host| chosen(host, Reason::Usual, false, None), &["unknown flavour"])]
#[case::a_flavour_without_another(QUIET, |host: &mut Host| chosen(host, Reason::Only, false, None), &[])]
#[case::a_flavour_that_was_asked_for(QUIET, |host: &mut Host| chosen(host, Reason::Asked, false, None), &[])]
#[case::a_flavour_that_was_passed_over(QUIET, |host: &mut Host| {
    chosen(host, Reason::Only, false, Some(RULES));
    host.evidence.chosen.as_mut().unwrap().passed_over.push("no kernel".to_owned());
}, &["warning flavour/passed-over"])]
#[case::comments_are_done_without(QUIET, |host: &mut Host| host.trial = |attempt| match attempt.subject.as_str() {
    "ipv4/comment" => Trial::Refused("no comment".to_owned()),
    _ => Trial::Loaded,
}, &["warning ipv4/comment"])]
#[case::no_ipv6(QUIET, |host: &mut Host| host.facts.without_ipv6 = Some("it is off".to_owned()), &["warning ipv6"])]
#[case::ipv4_is_enough("ipFamilyMode: ipv4\nredirect: { inbound: { enabled: false } }", |host: &mut Host| {
    host.facts.without_ipv6 = Some("it is off".to_owned());
}, &[])]
#[case::what_is_missing_is_named(QUIET, |host: &mut Host| host.trial = |attempt| match attempt.subject.as_str() {
    "ipv6/owner" => Trial::Refused("no owner".to_owned()),
    _ => Trial::Loaded,
}, &["missing ipv6/owner"])]
#[case::what_cannot_be_tried_is_unknown(QUIET, |host: &mut Host| host.trial = |attempt| match attempt.subject.as_str() {
    "ipv4/rules" => Trial::NotTried("no".to_owned()),
    _ => Trial::Loaded,
}, &["unknown ipv4/rules"])]
#[case::zones_that_are_missing_are_named(DNS, |host: &mut Host| host.trial = |attempt| match attempt.subject.as_str() {
    "ipv4/dns-zones" => Trial::Refused("no CT".to_owned()),
    _ => Trial::Loaded,
}, &["missing ipv4/dns-zones"])]
#[case::logs_are_discarded("redirect: { inbound: { enabled: false } }\nlog: { enabled: true }", |host: &mut Host| {
    host.evidence.logs = false;
}, &["warning kernel-log"])]
#[case::no_firewalld("redirect: { inbound: { enabled: false } }\nstoreFirewalld: true", |host: &mut Host| {
    host.evidence.has_firewalld = false;
}, &["missing firewalld"])]
#[case::no_resolv_conf(DNS, |host: &mut Host| host.evidence.name_servers = Err("gone".to_owned()), &[
    "missing name-servers",
])]
#[case::no_name_server_of_a_family(DNS, |host: &mut Host| {
    host.evidence.name_servers = Ok(vec!["10.0.0.53".parse().unwrap()]);
}, &["warning name-servers"])]
#[case::a_local_name_server(DNS, |host: &mut Host| {
    host.evidence.name_servers = Ok(vec!["127.0.0.11".parse().unwrap(), "fd00::53".parse().unwrap()]);
}, &["warning local-name-server"])]
#[case::a_local_name_server_matters_only_for_dns(QUIET, |host: &mut Host| {
    host.evidence.name_servers = Ok(vec!["127.0.0.53".parse().unwrap()]);
}, &[])]
#[case::a_local_name_server_under_capture_of_all(ALL_DNS, |host: &mut Host| {
    host.evidence.name_servers = Ok(vec!["::1".parse().unwrap()]);
}, &["warning local-name-server"])]
#[case::an_unreadable_file_that_is_not_needed(ALL_DNS, |host: &mut Host| {
    host.evidence.name_servers = Err("gone".to_owned());
}, &["unknown local-name-server"])]
#[case::resolved_listens(ALL_DNS, |host: &mut Host| listener(host, 101, None, Some("127.0.0.53:53")), &[
    "warning systemd-resolved",
])]
#[case::resolved_may_run(ALL_DNS, |host: &mut Host| listener(host, 101, Some("systemd-resolve"), None), &[
    "warning systemd-resolved",
])]
#[case::another_resolver(ALL_DNS, |host: &mut Host| listener(host, 102, Some("unbound"), Some("0.0.0.0:53")), &[
    "warning local-resolver/102",
])]
#[case::the_sidecar_is_no_loop(ALL_DNS, |host: &mut Host| listener(host, 5678, Some("kuma-dp"), Some("127.0.0.1:53")), &[])]
#[case::resolved_is_no_loop_where_servers_are_named(DNS, |host: &mut Host| {
    listener(host, 101, None, Some("127.0.0.53:53"));
}, &[])]
#[case::rules_before_ours(QUIET, |host: &mut Host| save(host, Flavour::Nft, FOREIGN), &[
    "warning other-rules/iptables-nft/ipv4/nat/OUTPUT",
])]
#[case::rules_of_the_other_flavour(QUIET, |host: &mut Host| save(host, Flavour::Legacy, FOREIGN), &[
    "warning other-rules/iptables-legacy/ipv4/nat/OUTPUT",
])]
#[case::tables_that_are_not_ours(QUIET, |host: &mut Host| save(host, Flavour::Nft, FOREIGN_RAW), &[])]
#[case::tables_of_dns(DNS, |host: &mut Host| save(host, Flavour::Nft, FOREIGN_RAW), &[
    "warning other-rules/iptables-nft/ipv4/raw/PREROUTING",
])]
#[case::rules_that_cannot_be_read(QUIET, |host: &mut Host| {
    let unreadable = (tool(Flavour::Nft, IpFamily::V4), Err("incompatible".to_owned()));
    host.evidence.others.as_mut().unwrap().tables.push(unreadable);
}, &["unknown other-rules/iptables-nft/ipv4"])]
#[case::native_chains(QUIET, |host: &mut Host| host.evidence.others.as_mut().unwrap().chains = Some(Ok(NATIVE.to_owned())), &[
    "warning other-rules/nftables/inet/t/c",
])]
#[case::chains_that_cannot_be_read(QUIET, |host: &mut Host| {
    host.evidence.others.as_mut().unwrap().chains = Some(Ok("?".to_owned()));
}, &["unknown other-rules/nftables"])]
#[case::ebpf("backend: ebpf\nredirect: { inbound: { enabled: false } }", |_: &mut Host| (), &[])]
#[case::ebpf_that_the_kernel_refuses("backend: ebpf\nredirect: { inbound: { enabled: false } }", |host: &mut Host| {
    host.evidence.programs_of_ebpf = Some(Err("refused".to_owned()));
}, &["missing ebpf/kernel"])]
#[case::ebpf_without_root("backend: ebpf\nredirect: { inbound: { enabled: false } }", |host: &mut Host| {
    host.evidence.programs_of_ebpf = None;
}, &["unknown ebpf/kernel"])]
#[case::ebpf_that_is_asked_for_too_much(
    "backend: ebpf\ndropInvalidPackets: true\nredirect: { inbound: { enabled: false } }",
    |_: &mut Host| (),
    &["missing ebpf/options"]
)]
#[case::ebpf_without_mounts("backend: ebpf\nredirect: { inbound: { enabled: false } }", |host: &mut Host| {
    host.evidence.mounts.clear();
}, &["missing ebpf/cgroup2"])]
fn a_host_has_these_troubles(#[case] yaml: &str, #[case] change: fn(&mut Host), #[case] expected: &[&str]) {
    assert_eq!(troubles(yaml, change), expected, "{:#?}", judged(yaml, change));
}

#[test]
fn what_was_seen_of_each_flavour_is_told() {
    let found = judged(QUIET, |host: &mut Host| {
        let docker = choice::Others { rules: true, docker: true };
        chosen(host, Reason::Usual, true, Some(Seen { usable: true, others: docker, ours: true }));
        if let Some(Chosen { seen: Ok(seen), .. }) = &mut host.evidence.chosen {
            seen[1].1 = Seen::default();
        }
    });
    let flavour = found.iter().find(|finding| finding.subject == "flavour").unwrap();
    assert!(flavour.evidence.starts_with("iptables-nft is used: "), "{flavour:?}");
    let seen =
        "(nft: rules of Docker's name server and an earlier installation, legacy: no programs that work)";
    assert!(flavour.evidence.ends_with(seen), "{flavour:?}");
    assert!(flavour.advice.as_ref().unwrap().contains("--backend"), "{flavour:?}");
}

#[test]
fn an_exclusion_ends_the_loop_of_a_local_resolver() {
    let excluded = "redirect: { inbound: { excludePorts: [22] }, dns: { enabled: true, captureAll: true }, \
                    outbound: { excludePortsForUIDs: ['udp:53:101'] } }";
    let with_resolved: fn(&mut Host) = |host: &mut Host| listener(host, 101, None, Some("127.0.0.53:53"));
    assert_eq!(troubles(excluded, with_resolved), [] as [&str; 0]);
    let looping = judged(ALL_DNS, with_resolved);
    let warning = looping.iter().find(|finding| finding.subject == "systemd-resolved").unwrap();
    let advice = warning.advice.as_ref().unwrap();
    assert!(advice.contains("--exclude-outbound-ports-for-uids udp:53:101"), "{warning:?}");
}

#[rstest]
#[case::where_it_listens(101, "127.0.0.53:53", "'udp:53:101'", &[])]
#[case::everywhere(101, "0.0.0.0:53", "'101'", &[])]
#[case::everywhere_in_both_families(101, "[::]:53", "'101'", &[])]
#[case::somewhere_else(101, "127.0.0.11:53", "'udp:53:101'", &["warning local-name-server"])]
#[case::another_user(101, "127.0.0.53:53", "'udp:53:7'", &["warning local-name-server", "warning systemd-resolved"])]
fn a_local_name_server_is_no_trouble_where_its_user_is_excluded(
    #[case] uid: u32,
    #[case] address: &'static str,
    #[case] excluded: &str,
    #[case] expected: &[&str],
) {
    let yaml = format!(
        "redirect: {{ inbound: {{ excludePorts: [22] }}, dns: {{ enabled: true, captureAll: true }}, \
         outbound: {{ excludePortsForUIDs: [{excluded}] }} }}"
    );
    let change = |host: &mut Host| {
        host.evidence.name_servers = Ok(vec!["127.0.0.53".parse().unwrap()]);
        listener(host, uid, None, Some(address));
    };
    assert_eq!(troubles(&yaml, change), expected);
}

#[test]
fn a_failure_is_told_in_the_words_of_the_program_with_a_way_out() {
    let found = judged(QUIET, |host: &mut Host| {
        host.trial = |_| Trial::Refused("Couldn't load match `owner'".to_owned());
    });
    let owner = found.iter().find(|finding| finding.subject == "ipv4/owner").unwrap();
    assert!(owner.evidence.ends_with("-j RETURN`: Couldn't load match `owner'"), "{owner:?}");
    assert!(owner.advice.as_ref().unwrap().contains("--backend iptables-legacy"), "{owner:?}");
}

#[test]
fn rules_of_others_are_named_as_far_as_they_stand_before_ours() {
    let found = judged(QUIET, |host: &mut Host| save(host, Flavour::Nft, FOREIGN));
    let warning = found.iter().find(|finding| finding.subject.starts_with("other-rules")).unwrap();
    assert!(
        warning.evidence.ends_with("met before ours in nat OUTPUT of iptables-nft: `-d 1.2.3.4/32 -j X`"),
        "{warning:?}"
    );
    let inserted =
        "redirect: { inbound: { excludePorts: [22] }, outbound: { insertRedirectInsteadOfAppend: true } }";
    assert_eq!(troubles(inserted, |host: &mut Host| save(host, Flavour::Nft, FOREIGN)), [] as [&str; 0]);
}

#[test]
fn every_trouble_that_can_be_mended_comes_with_advice() {
    let found = judged("redirect: { dns: { enabled: true } }", |host: &mut Host| {
        host.trial = |_| Trial::Refused("no".to_owned());
        host.facts.users = Users::default();
        host.evidence.name_servers = Ok(resolv_conf::parse("nameserver 127.0.0.1").servers);
    });
    let troubles = found.iter().filter(|finding| finding.outcome != Outcome::Works);
    assert!(
        troubles.clone().count() > 8 && troubles.clone().all(|finding| finding.advice.is_some()),
        "{found:#?}"
    );
}

#[rstest]
#[case(QUIET)]
#[case(ALL_DNS)]
#[case("storeFirewalld: true")]
fn an_option_that_would_be_refused_is_missing(#[case] yaml: &str) {
    let config = Layers::default().file("config.yaml", yaml).resolve().unwrap().config;
    let Host { facts, tools, .. } = host();
    let refused = Case::new(config, facts, tools).unwrap().unsupported().map(|refused| refused.to_string());
    let found = judged(yaml, |_| ()).into_iter().find(|finding| finding.subject == "rules");
    assert_eq!(
        found.map(|finding| (finding.outcome, finding.evidence)),
        refused.map(|why| (Outcome::Missing, why))
    );
}
