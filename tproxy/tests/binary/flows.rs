//! What becomes of flows that are under way when the rules change.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use netsim::node::Identity;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::pod::{APP, Pod};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing is waited for.
const SILENCE: Duration = Duration::from_millis(300);
const SIDECAR: Identity = Identity::new(5678, 5678);
const ROOT: Identity = Identity::new(0, 0);

/// A rule of another program that needs connection tracking, in both families.
const TRACKING: &str =
    "for f in iptables ip6tables; do $f-nft -t filter -A INPUT -m conntrack --ctstate INVALID -j DROP; done";

/// A UDP socket of this user in the pod, which stays there wherever it is used.
fn udp(pod: &Pod, identity: Identity, address: SocketAddr) -> UdpSocket {
    let actor = pod.node().actor("socket", identity).unwrap();
    let socket = actor.run(move || async move { UdpSocket::bind(address) }).unwrap().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Makes a TCP listener or connection of this user in the pod.
fn tcp<T: Send + 'static>(
    pod: &Pod,
    identity: Identity,
    make: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> T {
    pod.node().actor("connection", identity).unwrap().run(move || async move { make() }).unwrap().unwrap()
}

/// The pod's own addresses on eth0, one a family.
fn addresses(pod: &Pod) -> Vec<IpAddr> {
    let all = netsim::link::addresses(pod.node()).unwrap();
    let own = all.iter().filter(|own| own.interface == "eth0").map(|own| own.address.addr());
    let is_local = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    own.filter(|address| !is_local(address)).collect()
}

/// Which of these is the first to have something to read, if any is in time.
fn first_readable(sockets: &[&dyn AsFd], within: Duration) -> Option<usize> {
    let mut events: Vec<_> =
        sockets.iter().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut events, PollTimeout::try_from(within).unwrap()).unwrap();
    events.iter().position(|event| event.any().unwrap())
}

/// A name server, the DNS ports of sidecars, and a socket of the application that asks it again and again.
struct Queries {
    app: UdpSocket,
    server: SocketAddr,
    listeners: [(&'static str, UdpSocket); 3],
}

impl Queries {
    fn begin(pod: &Pod, own: IpAddr) -> Self {
        let server = SocketAddr::new(own, 53);
        let (any, loopback) = if own.is_ipv4() { ("0.0.0.0", "127.0.0.1") } else { ("::", "::1") };
        let [any, loopback]: [IpAddr; 2] = [any, loopback].map(|address| address.parse().unwrap());
        let listeners = [
            ("server", udp(pod, ROOT, server)),
            ("15053", udp(pod, SIDECAR, SocketAddr::new(loopback, 15053))),
            ("15054", udp(pod, SIDECAR, SocketAddr::new(loopback, 15054))),
        ];
        Self { app: udp(pod, APP, SocketAddr::new(any, 0)), server, listeners }
    }

    /// Sends a query; who got it, and from where.
    fn send<'a>(&'a self, from: &UdpSocket) -> (&'static str, &'a UdpSocket, SocketAddr) {
        from.send_to(b"query", self.server).unwrap();
        let sockets = self.listeners.each_ref().map(|(_, socket)| socket as &dyn AsFd);
        let (name, socket) = self.listeners.get(first_readable(&sockets, PATIENCE).unwrap()).unwrap();
        let (_, sender) = socket.recv_from(&mut [0; 100]).unwrap();
        (name, socket, sender)
    }

    /// Asks, is answered by the server's address, and says who answered in truth.
    fn ask(&self, from: &UdpSocket) -> &'static str {
        let (name, socket, sender) = self.send(from);
        socket.send_to(b"answer", sender).unwrap();
        assert_eq!(from.recv_from(&mut [0; 100]).unwrap().1, self.server);
        name
    }
}

/// The tracked flows to a port, with whatever changes in time cut away.
fn tracked(pod: &Pod, port: u16) -> Vec<String> {
    let all = pod.sh(&format!("grep 'dport={port} ' /proc/thread-self/net/nf_conntrack || true"));
    let mut flows: Vec<String> =
        all.lines().map(|line| line[line.find("src=").unwrap()..].to_owned()).collect();
    flows.sort();
    flows
}

const CASES: [(&str, &str); 3] = [
    ("iptables-nft", ""),
    ("iptables-nft", "--skip-dns-conntrack-zone-split"),
    ("iptables-legacy", "--skip-dns-conntrack-zone-split"),
];

#[test]
fn a_dns_socket_that_is_in_use_follows_every_change_of_its_verdict() {
    for (backend, flags) in CASES {
        let Some(pod) = Pod::start() else { return };
        pod.sh(TRACKING);
        for own in addresses(&pod) {
            let queries = Queries::begin(&pod, own);
            let ask = || queries.ask(&queries.app);
            let install = |more: &str| {
                pod.done(&format!("install --backend {backend} --redirect-all-dns-traffic {flags} {more}"))
            };
            assert_eq!(ask(), "server");
            install("");
            assert_eq!(ask(), "15053", "{backend} {flags} {own}: used before the install");
            install("--redirect-dns-port 15054");
            assert_eq!(ask(), "15054", "{backend} {flags} {own}: the port has changed");
            install("--exclude-outbound-ports-for-uids udp:53:1000");
            assert_eq!(ask(), "server", "{backend} {flags} {own}: its owner is excluded");
            install("");
            assert_eq!(ask(), "15053", "{backend} {flags} {own}: its owner is no longer excluded");
            pod.done("uninstall");
            assert_eq!(ask(), "server", "{backend} {flags} {own}: captured before the uninstall");
        }
    }
}

#[test]
fn flows_whose_verdict_does_not_change_are_not_touched() {
    let Some(pod) = Pod::start() else { return };
    pod.sh(TRACKING);
    let own = addresses(&pod)[0];
    let queries = Queries::begin(&pod, own);
    let (sidecar, other) = (udp(&pod, SIDECAR, "0.0.0.0:0".parse().unwrap()), queries.server);
    let listener = tcp(&pod, ROOT, move || TcpListener::bind((other.ip(), 9000)));
    let _connection = tcp(&pod, APP, move || TcpStream::connect((other.ip(), 9000)));
    queries.app.send_to(b"another service", (own, 9001)).unwrap();
    assert_eq!((queries.ask(&queries.app), queries.ask(&sidecar)), ("server", "server"));
    let seen = || [9000, 9001].map(|port| tracked(&pod, port));
    let foreign = seen();
    assert_eq!(foreign.each_ref().map(Vec::len), [1, 1], "{foreign:?}");
    let said = pod.done("install --redirect-all-dns-traffic");
    // The application's, not the sidecar's.
    assert!(said.stdout_text().contains("# 1 DNS flow that is under way starts anew"), "{said}");
    let port = sidecar.local_addr().unwrap().port();
    assert_eq!(pod.sh(&format!("grep -c 'sport={port} ' /proc/thread-self/net/nf_conntrack")).trim(), "1");
    // A query is under way while an installation with other exclusions takes the place of this one.
    let (name, socket, sender) = queries.send(&queries.app);
    let said = pod.done("install --redirect-all-dns-traffic --exclude-inbound-ports 7");
    assert!(!said.stdout_text().contains("DNS flow"), "{said}");
    socket.send_to(b"answer", sender).unwrap();
    assert_eq!((name, queries.app.recv_from(&mut [0; 100]).unwrap().1), ("15053", queries.server));
    pod.done("uninstall");
    assert_eq!(seen(), foreign);
    drop(listener);
}

/// A connection that is captured, and the sidecar's end of it.
fn captured(pod: &Pod, sidecar: &TcpListener) -> (TcpStream, TcpStream) {
    let outside = IpAddr::from([203, 0, 113, 1]);
    let app = tcp(pod, APP, move || TcpStream::connect_timeout(&SocketAddr::new(outside, 80), PATIENCE));
    let (accepted, _) = sidecar.accept().unwrap();
    for end in [&app, &accepted] {
        end.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    (app, accepted)
}

fn goes_on(connection: &mut (TcpStream, TcpStream)) {
    let (app, sidecar) = connection;
    let mut heard = [0; 4];
    app.write_all(b"ping").unwrap();
    sidecar.read_exact(&mut heard).unwrap();
    sidecar.write_all(b"pong").unwrap();
    app.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"pong");
}

fn listen(pod: &Pod, port: u16) -> TcpListener {
    tcp(pod, SIDECAR, move || TcpListener::bind(("0.0.0.0", port)))
}

#[test]
fn a_connection_goes_on_through_an_install_that_changes_the_sidecars_port() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        let Some(pod) = Pod::start() else { return };
        let (before, after) = (listen(&pod, 15001), listen(&pod, 15011));
        pod.done(&format!("install --backend {backend}"));
        let mut old = captured(&pod, &before);
        goes_on(&mut old);
        pod.done(&format!(
            "install --backend {backend} --redirect-outbound-port 15011 --exclude-outbound-ports 9"
        ));
        goes_on(&mut captured(&pod, &after));
        goes_on(&mut old);
        pod.done(&format!("install --backend {backend} --redirect-all-dns-traffic"));
        goes_on(&mut captured(&pod, &before));
        goes_on(&mut old);
    }
}

#[test]
fn uninstall_says_how_many_captured_connections_are_open_and_what_becomes_of_them() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        for tracked_otherwise in [true, false] {
            let Some(pod) = Pod::start() else { return };
            if tracked_otherwise {
                pod.sh(TRACKING);
            }
            let sidecar = listen(&pod, 15001);
            pod.done(&format!("install --backend {backend}"));
            let mut open: Vec<_> = (0..3).map(|_| captured(&pod, &sidecar)).collect();
            let (closed, its_end) = captured(&pod, &sidecar);
            drop(closed);
            drop(its_end);
            let told = "# 3 captured connections are open: they end with these rules, or they go on where other \
                        rules need connection tracking";
            for verb in ["uninstall --dry-run", "uninstall"] {
                let said = pod.done(verb);
                assert!(said.stdout_text().contains(told), "{said}");
            }
            if tracked_otherwise {
                open.iter_mut().for_each(goes_on);
            } else {
                for (app, end) in &mut open {
                    // The application's kernel may have been told already.
                    let _ = app.write_all(b"ping");
                    assert_eq!(first_readable(&[end], SILENCE), None);
                }
            }
        }
    }
}

#[test]
fn uninstall_counts_open_connections_for_machines_too() {
    let Some(pod) = Pod::start() else { return };
    let sidecar = listen(&pod, 15001);
    pod.done("install");
    let _open = captured(&pod, &sidecar);
    for expected in ["1", "0"] {
        let printed = pod.done("uninstall --json").stdout_text();
        assert!(printed.contains(&format!("\"openConnections\": {expected}")), "{printed}");
    }
}
