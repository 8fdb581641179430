//! Network namespaces of user namespaces with ids of their own: what a configuration says means their ids, with either backend.

use std::time::Duration;

use netsim::node::{Exit, Finished, Program, Running};
use netsim::require;
use rstest::rstest;
use tproxy::backend::BackendId;

use super::pod::{Pod, assert_refused};
use super::traffic::SIDECAR;

const LONG: Duration = Duration::from_secs(60);
const FLAGS: &str =
    "--kuma-dp-user 5678 --exclude-outbound-ports-for-uids 2000-2009 --exclude-outbound-gids 7";

/// Calls the given address, where nobody is; the sidecar says where it was going.
const CLIENT: &str = "
import socket, sys
try:
    print('captured', socket.create_connection((sys.argv[1], 80), timeout=1).recv(100).decode())
except OSError:
    print('elsewhere')
";

/// A process in user and network namespaces of its own, with a link that leads to nobody.
struct Inside<'a> {
    pod: &'a Pod,
    _first: Running,
    process: Running,
}

impl<'a> Inside<'a> {
    fn start(pod: &'a Pod) -> Self {
        let wait = ["sh", "-c", "echo ready; exec sleep 600"];
        let first = Program::new("unshare").arg("--user").args(wait).deadline(LONG);
        let first = first.spawn(pod.node(), "ready").unwrap();
        let id = first.id();
        // In two pieces: a range of ids may lie across both.
        for map in ["uid_map", "gid_map"] {
            pod.sh(&format!("printf '0 100000 2005\\n2005 300000 60000\\n' > /proc/{id}/{map}"));
        }
        // The network comes last: files of /proc belong to who is its root when it is made.
        let enter = [&format!("--target={id}"), "--user", "--setuid=0", "--setgid=0", "unshare", "--net"];
        let process = Program::new("nsenter").args(enter).args(wait).deadline(LONG);
        let process = process.spawn(pod.node(), "ready").unwrap();
        let inside = Self { pod, _first: first, process };
        let network = "ip link set lo up; ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up; \
             ip address add 192.0.2.9/24 dev v0; ip address add 2001:db8::9/64 dev v0 nodad";
        let made = inside.enter(0, 0).args(["sh", "-ec", network]).run(pod.node()).unwrap();
        assert!(made.success(), "{made}");
        inside
    }

    /// As these ids of the user namespace.
    fn enter(&self, user: u32, group: u32) -> Program {
        let ids = [format!("--setuid={user}"), format!("--setgid={group}")];
        self.enter_network().arg("--user").args(ids).deadline(LONG)
    }

    /// As root of the machine.
    fn enter_network(&self) -> Program {
        Program::new("nsenter").arg(format!("--target={}", self.process.id())).arg("--net")
    }

    /// Rules are loaded by the owner itself, programs by root of the machine: the kernel lets nobody else.
    fn tproxy(&self, backend: BackendId, arguments: &str) -> Finished {
        let by = if backend == BackendId::Ebpf { self.enter_network() } else { self.enter(0, 0) };
        by.arg("tproxy").args(arguments.split_whitespace()).deadline(LONG).run(self.pod.node()).unwrap()
    }

    fn done(&self, backend: BackendId, arguments: &str) {
        let finished = self.tproxy(backend, arguments);
        assert!(finished.success(), "{finished}");
    }

    /// Where the calls of somebody end, over both families.
    fn assert_ends(&self, caller: impl Fn() -> Program, captured: bool) {
        for address in ["192.0.2.1", "2001:db8::1"] {
            let called = caller().args(["python3", "-c", CLIENT, address]).run(self.pod.node()).unwrap();
            let expected =
                if captured { format!("captured {address} 80\n") } else { "elsewhere\n".to_owned() };
            assert_eq!(called.stdout_text(), expected, "{called}");
        }
    }
}

fn pod(backend: BackendId) -> Option<Pod> {
    require::backend(backend).met_or_skip().then(Pod::start).flatten()
}

#[rstest]
fn ids_are_those_of_the_owner_of_the_network(
    #[values(BackendId::IptablesNft, BackendId::IptablesLegacy, BackendId::Ebpf)] backend: BackendId,
) {
    let Some(pod) = pod(backend) else { return };
    let inside = Inside::start(&pod);
    // The lock of iptables' legacy flavour is the machine's root's.
    pod.sh("install -m 666 /dev/null /run/xtables.lock");
    let sidecar = inside.enter(5678, 5678).args(["python3", "-c", SIDECAR]);
    let _sidecar = sidecar.spawn(pod.node(), "ready").unwrap();
    inside.done(backend, &format!("install --backend {backend} {FLAGS}"));
    inside.done(backend, "status");
    for (user, group, captured) in [
        (1000, 1000, true),
        (0, 0, true),
        (5678, 5678, false),
        (1999, 1999, true),
        (2000, 2000, false),
        (2004, 2004, false),
        (2005, 2005, false),
        (2009, 2009, false),
        (2010, 2010, true),
        (1000, 7, false),
    ] {
        inside.assert_ends(|| inside.enter(user, group), captured);
    }
    // The same numbers outside are other users.
    for user in ["--setuid=5678", "--setuid=2000"] {
        inside.assert_ends(|| inside.enter_network().args([user, "--setgid=7"]).deadline(LONG), true);
    }
    inside.done(backend, &format!("install --backend {backend} {FLAGS}"));
    inside.done(backend, "uninstall");
    assert_eq!(inside.tproxy(backend, "status").exit, Exit::Code(3));
    inside.assert_ends(|| inside.enter(1000, 1000), false);
}

#[rstest]
#[case::the_sidecar("--kuma-dp-user 65000", "--kuma-dp-user")]
#[case::users(
    "--kuma-dp-user 5678 --exclude-outbound-ports-for-uids 61000-65000",
    "--exclude-outbound-ports-for-uids"
)]
#[case::groups("--kuma-dp-user 5678 --exclude-outbound-gids 65000", "--exclude-outbound-gids")]
fn an_id_that_is_none_there_is_refused_by_name(#[case] flags: &str, #[case] option: &str) {
    let Some(pod) = pod(BackendId::Ebpf) else { return };
    let inside = Inside::start(&pod);
    let refused = inside.tproxy(BackendId::Ebpf, &format!("install --backend ebpf {flags}"));
    assert_refused(&refused, "65000, which is no id in the user namespace");
    assert!(refused.stderr_text().contains(option), "{refused}");
    assert_eq!(inside.tproxy(BackendId::Ebpf, "status").exit, Exit::Code(3));
}

#[test]
fn where_nobody_is_in_the_user_namespace_its_ids_are_not_guessed() {
    let Some(pod) = pod(BackendId::Ebpf) else { return };
    let inside = Inside::start(&pod);
    let keep = inside.enter_network().args(["sh", "-c", "echo ready; exec sleep 600"]).deadline(LONG);
    let kept = keep.spawn(pod.node(), "ready").unwrap();
    drop(inside);
    let tproxy = format!("nsenter --target={} --net tproxy install --backend ebpf {FLAGS}", kept.id());
    let refused = Program::new("sh").args(["-c", &tproxy]).run(pod.node()).unwrap();
    assert_refused(&refused, "in which no process is seen");
}

/// The kernel shows the names of legacy tables to root of the network's owner alone, if there is one when the network is made.
#[test]
fn rules_that_could_not_be_seen_again_are_not_loaded() {
    // The other flavour takes its place.
    if !require::backend(BackendId::IptablesNft).met_or_skip() {
        return;
    }
    let Some(pod) = pod(BackendId::IptablesLegacy) else { return };
    let wait = ["--user", "--net", "sh", "-c", "echo ready; exec sleep 600"];
    let process = Program::new("unshare").args(wait).deadline(LONG).spawn(pod.node(), "ready").unwrap();
    let id = process.id();
    pod.sh(&format!(
        "for map in uid_map gid_map; do echo 0 100000 60000 > /proc/{id}/$map; done; \
         install -m 666 /dev/null /run/xtables.lock"
    ));
    let tproxy = |arguments: &str| {
        let enter = [&format!("--target={id}"), "--net", "--user", "--setuid=0", "--setgid=0", "tproxy"];
        let words = arguments.split_whitespace();
        Program::new("nsenter").args(enter).args(words).deadline(LONG).run(pod.node()).unwrap()
    };
    let refused = tproxy("install --backend iptables-legacy --kuma-dp-user 5678");
    assert!(!refused.success() && refused.stderr_text().contains("ip_tables_names"), "{refused}");
    assert_eq!(tproxy("status").exit, Exit::Code(3));
    let installed = tproxy("install --kuma-dp-user 5678");
    assert!(installed.success(), "{installed}");
    assert_eq!(tproxy("status").exit, Exit::Code(0));
    let removed = tproxy("uninstall");
    assert!(removed.success(), "{removed}");
    assert_eq!(tproxy("status").exit, Exit::Code(3));
}
