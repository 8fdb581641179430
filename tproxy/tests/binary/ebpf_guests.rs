//! Virtual networks with the eBPF backend: programs at interfaces come and go exactly, beside those of others.

use netsim::node::{Exit, Program};
use netsim::require;
use rstest::rstest;
use tproxy::backend::BackendId;

use super::pod::Pod;

const INSTALL: &str =
    "install --backend ebpf --redirect-dns --vnet vm0:10.78.0.0/24,vm0:fd78::/64,br0:10.79.0.0/24";
/// Of another program: what it has at an interface, and where another queue is.
const OF_OTHERS: &str = "tc qdisc add dev vm0 clsact; \
    tc filter add dev vm0 ingress prio 1 protocol ip bpf bytecode '1,6 0 0 0,' flowid 1:1; \
    tc filter add dev vm0 egress prio 29808 protocol all bpf bytecode '1,6 0 0 0,' flowid 1:1";

fn pod() -> Option<Pod> {
    let pod = require::backend(BackendId::Ebpf).met_or_skip().then(Pod::start).flatten()?;
    pod.sh("ip link add vm0 type veth peer name vm1; ip link add br0 type bridge; \
            ip address add 10.78.0.1/24 dev vm0; ip address add fd78::1/64 dev vm0 nodad; ip address add 10.79.0.1/24 dev br0; \
            ip link set vm0 up; ip link set vm1 up; ip link set br0 up");
    Some(pod)
}

/// What is pinned, and every queue and filter.
fn state(pod: &Pod) -> String {
    pod.sh("find /sys/fs/bpf /run/kuma -mindepth 1 2>/dev/null | sort; tc qdisc show; \
            for i in vm0 br0; do for way in ingress egress; do tc filter show dev $i $way 2>/dev/null; done; done; true")
}

fn status(pod: &Pod) -> Exit {
    pod.tproxy("status").exit
}

/// Without the numbers that the kernel gives programs.
fn without_ids(text: &str) -> String {
    let is_id = |word: &&str| !word.chars().all(|digit| digit.is_ascii_digit()) && *word != "not_in_hw";
    let line = |line: &str| line.split_whitespace().filter(is_id).collect::<Vec<_>>().join(" ");
    text.lines()
        .map(|text| line(text.split(" tag ").next().unwrap_or_default()))
        .collect::<Vec<_>>()
        .join("\n")
}

#[rstest]
fn programs_at_interfaces_leave_nothing_and_touch_nothing(#[values("", OF_OTHERS)] before: &str) {
    let Some(pod) = pod() else { return };
    pod.sh(&format!("true; {before}"));
    let nothing = state(&pod);
    pod.done(INSTALL);
    let wanted = state(&pod);
    assert_eq!(wanted.matches("direct-action").count(), 4, "{wanted}");
    assert_eq!(status(&pod), Exit::Code(0));
    let again = pod.done(INSTALL);
    assert!(again.stdout_text().contains("nothing to change"), "{again}");
    pod.done("install --backend ebpf --vnet vm0:10.78.0.0/24");
    assert_eq!(state(&pod).matches("direct-action").count(), 2, "{}", state(&pod));
    assert_eq!(status(&pod), Exit::Code(0));
    pod.done("install --backend ebpf");
    assert_eq!(state(&pod).matches("direct-action").count(), 0, "{}", state(&pod));
    pod.done(INSTALL);
    // Nothing is known of it but what the kernel tells.
    pod.sh("rm -rf /run/tproxy");
    assert_eq!(status(&pod), Exit::Code(0));
    pod.done("uninstall");
    assert_eq!(state(&pod), nothing);
}

#[rstest]
fn an_install_that_is_killed_is_healed(
    #[values("", "install --backend ebpf --vnet br0:10.79.0.0/24")] prepare: &str,
    #[values(true, false)] by_install: bool,
) {
    let Some(pod) = pod() else { return };
    let nothing = state(&pod);
    pod.done(INSTALL);
    let wanted = without_ids(&state(&pod));
    pod.done("uninstall");
    for step in ["maps-exchanged", "namespace-attached", "interfaces-attached"] {
        if !prepare.is_empty() {
            pod.done(prepare);
        }
        let killed = pod.tproxy_program(INSTALL).env("TPROXY_FAULT_POINT", step).run(pod.node()).unwrap();
        assert_eq!(killed.exit, Exit::Signal(9), "at {step}: {killed}");
        if by_install {
            pod.done(INSTALL);
            let found = (without_ids(&state(&pod)), status(&pod));
            assert_eq!(found, (wanted.clone(), Exit::Code(0)), "{prepare}: {step}");
        }
        pod.done("uninstall");
        assert_eq!((state(&pod), status(&pod)), (nothing.clone(), Exit::Code(3)), "{prepare}: {step}");
    }
}

#[test]
fn a_run_that_is_killed_while_it_ends_the_capture_of_networks_is_healed() {
    let Some(pod) = pod() else { return };
    let nothing = state(&pod);
    for step in ["maps-exchanged", "interfaces-attached"] {
        pod.done(INSTALL);
        let without = "install --backend ebpf";
        let killed = pod.tproxy_program(without).env("TPROXY_FAULT_POINT", step).run(pod.node()).unwrap();
        assert_eq!(killed.exit, Exit::Signal(9), "at {step}: {killed}");
        pod.done(without);
        assert_eq!(state(&pod).matches("direct-action").count(), 0, "{step}: {}", state(&pod));
        assert_eq!(state(&pod).matches("/guests-").count(), 0, "{step}: {}", state(&pod));
        pod.done("uninstall");
        assert_eq!((state(&pod), status(&pod)), (nothing.clone(), Exit::Code(3)), "{step}");
    }
}

#[rstest]
#[case::a_filter("tc filter del dev vm0 ingress", "the program for what arrives by vm0 is not attached")]
#[case::the_place("tc qdisc del dev br0 clsact", "the program for what leaves by br0 is not attached")]
#[case::the_interface("ip link del br0", "is not attached")]
fn what_is_missing_is_told_and_mended(#[case] damage: &str, #[case] words: &str) {
    let Some(pod) = pod() else { return };
    pod.done(INSTALL);
    pod.sh(damage);
    let told = pod.tproxy("status");
    assert_eq!(told.exit, Exit::Code(4), "{told}");
    assert!(told.stdout_text().contains(words), "{told}");
    pod.sh("ip link show br0 || (ip link add br0 type bridge; ip link set br0 up)");
    pod.done(INSTALL);
    assert_eq!(status(&pod), Exit::Code(0));
    pod.done("uninstall");
    assert_eq!(status(&pod), Exit::Code(3));
}

#[test]
fn what_a_namespace_that_is_gone_left_goes_with_the_next_run() {
    let Some(pod) = pod() else { return };
    let nothing = state(&pod);
    pod.sh("ip netns add gone; nsenter --net=/run/netns/gone sh -ec 'ip link set lo up; ip link add vm0 type veth peer name vm1; \
            ip address add 10.78.0.1/24 dev vm0; tproxy install --backend ebpf --vnet vm0:10.78.0.0/24'; ip netns delete gone");
    // The kernel ends a namespace in its own time, and only a run that changes something looks for what is left.
    let ended = (1..=100).any(|port| {
        pod.done(&format!("install --backend ebpf --exclude-outbound-ports {port}"));
        let left = state(&pod);
        !left.contains("/guests-") && !left.contains("/clsact-")
    });
    assert!(ended, "{}", state(&pod));
    pod.done("uninstall");
    assert_eq!(state(&pod), nothing);
}

#[test]
fn programs_whose_pins_are_gone_are_found_and_removed() {
    let Some(pod) = pod() else { return };
    pod.sh("tc qdisc add dev vm0 clsact; tc qdisc add dev br0 clsact");
    let nothing = state(&pod);
    pod.done(INSTALL);
    pod.sh("rm -rf /run/tproxy; rm -r /sys/fs/bpf/tproxy-*");
    let told = pod.tproxy("status");
    assert_eq!(told.exit, Exit::Code(4), "{told}");
    pod.done("uninstall");
    assert_eq!((state(&pod), status(&pod)), (nothing, Exit::Code(3)));
}

/// A guest, and a sidecar that says nothing until all that is known of connections is forgotten.
const FORGOTTEN: &str = r#"
import ctypes, glob, os, socket, struct, threading
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, *parts):
    attributes = ctypes.create_string_buffer(b"".join(parts), 128)
    return libc.syscall(321 if os.uname().machine == "x86_64" else 280, command, attributes, 128)
def address(buffer):
    return struct.pack("Q", ctypes.addressof(buffer))
def forget(path):
    path = ctypes.create_string_buffer(path.encode())
    found, count = bpf(7, address(path)), 0
    key = ctypes.create_string_buffer(40)
    while bpf(4, struct.pack("II", found, 0), struct.pack("Q", 0), address(key)) == 0:
        bpf(3, struct.pack("II", found, 0), address(key))
        count += 1
    return count
server = socket.create_server(("", 15001))
def guest():
    space = os.open("/run/netns/guest", os.O_RDONLY)
    assert libc.setns(space, 0x40000000) == 0
    with socket.create_connection(("203.0.113.1", 80), 10) as caller:
        print(caller.recv(100).decode())
        caller.sendall(b"and back")
thread = threading.Thread(target=guest)
thread.start()
taken, client = server.accept()
original = taken.getsockopt(0, 80, 16)
print("forgot", sum(map(forget, glob.glob("/sys/fs/bpf/tproxy-*/guests-*"))))
taken.settimeout(10)
taken.sendall(b"said late")
print(taken.recv(100).decode(), socket.inet_ntoa(original[4:8]), flush=True)
thread.join()
"#;

#[test]
fn a_connection_that_was_forgotten_is_remembered_when_the_sidecar_speaks() {
    let Some(pod) = pod() else { return };
    pod.sh("ip netns add guest; ip link set vm1 netns guest; \
            nsenter --net=/run/netns/guest sh -ec 'ip link set lo up; ip address add 10.78.0.2/24 dev vm1; ip link set vm1 up; \
            ip route add default via 10.78.0.1'");
    pod.done("install --backend ebpf --vnet vm0:10.78.0.0/24");
    let ran = Program::new("python3").args(["-c", FORGOTTEN]).run(pod.node()).unwrap();
    let lines = "forgot 2\nsaid late\nand back 203.0.113.1\n";
    let mut said: Vec<String> = ran.stdout_text().lines().map(str::to_owned).collect();
    said.sort();
    let mut expected: Vec<&str> = lines.lines().collect();
    expected.sort_unstable();
    assert_eq!(said, expected, "{ran}");
    pod.done("uninstall");
    pod.sh("ip netns delete guest");
}

#[test]
fn a_queue_that_leaves_no_room_is_told_and_nothing_changes() {
    let Some(pod) = pod() else { return };
    pod.sh("tc qdisc add dev vm0 ingress");
    let nothing = state(&pod);
    let refused = pod.tproxy(INSTALL);
    assert_eq!(refused.exit, Exit::Code(1), "{refused}");
    assert!(refused.stderr_text().contains("`ingress` queue"), "{refused}");
    assert_eq!((state(&pod), status(&pod)), (nothing, Exit::Code(3)));
}
