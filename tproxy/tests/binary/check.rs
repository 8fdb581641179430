//! `tproxy check`: it sees what is missing and what stands in the way, and leaves no trace.

use super::pod::{APP, Pod};
use netsim::node::{Exit, Finished, Identity, Program};
use serde::Deserialize;

/// Every feature that a configuration can need of iptables.
const ALL: &str = "--redirect-dns --exclude-inbound-ports 22 --exclude-outbound-ports 22,8000-8999 --drop-invalid-packets \
    --iptables-logs --exclude-outbound-gids 7 --exclude-outbound-ports-for-uids udp:53:1001 \
    --exclude-outbound-interfaces eth1 --vnet docker0:10.1.0.0/16";
const FLAVOURS: [&str; 2] = ["iptables-nft", "iptables-legacy"];
const SERVERS: &str = "nameserver 10.77.0.3\nnameserver fd77::3\n";

/// A pod with name servers elsewhere.
fn pod() -> Option<Pod> {
    let pod = Pod::start()?;
    pod.node().write_file("/etc/resolv.conf", SERVERS).unwrap();
    Some(pod)
}

fn check(pod: &Pod, flags: &str) -> Report {
    check_as(Identity::ROOT, pod, flags)
}

fn check_as(identity: Identity, pod: &Pod, flags: &str) -> Report {
    let program = pod.tproxy_program(&format!("check --json {flags}")).identity(identity);
    Report::of(program.run(pod.node()).unwrap())
}

/// What `--json` prints.
#[derive(Deserialize)]
struct Report {
    result: String,
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    subject: String,
    outcome: String,
    evidence: String,
    advice: Option<String>,
}

impl Report {
    /// What a run printed, with the exit code that belongs to it.
    fn of(finished: Finished) -> Self {
        let report: Self = serde_json::from_str(&finished.stdout_text()).unwrap();
        let (result, code) = if report.are("missing").is_empty() { ("ready", 0) } else { ("missing", 1) };
        assert_eq!((report.result.as_str(), &finished.exit), (result, &Exit::Code(code)), "{finished}");
        report
    }

    /// The subjects that are so.
    fn are(&self, outcome: &str) -> Vec<&str> {
        let such = self.findings.iter().filter(|finding| finding.outcome == outcome);
        such.map(|finding| finding.subject.as_str()).collect()
    }

    /// What is missing but for `rules`: that this version cannot install an option is another matter.
    fn missing(&self) -> Vec<&str> {
        self.are("missing").into_iter().filter(|subject| *subject != "rules").collect()
    }

    /// Evidence and advice of a subject, as one text; nothing where it is not there.
    fn words(&self, subject: &str) -> String {
        let found = self.findings.iter().filter(|finding| finding.subject == subject);
        found.map(|Finding { evidence, advice, .. }| format!("{evidence} → {advice:?}\n")).collect()
    }
}

#[test]
fn everything_works_here_for_root() {
    for flavour in FLAVOURS {
        let Some(pod) = pod() else { return };
        let report = check(&pod, &format!("--backend {flavour} {ALL}"));
        assert_eq!(report.missing(), [] as [&str; 0], "{flavour}");
        assert_eq!(report.are("unknown"), [] as [&str; 0], "{flavour}");
        let works = report.are("works");
        for feature in [
            "redirect",
            "owner",
            "owner-group",
            "ports",
            "several-ports",
            "udp",
            "dns-zones",
            "interfaces",
            "comment",
            "drop-invalid",
            "log",
        ] {
            assert!(
                works.contains(&format!("ipv4/{feature}").as_str()),
                "{flavour}: {feature} is not in {works:?}"
            );
        }
    }
}

#[test]
fn everything_works_here_for_an_ordinary_user_as_far_as_it_can_be_seen() {
    for flavour in FLAVOURS {
        let Some(pod) = pod() else { return };
        let report = check_as(APP, &pod, &format!("--backend {flavour} {ALL}"));
        assert_eq!(report.missing(), [] as [&str; 0], "{flavour}");
        let works = report.are("works");
        assert!(
            works.contains(&"ipv4/dns-zones") && works.contains(&"ipv6/redirect"),
            "{flavour}: {works:?}"
        );
        assert!(report.words("other-rules").contains("without root"), "{flavour}");
        assert!(report.words("privileges").contains("runs as uid 1000"), "{flavour}");
    }
}

#[test]
fn the_rules_themselves_are_tried_where_their_users_are_known() {
    for flavour in FLAVOURS {
        let Some(pod) = pod() else { return };
        let report = check(&pod, &format!("--backend {flavour}"));
        assert!(report.words("ipv4/rules").contains("loads all"), "{}", report.words("ipv4/rules"));
        let blind = check_as(APP, &pod, &format!("--backend {flavour}"));
        assert!(blind.are("unknown").contains(&"ipv4/rules"), "{}", blind.words("ipv4/rules"));
    }
}

#[test]
fn checking_leaves_no_trace() {
    for flavour in FLAVOURS {
        let Some(pod) = pod() else { return };
        let looks = "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names; nft list ruleset; ip address | sed s,.tentative,,; \
                     find /run /tmp -not -path '/run/netsim*' | sort";
        let before = pod.sh(looks);
        for identity in [Identity::ROOT, APP] {
            check_as(identity, &pod, &format!("--backend {flavour} {ALL}"));
        }
        assert_eq!(pod.sh(looks), before);
    }
}

#[test]
fn checking_leaves_an_installation_and_the_rules_of_others_as_they_are() {
    let Some(pod) = pod() else { return };
    pod.sh("for f in nft legacy; do iptables-$f -t nat -A OUTPUT -d 192.0.2.1 -j RETURN; done");
    pod.done("install");
    let before = pod.state();
    for flavour in FLAVOURS {
        check(&pod, &format!("--backend {flavour} {ALL}"));
        check_as(APP, &pod, &format!("--backend {flavour} {ALL}"));
    }
    assert_eq!(pod.state(), before);
}

#[test]
fn the_lock_of_iptables_is_left_alone() {
    let Some(pod) = pod() else { return };
    // Whoever held it would make a legacy iptables-restore wait without end.
    let holder = Program::new("flock").args(["/run/xtables.lock", "sh", "-c", "echo held; sleep 600"]);
    let _holder = holder.spawn(pod.node(), "held").unwrap();
    let report = check(&pod, "--backend iptables-legacy");
    assert!(report.are("works").contains(&"ipv4/redirect"), "{:?}", report.are("works"));
}

#[test]
fn what_programs_refuse_is_missing_in_their_own_words() {
    let Some(pod) = pod() else { return };
    let script = "#!/bin/sh\n[ \"$1\" = --version ] && exec iptables-nft-restore --version\n\
                  grep -q owner && { echo 'cannot load match owner' >&2; exit 1; }; exit 0\n";
    pod.node().write_file("/run/restore", script).unwrap();
    pod.sh("chmod +x /run/restore");
    let programs = "--iptables-executables iptables:/usr/sbin/iptables-nft,\
                    iptables-save:/usr/sbin/iptables-nft-save,iptables-restore:/run/restore";
    for identity in [Identity::ROOT, APP] {
        let report = check_as(identity, &pod, programs);
        assert!(report.are("missing").contains(&"ipv4/owner"), "{:?}", report.are("missing"));
        assert!(report.are("works").contains(&"ipv4/redirect"), "{:?}", report.are("works"));
        assert!(
            report.words("ipv4/owner").contains("cannot load match owner"),
            "{}",
            report.words("ipv4/owner")
        );
    }
}

#[test]
fn where_nothing_can_be_tried_that_is_said_and_not_held_against_the_host() {
    let Some(pod) = pod() else { return };
    // The limit is that of the new user namespace alone.
    let script = "echo 0 >/proc/sys/user/max_net_namespaces && exec tproxy check --json";
    let confined = Program::new("unshare").args(["--map-root-user", "sh", "-c", script]);
    let report = Report::of(confined.run(pod.node()).unwrap());
    assert!(report.are("unknown").contains(&"ipv4/redirect"), "{:?}", report.are("unknown"));
    let words = report.words("ipv4/redirect");
    assert!(words.contains("no namespaces can be made here"), "{words}");
}

#[test]
fn a_host_without_iptables_and_without_the_user_hears_of_both_at_once() {
    let Some(pod) = pod() else { return };
    pod.sh("mkdir /run/empty; for d in /usr/sbin /sbin /usr/local/sbin; do mount --bind /run/empty $d; done");
    let report = check(&pod, "--kuma-dp-user ghost --redirect-dns");
    assert_eq!(report.are("missing"), ["sidecar-user", "programs"]);
    assert!(report.words("programs").contains("install the package iptables"));
    assert!(report.words("sidecar-user").contains("user `ghost` does not exist"));
}

#[test]
fn an_unreadable_resolv_conf_is_a_finding_among_others() {
    let Some(pod) = pod() else { return };
    pod.node().write_file("/run/c.yaml", "redirect: { dns: { resolvConfigPath: /run/gone } }").unwrap();
    let report = check(&pod, "--redirect-dns --config /run/c.yaml");
    assert_eq!(report.missing(), ["name-servers"]);
    assert!(report.words("name-servers").contains("/run/gone"), "{}", report.words("name-servers"));
    assert!(report.are("works").contains(&"ipv4/redirect"));
}

#[test]
fn ssh_is_warned_of_until_port_22_is_excluded() {
    let Some(pod) = pod() else { return };
    let warned = check(&pod, "").words("ssh");
    assert!(warned.contains("10.77.0.2:22") && warned.contains("--exclude-inbound-ports 22"), "{warned}");
    assert_eq!(check(&pod, "--exclude-inbound-ports 22").are("warning"), [] as [&str; 0]);
}

#[test]
fn rules_of_others_that_come_first_are_named() {
    let Some(pod) = pod() else { return };
    pod.sh("iptables-nft -t nat -A OUTPUT -d 192.0.2.1 -j RETURN");
    pod.sh("iptables-legacy -t nat -A PREROUTING -d 192.0.2.2 -j RETURN");
    pod.sh("nft 'add table ip mine'; nft 'add chain ip mine first { type nat hook output priority -150; }'");
    pod.done("install");
    pod.sh("iptables-nft -t nat -A OUTPUT -d 192.0.2.3 -j RETURN");
    let report = check(&pod, "--exclude-inbound-ports 22");
    assert_eq!(
        report.are("warning"),
        [
            "flavour",
            "other-rules/iptables-nft/ipv4/nat/OUTPUT",
            "other-rules/iptables-legacy/ipv4/nat/PREROUTING",
            "other-rules/nftables/ip/mine/first",
        ]
    );
    let words = report.words("other-rules/iptables-nft/ipv4/nat/OUTPUT");
    assert!(words.contains("192.0.2.1") && !words.contains("192.0.2.3"), "{words}");
}

#[test]
fn a_resolver_on_this_host_is_warned_of_until_its_user_is_excluded() {
    let Some(pod) = pod() else { return };
    pod.node().write_file("/etc/resolv.conf", "nameserver 127.0.0.53\n").unwrap();
    let script = "import signal, socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
                  s.bind(('127.0.0.53', 53)); print('bound', flush=True); signal.pause()";
    let resolver = Program::new("python3").args(["-c", script]);
    let _resolver = resolver.spawn(pod.node(), "bound").unwrap();
    let flags = "--redirect-all-dns-traffic --exclude-inbound-ports 22";
    for identity in [Identity::ROOT, APP] {
        let report = check_as(identity, &pod, flags);
        let warned = report.words("systemd-resolved");
        assert!(warned.contains("127.0.0.53:53") && warned.contains("for-uids udp:53:0"), "{warned}");
        assert!(report.words("local-name-server").contains("/etc/resolv.conf names 127.0.0.53"));
    }
    let excluded = check(&pod, &format!("{flags} --exclude-outbound-ports-for-uids udp:53:0"));
    assert!(excluded.are("works").contains(&"systemd-resolved"), "{}", excluded.words("systemd-resolved"));
}

#[test]
fn what_ebpf_needs_and_a_missing_ipv6_are_told() {
    let Some(pod) = pod() else { return };
    let ebpf = check(&pod, "--backend ebpf");
    assert!(ebpf.are("works").contains(&"ebpf/cgroup2"), "{:?}", ebpf.are("works"));
    let refused = check(&pod, "--backend ebpf --iptables-logs");
    assert!(refused.are("missing").contains(&"ebpf/options"), "{:?}", refused.are("missing"));
    pod.node().set_sysctl("net/ipv6/conf/all/disable_ipv6", "1").unwrap();
    assert!(check(&pod, "").words("ipv6").contains("IPv6 is disabled"));
}

#[test]
fn people_read_a_table_and_quiet_leaves_out_what_works() {
    let Some(pod) = pod() else { return };
    let text = pod.done("check").stdout_text();
    assert!(text.starts_with("outcome  subject") && text.contains("\nworks    ipv4/redirect "), "{text}");
    assert!(text.lines().last().unwrap().contains("warning 1, missing 0, unknown 0"), "{text}");
    let quiet = pod.done("check --quiet").stdout_text();
    assert!(quiet.contains("\nwarning  ssh ") && !quiet.contains("works"), "{quiet}");
    assert_eq!(pod.done("check --quiet --exclude-inbound-ports 22").stdout_text(), "");
    let quiet = pod.done("check --quiet --json").stdout_text();
    assert!(quiet.contains("\"ssh\"") && !quiet.contains("works"), "{quiet}");
}

#[test]
fn a_bad_configuration_is_refused_as_everywhere() {
    let Some(pod) = pod() else { return };
    super::pod::assert_refused(&pod.tproxy("check --exclude-outbound-ports http"), "`http` is not a port");
}
