//! `--store-firewalld`: what is stored is what firewalld loads, the rest of its file stays, and all goes or nothing.

use netsim::node::{Exit, Finished};
use netsim::require;

use super::pod::{APP, Pod, assert_refused};

const FILE: &str = "/etc/firewalld/direct.xml";

/// What another program has there.
const OTHERS: &str = "<?xml version='1.0'?>\n<!-- KUMA_MESH_X -->\n<direct>\n\t<rule ipv='ipv4' table='nat' \
    chain='OUTPUT' priority='7'>-p udp -m comment --comment 'it &lt; -j KUMA_MESH_X' -j ACCEPT</rule>\n  \
    <passthrough ipv=\"ipv6\">-t nat -L</passthrough></direct>\n";

const CNI: &str = "KUMA_TRANSPARENT_PROXY_CNI_MODE=true";

fn pod() -> Option<Pod> {
    let pod = Pod::start()?;
    pod.sh("mkdir -p /etc/firewalld; rm -f /etc/firewalld/direct.xml*");
    Some(pod)
}

/// The same where firewalld's programs are: `firewall-offline-cmd` stands for all of its package.
fn pod_with_firewalld() -> Option<Pod> {
    require::program("firewall-offline-cmd").met_or_skip().then(pod).flatten()
}

/// Everything in firewalld's directory that is ours or could be: names, modes and owners, and the text.
fn stored(pod: &Pod) -> String {
    pod.sh("cd /etc/firewalld; stat -c '%n %F %a %u' direct.xml* .[!.]* 2>/dev/null; cat direct.xml 2>/dev/null; true")
}

/// The rules of both families, without counters.
fn rules(pod: &Pod) -> String {
    pod.sh("for i in iptables ip6tables; do $i-save | sed -e '/^#/d' -e 's/ \\[.*//'; done")
}

fn write(pod: &Pod, text: &[u8]) {
    pod.node().write_file(FILE, text).unwrap();
}

#[test]
fn d09_firewalld_loads_what_was_installed_of_both_families() {
    for flags in [
        "",
        "--redirect-all-dns-traffic --drop-invalid-packets --exclude-outbound-ports 22,1-9 --iptables-logs \
         --vnet eth0:10.0.0.0/8 --vnet eth0:fd00::/8 --exclude-outbound-ports-for-uids tcp:80:7 \
         --exclude-inbound-ips 10.0.0.0/8,fd00::/8",
        "--disable-comments --ip-family-mode ipv4",
    ] {
        let Some(pod) = pod_with_firewalld() else { return };
        pod.node().write_file("/run/load.py", include_bytes!("load.py")).unwrap();
        pod.done(&format!("install --store-firewalld {flags}"));
        let installed = rules(&pod);
        assert!(installed.contains("-A OUTPUT"), "{installed}");
        pod.sh("python3 /run/load.py");
        assert_eq!(rules(&pod), installed, "{flags}");
        // It did not pass over the file and leave the rules: without ours there are none.
        pod.sh("rm /etc/firewalld/direct.xml; python3 /run/load.py");
        assert!(!rules(&pod).contains("KUMA"), "{flags}");
    }
}

#[test]
fn a_jump_that_goes_first_is_loaded_before_the_rules_of_others_and_another_behind_them() {
    let Some(pod) = pod_with_firewalld() else { return };
    pod.node().write_file("/run/load.py", include_bytes!("load.py")).unwrap();
    write(&pod, OTHERS.as_bytes());
    pod.done("install --store-firewalld --redirect-all-dns-traffic");
    pod.sh("python3 /run/load.py");
    let output = pod.sh("iptables -t nat -S OUTPUT | sed -e 1d -e 's/.*-j //'");
    assert_eq!(output, "KUMA_MESH_DNS\nACCEPT\nKUMA_MESH_OUTBOUND\n");
}

#[test]
fn firewallds_own_tool_understands_the_file() {
    let Some(pod) = pod_with_firewalld() else { return };
    write(&pod, OTHERS.as_bytes());
    pod.done("install --store-firewalld --redirect-all-dns-traffic");
    pod.sh("firewall-offline-cmd --check-config");
    let listed = pod
        .sh("firewall-offline-cmd --direct --get-all-rules; firewall-offline-cmd --direct --get-all-chains");
    for ipv in ["ipv4", "ipv6"] {
        assert!(listed.contains(&format!("{ipv} nat KUMA_MESH_OUTBOUND\n")), "{listed}");
        let kept = rules(&pod);
        let kept = kept.lines().filter(|line| line.starts_with("-A")).count() / 2;
        let rules = listed.lines().filter(|line| line.starts_with(ipv) && line.contains(" -")).count();
        assert_eq!(rules, kept + usize::from(ipv == "ipv4"), "{listed}");
    }
    // The tool writes the file again, in its own way: still it holds what is wanted.
    pod.sh("firewall-offline-cmd --direct --add-rule ipv6 nat OUTPUT 9 -p udp -j ACCEPT");
    let again = pod.done("install --store-firewalld --redirect-all-dns-traffic");
    assert!(again.stdout_text().contains("nothing to change"), "{again}");
    pod.done("uninstall");
    assert_eq!(pod.sh(&format!("grep -c 'chain=.KUMA\\|>-p tcp' {FILE}; true")).trim(), "0");
    assert_eq!(pod.sh(&format!("grep -c '<rule' {FILE}")).trim(), "2");
}

#[test]
fn the_file_of_others_is_as_before_when_ours_are_gone() {
    let Some(pod) = pod() else { return };
    write(&pod, OTHERS.as_bytes());
    pod.sh(&format!("chmod 640 {FILE}; chown 1000 {FILE}"));
    let before = stored(&pod);
    let first = pod.done("install --store-firewalld");
    assert!(first.stdout_text().contains("# stored in /etc/firewalld/direct.xml, too"), "{first}");
    let once = stored(&pod);
    assert!(
        once.contains("chain=\"KUMA_MESH_OUTBOUND\" priority=\"0\"") && once.contains(" 640 1000\n"),
        "{once}"
    );
    let again = pod.done("install --store-firewalld");
    assert!(again.stdout_text().contains("nothing to change"), "{again}");
    assert_eq!(stored(&pod), once);
    pod.done("install --store-firewalld --exclude-outbound-ports 4321");
    let changed = stored(&pod);
    assert_eq!(
        (changed.matches("--dport 4321").count(), changed.matches("<chain").count()),
        (2, 8),
        "{changed}"
    );
    pod.done("uninstall");
    assert_eq!(stored(&pod), before);
    pod.done("install --store-firewalld");
    assert_eq!(stored(&pod), once);
    let without = pod.done("install");
    assert!(without.stdout_text().contains("# removed from /etc/firewalld/direct.xml"), "{without}");
    assert_eq!(stored(&pod), before);
}

#[test]
fn a_file_that_was_not_there_is_gone_again() {
    let Some(pod) = pod() else { return };
    let before = (pod.state(), stored(&pod));
    for journal in ["true", "rm -r /run/tproxy"] {
        pod.done("install --store-firewalld");
        assert!(stored(&pod).starts_with("direct.xml regular file 644 0\n<?xml"), "{}", stored(&pod));
        pod.sh(journal);
        pod.done("uninstall");
        assert_eq!(stored(&pod), before.1, "{journal}");
    }
    // Rules that somebody flushed are stored all the same.
    pod.done("install --store-firewalld");
    pod.sh("rm -r /run/tproxy; for i in iptables ip6tables; do $i -t nat -F; $i -t nat -X; done");
    pod.done("uninstall");
    assert_eq!(stored(&pod), before.1);
}

#[test]
fn what_is_no_direct_configuration_is_refused_before_anything_is_changed() {
    let Some(pod) = pod() else { return };
    let before = rules(&pod);
    for (script, words) in [
        (
            "rm -r /etc/firewalld",
            "error: --store-firewalld: there is no /etc/firewalld, in which rules would be stored",
        ),
        ("echo rules >$F", "error: --store-firewalld: /etc/firewalld/direct.xml is not XML that can be read"),
        (
            "printf '<direct>\\n <zone/></direct>' >$F",
            "error: --store-firewalld: /etc/firewalld/direct.xml:2:2: element `zone` is not known here",
        ),
        (
            "printf '<direct>\\377</direct>' >$F",
            "cannot read /etc/firewalld/direct.xml: it is not UTF-8 text",
        ),
        ("mkdir $F", "cannot read /etc/firewalld/direct.xml: it is not a regular file"),
        ("mkfifo $F", "cannot read /etc/firewalld/direct.xml: it is not a regular file"),
        ("ln -s /run/gone $F", "/etc/firewalld/direct.xml is a symbolic link that leads nowhere"),
    ] {
        pod.sh(&format!("mkdir -p /etc/firewalld; rm -rf {FILE}; F={FILE}; {script}"));
        let there = stored_or_not(&pod);
        assert_refused(&pod.tproxy("install --store-firewalld"), words);
        assert_eq!((rules(&pod), stored_or_not(&pod)), (before.clone(), there), "{script}");
        assert_eq!(pod.sh("ls /run/tproxy 2>/dev/null; true"), "", "{script}");
    }
    let config = "storeFirewalld: true\n";
    pod.node().write_file("/run/c.yaml", config).unwrap();
    let refused = pod.tproxy("install --config /run/c.yaml");
    assert!(refused.stderr_text().contains(" --> /run/c.yaml:1:17\n"), "{refused}");
}

fn stored_or_not(pod: &Pod) -> String {
    pod.sh("ls -la --time-style=+%s /etc/firewalld 2>&1 | grep direct; timeout 1 head -c 100 /etc/firewalld/direct.xml 2>&1 | od -c; true")
}

#[test]
fn who_stores_nothing_does_not_care_for_the_file_unless_ours_are_in_it() {
    let Some(pod) = pod() else { return };
    write(&pod, b"<direct");
    let before = stored(&pod);
    pod.done("install");
    pod.done("uninstall");
    assert_eq!(stored(&pod), before);
    pod.sh(&format!("{CNI} tproxy install"));
    write(&pod, b"<direct>\n<chain chain='KUMA_MESH_X'");
    for verb in ["install", "uninstall"] {
        let (rules_before, file) = (rules(&pod), stored(&pod));
        assert_refused(&pod.tproxy(verb), "/etc/firewalld/direct.xml is not XML that can be read");
        assert_eq!((rules(&pod), stored(&pod)), (rules_before, file), "{verb}");
    }
}

#[test]
fn what_another_namespace_stored_stays() {
    let Some(pod) = pod() else { return };
    pod.done("install --store-firewalld");
    let others = pod.sh(&format!("cat {FILE}"));
    pod.done("uninstall");
    pod.done("install");
    write(&pod, others.as_bytes());
    for verb in ["install --exclude-inbound-ports 9", "uninstall"] {
        let done = pod.done(verb);
        assert!(
            done.stderr_text().contains("were stored from another network namespace; they stay"),
            "{done}"
        );
        assert_eq!(pod.sh(&format!("cat {FILE}")), others);
    }
    // The pod of a CNI plugin shares the machine's file.
    let said = pod.sh(&format!("{CNI} tproxy install 2>&1"));
    assert_eq!((said.contains("firewalld"), pod.sh(&format!("cat {FILE}"))), (false, others));
}

#[test]
fn a_dry_run_prints_the_file_and_writes_nothing() {
    let Some(pod) = pod() else { return };
    write(&pod, OTHERS.as_bytes());
    let before = (pod.state(), stored(&pod));
    let seen = pod.done("install --dry-run --store-firewalld").stdout_text();
    let (rules, file) = seen.split_once("### /etc/firewalld/direct.xml ###\n\n").unwrap();
    assert!(
        rules.contains("### IPv4 ###") && file.starts_with("<?xml version='1.0'?>\n<!-- KUMA_MESH_X -->"),
        "{seen}"
    );
    assert!(file.contains("<rule ipv=\"ipv6\" table=\"nat\" chain=\"OUTPUT\" priority=\"3\">"), "{seen}");
    assert_eq!((pod.state(), stored(&pod)), before);
    let program = pod.tproxy_program("install --dry-run --store-firewalld").identity(APP);
    pod.sh("chmod 700 /etc/firewalld");
    let blind = program.run(pod.node()).unwrap();
    assert!(
        blind.success() && blind.stderr_text().contains("cannot read /etc/firewalld/direct.xml"),
        "{blind}"
    );
    assert!(blind.stdout_text().contains("<direct>\n  <chain ipv=\"ipv4\""), "{blind}");
    pod.sh("rm -r /etc/firewalld");
    let without = pod.done("install --dry-run --store-firewalld");
    assert!(
        without.stderr_text().contains("there is no /etc/firewalld; this is what a new file would be"),
        "{without}"
    );
    assert!(without.stdout_text().contains("<direct>\n  <chain ipv=\"ipv4\""), "{without}");
}

#[test]
fn a_symbolic_link_stays_and_the_file_behind_it_is_written() {
    let Some(pod) = pod() else { return };
    pod.sh(&format!(
        "mkdir /run/kept; printf '<direct/>' >/run/kept/direct.xml; ln -s /run/kept/direct.xml {FILE}"
    ));
    pod.done("install --store-firewalld");
    assert_eq!(pod.sh(&format!("readlink {FILE}; ls -A /run/kept")), "/run/kept/direct.xml\ndirect.xml\n");
    assert!(pod.sh("cat /run/kept/direct.xml").contains("KUMA_MESH_OUTBOUND"));
    pod.done("uninstall");
    assert_eq!(pod.sh("cat /run/kept/direct.xml"), "<direct>\n</direct>");
}

/// Installs with a restore program of IPv6 that does `script` instead.
fn install_with(pod: &Pod, script: &str) -> Finished {
    pod.sh(&format!(
        "mkdir -p /run/bin; readlink /proc/self/ns/net >/run/bin/here; cat >/run/bin/restore <<'END'\n#!/bin/sh\n\
         [ \"$1\" = --version ] && exec ip6tables-nft-restore --version\n\
         [ $(readlink /proc/self/ns/net) = $(cat /run/bin/here) ] || exec ip6tables-nft-restore \"$@\"\n{script}\nEND\nchmod +x /run/bin/restore"
    ));
    let programs = "ip6tables:/usr/sbin/ip6tables-nft,ip6tables-save:/usr/sbin/ip6tables-nft-save,\
                    ip6tables-restore:/run/bin/restore";
    let install = "install --store-firewalld --exclude-outbound-ports 4321 --max-retries 0";
    let finished = pod.tproxy(&format!("{install} --iptables-executables {programs}"));
    pod.sh("rm -r /run/bin");
    finished
}

#[test]
fn the_file_is_taken_back_when_the_rules_cannot_be_loaded() {
    for earlier in ["status; true", "install", "install --store-firewalld --exclude-inbound-ports 9"] {
        let Some(pod) = pod() else { return };
        write(&pod, OTHERS.as_bytes());
        pod.sh(&format!("tproxy {earlier}"));
        let (before, file) = (without_empty_chains(&rules(&pod)), stored(&pod));
        let failed = install_with(&pod, "echo no room left >&2; exit 4");
        assert_eq!(failed.exit, Exit::Code(1), "{failed}");
        assert!(failed.stderr_text().contains("everything was taken back"), "{failed}");
        assert_eq!((without_empty_chains(&rules(&pod)), stored(&pod)), (before, file), "{earlier}");
    }
}

/// Without the tables that netfilter makes on first use.
fn without_empty_chains(rules: &str) -> Vec<String> {
    let lines = rules.lines().filter(|line| line.starts_with("-A") || line.starts_with(":KUMA"));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_killed_run_is_healed_in_the_file_too() {
    for earlier in ["true", "tproxy install", "tproxy install --store-firewalld --exclude-inbound-ports 9"] {
        for journal in ["true", "rm -r /run/tproxy"] {
            let Some(pod) = pod() else { return };
            write(&pod, OTHERS.as_bytes());
            let before = stored(&pod);
            pod.sh(earlier);
            let killed = install_with(&pod, "kill -KILL $PPID; sleep 5");
            assert_eq!(killed.exit, Exit::Signal(9), "{killed}");
            assert!(stored(&pod).contains("--dport 4321"), "{earlier}");
            // A draft that the killed run may have left in the middle of writing.
            pod.sh(&format!("touch /etc/firewalld/.tproxy-draft-0123; {journal}"));
            pod.done("install --store-firewalld --exclude-outbound-ports 1234");
            let healed = stored(&pod);
            assert_eq!(
                (healed.matches("4321").count(), healed.matches("--dport 1234").count()),
                (0, 2),
                "{earlier}"
            );
            install_with(&pod, "kill -KILL $PPID; sleep 5");
            pod.sh(journal);
            pod.done("uninstall");
            assert_eq!(stored(&pod), before, "{earlier}, {journal}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_written_stops_everything_before_a_rule_changes() {
    let Some(pod) = pod() else { return };
    pod.done("install");
    write(&pod, OTHERS.as_bytes());
    pod.sh("mount --bind /etc/firewalld /etc/firewalld; mount -o remount,bind,ro /etc/firewalld");
    let before = (rules(&pod), stored(&pod));
    let failed = pod.tproxy("install --store-firewalld --exclude-outbound-ports 9");
    assert_eq!(failed.exit, Exit::Code(1), "{failed}");
    let said = failed.stderr_text();
    assert!(said.contains("cannot write /etc/firewalld/direct.xml: Read-only file system"), "{said}");
    assert_eq!((rules(&pod), stored(&pod)), before);
}

#[test]
fn a_file_that_somebody_deleted_is_missed_and_written_again() {
    let Some(pod) = pod() else { return };
    pod.done("install --store-firewalld");
    pod.done("status");
    let before = stored(&pod);
    for damage in [format!("rm {FILE}"), format!("echo '<direct/>' >{FILE}"), format!("ln -sf /none {FILE}")]
    {
        pod.sh(&damage);
        let status = pod.tproxy("status");
        assert_eq!(status.exit, Exit::Code(4), "{status}");
        let line = "damage         what was stored for firewalld is not there any more\n";
        assert!(status.stdout_text().contains(line), "{status}");
        pod.sh(&format!("rm -f {FILE}"));
        pod.done("install --store-firewalld");
        pod.done("status");
        assert_eq!(stored(&pod), before, "{damage}");
    }
}
