//! Rules of other programs, as kube-proxy, Docker, firewalld and Cilium write them and with our names where no rule of
//! ours has them, stay as they are, whatever is installed and removed beside them and whatever happens meanwhile.

use netsim::node::{Exit, Finished};

use super::pod::Pod;

/// In each table, with counters that the kernel's own packets leave alone, marks, quotes, escapes, and policies that are not ACCEPT.
const OTHERS: &str = r#"
*raw
:CILIUM_OUTPUT_raw - [0:0]
:CILIUM_PRE_raw - [0:0]
[7:420] -A PREROUTING -p udp -m comment --comment "cilium-feeder: CILIUM_PRE_raw" -j CILIUM_PRE_raw
[3:180] -A OUTPUT -p tcp -m comment --comment "cilium-feeder: CILIUM_OUTPUT_raw, not KUMA_MESH_ZONES" -j CILIUM_OUTPUT_raw
[2:99] -A CILIUM_OUTPUT_raw -p udp -m udp --dport 8472 -m mark --mark 0xa00/0xfffffeff -m comment --comment "it's \"quoted\" \\ and escaped" -j CT --notrack
-A CILIUM_PRE_raw -m mark --mark 0x200/0xf00 -m comment --comment "cilium: NOTRACK for proxy traffic" -j CT --notrack
COMMIT
*mangle
:FORWARD DROP [4:240]
:KUBE-KUBELET-CANARY - [0:0]
:PRE_public - [0:0]
:PRE_public_allow - [0:0]
[9:540] -A PREROUTING -p tcp -j PRE_public
-A PRE_public -j PRE_public_allow
-A POSTROUTING -p udp -m udp --dport 68 -j MARK --set-xmark 0x1/0xffffffff
COMMIT
*nat
:DOCKER - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SEP-ABCDEFGHIJKLMNOP - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-ABCDEFGHIJKLMNOP - [0:0]
:NOT_KUMA_MESH_OUTBOUND - [0:0]
:PRE_public - [0:0]
[11:660] -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -m comment --comment "see kuma/mesh/transparent/proxy/inbound" -g PRE_public
[5:300] -A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -p udp -m comment --comment "-j KUMA_MESH_OUTBOUND" -j NOT_KUMA_MESH_OUTBOUND
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A DOCKER -p tcp -m tcp --dport 8080 -j RETURN
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-SERVICES -p tcp -m comment --comment "default/web:http cluster IP (KUMA_MESH_INBOUND)" -m tcp --dport 80 -j KUBE-SVC-ABCDEFGHIJKLMNOP
-A KUBE-SVC-ABCDEFGHIJKLMNOP -m comment --comment "default/web:http -> there" -j KUBE-SEP-ABCDEFGHIJKLMNOP
-A KUBE-SEP-ABCDEFGHIJKLMNOP -p tcp -m tcp -j MARK --set-xmark 0x4000/0x4000
COMMIT
*filter
:INPUT DROP [1:40]
:DOCKER-USER - [0:0]
:KUMA_MESHED - [0:0]
[8:480] -A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -j RETURN
-A KUMA_MESHED -m comment --comment kuma/mesh/transparent/prox -j RETURN
COMMIT
"#;

/// Ways to install, one after the other.
const WAYS: [&str; 4] = [
    "",
    "--redirect-all-dns-traffic --drop-invalid-packets --iptables-logs --vnet br+:10.8.0.0/16 --vnet br+:fd08::/64",
    "--disable-comments --redirect-inbound-insert-instead-of-append --redirect-outbound-insert-instead-of-append",
    "--ip-family-mode ipv4 --exclude-outbound-ips 10.0.0.0/8 --exclude-outbound-ports-for-uids tcp:80:7",
];

fn load_others(pod: &Pod, flavour: &str) {
    pod.node().write_file("/run/others", OTHERS).unwrap();
    for base in ["iptables", "ip6tables"] {
        pod.sh(&format!("{base}-{flavour}-restore --counters --noflush </run/others"));
    }
}

/// All that a pod has: rules, policies and counters, addresses, routes, kernel settings, files.
fn everything(pod: &Pod) -> String {
    let rest = pod.sh("cat /proc/net/route /proc/net/ipv6_route | cut -f1-9 | sed 's/ [0-9a-f]* [0-9a-f]* [0-9a-f]* [0-9a-f]* *[^ ]*$//'; \
         find /proc/sys/net -type f -perm -400 -not -name nf_conntrack_count -not -name stat_refresh | sort | xargs grep -H . 2>/dev/null; \
         find /etc -type f -newer /run/others; true");
    format!("{}{rest}", pod.state())
}

#[test]
fn d14_whatever_is_installed_and_removed_nothing_is_flushed_and_no_file_stays() {
    for flavour in ["nft", "legacy"] {
        let Some(pod) = Pod::start() else { return };
        load_others(&pod, flavour);
        // Tables that are made on first use do not count, so that they are made before.
        pod.done("install --redirect-all-dns-traffic --drop-invalid-packets");
        pod.done("uninstall");
        let before = everything(&pod);
        for way in WAYS {
            pod.done(&format!("install --backend iptables-{flavour} {way}"));
            let with_ours = everything(&pod);
            let lost: Vec<&str> =
                before.lines().filter(|line| is_a_rule(line) && !with_ours.contains(line)).collect();
            assert_eq!(lost, [""; 0], "{way}");
        }
        pod.done("uninstall");
        assert_eq!(everything(&pod), before, "{flavour}");
    }
}

fn is_a_rule(line: &str) -> bool {
    line.starts_with(':') || (line.starts_with('[') && line.contains("] -A "))
}

/// Installs with restore programs before which `script` runs each time: another program is faster. Tries in other
/// namespaces are let through.
fn install_while(pod: &Pod, flavour: &str, script: &str, flags: &str) -> Finished {
    let mut programs = Vec::new();
    for base in ["iptables", "ip6tables"] {
        let real = format!("/usr/sbin/{base}-{flavour}");
        pod.sh(&format!(
            "mkdir -p /run/bin; readlink /proc/self/ns/net >/run/bin/here; cat >/run/bin/{base} <<'END'\n#!/bin/sh\n[ \"$1\" = --version ] && exec {real}-restore --version\n\
             [ $(readlink /proc/self/ns/net) = $(cat /run/bin/here) ] || exec {real}-restore \"$@\"\n\
             it={base}-{flavour}\n{script}\nexec {real}-restore \"$@\"\nEND\nchmod +x /run/bin/{base}"
        ));
        programs.push(format!("{base}:{real},{base}-save:{real}-save,{base}-restore:/run/bin/{base}"));
    }
    pod.tproxy(&format!("install --iptables-executables {} {flags}", programs.join(",")))
}

/// What another program does between our look at the rules and our change, once, and what must be true then. The
/// other family may be loaded at that time, so that it waits for the lock.
const MEANWHILE: [(&str, &str); 4] = [
    (
        "$it --wait 30 -t nat -I OUTPUT -p udplite -j RETURN",
        "$it-save | grep -q -- '-A OUTPUT -p udplite -j RETURN'",
    ),
    (
        "$it --wait 30 -t nat -A OUTPUT -p icmp -j RETURN",
        "$it-save | grep -q -- '-A OUTPUT -p icmp -j RETURN'",
    ),
    (
        "$it --wait 30 -t nat -F PREROUTING; $it --wait 30 -t nat -F OUTPUT",
        "! $it-save -t nat | grep -q kubernetes.service",
    ),
    (
        "$it --wait 30 -t nat -N LATER; $it --wait 30 -t nat -I PREROUTING -j LATER",
        "$it-save | grep -q -- '-A PREROUTING -j LATER'",
    ),
];

#[test]
fn what_others_do_between_our_look_and_our_change_is_neither_lost_nor_in_the_way() {
    for flavour in ["nft", "legacy"] {
        for (script, holds) in MEANWHILE {
            let Some(pod) = Pod::start() else { return };
            load_others(&pod, flavour);
            pod.done(&format!("install --backend iptables-{flavour} --exclude-outbound-ports 1"));
            // Behind our jumps there are more, so that a place is named where ours are exchanged.
            pod.sh(&format!(
                "for i in iptables ip6tables; do $i-{flavour} -t nat -A OUTPUT -p sctp -j RETURN; done"
            ));
            let once = format!("if ! [ -e /run/once-$it ]; then mkdir -p /run/once-$it; {script}; fi");
            let done = install_while(
                &pod,
                flavour,
                &once,
                "--exclude-outbound-ports 2 --sleep-between-retries 10ms",
            );
            assert!(done.success(), "{script}: {done}");
            for base in ["iptables", "ip6tables"] {
                pod.sh(&format!("it={base}-{flavour}; {holds}"));
                let jumps =
                    pod.sh(&format!("{base}-{flavour}-save -t nat | grep -c -- '-j KUMA_MESH_OUTBOUND$'"));
                assert_eq!(jumps.trim(), "1", "{script}");
            }
            // A rule that came before ours while nobody looked is told, and the next install goes before it.
            pod.done(&format!("install --backend iptables-{flavour} --exclude-outbound-ports 2"));
            assert_eq!(pod.tproxy("status").exit, Exit::Code(0), "{script}");
        }
    }
}

/// Names that iptables takes and prints as they are, so that no program can load what it has saved.
const ODD_NAMES: &str = r#"
for i in iptables ip6tables; do
    i=$i-FLAVOUR
    $i -t nat -N 'a"b'
    $i -t nat -N '"q'
    $i -t nat -A OUTPUT -o 'we"ird' -j RETURN
    $i -t nat -A OUTPUT ! -o '"x' -p tcp -j '"q'
    $i -t nat -A PREROUTING -i 'a b' -p tcp -m comment --comment 'it"s' -j 'a"b' 2>/dev/null
    $i -t nat -A PREROUTING -i "$(printf 'a\nb')" -p udp -j RETURN
    $i -t nat -A 'a"b' -i "$(printf 'a\nb')"
    $i -t raw -A OUTPUT -o 'k"' -m string --string 'a"b c' --algo bm -j ACCEPT
done"#;

#[test]
fn names_that_no_program_can_read_back_are_in_nobodys_way() {
    for flavour in ["nft", "legacy"] {
        let Some(pod) = Pod::start() else { return };
        pod.sh(&ODD_NAMES.replace("FLAVOUR", flavour));
        pod.done(&format!(
            "install --backend iptables-{flavour} --redirect-all-dns-traffic --drop-invalid-packets"
        ));
        pod.done("uninstall");
        let before = pod.state();
        for way in WAYS {
            pod.done(&format!("install --backend iptables-{flavour} {way}"));
            pod.done("status");
            let status: serde_json::Value =
                serde_json::from_str(&pod.done("status --json").stdout_text()).unwrap();
            assert!(!status.get("counters").unwrap().as_array().unwrap().is_empty(), "{status}");
        }
        pod.done("uninstall");
        assert_eq!(pod.state(), before, "{flavour}");
    }
}
