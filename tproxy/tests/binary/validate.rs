//! `validate` sends packets and says where they went; it takes no port from anybody and leaves nothing behind.

use std::time::Duration;

use netsim::node::{Exit, Finished, Identity, Program, Running};
use rstest::rstest;
use serde_json::Value;

use super::pod::{APP, Pod, assert_refused};

const SIDECAR: Identity = Identity::new(5678, 5678);
const INSTALL: &str = "install --redirect-all-dns-traffic";
const LINES: [&str; 4] =
    ["outbound/sidecar-to-self", "outbound/captured", "outbound/dns", "inbound/captured"];

fn validate(pod: &Pod, arguments: &str, who: Identity) -> Finished {
    let program = pod.tproxy_program(&format!("validate --json {arguments}")).identity(who);
    program.deadline(Duration::from_secs(60)).run(pod.node()).unwrap()
}

/// What came of the probe of one line in one family, and why.
fn outcome(finished: &Finished, family: &str, line: &str) -> (String, String) {
    let json: Value = serde_json::from_str(&finished.stdout_text()).unwrap();
    let probes = json.pointer("/probes").unwrap().as_array().unwrap();
    let text =
        |probe: &Value, key: &str| probe.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let probe =
        probes.iter().find(|probe| text(probe, "family") == family && text(probe, "line") == line).unwrap();
    (text(probe, "outcome"), text(probe, "why"))
}

fn interfaces(pod: &Pod) -> String {
    pod.sh("cut -d: -f1 /proc/thread-self/net/dev")
}

/// A program that listens at these addresses (`host port`) and answers everybody who comes, and every datagram, with
/// sixteen bytes.
fn stranger(pod: &Pod, listens: &[(&str, u16)]) -> Running {
    let script = "
import selectors, socket, sys
wait = selectors.DefaultSelector()
for text in sys.argv[1:]:
    host, port = text.rsplit('/', 1)
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, int(port)))
        if kind == socket.SOCK_STREAM: s.listen()
        wait.register(s, selectors.EVENT_READ)
print('ready', flush=True)
while True:
    for key, _ in wait.select():
        s = key.fileobj
        if s.type == socket.SOCK_STREAM:
            c, _ = s.accept()
            c.sendall(b'A' * 16)
            c.close()
        else:
            _, who = s.recvfrom(512)
            s.sendto(b'A' * 16, who)
";
    let listens = listens.iter().map(|(host, port)| format!("{host}/{port}"));
    let program = Program::new("python3").args(["-c", script]).args(listens.collect::<Vec<_>>());
    program.deadline(Duration::from_secs(120)).spawn(pod.node(), "ready").unwrap()
}

#[rstest]
fn every_direction_works_after_an_installation(#[values("nft", "legacy")] flavour: &str) {
    let Some(pod) = Pod::start() else { return };
    pod.done(&format!("{INSTALL} --backend iptables-{flavour}"));
    let (before, links) = (pod.sh("find /run /tmp; cat /proc/thread-self/net/if_inet6"), interfaces(&pod));
    let finished = validate(&pod, "--probe-inbound", Identity::ROOT);
    assert!(finished.success(), "{finished}");
    for family in ["ipv4", "ipv6"] {
        for line in LINES {
            assert_eq!(outcome(&finished, family, line).0, "works", "{family} {line} {finished}");
        }
    }
    assert_eq!(
        (pod.sh("find /run /tmp; cat /proc/thread-self/net/if_inet6"), interfaces(&pod)),
        (before, links)
    );
}

#[rstest]
#[case::outbound(&["-D KUMA_MESH_OUTBOUND $($I -t nat -S KUMA_MESH_OUTBOUND | sed 1d | wc -l)"], "outbound/captured")]
#[case::dns(&["-F KUMA_MESH_DNS"], "outbound/dns")]
#[case::inbound(&["-F KUMA_MESH_INBOUND"], "inbound/captured")]
#[case::to_self(&["-D KUMA_MESH_OUTBOUND $($I -t nat -S KUMA_MESH_OUTBOUND | sed 1d | grep -n sidecar-to-self | cut -d: -f1)"],
    "outbound/sidecar-to-self")]
fn a_direction_that_is_not_captured_fails_alone(#[case] damage: &[&str], #[case] broken: &str) {
    let Some(pod) = Pod::start() else { return };
    pod.done(INSTALL);
    for damage in damage {
        pod.sh(&format!("I=ip6tables-nft; $I -t nat {damage}"));
    }
    let finished = validate(&pod, "--probe-inbound", Identity::ROOT);
    assert_eq!(finished.exit, Exit::Code(1), "{finished}");
    assert!(finished.stderr_text().contains(&format!("validation failed: IPv6: {broken}: ")), "{finished}");
    for family in ["ipv4", "ipv6"] {
        for line in LINES {
            let expected = if (family, line) == ("ipv6", broken) { "fails" } else { "works" };
            assert_eq!(outcome(&finished, family, line).0, expected, "{family} {line} {finished}");
        }
    }
}

#[test]
fn a_stray_listener_fools_no_probe() {
    let Some(pod) = Pod::start() else { return };
    pod.done(INSTALL);
    let _stranger = stranger(&pod, &[("0.0.0.0", 7777)]);
    // Whatever is captured goes to the stranger.
    pod.sh("iptables-nft -t nat -I OUTPUT -p tcp -j REDIRECT --to-ports 7777; \
            iptables-nft -t nat -I OUTPUT -p udp -j REDIRECT --to-ports 7777; \
            iptables-nft -t nat -I PREROUTING -p tcp -j REDIRECT --to-ports 7777");
    let finished = validate(&pod, "--probe-inbound --ip-family-mode ipv4", Identity::ROOT);
    assert_eq!(finished.exit, Exit::Code(1), "{finished}");
    for line in LINES {
        assert_eq!(outcome(&finished, "ipv4", line).0, "fails", "{line} {finished}");
    }
    let (_, why) = outcome(&finished, "ipv4", "outbound/captured");
    assert!(why.ends_with("somebody else answered"), "{why}");
}

#[test]
fn a_sidecar_that_listens_already_is_left_alone_and_told() {
    let Some(pod) = Pod::start() else { return };
    pod.done(INSTALL);
    let sidecar = stranger(&pod, &[("0.0.0.0", 15006), ("::1", 15001), ("127.0.0.1", 15053)]);
    let finished = validate(&pod, "--probe-inbound", Identity::ROOT);
    for (family, line, expected) in [
        ("ipv4", LINES[0], "not-probed"),
        ("ipv4", LINES[1], "works"),
        ("ipv4", LINES[2], "not-probed"),
        ("ipv4", LINES[3], "not-probed"),
        ("ipv6", LINES[0], "works"),
        ("ipv6", LINES[1], "not-probed"),
        ("ipv6", LINES[2], "works"),
        ("ipv6", LINES[3], "works"),
    ] {
        let (outcome, why) = outcome(&finished, family, line);
        assert_eq!(outcome, expected, "{family} {line} {finished}");
        assert_eq!(
            why.contains("listens on") && why.contains("left alone"),
            expected == "not-probed",
            "{why}"
        );
    }
    assert!(finished.success(), "{finished}");
    assert!(sidecar.wait(Duration::ZERO).is_none(), "{}", sidecar.stderr());
    let answer = pod.sh("curl -s --http0.9 http://127.0.0.1:15006/ || true");
    assert_eq!(answer, "A".repeat(16));
    // For kumactl's validator, as for Kuma's, that is a failure.
    pod.sh("ln -s $(command -v tproxy) /run/kumactl");
    let kumas =
        pod.sh("/run/kumactl install transparent-proxy-validator --ip-family-mode ipv4 2>&1; echo $?");
    assert!(kumas.contains("validate before the sidecar starts") && kumas.ends_with("1\n"), "{kumas}");
}

#[test]
fn what_the_sidecar_cannot_try_is_said() {
    let Some(pod) = Pod::start() else { return };
    pod.done(INSTALL);
    let finished = validate(&pod, "", SIDECAR);
    assert!(finished.success(), "{finished}");
    assert_eq!(outcome(&finished, "ipv4", LINES[0]).0, "works");
    let (outbound, why) = outcome(&finished, "ipv4", LINES[1]);
    assert!(outbound == "not-probed" && why.contains("what the sidecar (uid 5678) sends"), "{finished}");
    assert_eq!(outcome(&finished, "ipv4", LINES[2]).0, "not-probed");
    let text = pod.tproxy_program("validate").identity(SIDECAR).run(pod.node()).unwrap().stdout_text();
    assert!(text.contains("arriving connections are not tried: --probe-inbound does, as root"), "{text}");
    let refused = pod.tproxy_program("validate --probe-inbound").identity(APP).run(pod.node()).unwrap();
    assert_refused(&refused, "needs root");
}

#[test]
fn root_tries_what_was_installed() {
    let Some(pod) = Pod::start() else { return };
    pod.done(
        "install --kuma-dp-user 4242 --redirect-inbound-port 1 --redirect-outbound-port 2 \
        --exclude-outbound-ports-for-uids 65534 --redirect-inbound=true",
    );
    let finished = validate(&pod, "--probe-inbound", Identity::ROOT);
    assert!(finished.success(), "{finished}");
    for family in ["ipv4", "ipv6"] {
        for line in [LINES[0], LINES[1], LINES[3]] {
            assert_eq!(outcome(&finished, family, line).0, "works", "{family} {line} {finished}");
        }
        assert_eq!(
            outcome(&finished, family, LINES[2]),
            ("not-probed".to_owned(), "DNS capture is off".to_owned())
        );
    }
    pod.done("install --redirect-inbound=false --ip-family-mode ipv4");
    let finished = validate(&pod, "--probe-inbound", Identity::ROOT);
    let (inbound, why) = outcome(&finished, "ipv4", LINES[3]);
    assert!(inbound == "not-probed" && why.contains("inbound capture is off"), "{finished}");
}

#[test]
fn a_kill_in_the_middle_leaves_no_interface() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    // The connection waits for an answer that does not come.
    pod.sh("iptables-nft -A INPUT -p tcp --dport 15006 ! -i lo -j DROP");
    let links = interfaces(&pod);
    let probing =
        pod.tproxy_program("validate --probe-inbound --ip-family-mode ipv4").start(pod.node()).unwrap();
    let until = |there: &str| {
        // The kernel removes an interface in its own time.
        pod.sh(&format!(
            "timeout 20 sh -c 'until {there} grep -q tproxy- /proc/thread-self/net/dev; do :; done'"
        ));
    };
    until("");
    probing.kill();
    let killed = probing.finish(Duration::from_secs(10)).unwrap();
    assert!(matches!(killed.exit, Exit::Signal(9)), "{killed}");
    until("!");
    assert_eq!(interfaces(&pod), links);
}
