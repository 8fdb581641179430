//! Installing twice equals installing once, uninstalling is exact, failures are rolled back, and damage heals.

use super::pod::{APP, Pod};
use netsim::node::{Exit, Program};

/// Rules of other programs that mention our names in every way but the one that makes a rule ours.
const FOREIGN: &str = r#"
for f in nft legacy; do for i in iptables ip6tables; do $i-$f-restore --noflush <<'END'
*nat
:KUBE-SERVICES - [0:0]
:NOT_KUMA_MESH_X - [0:0]
-A OUTPUT -p udp -m comment --comment "mentions KUMA_MESH_OUTBOUND" -j KUBE-SERVICES
-A OUTPUT -p udp -m comment --comment "it's \"-j KUMA_MESH_INBOUND\" \\ quoted" -j NOT_KUMA_MESH_X
-A PREROUTING -p udp -m comment --comment "not kuma/mesh/transparent/proxy/" -j RETURN
COMMIT
*filter
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
COMMIT
END
done; done"#;

const LEGACY: &str = "install --iptables-executables iptables:/usr/sbin/iptables-legacy,\
    iptables-save:/usr/sbin/iptables-legacy-save,iptables-restore:/usr/sbin/iptables-legacy-restore";

#[test]
fn installing_twice_equals_installing_once() {
    for install in ["install", LEGACY] {
        let Some(pod) = Pod::start() else { return };
        pod.done(install);
        let once = pod.state();
        let again = pod.done(install);
        assert_eq!(pod.state(), once);
        assert!(again.stdout_text().contains("nothing to change"), "{again}");
    }
}

#[test]
fn d19_foreign_rules_stay_byte_for_byte_through_install_reinstall_and_uninstall() {
    for install in ["install", LEGACY] {
        let Some(pod) = Pod::start() else { return };
        pod.sh(FOREIGN);
        let before = pod.state();
        pod.done(install);
        assert_ne!(pod.state(), before);
        pod.done(&format!("{install} --exclude-outbound-ports 22 --redirect-inbound=false"));
        pod.done("uninstall");
        assert_eq!(pod.state(), before);
    }
}

#[test]
fn a_changed_installation_keeps_its_place_among_foreign_rules() {
    let Some(pod) = Pod::start() else { return };
    pod.sh("iptables-nft -t nat -A OUTPUT -d 192.0.2.1 -j RETURN");
    pod.done("install");
    pod.sh("iptables-nft -t nat -A OUTPUT -d 192.0.2.2 -j RETURN");
    pod.done("install --exclude-outbound-ports 22");
    let output = pod.sh("iptables-nft -t nat -S OUTPUT | sed 1d");
    let places: Vec<bool> = output.lines().map(|line| line.contains("KUMA_MESH_OUTBOUND")).collect();
    assert_eq!(places, [false, true, false], "{output}");
}

#[test]
fn d17_changing_the_flavour_leaves_no_rule_of_the_other() {
    let Some(pod) = Pod::start() else { return };
    let before = pod.state();
    pod.done("install");
    pod.done(LEGACY);
    assert_eq!(pod.sh("iptables-nft-save | grep -c KUMA; true").trim(), "0");
    pod.done("install --backend iptables-nft");
    assert_eq!(pod.sh("iptables-legacy-save | grep -c KUMA; true").trim(), "0");
    pod.done("uninstall");
    assert_eq!(nothing_of_ours(&pod.state()), nothing_of_ours(&before));
}

/// The state without the empty built-in tables that netfilter makes on first use.
fn nothing_of_ours(state: &str) -> String {
    let empty = |line: &&str| !line.starts_with('*') && !line.starts_with(':') && *line != "COMMIT";
    state.lines().filter(empty).collect::<Vec<_>>().join("\n")
}

#[test]
fn d11_the_passthrough_address_is_removed_with_and_without_the_journal_and_stays_when_it_is_not_ours() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    assert!(pod.has_passthrough());
    pod.done("uninstall");
    assert!(!pod.has_passthrough());
    pod.done("install");
    pod.sh("rm -r /run/tproxy");
    pod.done("install --exclude-inbound-ports 22");
    pod.done("uninstall");
    assert!(!pod.has_passthrough());
    netsim::link::add_address(pod.node(), "lo", "::6/128".parse().unwrap()).unwrap();
    pod.done("install");
    pod.done("uninstall");
    assert!(pod.has_passthrough());
}

/// Adds ::6 to loopback as a program does that marks it with this protocol (IFA_PROTO), or with none.
fn add_passthrough(pod: &Pod, protocol: u8) {
    pod.sh(&format!(
        "python3 -c \"
import socket, struct
def attribute(kind, value): return struct.pack('=HH', 4 + len(value), kind) + value + bytes(-len(value) % 4)
address = bytes(15) + bytes([6])
body = struct.pack('=BBBBI', 10, 128, 2, 0, socket.if_nametoindex('lo'))
body += attribute(2, address) + attribute(1, address) + attribute(11, bytes([{protocol}]))
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
s.send(struct.pack('=IHHII', 16 + len(body), 20, 0x605, 1, 0) + body)
assert struct.unpack('=i', s.recv(100)[16:20]) == (0,)
\""
    ));
}

/// Deletes ::6, whosever it is.
fn delete_passthrough(pod: &Pod) {
    pod.sh("ip -6 addr del ::6/128 dev lo");
}

const STAYS: &str = "# ::6 on lo stays: nothing says that tproxy added it";

#[test]
fn the_passthrough_address_itself_says_that_it_is_ours() {
    let Some(pod) = Pod::start() else { return };
    for left in ["", "iptables-nft -t nat -F; ip6tables-nft -t nat -F"] {
        pod.done("install --disable-comments");
        pod.sh(&format!("rm -r /run/tproxy; {left}"));
        let said = pod.done("uninstall");
        assert!(!pod.has_passthrough() && !said.stdout_text().contains(STAYS), "{left}: {said}");
    }
}

#[test]
fn a_jump_says_that_the_passthrough_address_is_ours_where_the_kernel_does_not() {
    let Some(pod) = Pod::start() else { return };
    for (flags, is_ours) in [("", true), ("--disable-comments", false)] {
        pod.done(&format!("install {flags}"));
        pod.sh("rm -r /run/tproxy");
        delete_passthrough(&pod);
        add_passthrough(&pod, 0);
        let said = pod.done("uninstall");
        assert_eq!(
            (pod.has_passthrough(), said.stdout_text().contains(STAYS)),
            (!is_ours, !is_ours),
            "{said}"
        );
    }
}

#[test]
fn another_programs_passthrough_address_stays_whatever_the_journal_says() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    delete_passthrough(&pod);
    add_passthrough(&pod, 99);
    let said = pod.done("uninstall");
    assert!(pod.has_passthrough() && said.stdout_text().contains(STAYS), "{said}");
}

#[test]
fn the_passthrough_address_can_be_bound_when_install_returns() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    let listed = pod.sh("grep '^00000000000000000000000000000006 ' /proc/thread-self/net/if_inet6");
    let flags = u32::from_str_radix(listed.split_whitespace().nth(4).unwrap(), 16).unwrap();
    // IFA_F_NODAD, and not IFA_F_TENTATIVE (if_addr.h).
    assert_eq!((flags & 0x02, flags & 0x40), (0x02, 0), "{listed}");
}

#[test]
fn a_table_that_iptables_cannot_show_stops_everything_before_a_change() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    pod.sh("nft add rule ip nat OUTPUT ct state new counter");
    let before = pod.sh("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'");
    for verb in ["install --exclude-outbound-ports 22", "uninstall"] {
        let refused = pod.tproxy(verb);
        assert_eq!(refused.exit, Exit::Code(1), "{refused}");
        assert!(refused.stderr_text().contains("nat' is incompatible"), "{refused}");
        assert_eq!(pod.sh("nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'"), before);
    }
    assert!(pod.has_passthrough());
}

#[test]
fn a_newline_in_anybodys_comment_is_no_obstacle() {
    let Some(pod) = Pod::start() else { return };
    pod.sh("iptables-nft -t nat -A OUTPUT -p udp -m comment --comment \"$(printf 'two\\nlines')\" -j RETURN");
    let before = pod.state();
    pod.done("install");
    pod.done("uninstall");
    assert_eq!(nothing_of_ours(&pod.state()), nothing_of_ours(&before));
}

#[test]
fn output_that_nobody_reads_does_not_keep_tproxy_from_its_work() {
    let Some(pod) = Pod::start() else { return };
    let installed = || pod.sh("iptables-nft-save | grep -c 'j KUMA_MESH_OUTBOUND$'; true").trim() == "1";
    for output in ["| true", ">/dev/full"] {
        pod.sh(&format!("tproxy install --verbose {output}; true"));
        assert!(installed(), "install {output}");
        pod.sh(&format!("tproxy uninstall --verbose {output}; true"));
        assert!(!installed(), "uninstall {output}");
    }
    assert_eq!(pod.sh("tproxy install >/dev/full; echo $?").trim(), "0");
}

#[test]
fn programs_that_are_gone_do_not_keep_uninstall_from_its_work() {
    let Some(pod) = Pod::start() else { return };
    pod.sh("mkdir /run/opt; for p in iptables iptables-save iptables-restore; do \
         ln -s /usr/sbin/iptables-nft${p#iptables} /run/opt/$p; done");
    let programs = "iptables:/run/opt/iptables,iptables-save:/run/opt/iptables-save,\
                    iptables-restore:/run/opt/iptables-restore";
    pod.done(&format!("install --iptables-executables {programs}"));
    pod.sh("rm -r /run/opt");
    pod.done("uninstall");
    assert!(!pod.state().contains("KUMA"));
}

#[test]
fn uninstall_refuses_when_a_family_that_was_installed_cannot_be_read() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    pod.sh("mkdir /run/sbin; for p in '' -save -restore; do \
         cp /usr/sbin/xtables-nft-multi /run/sbin/iptables-nft$p; done; mount --bind /run/sbin /usr/sbin");
    let before = pod.sh("iptables-nft-save | grep -v '^#'");
    let refused = pod.tproxy("uninstall");
    assert_eq!(refused.exit, Exit::Code(2), "{refused}");
    assert!(refused.stderr_text().contains("IPv6"), "{refused}");
    assert_eq!(pod.sh("iptables-nft-save | grep -v '^#'"), before);
}

#[test]
fn d16_a_failing_ip6tables_restore_takes_everything_back() {
    let Some(pod) = Pod::start() else { return };
    pod.sh(
        "mkdir /run/bin; printf '#!/bin/sh\\n[ \"$1\" = --version ] && exec ip6tables-nft-restore --version\\n\
         echo no room left >&2; exit 4\\n' >/run/bin/ip6tables-restore; chmod +x /run/bin/ip6tables-restore",
    );
    let programs = "ip6tables:/usr/sbin/ip6tables-nft,ip6tables-save:/usr/sbin/ip6tables-nft-save,\
                    ip6tables-restore:/run/bin/ip6tables-restore";
    let before = nothing_of_ours(&pod.state());
    let failed = pod.tproxy(&format!("install --max-retries 0 --iptables-executables {programs}"));
    assert_eq!(failed.exit, Exit::Code(1), "{failed}");
    let said = failed.stderr_text();
    assert!(said.contains("no room left") && said.contains("everything was taken back"), "{said}");
    assert_eq!(nothing_of_ours(&pod.state()), before);
}

#[test]
fn damage_is_healed_by_installing_again() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    let whole = pod.sh("iptables-nft-save | grep -v '^#'");
    for damage in [
        "iptables-nft -t nat -F KUMA_MESH_OUTBOUND",
        "iptables-nft -t nat -F OUTPUT",
        "iptables-nft -t nat -A KUMA_MESH_INBOUND -j RETURN",
        "iptables-nft -t nat -F; iptables-nft -t nat -X",
        "iptables-nft-save | iptables-nft-restore --noflush",
        "rm -r /run/tproxy; ip6tables-nft -t nat -F",
    ] {
        pod.sh(damage);
        pod.done("install");
        assert_eq!(pod.sh("iptables-nft-save | grep -v '^#'"), whole, "after {damage}");
    }
}

#[test]
fn a_record_of_work_in_progress_is_completed_when_the_work_turns_out_done() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    pod.sh("sed -i 's/\"phase\": \"installed\"/\"phase\": \"applying\"/' /run/tproxy/*.json");
    assert!(pod.sh("cat /run/tproxy/*.json").contains("\"phase\": \"applying\""));
    pod.done("install");
    assert!(pod.sh("cat /run/tproxy/*.json").contains("\"phase\": \"installed\""));
}

#[test]
fn a_dry_uninstall_needs_no_root_and_changes_nothing() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    let before = pod.state();
    let seen = pod.done("uninstall --dry-run").stdout_text();
    assert!(seen.contains("-X KUMA_MESH_OUTBOUND") && seen.contains("# remove address ::6/128"), "{seen}");
    let blind = pod.tproxy_program("uninstall --dry-run").identity(APP).run(pod.node()).unwrap();
    assert!(blind.success() && blind.stderr_text().contains("without root"), "{blind}");
    assert_eq!(pod.state(), before);
}

#[test]
fn kumas_own_installation_is_replaced_and_removed() {
    let Some(pod) = Pod::start() else { return };
    let kuma = "iptables-nft-restore --noflush <<'END'
* nat
-N KUMA_MESH_INBOUND
-N KUMA_MESH_OUTBOUND
-N KUMA_MESH_INBOUND_REDIRECT
-N KUMA_MESH_OUTBOUND_REDIRECT
-A PREROUTING -m comment --comment \"kuma/mesh/transparent/proxy/in\" -p tcp -j KUMA_MESH_INBOUND
-I OUTPUT 1 -m comment --comment \"kuma/mesh/transparent/proxy/dns\" -p udp --dport 53 -j REDIRECT --to-ports 15053
-A OUTPUT -m comment --comment \"kuma/mesh/transparent/proxy/out\" -p tcp -j KUMA_MESH_OUTBOUND
-A KUMA_MESH_OUTBOUND -m comment --comment \"kuma/mesh/transparent/proxy/all\" -j KUMA_MESH_OUTBOUND_REDIRECT
COMMIT
END";
    let empty = pod.state();
    pod.sh(kuma);
    pod.done("uninstall");
    assert_eq!(nothing_of_ours(&pod.state()), nothing_of_ours(&empty));
    pod.done("install");
    let fresh = pod.sh("iptables-nft-save | grep -v '^#'");
    pod.done("uninstall");
    pod.sh(kuma);
    pod.done("install");
    assert_eq!(pod.sh("iptables-nft-save | grep -v '^#'"), fresh);
}

#[test]
fn d32_eight_installs_at_once_all_succeed_and_leave_one_installation() {
    let Some(pod) = Pod::start() else { return };
    let running: Vec<_> = (0..8)
        .map(|number| {
            let install = format!("install --exclude-outbound-ports {}", 9000 + number % 2);
            pod.tproxy_program(&install).start(pod.node()).unwrap()
        })
        .collect();
    for install in running {
        let finished = install.finish(std::time::Duration::from_secs(30)).unwrap();
        assert!(finished.success(), "{finished}");
    }
    let jumps = pod.sh("iptables-nft-save | grep -c -e '-j KUMA_MESH_OUTBOUND$'");
    assert_eq!(jumps.trim(), "1");
    let excluded = pod.sh("iptables-nft-save | grep -c -e '--dport 900'");
    assert_eq!(excluded.trim(), "1");
}

#[test]
fn installs_uninstalls_and_statuses_at_once_all_succeed_and_leave_one_state() {
    for flavour in ["nft", "legacy"] {
        let Some(pod) = Pod::start() else { return };
        let empty = nothing_of_ours(&pod.state());
        let verbs = (0..24).map(|number| match number % 3 {
            0 => {
                format!("install --backend iptables-{flavour} --exclude-outbound-ports {}", 9000 + number % 2)
            }
            1 => "uninstall".to_owned(),
            _ => "status".to_owned(),
        });
        let running: Vec<_> =
            verbs.map(|verb| (verb.clone(), pod.tproxy_program(&verb).start(pod.node()).unwrap())).collect();
        for (verb, running) in running {
            let finished = running.finish(std::time::Duration::from_secs(60)).unwrap();
            // Nobody has damaged anything: a status sees an installation, or none.
            let allowed: &[i32] = if verb == "status" { &[0, 3] } else { &[0] };
            assert!(allowed.iter().any(|code| finished.exit == Exit::Code(*code)), "{finished}");
        }
        match pod.tproxy("status").exit {
            Exit::Code(3) => assert_eq!(nothing_of_ours(&pod.state()), empty),
            status => assert_eq!(status, Exit::Code(0)),
        }
    }
}

#[test]
fn ipv6_that_is_disabled_later_is_no_damage_once_it_was_installed_again() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    pod.node().set_sysctl("net/ipv6/conf/all/disable_ipv6", "1").unwrap();
    assert_eq!(pod.tproxy("status").exit, Exit::Code(4));
    pod.done("install");
    pod.done("status");
    assert!(pod.done("install").stdout_text().contains("nothing to change"));
    pod.done("status");
}

#[test]
fn chains_of_others_in_tables_that_are_not_ours_stay_whatever_they_are_called() {
    for flavour in ["nft", "legacy"] {
        let Some(pod) = Pod::start() else { return };
        pod.sh(&format!(
            "i=iptables-{flavour}; $i -N KUMA_MESH_GATE; $i -A KUMA_MESH_GATE -s 10.0.0.0/8 -j ACCEPT; \
             $i -A INPUT -p tcp --dport 1 -j KUMA_MESH_GATE"
        ));
        let before = pod.sh(&format!("iptables-{flavour}-save -t filter | grep GATE"));
        assert_eq!(pod.tproxy("status").exit, Exit::Code(3));
        for verb in ["install", "uninstall"] {
            pod.done(verb);
            assert_eq!(pod.sh(&format!("iptables-{flavour}-save -t filter | grep GATE")), before, "{verb}");
        }
    }
}

#[test]
fn without_ipv6_only_ipv4_is_captured_and_that_is_said() {
    let Some(pod) = Pod::start() else { return };
    pod.node().set_sysctl("net/ipv6/conf/all/disable_ipv6", "1").unwrap();
    let finished = pod.done("install");
    assert!(finished.stderr_text().contains("only IPv4 is captured: IPv6 is disabled"), "{finished}");
    assert_eq!(pod.sh("ip6tables-nft-save | grep -c KUMA; true").trim(), "0");
    pod.done("uninstall");
    assert_eq!(pod.sh("iptables-nft-save | grep -c KUMA; true").trim(), "0");
}

#[test]
fn going_to_ipv4_mode_removes_what_was_installed_for_ipv6() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    pod.done("install --ip-family-mode ipv4");
    assert_eq!(pod.sh("ip6tables-nft-save | grep -c KUMA; true").trim(), "0");
    assert!(!pod.has_passthrough());
}

#[test]
fn a_dry_run_needs_no_root_and_changes_nothing() {
    let Some(pod) = Pod::start() else { return };
    let before = pod.state();
    let finished = pod.tproxy_program("install --dry-run").identity(APP).run(pod.node()).unwrap();
    assert!(finished.success(), "{finished}");
    let printed = finished.stdout_text();
    assert!(
        printed.starts_with("### IPv4 ###\n\n*nat\n") && printed.contains("\n\n### IPv6 ###\n\n*nat\n"),
        "{printed}"
    );
    let as_root = pod.done("install --dry-run").stdout_text();
    assert_eq!(as_root, printed);
    assert_eq!(pod.state(), before);
}

#[test]
fn what_a_dry_run_prints_is_what_is_loaded() {
    let Some(pod) = Pod::start() else { return };
    for verbose in ["", " --verbose"] {
        let printed = pod.done(&format!("install --dry-run --ip-family-mode ipv4{verbose}")).stdout_text();
        let text = printed.lines().skip(2).collect::<Vec<_>>().join("\n") + "\n";
        let loaded =
            Program::new("iptables-nft-restore").arg("--noflush").stdin(text).run(pod.node()).unwrap();
        assert!(loaded.success(), "{loaded}");
        let again = pod.done("install --ip-family-mode ipv4");
        assert!(again.stdout_text().contains("nothing to change"), "{again}");
        pod.done("uninstall");
    }
}

#[test]
fn a_journal_that_cannot_be_written_is_said_and_done_without() {
    let Some(pod) = Pod::start() else { return };
    pod.sh("touch /run/tproxy");
    let finished = pod.done("install");
    assert!(finished.stderr_text().contains("journal"), "{finished}");
    pod.done("uninstall");
    assert!(!pod.state().contains("KUMA") && !pod.has_passthrough());
}

#[test]
fn a_copy_of_resolv_conf_from_old_times_is_left_alone_and_told() {
    let Some(pod) = Pod::start() else { return };
    let resolver = pod.sh("cat /etc/resolv.conf");
    pod.node().write_file("/etc/resolv.conf.kuma-backup", "nameserver 192.0.2.1\n").unwrap();
    let said = pod.done("uninstall").stderr_text();
    assert!(said.contains("/etc/resolv.conf.kuma-backup"), "{said}");
    assert_eq!(pod.sh("cat /etc/resolv.conf"), resolver);
}

#[test]
fn networks_that_part_at_every_bit_can_be_excluded() {
    // nf_tables refuses rules whose way leads through more than 16 chains.
    let end = u128::from_be_bytes([0xfd; 16]);
    let teeth = (1..=118_u32).map(|length| {
        let bits = (end ^ (1 << (128 - length))) >> (128 - length) << (128 - length);
        format!("{}/{length}", std::net::Ipv6Addr::from_bits(bits))
    });
    let at_the_end =
        (0..400).map(|number| std::net::Ipv6Addr::from_bits((end & !1023) | (number * 2)).to_string());
    let networks = teeth.chain(at_the_end).collect::<Vec<_>>().join(",");
    for flags in ["", "--backend iptables-legacy"] {
        let Some(pod) = Pod::start() else { return };
        pod.done(&format!("install {flags} --redirect-all-dns-traffic --exclude-outbound-ips {networks}"));
        pod.done("status");
        pod.done("uninstall");
        assert!(!pod.state().contains("KUMA"));
    }
}
