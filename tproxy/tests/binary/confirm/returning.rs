//! What comes back when nobody confirms: our part of the state before, as it was, and nothing of anybody else's.

use netsim::node::Exit;
use rstest::rstest;

use super::super::interruptions::rules;
use super::super::pod::Pod;
use super::{FOREIGN, ended_by_itself, guardian, install};

#[rstest]
fn nothing_is_there_again_when_nobody_confirms(#[values("iptables-nft", "iptables-legacy")] backend: &str) {
    let Some(pod) = Pod::start() else { return };
    let before = rules(&pod);
    let flags = format!("--backend {backend} --redirect-all-dns-traffic --drop-invalid-packets");
    let _shell = install(&pod, "1s", &flags);
    ended_by_itself(&pod);
    assert_eq!(rules(&pod), before);
    // The guardian leaves a word, and nothing else, until somebody tries to confirm.
    assert_eq!(pod.sh("ls /run/tproxy | sed 's/.*[.]//'"), "returned\n");
    let late = pod.tproxy("confirm");
    assert_eq!(late.exit, Exit::Code(1), "{late}");
    assert!(late.stderr_text().contains("error: too late to confirm"), "{late}");
    assert_eq!(
        pod.sh("ls /run/tproxy 2>&1; true").trim(),
        "ls: cannot access '/run/tproxy': No such file or directory"
    );
    let again = pod.tproxy("confirm");
    assert!(again.stderr_text().contains("error: nothing waits to be confirmed"), "{again}");
}

fn exact_rules(pod: &Pod) -> String {
    pod.sh("for f in nft legacy; do iptables-$f-save; ip6tables-$f-save; done | sed -e '/^#/d' -e '/^:/d'")
}

/// Flags of the older installation, and of the new one.
const CHANGES: [(&str, &str); 5] = [
    ("--redirect-all-dns-traffic", "--exclude-inbound-ports 22 --redirect-dns-port 15054"),
    ("", "--redirect-outbound-insert-instead-of-append --redirect-inbound-insert-instead-of-append"),
    ("--redirect-outbound-insert-instead-of-append", ""),
    ("--ip-family-mode ipv4 --disable-comments", "--redirect-all-dns-traffic --drop-invalid-packets"),
    ("--backend iptables-legacy", "--backend iptables-nft"),
];

#[test]
fn an_older_installation_comes_back_as_it_was() {
    for (older, newer) in CHANGES {
        let Some(pod) = Pod::start() else { return };
        pod.sh(FOREIGN);
        pod.done(&format!("install {older}"));
        pod.sh("iptables -t nat -A OUTPUT -p udp -m comment --comment three -j RETURN");
        let (before, said) = ((rules(&pod), exact_rules(&pod)), pod.tproxy("status").stdout_text());
        let _shell = install(&pod, "1s", newer);
        ended_by_itself(&pod);
        let what = format!("{older} after {newer}");
        assert_eq!(rules(&pod), before.0, "{what}");
        let rules_only = |text: &str| {
            let rules = text
                .lines()
                .filter(|line| line.starts_with("-A PREROUTING") || line.starts_with("-A OUTPUT"));
            rules.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(rules_only(&exact_rules(&pod)), rules_only(&before.1), "{what}");
        assert_eq!(without_counters(&pod.done("status").stdout_text()), without_counters(&said), "{what}");
        let again = pod.done(&format!("install {older}"));
        assert!(again.stdout_text().contains("nothing to change"), "{what}: {again}");
        let late = pod.tproxy("confirm");
        assert!(late.stderr_text().contains("error: too late to confirm"), "{what}: {late}");
    }
}

/// A status up to its table.
fn without_counters(status: &str) -> String {
    status.split("counters").next().unwrap().to_owned()
}

#[test]
fn rules_of_kuma_and_an_installation_without_a_journal_come_back() {
    for prepare in ["tproxy install --redirect-dns; rm -r /run/tproxy", KUMA] {
        let Some(pod) = Pod::start() else { return };
        pod.sh(prepare);
        let before = rules(&pod);
        let _shell = install(&pod, "1s", "--exclude-inbound-ports 22");
        assert_ne!(rules(&pod), before);
        ended_by_itself(&pod);
        assert_eq!(rules(&pod), before, "{prepare}");
    }
}

const KUMA: &str = "iptables-restore --noflush <<'END'
*nat
:KUMA_MESH_OUTBOUND - [0:0]
:KUMA_MESH_OUTBOUND_REDIRECT - [0:0]
-A OUTPUT -p tcp -m comment --comment \"kuma/mesh/transparent/proxy/outbound\" -j KUMA_MESH_OUTBOUND
-A KUMA_MESH_OUTBOUND -m owner ! --uid-owner 5678 -j KUMA_MESH_OUTBOUND_REDIRECT
-A KUMA_MESH_OUTBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
END";

#[test]
fn what_others_do_meanwhile_stays() {
    let Some(pod) = Pod::start() else { return };
    pod.sh(FOREIGN);
    pod.done("install");
    let _shell = install(&pod, "3s", "--exclude-outbound-ports 22 --redirect-dns");
    pod.sh("iptables -t nat -I OUTPUT -p udp -m comment --comment zero -j RETURN; \
         iptables -t nat -A OUTPUT -p udp -m comment --comment three -j RETURN; \
         iptables -t nat -D OUTPUT -p udp -m comment --comment two -j RETURN");
    assert_ne!(guardian(&pod), "", "it was too slow for this test");
    ended_by_itself(&pod);
    let output = pod.sh("iptables -t nat -S OUTPUT | sed 1d");
    let words = ["zero", "one", "KUMA_MESH_OUTBOUND", "three"];
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), words.len(), "{output}");
    assert!(lines.iter().zip(words).all(|(line, word)| line.contains(word)), "{output}");
    pod.done("uninstall");
    assert!(!pod.state().contains("KUMA"));
}

#[test]
fn what_is_stored_for_firewalld_comes_back() {
    const OTHERS: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<direct>\n  <rule ipv=\"ipv4\" table=\"nat\" \
                          chain=\"OUTPUT\" priority=\"0\">-p udp -j RETURN</rule>\n</direct>\n";
    let older = "--store-firewalld --exclude-inbound-ports 22";
    for (older, newer) in [
        ("--redirect-dns", "--store-firewalld"),
        (older, ""),
        (older, "--store-firewalld --exclude-inbound-ports 23"),
    ] {
        let Some(pod) = Pod::start() else { return };
        pod.node().write_file("/etc/firewalld/direct.xml", OTHERS).unwrap();
        pod.done(&format!("install {older}"));
        let stored = || pod.sh("cat /etc/firewalld/direct.xml");
        let before = (rules(&pod), stored());
        let _shell = install(&pod, "1s", newer);
        assert_ne!(stored(), before.1, "it was too slow for this test");
        ended_by_itself(&pod);
        assert_eq!((rules(&pod), stored()), before, "{older} after {newer}");
    }
}
