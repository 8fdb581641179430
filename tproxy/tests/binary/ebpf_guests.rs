//! Virtual networks with the eBPF backend: programs at interfaces come and go exactly, beside those of others.

use std::time::{Duration, Instant};

use netsim::node::{Exit, Identity, Program};
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

pub(super) fn pod() -> Option<Pod> {
    let pod = require::backend(BackendId::Ebpf).met_or_skip().then(Pod::start).flatten()?;
    pod.sh("ip link add vm0 type veth peer name vm1; ip link add br0 type bridge; \
            ip address add 10.78.0.1/24 dev vm0; ip address add fd78::1/64 dev vm0 nodad; ip address add 10.79.0.1/24 dev br0; \
            ip link set vm0 up; ip link set vm1 up; ip link set br0 up");
    Some(pod)
}

/// What is pinned, and every queue and filter.
pub(super) fn state(pod: &Pod) -> String {
    pod.sh("find /sys/fs/bpf /run/kuma -mindepth 1 2>/dev/null | sort; tc qdisc show; \
            for i in vm0 br0; do for way in ingress egress; do tc filter show dev $i $way 2>/dev/null; done; done; true")
}

pub(super) fn status(pod: &Pod) -> Exit {
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
    pod.done(INSTALL);
    let own = pod.sh("tc filter show dev vm0 ingress");
    // The kernel ends a namespace in its own time, and only a run that changes something looks for what is left.
    let ended = (1..=100).any(|port| {
        pod.done(&format!("{INSTALL} --exclude-outbound-ports {port}"));
        let left = state(&pod);
        left.matches("/guests-").count() == 1 && left.matches("/clsact-").count() == 2
    });
    assert!(ended, "{}", state(&pod));
    assert_eq!(pod.sh("tc filter show dev vm0 ingress"), own, "the caller's are not those of the namespace");
    pod.done("uninstall");
    assert_eq!(state(&pod), nothing);
}

#[test]
fn an_address_that_guests_are_led_to_and_that_is_gone_is_told_and_mended() {
    let Some(pod) = pod() else { return };
    pod.done(INSTALL);
    // Another one beside it changes nothing.
    pod.sh("ip address add 10.78.0.3/24 dev vm0; ip address add fd78::3/64 dev vm0 nodad");
    assert_eq!(status(&pod), Exit::Code(0));
    pod.sh("ip address add 10.79.0.9/24 dev br0; ip address del 10.79.0.1/24 dev br0");
    let told = pod.tproxy("status");
    assert_eq!(told.exit, Exit::Code(4), "{told}");
    assert!(told.stdout_text().contains("br0 has another address since"), "{told}");
    pod.done(INSTALL);
    assert_eq!(status(&pod), Exit::Code(0));
}

/// Whichever of two sets leaves last removes what the first one made, where both were there at a time, too.
#[rstest]
#[case::one_in_place_of_the_other("", Exit::Code(0))]
#[case::both("interfaces-attached", Exit::Signal(9))]
fn a_place_for_filters_goes_with_the_last_set_of_programs(#[case] killed_at: &str, #[case] exit: Exit) {
    let Some(pod) = pod() else { return };
    pod.sh("mkdir /sys/fs/cgroup/other");
    let nothing = state(&pod);
    pod.done(INSTALL);
    let elsewhere = format!("{INSTALL} --ebpf-cgroup-path /sys/fs/cgroup/other");
    let moved = pod.tproxy_program(&elsewhere).env("TPROXY_FAULT_POINT", killed_at).run(pod.node()).unwrap();
    assert_eq!(moved.exit, exit, "{moved}");
    pod.done("uninstall");
    assert_eq!((state(&pod), status(&pod)), (nothing, Exit::Code(3)));
    pod.sh("rmdir /sys/fs/cgroup/other");
}

/// Two sets of programs are at one interface for a moment; the one that is refused leaves the other where it was.
#[test]
fn a_second_set_of_programs_that_is_refused_leaves_the_first_one_at_work() {
    let Some(pod) = pod() else { return };
    // Of another protocol at the same place: the kernel refuses ours there.
    pod.sh("mkdir /sys/fs/cgroup/other; tc qdisc add dev br0 clsact; \
            tc filter add dev br0 ingress prio 29808 protocol ip bpf bytecode '1,6 0 0 0,' flowid 1:1");
    let nothing = state(&pod);
    pod.done("install --backend ebpf --vnet vm0:10.78.0.0/24");
    let first = state(&pod);
    let refused = pod.tproxy(&format!("{INSTALL} --ebpf-cgroup-path /sys/fs/cgroup/other"));
    assert_eq!(refused.exit, Exit::Code(1), "{refused}");
    let words = refused.stderr_text();
    assert!(words.contains("br0: ") && words.contains("everything was taken back"), "{refused}");
    assert_eq!((state(&pod), status(&pod)), (first, Exit::Code(0)));
    pod.done("uninstall");
    assert_eq!((state(&pod), status(&pod)), (nothing, Exit::Code(3)));
    pod.sh("rmdir /sys/fs/cgroup/other");
}

#[test]
fn what_another_program_has_put_into_our_place_for_filters_meanwhile_stays() {
    let Some(pod) = pod() else { return };
    pod.done(INSTALL);
    pod.sh("tc filter add dev vm0 ingress prio 1 protocol ip bpf bytecode '1,6 0 0 0,' flowid 1:1");
    pod.done("uninstall");
    let left = pod.sh("tc qdisc show dev vm0; tc qdisc show dev br0; tc filter show dev vm0 ingress");
    assert_eq!(left.matches("clsact").count(), 1, "{left}");
    assert!(left.contains("flowid 1:1") && !left.contains("direct-action"), "{left}");
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

/// Somebody else's programs that are asked first, or later; tcx is of Linux 6.6.
#[rstest]
#[case::a_filter_before("prio 1", true)]
#[case::a_filter_behind("prio 40000", false)]
fn filters_of_others_that_come_first_are_told(#[case] place: &str, #[case] is_told: bool) {
    let Some(pod) = pod() else { return };
    let filter = format!("{place} protocol ip bpf bytecode '1,6 0 0 0,' flowid 1:1");
    pod.sh(&format!("tc qdisc add dev vm0 clsact; tc filter add dev vm0 egress {filter}"));
    for dry_run in [" --dry-run", ""] {
        let said = pod.done(&format!("{INSTALL}{dry_run}")).stderr_text();
        assert_eq!(said.contains("at vm0 a program of somebody else comes first"), is_told, "{said}");
        assert!(!said.contains("br0"), "{said}");
    }
}

/// Attaches a program that lets everything pass, by bpf(2): BPF_PROG_LOAD of `r0 = -1; exit`, and BPF_LINK_CREATE.
const TCX: &str = r#"
import ctypes, os, socket, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, attributes):
    attributes = ctypes.create_string_buffer(attributes, 128)
    return libc.syscall(321 if os.uname().machine == "x86_64" else 280, command, attributes, 128)
code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, -1, 0x95, 0, 0, 0))
licence = ctypes.create_string_buffer(b"GPL")
program = bpf(5, struct.pack("<IIQQ", 3, 2, ctypes.addressof(code), ctypes.addressof(licence)))
assert program >= 0, ctypes.get_errno()
link = bpf(28, struct.pack("<IIII", program, socket.if_nametoindex("vm0"), 47, 0))
if link < 0:
    print("without tcx:", os.strerror(ctypes.get_errno()))
sys.exit(subprocess.run(["tproxy", *sys.argv[1:]]).returncode)
"#;

#[test]
fn a_dry_run_needs_no_root() {
    let Some(pod) = pod() else { return };
    let shown = pod
        .tproxy_program(&format!("{INSTALL} --dry-run --kuma-dp-user 5678"))
        .identity(Identity::new(65534, 65534))
        .run(pod.node())
        .unwrap();
    assert!(shown.success(), "{shown}");
    assert!(!shown.stderr_text().contains("come before ours"), "{shown}");
}

#[test]
fn programs_of_tcx_are_told() {
    let Some(pod) = pod() else { return };
    let words = ["-c", TCX].into_iter().chain(INSTALL.split_whitespace());
    let ran = Program::new("python3").args(words).run(pod.node()).unwrap();
    assert!(ran.success(), "{ran}");
    let is_told = ran.stderr_text().contains("at vm0 a program of somebody else comes first");
    assert_ne!(is_told, ran.stdout_text().contains("without tcx: Invalid argument"), "{ran}");
}

#[test]
fn a_queue_that_leaves_no_room_is_told_and_nothing_changes() {
    let Some(pod) = pod() else { return };
    pod.sh("tc qdisc add dev vm0 ingress");
    let nothing = state(&pod);
    let refused = pod.tproxy(INSTALL);
    assert_eq!(refused.exit, Exit::Code(1), "{refused}");
    assert!(refused.stderr_text().contains("`ingress` queue"), "{refused}");
    assert!(!refused.stderr_text().contains("taken back"), "nothing was changed: {refused}");
    assert_eq!((state(&pod), status(&pod)), (nothing, Exit::Code(3)));
}

/// Sends packets that a program cannot read as a whole, all of them of connections that are captured: the beginning of a TCP
/// header without flags, what is behind it, and chains of IPv6 headers that are long or vouched for; or a datagram that is not
/// captured.
const UNREADABLE: &str = r#"
import socket, struct, sys
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
def v4(protocol, fragment, payload):
    addresses = socket.inet_aton("10.78.0.2") + socket.inet_aton("203.0.113.1")
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, fragment, 64, protocol, 0) + addresses
    packet = head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(packet, ("203.0.113.1", 0))
def v6(first, payload):
    addresses = socket.inet_pton(socket.AF_INET6, "fd78::2") + socket.inet_pton(socket.AF_INET6, "2001:db8:9::1")
    packet = struct.pack("!IHBB", 6 << 28, len(payload), first, 64) + addresses + payload
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(packet, ("2001:db8:9::1", 0))
syn = struct.pack("!HHIIBBHHH", 4000, 80, 1, 0, 0x50, 2, 1000, 0, 0)
datagram = struct.pack("!HHHH", 4000, 9, 8, 0)
options = lambda following: struct.pack("!BB", following, 0) + b"\x01\x04" + bytes(4)
vouched = struct.pack("!BBHII", 6, 4, 0, 1, 1) + bytes(12)
if sys.argv[1] == "read":
    v4(17, 0, datagram)
    v6(60, options(17) + datagram)
else:
    v4(6, 0x2000, syn[:8])
    v4(6, 1, syn[8:] + bytes(4))
    v6(60, options(60) * 4 + options(6) + syn)
    v6(51, vouched + syn)
    v6(44, struct.pack("!BBHI", 6, 0, 1, 7) + syn[:8])
    v6(44, struct.pack("!BBHI", 6, 0, 1 << 3, 7) + syn[8:] + bytes(4))
"#;

#[test]
fn what_cannot_be_read_goes_nowhere_rather_than_around_the_sidecar() {
    let Some(pod) = pod() else { return };
    pod.sh("ip netns add guest; ip link set vm1 netns guest; \
            nsenter --net=/run/netns/guest sh -ec 'ip link set lo up; ip address add 10.78.0.2/24 dev vm1; \
              ip address add fd78::2/64 dev vm1 nodad; ip link set vm1 up; \
              ip route add default via 10.78.0.1; ip -6 route add default via fd78::1'; \
            ip link add out0 type dummy; ip link set out0 up; \
            ip route add 203.0.113.0/24 dev out0; ip -6 route add 2001:db8:9::/64 dev out0; \
            sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    pod.node().write_file("/run/send.py", UNREADABLE).unwrap();
    let send = |which: &str| {
        pod.sh(&format!("nsenter --net=/run/netns/guest python3 /run/send.py {which}"));
    };
    // How many packets of both families went on; in time, what is wanted.
    let forwarded = |wanted: &str| {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let counted = pod
                .sh("awk '/^Ip:/ { count = $7 } END { print count }' /proc/thread-self/net/snmp; \
                                  awk '/^Ip6OutForwDatagrams/ { print $2 }' /proc/thread-self/net/snmp6");
            let counted = counted.split_whitespace().collect::<Vec<_>>().join(" ");
            if counted == wanted || Instant::now() > deadline {
                return counted;
            }
        }
    };
    send("unread");
    assert_eq!(forwarded("2 4"), "2 4", "nothing is captured yet");
    pod.done("install --backend ebpf --redirect-inbound=false --vnet vm0:10.78.0.0/24,vm0:fd78::/64");
    send("unread");
    // What is not captured comes behind it, and goes on.
    send("read");
    assert_eq!(forwarded("3 5"), "3 5");
    pod.done("uninstall");
    pod.sh("ip netns delete guest");
}
