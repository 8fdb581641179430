//! What programs at interfaces know of connections and queries of virtual networks: it may be forgotten, and its end is told.

use netsim::node::{Finished, Program};
use rstest::rstest;

use super::ebpf_guests::{pod, state};
use super::pod::Pod;

/// A machine behind vm0.
const GUEST: &str = "ip netns add guest; ip link set vm1 netns guest; \
    nsenter --net=/run/netns/guest sh -ec 'ip link set lo up; ip address add 10.78.0.2/24 dev vm1; ip link set vm1 up; \
    ip route add default via 10.78.0.1'";

/// What the scripts have in common: `inside` is in the machine's network, and `forget` removes what a map knows.
const COMMON: &str = r#"
import contextlib, ctypes, glob, os, socket, struct, subprocess, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
@contextlib.contextmanager
def inside():
    here, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open("/run/netns/guest", os.O_RDONLY)
    assert libc.setns(there, 0x40000000) == 0
    yield
    assert libc.setns(here, 0x40000000) == 0
def bpf(command, *parts):
    attributes = ctypes.create_string_buffer(b"".join(parts), 128)
    return libc.syscall(321 if os.uname().machine == "x86_64" else 280, command, attributes, 128)
def address(buffer):
    return struct.pack("Q", ctypes.addressof(buffer) if buffer else 0)
def forget(pattern, is_forgotten):
    [path] = glob.glob(pattern)
    path = ctypes.create_string_buffer(path.encode())
    found, keys = bpf(7, address(path)), [None]
    following = ctypes.create_string_buffer(40)
    while bpf(4, struct.pack("II", found, 0), address(keys[-1]), address(following)) == 0:
        keys.append(ctypes.create_string_buffer(following.raw, 40))
    forgotten = [key for key in keys[1:] if is_forgotten(key.raw)]
    for key in forgotten:
        assert bpf(3, struct.pack("II", found, 0), address(key)) == 0
    return len(forgotten)
"#;

/// A sidecar that says nothing until all that is known of its connection is forgotten.
const CONNECTION: &str = r#"
server = socket.create_server(("", 15001))
def guest():
    with inside(), socket.create_connection(("203.0.113.1", 80), 10) as caller:
        print(caller.recv(100).decode())
        caller.sendall(b"and back")
thread = threading.Thread(target=guest)
thread.start()
taken, client = server.accept()
original = taken.getsockopt(0, 80, 16)
print("forgot", forget("/sys/fs/bpf/tproxy-*/guests-*", lambda key: True))
taken.settimeout(5)
taken.sendall(b"said late")
print(taken.recv(100).decode(), socket.inet_ntoa(original[4:8]), flush=True)
thread.join()
"#;

/// A machine that asks twice from one port; in between, how answers find back to it is forgotten.
const QUERY: &str = r#"
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 15053))
server.settimeout(5)
with inside():
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.bind(("10.78.0.2", 4444))
asker.settimeout(5)
def ask():
    asker.sendto(b"query", ("203.0.113.1", 53))
    _, by = server.recvfrom(100)
    server.sendto(b"answer", by)
    print(*asker.recvfrom(100))
ask()
print("forgot", forget("/sys/fs/bpf/tproxy-*/passing-*", lambda key: key[36] == 1))
ask()
"#;

/// A machine whose connection is open while tproxy runs.
const OPEN: &str = r#"
server = socket.create_server(("", 15001))
with inside():
    caller = socket.create_connection(("203.0.113.1", 80), 10)
taken, client = server.accept()
sys.exit(subprocess.run(["tproxy", *sys.argv[1:]]).returncode)
"#;

fn run(pod: &Pod, script: &str, arguments: &str) -> Finished {
    let words = ["-c".to_owned(), format!("{COMMON}{script}")];
    Program::new("python3").args(words).args(arguments.split_whitespace()).run(pod.node()).unwrap()
}

fn with_guest() -> Option<Pod> {
    let pod = pod()?;
    pod.sh(GUEST);
    Some(pod)
}

#[test]
fn a_connection_that_was_forgotten_is_remembered_when_the_sidecar_speaks() {
    let Some(pod) = with_guest() else { return };
    pod.done("install --backend ebpf --vnet vm0:10.78.0.0/24");
    let ran = run(&pod, CONNECTION, "");
    let mut said: Vec<String> = ran.stdout_text().lines().map(str::to_owned).collect();
    said.sort();
    assert_eq!(said, ["and back 203.0.113.1", "forgot 2", "said late"], "{ran}");
    pod.done("uninstall");
    pod.sh("ip netns delete guest");
}

#[test]
fn a_query_whose_way_back_was_forgotten_is_answered() {
    let Some(pod) = with_guest() else { return };
    pod.done("install --backend ebpf --redirect-all-dns-traffic --vnet vm0:10.78.0.0/24");
    let ran = run(&pod, QUERY, "");
    let answer = "b'answer' ('203.0.113.1', 53)";
    assert_eq!(ran.stdout_text(), format!("{answer}\nforgot 1\n{answer}\n"), "{ran}");
    pod.done("uninstall");
    pod.sh("ip netns delete guest");
}

#[rstest]
#[case::uninstall("uninstall")]
#[case::its_dry_run("uninstall --dry-run")]
#[case::rules_in_their_place("install --backend iptables-nft --vnet vm0:10.78.0.0/24")]
fn connections_that_end_are_told(#[case] arguments: &str) {
    let Some(pod) = with_guest() else { return };
    pod.done("install --backend ebpf --vnet vm0:10.78.0.0/24");
    let ran = run(&pod, OPEN, arguments);
    assert!(ran.success(), "{ran}");
    assert!(
        ran.stdout_text().contains("of virtual networks 1 captured connections are open: they end"),
        "{ran}"
    );
    pod.done("uninstall");
    pod.sh("ip netns delete guest");
}

/// What only tells how many there are keeps nobody from ending them.
#[rstest]
#[case::uninstall("uninstall")]
#[case::rules_in_their_place("install --backend iptables-nft --vnet vm0:10.78.0.0/24")]
fn connections_that_cannot_be_counted_end_all_the_same(#[case] arguments: &str) {
    let Some(pod) = pod() else { return };
    let nothing = state(&pod);
    pod.done("install --backend ebpf --vnet vm0:10.78.0.0/24");
    pod.sh("cd /sys/fs/bpf/tproxy-*; guests=$(echo guests-*); rm $guests; ln tproxy_counters $guests");
    let ran = pod.done(arguments);
    assert!(ran.stderr_text().contains("cannot be counted"), "{ran}");
    pod.done("uninstall");
    assert_eq!(state(&pod), nothing);
}
