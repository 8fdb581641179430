//! Nodes are isolated from the machine and from each other: network, files, mounts, cgroups, users, settings.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::path::{Path, PathBuf};

use crate::lab::{need_nodes, node, shell, subtree};
use netsim::node::{Account, Finished, Node, NodeError, NodeSpec, Program, SetupError};
use netsim::wire::Capture;

#[test]
fn a_new_node_has_nothing_but_a_loopback_interface() {
    need_nodes!();
    let node = node("pod");
    assert_eq!(shell(&node, "ls /sys/class/net"), "lo");
    let lines = shell(&node, "ip -brief address");
    assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), ["lo", "UNKNOWN", "127.0.0.1/8", "::1/128"]);
}

#[test]
fn every_node_has_a_network_namespace_of_its_own() {
    need_nodes!();
    let (pod, peer) = (node("pod"), node("peer"));
    let of_machine = shell_on_machine("stat -L -c %i /proc/self/ns/net");
    let of_pod = shell(&pod, "stat -L -c %i /proc/self/ns/net");
    let of_peer = shell(&peer, "stat -L -c %i /proc/self/ns/net");
    assert_eq!(BTreeSet::from([&of_machine, &of_pod, &of_peer]).len(), 3);
    assert_eq!(of_pod, pod.net_id().inode.to_string());
    let job = pod.run(|| async { fs::read_link("/proc/thread-self/ns/net").unwrap() }).unwrap();
    assert!(job.to_string_lossy().contains(&of_pod), "{job:?}");
}

/// Listens wherever the machine itself could be reached, and must never hear anything.
struct Canary {
    tcp: TcpListener,
    udp: UdpSocket,
    hidden: UnixDatagram,
    named: UnixDatagram,
    path: PathBuf,
}

impl Canary {
    /// On loopback, which reaches no other machine, and on sockets of the file system.
    fn start() -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind(tcp.local_addr().unwrap()).unwrap();
        let name = format!("netsim-canary-{}", std::process::id());
        let hidden = UnixDatagram::bind_addr(&UnixAddress::from_abstract_name(&name).unwrap()).unwrap();
        let path = Path::new("/run").join(name);
        let named = UnixDatagram::bind(&path).unwrap();
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        hidden.set_nonblocking(true).unwrap();
        named.set_nonblocking(true).unwrap();
        Self { tcp, udp, hidden, named, path }
    }

    fn heard(&self) -> bool {
        let mut buffer = [0; 16];
        let heard = self.tcp.accept().is_ok() || self.udp.recv(&mut buffer).is_ok();
        heard || self.hidden.recv(&mut buffer).is_ok() || self.named.recv(&mut buffer).is_ok()
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        fs::remove_file(&self.path).unwrap();
    }
}

#[test]
fn nothing_that_a_node_sends_arrives_at_the_machine() {
    need_nodes!();
    let canary = Canary::start();
    let node = node("pod");
    let port = canary.tcp.local_addr().unwrap().port();
    let path = canary.path.clone();
    let sends = format!(
        "import socket as s
name = '{path}'
def tried(send):
    try: send(); print('sent')
    except OSError as error: print(type(error).__name__)
tried(lambda: s.create_connection(('127.0.0.1', {port}), 2))
tried(lambda: s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port})))
tried(lambda: s.socket(s.AF_UNIX, s.SOCK_DGRAM).sendto(b'x', '\\0' + name.split('/')[-1]))
tried(lambda: s.socket(s.AF_UNIX, s.SOCK_DGRAM).sendto(b'x', name))",
        path = path.display()
    );
    let tried = Program::new("python3").args(["-c", &sends]).run(&node).and_then(Finished::checked).unwrap();
    // A datagram to a port of nobody's is sent, and nobody gets it.
    let ends = ["ConnectionRefusedError", "sent", "ConnectionRefusedError", "FileNotFoundError"];
    assert_eq!(tried.stdout_text().lines().collect::<Vec<_>>(), ends);
    assert!(!canary.heard());
    // The canary hears those who can reach it.
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(canary.heard());
}

#[test]
fn a_node_without_a_name_server_asks_nobody_for_a_host() {
    need_nodes!();
    let node = node("pod");
    // What the machine itself would ask is not there: neither its servers nor the sockets of its resolvers.
    assert_eq!(shell(&node, "grep -c ^nameserver /etc/resolv.conf || true"), "0");
    assert_eq!(shell(&node, "ls /run/systemd /run/nscd /run/dbus 2>/dev/null | wc -l"), "0");
    let mut wires = Capture::begin(&node, 1 << 20).unwrap();
    assert_eq!(shell(&node, "getent ahosts netsim.example || echo unknown"), "unknown");
    wires.collect().unwrap();
    let left = wires.end(&node).unwrap();
    // It may ask its own loopback, as resolv.conf(5) says; there nobody is.
    let others: Vec<&String> = left.files.keys().filter(|interface| *interface != "lo").collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn work_on_pool_threads_stays_in_the_node() {
    need_nodes!();
    let node = node("pod");
    let of_pool = node
        .run(|| async {
            let look = || fs::read_link("/proc/thread-self/ns/net").unwrap();
            tokio::task::spawn_blocking(look).await.unwrap()
        })
        .unwrap();
    assert_eq!(of_pool.to_string_lossy(), format!("net:[{}]", node.net_id().inode));
}

#[test]
fn what_a_node_writes_to_run_tmp_and_etc_is_its_own() {
    need_nodes!();
    let (pod, peer) = (node("pod"), node("peer"));
    let name = format!("netsim-test-{}", std::process::id());
    for directory in ["/run", "/tmp", "/etc"] {
        let path = format!("{directory}/{name}");
        shell(&pod, &format!("echo hello > {path}"));
        assert_eq!(shell(&pod, &format!("cat {path}")), "hello");
        assert_eq!(shell(&peer, &format!("test -e {path} || echo absent")), "absent");
        assert!(!fs::exists(&path).unwrap(), "{path} is on the machine");
    }
    assert_eq!(shell(&pod, "stat -c %a /run /tmp"), "755\n1777");
}

#[test]
fn the_only_cgroup_mount_shows_the_nodes_own_subtree() {
    need_nodes!();
    let node = node("pod");
    for mounts in [
        shell(&node, "cat /proc/self/mounts"),
        node.run(|| async { fs::read_to_string("/proc/thread-self/mounts").unwrap() }).unwrap(),
    ] {
        let of_kind = |kind: &str| {
            let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
            fields.filter(|fields| fields.get(2) == Some(&kind)).map(|fields| fields[1].to_owned()).collect()
        };
        let (cgroup2, cgroup, bpf): (Vec<_>, Vec<_>, Vec<_>) =
            (of_kind("cgroup2"), of_kind("cgroup"), of_kind("bpf"));
        assert_eq!((cgroup2, cgroup), (vec!["/sys/fs/cgroup".to_owned()], Vec::new()));
        assert_eq!(bpf, ["/sys/fs/bpf"]);
    }
    // What the node makes at its root, the machine sees inside the node's own cgroup.
    shell(&node, "mkdir /sys/fs/cgroup/mark");
    let of_node = fs::read_dir(subtree()).unwrap().map(|entry| entry.unwrap().path());
    let marked: Vec<_> = of_node.filter(|path| path.join("mark").is_dir()).collect();
    assert_eq!(marked.len(), 1);
    drop(node);
    assert!(!marked[0].exists(), "the node's cgroup and what was made in it is gone");
}

#[test]
fn a_node_has_its_own_users_and_hosts() {
    need_nodes!();
    let mut spec = NodeSpec::new("pod");
    spec.name_servers = vec!["10.0.0.53".parse().unwrap()];
    spec.hosts = vec![("10.77.0.3".parse().unwrap(), "peer".to_owned())];
    let node = Node::start(spec).unwrap();
    assert_eq!(shell(&node, "id kuma-dp"), "uid=5678(kuma-dp) gid=5678(kuma-dp) groups=5678(kuma-dp)");
    assert_eq!(shell(&node, "id -nu 1000"), "app");
    assert_eq!(shell(&node, "getent hosts peer"), "10.77.0.3       peer");
    assert_eq!(shell(&node, "grep nameserver /etc/resolv.conf"), "nameserver 10.0.0.53");
    let mut spec = NodeSpec::new("pod");
    spec.accounts = vec![Account::new("root", 0), Account::new("envoy", 101)];
    let node = Node::start(spec).unwrap();
    assert_eq!(shell(&node, "id -u envoy; id -u kuma-dp || echo none"), "101\nnone");
    assert!(!fs::read_to_string("/etc/passwd").unwrap().contains("kuma-dp"));
}

#[test]
fn a_program_from_a_hidden_directory_is_first_in_path() {
    need_nodes!();
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let path = directory.path().join("some-build");
    // By another process: see the test without root.
    assert!(std::process::Command::new("cp").arg("/bin/echo").arg(&path).status().unwrap().success());
    let mut spec = NodeSpec::new("pod");
    spec.programs = vec![("tproxy".to_owned(), path.clone()), ("ip".to_owned(), path)];
    let node = Node::start(spec).unwrap();
    assert_eq!(shell(&node, "tproxy one; command -v tproxy"), "one\n/run/netsim/bin/tproxy");
    assert_eq!(shell(&node, "ip two"), "two");
    assert_eq!(shell(&node, "ls /tmp"), "");
    let path = "/run/netsim/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(shell(&node, "echo $PATH"), path);
}

#[test]
fn a_program_that_is_not_there_is_an_error_that_names_it() {
    need_nodes!();
    let mut spec = NodeSpec::new("pod");
    spec.programs = vec![("tproxy".to_owned(), "/nowhere/tproxy".into())];
    let error = Node::start(spec).unwrap_err().to_string();
    assert!(error.contains("/nowhere/tproxy") && error.contains("No such file"), "{error}");
}

#[test]
fn settings_are_the_nodes_own_and_only_below_net() {
    need_nodes!();
    let before = fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").unwrap();
    let mut spec = NodeSpec::new("pod");
    spec.sysctls = vec![("net/ipv4/ip_default_ttl".to_owned(), "99".to_owned())];
    let node = Node::start(spec).unwrap();
    assert_eq!(shell(&node, "cat /proc/sys/net/ipv4/ip_default_ttl"), "99");
    node.set_sysctl("net/ipv6/conf/all/disable_ipv6", "1").unwrap();
    assert_eq!(shell(&node, "cat /proc/sys/net/ipv6/conf/lo/disable_ipv6"), "1");
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").unwrap(), before);
    assert_eq!(shell(&node, "cat /proc/sys/net/ipv6/conf/default/accept_dad"), "0");
    for key in ["kernel/hostname", "net/../kernel/hostname", "net.ipv4.ip_forward"] {
        let refused = |outcome: Result<(), NodeError>| {
            let source = match outcome {
                Err(NodeError::Setup { source, .. }) => source,
                other => panic!("{other:?}"),
            };
            assert!(matches!(source, SetupError::SysctlForeign { .. }), "{source}");
        };
        refused(node.set_sysctl(key, "x"));
        let mut spec = NodeSpec::new("pod");
        spec.sysctls = vec![(key.to_owned(), "x".to_owned())];
        refused(Node::start(spec).map(drop));
    }
}

#[test]
fn files_are_written_only_where_the_node_has_its_own() {
    need_nodes!();
    let mut spec = NodeSpec::new("pod");
    spec.files = vec![("/run/web/index.html".into(), b"a page".to_vec()), ("/etc/x/y".into(), b"z".to_vec())];
    let node = Node::start(spec).unwrap();
    assert_eq!(shell(&node, "cat /run/web/index.html /etc/x/y"), "a pagez");
    node.write_file("/tmp/deep/er", "more").unwrap();
    assert_eq!(shell(&node, "cat /tmp/deep/er"), "more");
    shell(&node, "ln -s /root /etc/out");
    for path in ["/root/x", "/tmp/../root/x", "/etc/out/x", "relative", "/run"] {
        let error = node.write_file(path, "x").unwrap_err();
        let foreign = matches!(&error, NodeError::Setup { source: SetupError::Foreign { .. }, .. });
        assert!(foreign, "{path}: {error}");
    }
}

fn shell_on_machine(command: &str) -> String {
    let output = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
