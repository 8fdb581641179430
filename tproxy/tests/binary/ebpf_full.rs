//! Maps of the eBPF backend that are full: what does not fit is refused or told, and nothing slips past the sidecar.
//!
//! The maps are made smaller than they are: an installation uses those that are pinned already.

use netsim::node::{Exit, Identity, Program, Running};
use netsim::require::{self, Requirement};
use rstest::rstest;
use tproxy::backend::BackendId;

use super::pod::{APP, Pod};
use super::traffic::{BOTH, assert_captured, sidecar};

const INSTALL: &str = "install --backend ebpf";
const SIDECAR: Identity = Identity::new(5678, 5678);

/// Makes a map and pins it: path, type, sizes of key and value, entries, flags.
const SMALL: &str = "
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {'x86_64': 321, 'aarch64': 280}[os.uname().machine]
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = libc.syscall(number, command, buffer, 128)
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result
path, kind, key, value, entries, flags = sys.argv[1], *map(int, sys.argv[2:])
os.makedirs(os.path.dirname(path), exist_ok=True)
made = bpf(0, struct.pack('<IIIII', kind, key, value, entries, flags))
name = ctypes.create_string_buffer(path.encode())
bpf(6, struct.pack('<QI', ctypes.addressof(name), made))
";

/// A map of `layout.h`: name, type, sizes of key and value, flags.
struct Map(&'static str, u32, u32, u32, u32);

const INSTANCE: Map = Map("tproxy_instance", 1, 8, 40, 1);
const PORTS: Map = Map("tproxy_ports", 1, 8, 64, 1);
const USERS: Map = Map("tproxy_users", 11, 12, 4, 1);
const GROUPS: Map = Map("tproxy_groups", 11, 12, 1, 1);
const NETWORKS: Map = Map("tproxy_networks", 11, 28, 1, 1);
const ADDRESSES: Map = Map("tproxy_address", 1, 24, 1, 1);
const LISTEN: Map = Map("tproxy_listen", 18, 16, 8, 0);
const PENDING: Map = Map("tproxy_pending", 9, 48, 20, 0);

/// A pod whose next installation has room for so many entries in this map.
fn pod(map: &Map, entries: u32) -> Option<Pod> {
    let pod = require::backend(BackendId::Ebpf).met_or_skip().then(Pod::start).flatten()?;
    pod.done(INSTALL);
    let directory = pod.sh("ls -d /sys/fs/bpf/tproxy-*");
    pod.done("uninstall");
    let Map(name, kind, key, value, flags) = map;
    let numbers = [kind, key, value, &entries, flags].map(u32::to_string);
    let path = format!("{}/{name}", directory.trim());
    let made = Program::new("python3").args(["-c", SMALL, &path]).args(numbers).run(pod.node()).unwrap();
    assert!(made.success(), "{made}");
    Some(pod)
}

fn listen(pod: &Pod, port: &str) -> Running {
    let script = format!(
        "import socket\n\
         listener = socket.create_server(('::', {port}), family=socket.AF_INET6, dualstack_ipv6=True)\n\
         print('ready', flush=True)\n\
         while True: listener.accept()[0].close()"
    );
    Program::new("python3").args(["-c", &script]).identity(SIDECAR).spawn(pod.node(), "ready").unwrap()
}

#[rstest]
#[case::ports(PORTS, 2, "--exclude-outbound-ports 9000", "--exclude-outbound-ports 9000,19000")]
#[case::users(
    USERS,
    2,
    "--exclude-outbound-ports-for-uids 2000",
    "--exclude-outbound-ports-for-uids 2001-2002"
)]
#[case::groups(GROUPS, 2, "--exclude-outbound-gids 2000", "--exclude-outbound-gids 2000,3000")]
#[case::networks(
    NETWORKS,
    2,
    "--exclude-outbound-ips 10.0.0.0/8",
    "--exclude-outbound-ips 10.0.0.0/8,fd00::/8"
)]
#[case::addresses(ADDRESSES, 10, "", "--redirect-dns")]
fn what_does_not_fit_is_not_installed_and_what_was_goes_on(
    #[case] map: Map,
    #[case] entries: u32,
    #[case] fits: &str,
    #[case] does_not: &str,
) {
    let Some(pod) = pod(&map, entries) else { return };
    let _sidecar = sidecar(&pod);
    pod.done(&format!("{INSTALL} {fits}"));
    // The new contents lie beside the old ones for a moment.
    let refused = pod.tproxy(&format!("{INSTALL} {does_not}"));
    assert_eq!(refused.exit, Exit::Code(1), "{refused}");
    for words in [map.0, "; it is full; everything was taken back"] {
        assert!(refused.stderr_text().contains(words), "{refused}");
    }
    assert_eq!(pod.tproxy("status").exit, Exit::Code(0));
    assert!(pod.done(&format!("{INSTALL} {fits}")).stdout_text().contains("nothing to change"));
    assert_captured(&pod, &BOTH);
    pod.done("uninstall");
    assert_eq!(pod.sh("find /sys/fs/bpf -name 'tproxy*'"), "");
}

#[test]
fn one_namespace_more_than_fits_is_not_installed_and_the_others_go_on() {
    let Some(pod) = pod(&INSTANCE, 1) else { return };
    let _sidecar = sidecar(&pod);
    pod.done(INSTALL);
    let other = "ip netns add other; nsenter --net=/run/netns/other tproxy install --backend ebpf 2>&1; echo $?; \
         nsenter --net=/run/netns/other tproxy status; echo $?; ip netns delete other";
    let said = pod.sh(other);
    assert!(said.contains("tproxy_instance") && said.contains("; it is full"), "{said}");
    assert!(said.contains("\n1\n") && said.contains("not installed\n3\n"), "{said}");
    assert_eq!(pod.tproxy("status").exit, Exit::Code(0));
    assert_captured(&pod, &BOTH);
    pod.done("uninstall");
}

#[test]
fn a_listener_that_is_there_before_and_does_not_fit_is_told() {
    let Some(pod) = pod(&LISTEN, 1) else { return };
    let _listeners = [listen(&pod, "15001"), listen(&pod, "15006")];
    let refused = pod.tproxy(INSTALL);
    assert_eq!(refused.exit, Exit::Code(1), "{refused}");
    for words in [LISTEN.0, "; it is full; everything was taken back"] {
        assert!(refused.stderr_text().contains(words), "{refused}");
    }
    assert_eq!(pod.tproxy("status").exit, Exit::Code(3));
}

#[test]
fn what_arrives_for_a_listener_that_comes_later_and_does_not_fit_is_refused() {
    let Some(pod) = pod(&LISTEN, 1) else { return };
    pod.done(INSTALL);
    // The first takes the only place. An application that would answer instead listens, too.
    let _listeners = [listen(&pod, "15001"), listen(&pod, "15006"), listen(&pod, "8080")];
    for own in netsim::link::addresses(pod.node()).unwrap().iter().filter(|own| own.interface == "eth0") {
        let address = own.address.addr();
        if matches!(address, std::net::IpAddr::V6(address) if address.is_unicast_link_local()) {
            continue;
        }
        let call = "import socket, sys; print(socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)\
             .connect_ex((sys.argv[1], 8080)))";
        let called =
            Program::new("python3").args(["-c", call, &address.to_string()]).run(pod.gateway()).unwrap();
        assert_eq!(called.stdout_text(), format!("{}\n", nix::errno::Errno::ECONNREFUSED as i32), "{called}");
    }
    let counted = pod.sh("tproxy status | grep inbound/captured");
    assert_eq!(counted.split_whitespace().collect::<Vec<_>>(), ["inbound/captured", "2", "1", "1"]);
    pod.done("uninstall");
}

/// What a socket may remember beside its data is limited (net.core.optmem_max): nothing can be noted about such a one.
#[test]
fn a_call_of_which_nothing_can_be_remembered_is_refused_and_counted() {
    let Some(pod) = pod(&PENDING, 16384) else { return };
    let limit = "/proc/sys/net/core/optmem_max";
    if pod.sh(&format!("[ -e {limit} ] && echo there || true")).is_empty() {
        let reason = "net.core.optmem_max is not each network namespace's own (before Linux 6.8)";
        assert!(!Requirement::Skip(reason.to_owned()).met_or_skip());
        return;
    }
    let _sidecar = sidecar(&pod);
    pod.done(INSTALL);
    assert_captured(&pod, &BOTH);
    pod.sh(&format!("echo 10 > {limit}"));
    for (address, family) in BOTH.into_iter().zip(["AF_INET", "AF_INET6"]) {
        let call =
            format!("import socket; print(socket.socket(socket.{family}).connect_ex(('{address}', 80)))");
        let called = Program::new("python3").args(["-c", &call]).identity(APP).run(pod.node()).unwrap();
        assert_eq!(called.stdout_text(), format!("{}\n", nix::errno::Errno::EPERM as i32), "{called}");
    }
    let counted = pod.sh("tproxy status | grep outbound/captured");
    assert_eq!(counted.split_whitespace().collect::<Vec<_>>(), ["outbound/captured", "4", "2", "2"]);
    pod.sh(&format!("echo 131072 > {limit}"));
    pod.done("uninstall");
}

/// A sidecar that takes no more calls until many wait, and then says of each where it was going. Its callers know what they
/// called: each says itself, so that both can be compared.
const CROWD: &str = "
import ipaddress, socket, sys, threading
family, level, size, at, length, any, to = {
    '4': (socket.AF_INET, 0, 16, 4, 4, '', '198.18.0.0'),
    '6': (socket.AF_INET6, 41, 28, 8, 16, '::', '2001:db8::'),
}[sys.argv[1]]
many = 40
listener = socket.socket(family)
listener.bind((any, 15001))
listener.listen(0)
base = int(ipaddress.ip_address(to))
def call(number):
    name = ipaddress.ip_address(base + number + 1).packed + (number + 1000).to_bytes(2, 'big')
    caller = socket.socket(family)
    caller.setblocking(False)
    caller.connect_ex((str(ipaddress.ip_address(base + number + 1)), number + 1000))
    return caller, name
callers = [call(number) for number in range(many)]
right = lost = wrong = 0
for caller, name in callers:
    caller.setblocking(True)
# From now on all may wait.
listener.listen(1024)
for _ in range(many):
    taken, _ = listener.accept()
    known = taken.getsockopt(level, 80, size)
    told = known[at:at + length] + known[2:4]
    taken.sendall(told)
    taken.close()
for caller, name in callers:
    told = caller.recv(length + 2, socket.MSG_WAITALL)
    if told == name:
        right += 1
    elif told[-2:] == (15001).to_bytes(2, 'big'):
        lost += 1
    else:
        wrong += 1
print(f'{right + lost == many} {wrong} {lost > 0}')
";

#[rstest]
#[case::ipv4("4")]
#[case::ipv6("6")]
fn a_call_that_was_forgotten_on_its_way_is_never_taken_for_another(#[case] family: &str) {
    let Some(pod) = pod(&PENDING, 8) else { return };
    pod.done(INSTALL);
    let crowd =
        Program::new("python3").args(["-c", CROWD, family]).deadline(std::time::Duration::from_secs(120));
    let finished = crowd.run(pod.node()).unwrap();
    // The sidecar is told its own address for those: it would call itself, and that is refused.
    assert_eq!(finished.stdout_text(), "True 0 True\n", "{finished}");
    pod.done("uninstall");
}
