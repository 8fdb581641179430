//! Traffic between nodes: applications answer, sidecars capture and forward, and clients say how it ended.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::lab::{need_nodes, pod_and_peer, shell};
use netsim::actor::{App, AppSpec, Attempt, Client, Handled, Mode, Outcome, Sidecar, SidecarSpec};
use netsim::link::{self, Network};
use netsim::node::{Identity, Node};
use netsim::topology::{IpFamily, Topology};

const APP: Identity = Identity::new(1000, 1000);
const SIDECAR: Identity = Identity::new(5678, 5678);
const SOON: Duration = Duration::from_secs(5);

fn address(network: &Network, text: &str, family: IpFamily) -> SocketAddr {
    network.topology().socket_address(text, family).unwrap()
}

fn app(node: &Node, name: &str, ports: &[u16]) -> App {
    App::start(node, AppSpec::new(name, APP, ports.iter().copied())).unwrap()
}

fn sidecar(node: &Node, mode: Mode) -> Sidecar {
    // As tproxy's install does: without it there is no calling from ::6.
    link::add_address(node, "lo", "::6/128".parse().unwrap()).unwrap();
    Sidecar::start(node, SidecarSpec { mode, ..SidecarSpec::new(SIDECAR) }).unwrap()
}

/// Redirects as a transparent proxy does: all that leaves, but for the sidecar's own, and all that arrives.
fn redirect(node: &Node) {
    for program in ["iptables-nft", "ip6tables-nft"] {
        let out = "-t nat -A OUTPUT -p tcp ! -o lo -m owner ! --uid-owner 5678 -j REDIRECT --to-ports 15001";
        let arriving = "-t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006";
        shell(node, &format!("{program} {out} && {program} {arriving}"));
    }
}

#[derive(Debug)]
struct Answered {
    actor: String,
    local: SocketAddr,
    client: SocketAddr,
    original_destination: Option<SocketAddr>,
    peer_name: SocketAddr,
}

fn answered(outcome: Outcome) -> Answered {
    match outcome {
        Outcome::Answered { answer, peer_name, echoed: true, .. } => Answered {
            actor: answer.actor,
            local: answer.local,
            client: answer.client,
            original_destination: answer.original_destination,
            peer_name,
        },
        other => panic!("not answered and echoed: {other:?}"),
    }
}

#[test]
fn a_pod_and_its_peer_reach_each_other_over_both_families() {
    need_nodes!();
    let network = pod_and_peer();
    let (pod, peer) = (network.node("pod").unwrap(), network.node("peer").unwrap());
    let server = app(peer, "peer", &[9000]);
    let client = Client::start(pod, "client", APP).unwrap();
    for family in IpFamily::ALL {
        let to = address(&network, "peer:9000", family);
        let got = answered(client.connect(Attempt::to(to)).unwrap());
        assert_eq!((got.actor.as_str(), got.local, got.peer_name), ("peer", to, to));
        assert_eq!(got.client.ip(), network.topology().address("pod", family).unwrap());
        let seen = server.log().wait_for(SOON, |seen| seen.local == to).unwrap();
        assert_eq!((seen.source, seen.handled), (got.client, Handled::Answered));
    }
    assert!(server.log().all().is_empty(), "what was waited for is taken out");
}

#[test]
fn what_is_off_link_leaves_by_the_default_route() {
    need_nodes!();
    let network = pod_and_peer();
    let (pod, peer) = (network.node("pod").unwrap(), network.node("peer").unwrap());
    let _server = app(peer, "peer", &[443]);
    let client = Client::start(pod, "client", APP).unwrap();
    for (address, prefix) in [("192.0.2.10", 32), ("2001:db8::10", 128)] {
        link::add_address(peer, "lo", format!("{address}/{prefix}").parse().unwrap()).unwrap();
        let to = SocketAddr::new(address.parse().unwrap(), 443);
        assert_eq!(answered(client.connect(Attempt::to(to)).unwrap()).local, to);
    }
}

#[test]
fn the_pod_alone_has_a_real_interface_and_a_default_route() {
    need_nodes!();
    let network = Network::up(&Topology::ready("pod").unwrap(), &Default::default()).unwrap();
    let pod = network.node("pod").unwrap();
    assert_eq!(shell(pod, "ip route show default; ip -6 route show default").lines().count(), 2);
    let list: Vec<_> = link::addresses(pod).unwrap().iter().map(|found| found.address.to_string()).collect();
    for expected in ["10.77.0.2/24", "fd77::2/64", "127.0.0.1/8", "::1/128"] {
        assert!(list.iter().any(|address| address == expected), "{expected} in {list:?}");
    }
    let error = network.node("peer").unwrap_err().to_string();
    assert_eq!(error, "there is no node \"peer\" in this network; there are: pod, gateway");
}

#[test]
fn nodes_know_each_other_by_name() {
    need_nodes!();
    let network = pod_and_peer();
    assert_eq!(
        shell(network.node("pod").unwrap(), "getent ahostsv4 peer | head -1 | cut -d' ' -f1"),
        "10.77.0.3"
    );
}

#[test]
fn a_node_without_ipv6_gets_ipv4_only() {
    need_nodes!();
    let mut options = link::NetworkOptions::default();
    let off = ("net/ipv6/conf/all/disable_ipv6".to_owned(), "1".to_owned());
    options.node("pod").sysctls.push(off);
    let network = Network::up(&Topology::ready("pod-and-peer").unwrap(), &options).unwrap();
    let list = link::addresses(network.node("pod").unwrap()).unwrap();
    assert!(list.iter().all(|found| found.address.addr().is_ipv4()), "{list:?}");
    assert!(list.iter().any(|found| found.interface == "eth0"), "{list:?}");
}

#[test]
fn every_way_to_fail_has_a_name() {
    need_nodes!();
    let network = pod_and_peer();
    let (pod, peer) = (network.node("pod").unwrap(), network.node("peer").unwrap());
    shell(peer, "iptables-nft -A INPUT -p tcp --dport 81 -j DROP");
    shell(peer, "iptables-nft -A INPUT -p tcp --dport 82 -j REJECT --reject-with tcp-reset");
    shell(pod, "ip route add unreachable 198.51.100.0/24");
    let client = Client::start(pod, "client", APP).unwrap();
    let outcome = |to: &str| {
        client.connect(Attempt::to(to.parse().unwrap()).within(Duration::from_millis(300))).unwrap()
    };
    assert_eq!(outcome("10.77.0.3:80"), Outcome::Refused);
    assert_eq!(outcome("10.77.0.3:81"), Outcome::TimedOut);
    assert_eq!(outcome("10.77.0.3:82"), Outcome::Refused);
    assert!(matches!(outcome("198.51.100.1:80"), Outcome::Unreachable(_)));
    let from = Attempt::to("10.77.0.3:80".parse().unwrap()).from("192.0.2.99".parse().unwrap());
    let error = client.connect(from).unwrap_err().to_string();
    assert!(error.contains("192.0.2.99") && error.contains("address of this node"), "{error}");
}

#[test]
fn a_client_can_call_from_an_address_of_its_choice() {
    need_nodes!();
    let network = pod_and_peer();
    let pod = network.node("pod").unwrap();
    let _app = app(pod, "app", &[8080]);
    let client = Client::start(pod, "client", APP).unwrap();
    let source: IpAddr = "127.0.0.6".parse().unwrap();
    let got = answered(client.connect(Attempt::to("10.77.0.2:8080".parse().unwrap()).from(source)).unwrap());
    assert_eq!(got.client.ip(), source);
}

#[test]
fn a_recording_sidecar_answers_and_knows_the_original_destination() {
    need_nodes!();
    let network = pod_and_peer();
    let (pod, peer) = (network.node("pod").unwrap(), network.node("peer").unwrap());
    let sidecar = sidecar(pod, Mode::Record);
    redirect(pod);
    let inside = Client::start(pod, "client", APP).unwrap();
    let outside = Client::start(peer, "client", APP).unwrap();
    for family in IpFamily::ALL {
        let to = address(&network, "peer:9000", family);
        let got = answered(inside.connect(Attempt::to(to)).unwrap());
        assert_eq!((got.actor.as_str(), got.original_destination), ("sidecar-outbound", Some(to)));
        assert_eq!(got.peer_name, to, "the client does not notice");
        let to = address(&network, "pod:8080", family);
        let got = answered(outside.connect(Attempt::to(to)).unwrap());
        assert_eq!((got.actor.as_str(), got.original_destination), ("sidecar-inbound", Some(to)));
        assert_eq!(got.client.ip(), network.topology().address("peer", family).unwrap());
        let seen = sidecar.log().wait_for(SOON, |seen| seen.original_destination == Some(to)).unwrap();
        assert_eq!((seen.actor.as_str(), seen.handled), ("sidecar-inbound", Handled::Answered));
    }
    sidecar.health().unwrap();
}

#[test]
fn a_forwarding_sidecar_is_transparent_to_both_sides() {
    need_nodes!();
    let network = pod_and_peer();
    let (pod, peer) = (network.node("pod").unwrap(), network.node("peer").unwrap());
    let sidecar = sidecar(pod, Mode::Forward);
    redirect(pod);
    let (_app, _peer) = (app(pod, "app", &[8080]), app(peer, "peer", &[9000]));
    let inside = Client::start(pod, "client", APP).unwrap();
    let outside = Client::start(peer, "client", APP).unwrap();
    for family in IpFamily::ALL {
        let to = address(&network, "peer:9000", family);
        let got = answered(inside.connect(Attempt::to(to)).unwrap());
        assert_eq!((got.actor.as_str(), got.local), ("peer", to));
        let to = address(&network, "pod:8080", family);
        let got = answered(outside.connect(Attempt::to(to)).unwrap());
        assert_eq!((got.actor.as_str(), got.client.ip()), ("app", family.passthrough()));
    }
    let handled: Vec<_> = sidecar.log().take().into_iter().map(|seen| seen.handled).collect();
    assert_eq!(handled, vec![Handled::Forwarded; 4]);
}

#[test]
fn a_sidecar_refuses_to_be_connected_to_itself() {
    need_nodes!();
    let network = pod_and_peer();
    let (pod, peer) = (network.node("pod").unwrap(), network.node("peer").unwrap());
    for mode in [Mode::Record, Mode::Forward] {
        let sidecar = Sidecar::start(pod, SidecarSpec { mode, ..SidecarSpec::new(SIDECAR) }).unwrap();
        if mode == Mode::Record {
            redirect(pod);
        }
        let outside = Client::start(peer, "client", APP).unwrap();
        for family in IpFamily::ALL {
            for port in [15006, 15001] {
                let to = address(&network, &format!("pod:{port}"), family);
                assert_eq!(outside.connect(Attempt::to(to)).unwrap(), Outcome::Reset);
                let seen = sidecar.log().wait_for(SOON, |_| true).unwrap();
                assert_eq!((seen.handled, seen.original_destination), (Handled::Loop, Some(to)));
            }
        }
    }
}

#[test]
fn a_sidecar_says_why_it_cannot_forward() {
    need_nodes!();
    let network = pod_and_peer();
    let pod = network.node("pod").unwrap();
    let sidecar = sidecar(pod, Mode::Forward);
    redirect(pod);
    let client = Client::start(pod, "client", APP).unwrap();
    let to = address(&network, "peer:9", IpFamily::V4);
    assert_eq!(client.connect(Attempt::to(to)).unwrap(), Outcome::Reset);
    let seen = sidecar.log().wait_for(SOON, |_| true).unwrap();
    assert!(matches!(&seen.handled, Handled::Failed(why) if why.contains("refused")), "{seen:?}");
}

#[test]
fn a_sidecar_handles_no_more_connections_than_it_should() {
    need_nodes!();
    let network = pod_and_peer();
    let pod = network.node("pod").unwrap();
    let spec = SidecarSpec { connections: 1, ..SidecarSpec::new(SIDECAR) };
    let sidecar = Sidecar::start(pod, spec).unwrap();
    let holder = pod.actor("holder", APP).unwrap();
    let to: SocketAddr = "127.0.0.1:15001".parse().unwrap();
    let held = holder.serve(move || async move {
        let stream = tokio::net::TcpStream::connect(to).await?;
        stream.readable().await?;
        let service = async move {
            let _stream = stream;
            std::future::pending().await
        };
        Ok::<_, std::io::Error>(((), service))
    });
    held.unwrap().unwrap();
    let client = Client::start(pod, "client", APP).unwrap();
    assert_eq!(client.connect(Attempt::to(to)).unwrap(), Outcome::Reset);
    assert!(sidecar.log().wait_for(SOON, |seen| seen.handled == Handled::Overload).is_some());
    drop(holder);
    assert!(sidecar.log().wait_for(SOON, |seen| seen.handled == Handled::Answered).is_some());
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it() {
    need_nodes!();
    let node = crate::lab::node("pod");
    let _first = app(&node, "app", &[80]);
    let second = App::start(&node, AppSpec::new("b", APP, [81, 80]));
    let error = second.unwrap_err().to_string();
    assert!(error.contains("ipv4 port 80") && error.contains("in use"), "{error}");
}
