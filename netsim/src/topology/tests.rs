//! Names, suggestions and what a topology refuses.

use super::*;

fn pod_and_peer() -> Topology {
    Topology::ready("pod-and-peer").unwrap()
}

#[test]
fn one_name_serves_both_families() {
    let topology = pod_and_peer();
    let resolve = |text, family| topology.socket_address(text, family).map(|address| address.to_string());
    for (text, v4, v6) in [
        ("peer:9000", "10.77.0.3:9000", "[fd77::3]:9000"),
        ("pod:8080", "10.77.0.2:8080", "[fd77::2]:8080"),
        ("localhost:1", "127.0.0.1:1", "[::1]:1"),
        ("passthrough:2", "127.0.0.6:2", "[::6]:2"),
    ] {
        assert_eq!(resolve(text, IpFamily::V4).unwrap(), v4);
        assert_eq!(resolve(text, IpFamily::V6).unwrap(), v6);
    }
    assert_eq!(resolve("192.0.2.1:80", IpFamily::V4).unwrap(), "192.0.2.1:80");
    assert_eq!(resolve("[2001:db8::1]:80", IpFamily::V6).unwrap(), "[2001:db8::1]:80");
}

#[test]
fn a_node_behind_a_bridge_is_reached_by_the_bridge() {
    for (topology, interface) in [("host-with-vm", "vm0"), ("host-with-bridge-and-vm", "br0")] {
        let topology = Topology::ready(topology).unwrap();
        let of = |name, family| topology.address(name, family).map(|address| address.to_string());
        assert_eq!(topology.interface_towards("pod", "vm"), Some(interface));
        assert_eq!(topology.egress("pod", "10.78.0.2".parse().unwrap()), Some(interface));
        assert_eq!(of("pod", IpFamily::V4).unwrap(), "10.77.0.2");
        assert_eq!(of("pod@vm", IpFamily::V4).unwrap(), "10.78.0.1");
        assert_eq!(of("pod@vm", IpFamily::V6).unwrap(), "fd78::1");
        assert!(of("vm@peer", IpFamily::V4).is_err());
    }
    let bridge = |ports: &[&str], name: &str| Bridge {
        end: End { node: "pod".to_owned(), interface: name.to_owned(), addresses: vec![], routes: vec![] },
        ports: ports.iter().map(|port| (*port).to_owned()).collect(),
    };
    let unknown = pod_and_peer().with_bridge(bridge(&["eth1"], "br0")).unwrap_err().to_string();
    told(&unknown, "pod has no interface \"eth1\"");
    let taken = pod_and_peer().with_bridge(bridge(&[], "eth0"));
    assert!(matches!(taken, Err(TopologyError::DuplicateInterface { .. })));
}

#[test]
fn it_is_known_by_which_interface_something_arrives_and_what_does_not_pass() {
    let topology = Topology::ready("host-with-vm").unwrap();
    let arrival = |from: &str, to: &str| topology.arrival(from, to.parse().unwrap(), "pod");
    assert_eq!(arrival("peer", "10.77.0.2"), Some("eth0"));
    assert_eq!(arrival("vm", "10.78.0.1"), Some("vm0"));
    assert_eq!(arrival("vm", "10.77.0.2"), Some("vm0"), "the pod's other address, by its gateway");
    assert_eq!(arrival("vm", "10.77.0.3"), Some("vm0"), "forwarded");
    assert_eq!(arrival("vm", "198.51.100.1"), Some("vm0"));
    for within in ["10.77.0.3", "127.0.0.1"] {
        assert_eq!(arrival("peer", within), None);
    }
}

#[test]
fn addresses_have_names_again() {
    let topology = pod_and_peer();
    let name = |text: &str| topology.name_of(text.parse().unwrap()).map(str::to_owned);
    assert_eq!(name("10.77.0.3").as_deref(), Some("peer"));
    assert_eq!(name("fd77::2").as_deref(), Some("pod"));
    assert_eq!(name("::6").as_deref(), Some("passthrough"));
    assert_eq!(name("192.0.2.1"), None);
}

#[test]
fn wrong_names_are_told_with_what_there_is() {
    let topology = pod_and_peer();
    let error = |text| topology.socket_address(text, IpFamily::V4).unwrap_err().to_string();
    told(
        &error("pear:80"),
        "\"pear\" is neither an address nor a name here; names are: pod, peer, localhost, passthrough, nameserver; did you mean \"peer\"?",
    );
    told(
        &error("gateway:80"),
        "\"gateway\" is neither an address nor a name here; names are: pod, peer, localhost, passthrough, nameserver",
    );
    told(&error("[fd77::3]:80"), "fd77::3 is not an ipv4 address");
    assert!(matches!(topology.socket_address("fd77::3:80", IpFamily::V6), Err(TopologyError::Port { .. })));
    assert!(error("peer").contains("no port"));
    assert!(error("peer:99999").contains("no port"));
    let error = Topology::ready("pod-and-per").unwrap_err().to_string();
    assert!(error.ends_with("did you mean \"pod-and-peer\"?"), "{error}");
}

fn told(actual: &str, expected: &str) {
    assert_eq!(actual, expected);
}

#[test]
fn a_topology_that_cannot_be_is_refused() {
    let topology = pod_and_peer();
    let nodes = || topology.nodes().map(str::to_owned).collect::<Vec<_>>();
    let twice = Topology::new("x", [nodes(), nodes()].concat(), Vec::new());
    assert!(matches!(twice, Err(TopologyError::DuplicateNode { .. })));
    let links = [topology.links(), topology.links()].concat();
    assert!(matches!(Topology::new("x", nodes(), links), Err(TopologyError::DuplicateInterface { .. })));
    let orphans = Topology::new("x", vec!["pod".to_owned()], topology.links().to_vec());
    assert!(matches!(orphans, Err(TopologyError::UnknownName { .. })));
    let reserved = Topology::new("x", vec!["localhost".to_owned()], Vec::new());
    assert!(matches!(reserved, Err(TopologyError::ReservedName { .. })));
    let mut links = topology.links().to_vec();
    links[0].ends[0].routes.push(Route::default_by("192.0.2.1".parse().unwrap()));
    assert!(matches!(Topology::new("x", nodes(), links), Err(TopologyError::GatewayOffLink { .. })));
}

#[test]
fn a_topology_without_a_family_names_nothing_of_it() {
    let whole = Topology::ready("host-with-bridge-and-vm").unwrap();
    let whole = whole.with_sysctl("pod", "net/ipv6/conf/all/disable_ipv6", "0").with_sysctl(
        "pod",
        "net/ipv4/ip_forward",
        "1",
    );
    for (gone, left) in [(IpFamily::V4, IpFamily::V6), (IpFamily::V6, IpFamily::V4)] {
        let half = whole.clone().without(gone);
        assert!(whole.addresses().any(|(_, address)| IpFamily::of(address.addr()) == gone));
        assert!(half.addresses().all(|(_, address)| IpFamily::of(address.addr()) == left));
        assert_eq!(half.servers_of("pod").into_iter().map(IpFamily::of).collect::<Vec<_>>(), [left]);
        for node in whole.nodes() {
            assert_eq!(half.families_of(node), [left], "{node}");
        }
        assert!(half.ends().flat_map(|end| &end.routes).all(|route| IpFamily::of(route.gateway) == left));
        assert_eq!(half.sysctls().len(), 1);
    }
}
