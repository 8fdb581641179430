//! The eBPF backend among other installations, other versions, other programs and cgroups that go; and under load.

use std::time::{Duration, Instant};

use netsim::node::{Exit, Program};
use netsim::require;
use rstest::rstest;
use tproxy::backend::BackendId;

use super::pod::Pod;
use super::traffic::{BOTH, assert_captured, sidecar};

const INSTALL: &str = "install --backend ebpf";
/// Emulated machines are slow.
const LONG: Duration = Duration::from_secs(300);

fn pod() -> Option<Pod> {
    require::backend(BackendId::Ebpf).met_or_skip().then(Pod::start).flatten()
}

fn pins(pod: &Pod) -> String {
    pod.sh("find /sys/fs/bpf -mindepth 1 | sort")
}

fn shell(pod: &Pod, script: &str) -> String {
    let finished = Program::new("sh").args(["-ec", script]).deadline(LONG).run(pod.node()).unwrap();
    assert!(finished.success(), "{finished}");
    finished.stdout_text()
}

/// What the README asks for, and a sidecar of another user that was there before.
#[test]
fn four_capabilities_are_enough_where_a_sidecar_listens_already() {
    let Some(pod) = pod() else { return };
    let _sidecar = sidecar(&pod);
    let run = |arguments: &str| {
        let limited = "--bounding-set=-all,+net_admin,+bpf,+perfmon,+sys_ptrace \
                       --inh-caps=-all,+net_admin,+bpf,+perfmon,+sys_ptrace tproxy";
        let words = limited.split_whitespace().chain(arguments.split_whitespace());
        let done = Program::new("setpriv").args(words).run(pod.node()).unwrap();
        assert!(done.success(), "{done}");
    };
    run(INSTALL);
    assert_captured(&pod, &BOTH);
    run("install --backend ebpf --exclude-inbound-ports 7");
    assert_captured(&pod, &BOTH);
    run("uninstall");
    assert!(!pins(&pod).contains("tproxy-"), "{}", pins(&pod));
}

/// Runs `each` in all of ten further network namespaces at the same time.
fn in_ten(pod: &Pod, each: &str) -> String {
    let run = format!(
        "pids=; for i in 0 1 2 3 4 5 6 7 8 9; do (export i; nsenter --net=/run/netns/n$i sh -ec '{each}') & pids=\"$pids $!\"; \
         done; for pid in $pids; do wait $pid; done"
    );
    shell(pod, &run)
}

#[test]
fn ten_installations_in_ten_namespaces_come_and_go_at_the_same_time() {
    let Some(pod) = pod() else { return };
    let nothing = pins(&pod);
    shell(&pod, "for i in 0 1 2 3 4 5 6 7 8 9; do ip netns add n$i; done");
    in_ten(&pod, "ip link set lo up");
    in_ten(&pod, &format!("tproxy {INSTALL} --exclude-outbound-ports 900$i --redirect-outbound-port 1600$i"));
    assert_eq!(pins(&pod).matches("/netns-").count(), 10, "{}", pins(&pod));
    in_ten(&pod, "tproxy status");
    // Each by its own configuration: a port that one excludes another captures.
    let reached = in_ten(&pod, PROBE);
    assert_eq!(reached.matches("captured").count(), 10, "{reached}");
    assert_eq!(reached.matches("refused").count(), 10, "{reached}");
    // The pod itself is no part of it.
    assert_eq!(pod.tproxy("status").exit, Exit::Code(3));
    in_ten(&pod, "tproxy uninstall");
    assert_eq!(pins(&pod), nothing);
    shell(&pod, "for i in 0 1 2 3 4 5 6 7 8 9; do ip netns delete n$i; done");
}

/// A sidecar for one connection, and two callers of this host's other addresses.
const PROBE: &str = r#"python3 -c "
import os, socket
n = int(os.environ[\"i\"])
listener = socket.create_server((\"\", 16000 + n))
for port in (9000 + (n + 1) % 10, 9000 + n):
    try:
        socket.create_connection((\"192.0.2.1\", port), timeout=5)
        print(\"captured\")
    except OSError:
        print(\"refused\")
""#;

#[test]
fn what_a_namespace_left_that_is_gone_is_collected() {
    let Some(pod) = pod() else { return };
    shell(
        &pod,
        &format!("ip netns add gone; nsenter --net=/run/netns/gone tproxy {INSTALL}; ip netns delete gone"),
    );
    let deadline = Instant::now() + LONG;
    // The kernel takes its time to let a namespace go: each installation looks again.
    loop {
        pod.done(INSTALL);
        pod.done("uninstall");
        if !pins(&pod).contains("/netns-") || Instant::now() > deadline {
            break;
        }
    }
    assert!(!pins(&pod).contains("tproxy-"), "{}", pins(&pod));
}

#[test]
fn a_cgroup_that_is_removed_is_told_and_another_takes_its_place() {
    let Some(pod) = pod() else { return };
    let nothing = pins(&pod);
    let _sidecar = sidecar(&pod);
    pod.sh("mkdir /sys/fs/cgroup/gone");
    pod.done(&format!("{INSTALL} --ebpf-cgroup-path /sys/fs/cgroup/gone"));
    assert_eq!(pod.tproxy("status").exit, Exit::Code(0));
    pod.sh("rmdir /sys/fs/cgroup/gone");
    // The kernel detaches what was attached to it when it gets round to it.
    let deadline = Instant::now() + LONG;
    let mut told = pod.tproxy("status");
    while told.success() && Instant::now() < deadline {
        told = pod.tproxy("status");
    }
    assert_eq!(told.exit, Exit::Code(4), "{told}");
    assert!(told.stdout_text().contains("the program for connect4 is not attached"), "{told}");
    pod.done(INSTALL);
    assert_eq!(pod.tproxy("status").exit, Exit::Code(0));
    assert_captured(&pod, &BOTH);
    pod.done("uninstall");
    assert_eq!(pins(&pod), nothing);
}

/// Loads a program for connect() that does nothing, and attaches it so that no other may be attached below.
const EXCLUSIVE: &str = "
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {'x86_64': 321, 'aarch64': 280}[os.uname().machine]
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = libc.syscall(number, command, buffer, 128)
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result
code = ctypes.create_string_buffer(bytes.fromhex('b7000000010000009500000000000000'), 16)
licence = ctypes.create_string_buffer(b'GPL')
load = struct.pack('<IIQQIIQI', 18, 2, ctypes.addressof(code), ctypes.addressof(licence), 0, 0, 0, 0)
load = load.ljust(68, b'\\0') + struct.pack('<I', 10)
program = bpf(5, load)
cgroup = os.open(sys.argv[1], os.O_RDONLY)
bpf(8, struct.pack('<IIII', cgroup, program, 10, 0))
";

#[test]
fn below_a_program_that_lets_no_other_in_nothing_is_installed_and_the_reason_told() {
    let Some(pod) = pod() else { return };
    let nothing = pins(&pod);
    pod.sh("mkdir -p /sys/fs/cgroup/above/below");
    let attached =
        Program::new("python3").args(["-c", EXCLUSIVE, "/sys/fs/cgroup/above"]).run(pod.node()).unwrap();
    assert!(attached.success(), "{attached}");
    let refused = pod.tproxy(&format!("{INSTALL} --ebpf-cgroup-path /sys/fs/cgroup/above/below"));
    assert_eq!(refused.exit, Exit::Code(1), "{refused}");
    assert!(
        refused.stderr_text().contains("a cgroup above holds a program that lets no other be attached"),
        "{refused}"
    );
    assert_eq!((pins(&pod), pod.tproxy("status").exit), (nothing, Exit::Code(3)));
    pod.sh("rmdir /sys/fs/cgroup/above/below /sys/fs/cgroup/above");
}

#[test]
fn what_another_version_pinned_is_told_and_replaced_and_others_of_it_stay() {
    let Some(pod) = pod() else { return };
    let nothing = pins(&pod);
    let _sidecar = sidecar(&pod);
    let in_other = "nsenter --net=/run/netns/other";
    shell(&pod, &format!("ip netns add other; {in_other} ip link set lo up; {in_other} tproxy {INSTALL}"));
    pod.done(INSTALL);
    let older =
        "cd /sys/fs/bpf; for set in tproxy-*; do mv $set tproxy-1-${set##*-}; done; rm -rf /run/tproxy";
    shell(&pod, older);
    let told = pod.tproxy("status");
    assert_eq!(told.exit, Exit::Code(4), "{told}");
    pod.done(INSTALL);
    assert_eq!(pod.tproxy("status").exit, Exit::Code(0));
    assert_captured(&pod, &BOTH);
    assert_eq!(pins(&pod).matches("/netns-").count(), 2, "{}", pins(&pod));
    pod.done("uninstall");
    assert_eq!(pins(&pod).matches("/netns-").count(), 1, "{}", pins(&pod));
    shell(&pod, &format!("{in_other} tproxy uninstall; ip netns delete other"));
    assert_eq!(pins(&pod), nothing);
}

#[rstest]
#[case::nothing(": > $object", "cannot be loaded")]
#[case::its_beginning_alone("printf '\\177ELF\\002\\001\\001' > $object", "cannot be loaded")]
#[case::another_program("cp /proc/self/exe $object", "cannot be loaded")]
#[case::what_is_far_too_long("truncate -s 17M $object", "too long for one")]
#[case::a_directory("mkdir $object", "cannot be read")]
fn an_object_that_is_broken_is_refused(#[case] make: &str, #[case] words: &str) {
    let Some(pod) = pod() else { return };
    let nothing = pins(&pod);
    pod.sh(&format!("mkdir /run/programs; object=/run/programs/tproxy.bpf.o; {make}"));
    let refused = pod.tproxy(&format!("{INSTALL} --ebpf-programs-source-path /run/programs"));
    assert!(!refused.success() && refused.stderr_text().contains(words), "{refused}");
    assert_eq!((pins(&pod), pod.tproxy("status").exit), (nothing, Exit::Code(3)));
}

/// A sidecar and its callers in one process. `hold` connections are held at once, each to a destination of its own; then so
/// many come and go. The entries of the map for connections under way are counted when all is done.
const CROWD: &str = "
import ctypes, ipaddress, os, resource, socket, struct, sys, threading
family, level, size, at, length, any, to, step = {
    '4': (socket.AF_INET, 0, 16, 4, 4, '', '198.18.0.0', 1),
    '6': (socket.AF_INET6, 41, 28, 8, 16, '::', '2001:db8::', 1),
}[sys.argv[1]]
hold, pass_by = int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (2 * hold + 500, 2 * hold + 500))
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((any, 15001))
listener.listen(1024)
accepted, held = [], []
def serve():
    while True:
        connection, _ = listener.accept()
        name = connection.getsockopt(level, 80, size)
        connection.sendall(name[at:at + length] + name[2:4])
        if len(accepted) < hold:
            accepted.append(connection)
        else:
            connection.close()
threading.Thread(target=serve, daemon=True).start()
base, wrong = int(ipaddress.ip_address(to)), 0
def call(number):
    global wrong
    address, port = ipaddress.ip_address(base + number % 60000 + 1), number % 50000 + 1000
    connection = socket.socket(family)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.connect((str(address), port))
    if connection.recv(length + 2, socket.MSG_WAITALL) != address.packed + port.to_bytes(2, 'big'):
        wrong += 1
    return connection
for number in range(hold):
    held.append(call(number))
for number in range(pass_by):
    call(number).close()
for connection in held:
    connection.close()
libc = ctypes.CDLL(None, use_errno=True)
call_number = {'x86_64': 321, 'aarch64': 280}[os.uname().machine]
def bpf(command, attributes):
    return libc.syscall(call_number, command, ctypes.create_string_buffer(attributes, 128), 128)
path = ctypes.create_string_buffer(sys.argv[4].encode())
pending = bpf(7, struct.pack('<Q', ctypes.addressof(path)))
assert pending >= 0, os.strerror(ctypes.get_errno())
key, entries = ctypes.create_string_buffer(48), 0
first = struct.pack('<IIQQ', pending, 0, 0, ctypes.addressof(key))
while bpf(4, first if entries == 0 else struct.pack('<IIQQ', pending, 0, ctypes.addressof(key), ctypes.addressof(key))) == 0:
    entries += 1
print(f'{wrong} wrong, {entries} under way')
";

#[rstest]
#[case::ipv4("4")]
#[case::ipv6("6")]
fn nine_thousand_connections_know_where_they_were_going_and_fifty_thousand_leave_nothing(
    #[case] family: &str,
) {
    let Some(pod) = pod() else { return };
    pod.done(INSTALL);
    let pending = pod.sh("ls /sys/fs/bpf/tproxy-*/tproxy_pending");
    let crowd = ["-c", CROWD, family, "9000", "50000", pending.trim()];
    let finished = Program::new("python3").args(crowd).deadline(LONG).run(pod.node()).unwrap();
    assert_eq!(finished.stdout_text(), "0 wrong, 0 under way\n", "{finished}");
    pod.done("uninstall");
}
