//! The eBPF backend's promises: all or nothing, exactly undone, found without any record, and in
//! the place of rules.

use netsim::node::{Exit, Identity, Program};
use netsim::require::{self, Requirement};
use rstest::rstest;
use tproxy::backend::BackendId;

use super::pod::{APP, Pod, assert_refused};
use super::traffic::{BOTH, assert_captured, sidecar};

const INSTALL: &str = "install --backend ebpf --redirect-all-dns-traffic --exclude-outbound-ports 22 --exclude-outbound-ips 198.51.100.0/24";

/// A pod where these programs can be loaded.
fn pod() -> Option<Pod> {
    require::backend(BackendId::Ebpf).met_or_skip().then(Pod::start).flatten()
}

/// What is pinned, and whether ::6 is there.
fn pins(pod: &Pod) -> String {
    let found = pod.sh("find /sys/fs/bpf /run/kuma -mindepth 1 2>/dev/null | sort || true");
    format!("{found}{}", pod.has_passthrough())
}

fn status(pod: &Pod) -> Exit {
    pod.tproxy("status").exit
}

/// Steps of an installation at which it is killed, with whether it is healed by installing or by uninstalling, and with
/// the journal or without it.
#[rstest]
fn an_install_that_is_killed_at_any_step_is_healed(
    #[values("", "install --backend ebpf --redirect-outbound-port 16001")] prepare: &str,
    #[values(true, false)] by_install: bool,
) {
    let Some(pod) = pod() else { return };
    let nothing = pins(&pod);
    pod.done(INSTALL);
    let wanted = pins(&pod);
    pod.done("uninstall");
    let steps = [
        "journal-begun",
        "programs-attached",
        "entries-written",
        "maps-exchanged",
        "namespace-attached",
        "journal-ended",
    ];
    for (number, step) in steps.iter().enumerate() {
        if !prepare.is_empty() {
            pod.done(prepare);
        }
        let killed = pod.tproxy_program(INSTALL).env("TPROXY_FAULT_POINT", *step).run(pod.node()).unwrap();
        assert_eq!(killed.exit, Exit::Signal(9), "at {step}: {killed}");
        if number % 2 == 0 {
            pod.sh("rm -rf /run/tproxy");
        }
        if by_install {
            pod.done(INSTALL);
            assert_eq!((pins(&pod), status(&pod)), (wanted.clone(), Exit::Code(0)), "{prepare}: {step}");
        }
        pod.done("uninstall");
        assert_eq!((pins(&pod), status(&pod)), (nothing.clone(), Exit::Code(3)), "{prepare}: {step}");
    }
}

#[test]
fn an_uninstall_that_is_killed_is_completed_by_the_next() {
    let Some(pod) = pod() else { return };
    let nothing = pins(&pod);
    for step in ["namespace-forgotten", "settled", "journal-ended"] {
        pod.done(INSTALL);
        let killed = pod.tproxy_program("uninstall").env("TPROXY_FAULT_POINT", step).run(pod.node()).unwrap();
        assert_eq!(killed.exit, Exit::Signal(9), "at {step}: {killed}");
        pod.done("uninstall");
        assert_eq!((pins(&pod), status(&pod)), (nothing.clone(), Exit::Code(3)), "{step}");
    }
}

#[test]
fn a_sidecar_that_listened_before_is_found() {
    let Some(pod) = pod() else { return };
    let _sidecar = sidecar(&pod);
    pod.done(INSTALL);
    assert_captured(&pod, &BOTH);
    pod.done("uninstall");
}

/// Listens as programs in Go do since 1.24; says that the kernel cannot.
const SEVERAL_PATHS: &str = "
import socket
try:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
except OSError:
    print('the kernel has no MPTCP', flush=True)
    raise SystemExit
listener.bind(('', 15001))
listener.listen()
print('listens', flush=True)
while True:
    connection, _ = listener.accept()
    name = connection.getsockopt(0, 80, 16)
    port = int.from_bytes(name[2:4], 'big')
    connection.sendall(f'{socket.inet_ntoa(name[4:8])} {port}'.encode())
    connection.close()
";

#[test]
fn a_sidecar_of_several_paths_that_listened_before_is_refused_and_a_later_one_is_found() {
    let Some(pod) = pod() else { return };
    let start = || {
        let sidecar = Program::new("python3").args(["-c", SEVERAL_PATHS]).identity(Identity::new(5678, 5678));
        sidecar.spawn(pod.node(), "t").unwrap()
    };
    let earlier = start();
    if earlier.stdout().contains("no MPTCP") {
        assert!(!Requirement::Skip(earlier.stdout().trim().to_owned()).met_or_skip());
        return;
    }
    let refused = pod.tproxy(INSTALL);
    assert_eq!(refused.exit, Exit::Code(1), "{refused}");
    for words in ["port 15001", "(MPTCP)", "start the sidecar after", "everything was taken back"] {
        assert!(refused.stderr_text().contains(words), "{refused}");
    }
    assert_eq!(status(&pod), Exit::Code(3));
    drop(earlier);
    pod.done(INSTALL);
    let _later = start();
    assert_captured(&pod, &["192.0.2.1"]);
    pod.done("uninstall");
}

#[test]
fn without_the_journal_an_installation_is_seen_and_removed() {
    let Some(pod) = pod() else { return };
    let nothing = pins(&pod);
    pod.done(INSTALL);
    pod.sh("rm -rf /run/tproxy");
    assert_eq!(status(&pod), Exit::Code(0));
    pod.done("uninstall");
    assert_eq!(pins(&pod), nothing);
}

#[rstest]
#[case::a_program("rm /sys/fs/bpf/tproxy-*/links-*/connect4", "connect4 is not attached")]
#[case::the_program_of_the_namespace("rm /sys/fs/bpf/tproxy-*/netns-*", "sk_lookup is not attached")]
fn what_is_missing_is_told_and_mended(#[case] damage: &str, #[case] words: &str) {
    let Some(pod) = pod() else { return };
    let _sidecar = sidecar(&pod);
    pod.done(INSTALL);
    pod.sh(damage);
    let told = pod.tproxy("status");
    assert_eq!(told.exit, Exit::Code(4), "{told}");
    assert!(told.stdout_text().contains(words), "{told}");
    pod.done(INSTALL);
    assert_eq!(status(&pod), Exit::Code(0));
    assert_captured(&pod, &BOTH);
    pod.done("uninstall");
}

#[rstest]
fn either_backend_takes_the_place_of_the_other(#[values("iptables-nft", "iptables-legacy")] flavour: &str) {
    let Some(pod) = pod() else { return };
    let nothing = pins(&pod);
    let _sidecar = sidecar(&pod);
    pod.done(&format!("install --backend {flavour} --redirect-dns"));
    pod.done(INSTALL);
    assert!(!pod.state().contains("KUMA_MESH"), "{}", pod.state());
    assert_captured(&pod, &BOTH);
    assert_eq!(status(&pod), Exit::Code(0));
    pod.done(&format!("install --backend {flavour}"));
    assert!(!pins(&pod).contains("tproxy-"), "{}", pins(&pod));
    assert_captured(&pod, &BOTH);
    assert_eq!(status(&pod), Exit::Code(0));
    pod.done("uninstall");
    assert_eq!(pins(&pod), nothing);
    assert!(!pod.state().contains("KUMA_MESH"), "{}", pod.state());
}

/// Steps of a change of backend at which it is killed: both may be there then.
#[rstest]
fn uninstall_removes_both_backends_where_a_change_of_backend_was_killed(
    #[values(true, false)] to_programs: bool,
) {
    let Some(pod) = pod() else { return };
    let nothing = pins(&pod);
    let rules = "install --backend iptables-nft --redirect-dns";
    let (older, newer) = if to_programs { (rules, INSTALL) } else { (INSTALL, rules) };
    for step in ["journal-begun", "maps-exchanged", "namespace-attached", "loaded", "namespace-forgotten"] {
        pod.done(older);
        let killed = pod.tproxy_program(newer).env("TPROXY_FAULT_POINT", step).run(pod.node()).unwrap();
        if step == "journal-begun" {
            assert_eq!(killed.exit, Exit::Signal(9), "{killed}");
        }
        pod.done("uninstall");
        assert_eq!((pins(&pod), status(&pod)), (nothing.clone(), Exit::Code(3)), "{step}");
        assert!(!pod.state().contains("KUMA_MESH"), "{step}: {}", pod.state());
    }
}

/// Programs of iptables that can do nothing any more hide rules that were loaded with them.
#[test]
fn uninstall_refuses_where_rules_beside_programs_were_recorded_and_cannot_be_seen() {
    let Some(pod) = pod() else { return };
    pod.done("install --backend iptables-nft");
    let killed = pod
        .tproxy_program("install --backend ebpf")
        .env("TPROXY_FAULT_POINT", "namespace-attached")
        .run(pod.node())
        .unwrap();
    assert_eq!(killed.exit, Exit::Signal(9), "{killed}");
    let before = pins(&pod);
    pod.sh("printf '#!/bin/sh\\necho can do nothing >&2; exit 4\\n' >/run/useless; chmod +x /run/useless; \
            mount --bind /run/useless /usr/sbin/xtables-nft-multi");
    let refused = pod.tproxy("uninstall");
    assert!(!refused.success() && refused.stderr_text().contains("can do nothing"), "{refused}");
    assert_eq!(pins(&pod), before);
    pod.sh("umount /usr/sbin/xtables-nft-multi");
    pod.done("uninstall");
    assert_eq!(status(&pod), Exit::Code(3));
    assert!(!pod.sh("iptables-nft-save").contains("KUMA_MESH"), "rules are left");
}

#[test]
fn eight_installations_at_once_all_succeed() {
    let Some(pod) = pod() else { return };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..8).map(|_| scope.spawn(|| pod.done(INSTALL))).collect();
        for one in running {
            one.join().unwrap();
        }
    });
    assert_eq!(status(&pod), Exit::Code(0));
    pod.done("uninstall");
}

#[test]
fn a_file_system_that_is_missing_is_mounted_and_unmounted() {
    let Some(pod) = pod() else { return };
    pod.sh("umount /sys/fs/bpf");
    let nothing = pins(&pod);
    let mounts = pod.sh("grep -c bpf /proc/self/mounts || true");
    pod.done(INSTALL);
    assert!(pins(&pod).contains("/run/kuma/bpf/tproxy-"), "{}", pins(&pod));
    assert_eq!(status(&pod), Exit::Code(0));
    pod.done("uninstall");
    assert_eq!(pins(&pod), nothing);
    assert_eq!(pod.sh("grep -c bpf /proc/self/mounts || true"), mounts);
}

#[test]
fn other_options_of_sockets_are_left_alone_whatever_their_length() {
    let Some(pod) = pod() else { return };
    // As iptables reads its tables: an option far longer than a page.
    pod.sh("iptables-legacy -t filter -N X && for i in $(seq 200); do iptables-legacy -A X -s 192.0.2.$i -j RETURN; done");
    let before = pod.sh("iptables-legacy-save | grep -v '^#'");
    pod.done(INSTALL);
    assert_eq!(pod.sh("iptables-legacy-save | grep -v '^#'"), before);
    pod.done("uninstall");
}

#[test]
fn an_object_that_is_none_is_refused_and_nothing_is_left() {
    let Some(pod) = pod() else { return };
    let nothing = pins(&pod);
    pod.sh("mkdir /run/programs; head -c 4096 /dev/urandom > /run/programs/tproxy.bpf.o");
    let broken = pod.tproxy(&format!("{INSTALL} --ebpf-programs-source-path /run/programs"));
    assert_eq!(broken.exit, Exit::Code(1), "{broken}");
    assert!(broken.stderr_text().contains("/run/programs/tproxy.bpf.o cannot be loaded"), "{broken}");
    pod.sh("rm /run/programs/tproxy.bpf.o");
    let missing = pod.tproxy(&format!("{INSTALL} --ebpf-programs-source-path /run/programs"));
    assert_refused(&missing, "/run/programs/tproxy.bpf.o cannot be read");
    assert_eq!((pins(&pod), status(&pod)), (nothing, Exit::Code(3)));
}

#[test]
fn what_is_counted_is_told_by_line_and_family() {
    let Some(pod) = pod() else { return };
    let _sidecar = sidecar(&pod);
    pod.done(INSTALL);
    assert_captured(&pod, &BOTH);
    let client = "import socket; s = socket.socket(); s.settimeout(0.1); s.connect_ex(('127.0.0.1', 9))";
    Program::new("python3").args(["-c", client]).identity(APP).run(pod.node()).unwrap();
    let told: serde_json::Value = serde_json::from_str(&pod.tproxy("status --json").stdout_text()).unwrap();
    let lines = told.pointer("/counters").unwrap().as_array().unwrap();
    let of = |name: &str| lines.iter().find(|line| line.get("line").unwrap() == name).unwrap().clone();
    let captured = serde_json::json!(
        {"line": "outbound/captured", "packets": 2, "ipv4": {"packets": 1}, "ipv6": {"packets": 1}}
    );
    assert_eq!(of("outbound/captured"), captured);
    assert_eq!(of("outbound/app-to-self").get("packets").unwrap(), 1);
    pod.done("uninstall");
}
