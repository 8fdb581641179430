//! Wrong scenario files, and what is said of them.

use rstest::rstest;
use tproxy::family::IpFamily;

use super::super::load::{ScenarioError, parse};

fn refused(text: &str) -> String {
    match parse("x", "x.yaml", text.to_owned()) {
        Err(ScenarioError::Wrong(problems)) => problems.join("\n"),
        other => panic!("must be refused: {other:?}"),
    }
}

const HEAD: &str = "version: 1\nname: n\n";

#[test]
fn the_example_of_the_design_is_right() {
    let text = format!(
        "{HEAD}topology: pod-and-peer
install:
  flags: {{ exclude-outbound-ports: [9000, 7000] }}
expect:
  - {{ from: app, to: \"peer:9000\", reaches: peer }}
  - {{ from: app, to: \"peer:8080\", reaches: sidecar-outbound, original-destination: \"peer:8080\" }}
  - {{ from: peer, to: \"pod:8080\", reaches: sidecar-inbound, sees-source: peer }}
"
    );
    assert_eq!(parse("x", "x.yaml", text).unwrap().document.expect.len(), 3);
}

#[rstest]
#[case::version("version: 2\nname: n\nexpect: []\n", "version 2 is not known")]
#[case::unknown_key("version: 1\nname: n\nexpects: []\n", "unknown field `expects`")]
#[case::duplicate_key("version: 1\nname: n\nname: m\nexpect: []\n", "duplicate mapping key: name")]
#[case::no_expectation("version: 1\nname: n\nexpect: []\n", "shows nothing")]
#[case::topology(
    "version: 1\nname: n\ntopology: pd\nexpect: [{from: app, run: [x], exit-code: 0}]\n",
    "no topology \"pd\""
)]
#[case::number(
    "version: 1\nname: n\nexpect: [{from: app, to: \"peer:80\", reaches: peer, source-port: 70000}]\n",
    "it must be a whole number from 0 to 65535"
)]
#[case::truth("version: 1\nname: n\nheavy: perhaps\nexpect: []\n", "it must be `true` or `false`")]
#[case::not_yaml("version: 1\nname: [\n", "x.yaml:2:")]
fn a_wrong_file_is_refused_at_its_place(#[case] text: &str, #[case] message: &str) {
    let said = refused(text);
    assert!(said.contains(message) && said.contains("x.yaml:"), "{said}");
}

#[rstest]
#[case("{ from: app, to: \"per:80\", reaches: peer }", "did you mean \"peer\"?")]
#[case("{ from: app, to: \"10.77.0.3:80\", reaches: peer }", "`only: { families: [ipv4], because: … }`")]
#[case("{ from: app, to: \"[fd77::3]:80\", reaches: peer }", "fd77::3 is no ipv4 address")]
#[case("{ from: app, to: peer, reaches: peer }", "`peer` is not of the form name:port")]
#[case("{ from: app, to: \"peer:0\", reaches: peer }", "`peer:0`: a port is from 1 to 65535")]
#[case("{ from: nobody, to: \"peer:80\", reaches: peer }", "nobody here is called `nobody`")]
#[case("{ from: app, to: \"peer:80\" }", "`to` needs `reaches`")]
#[case("{ from: app, reaches: peer }", "one of `to`, `ask` and `run`")]
#[case("{ from: app, run: [curl] }", "a program needs `exit-code` or `prints`")]
#[case("{ from: app, to: \"peer:80\", reaches: peer, through: [] }", "`through` needs")]
#[case("{ from: app, to: \"peer:80\", reaches: peer, exit-code: 0 }", "are for programs")]
#[case("{ from: app, run: [curl, \"http://{pear:80}/\"], exit-code: 0 }", "did you mean \"peer\"?")]
#[case("{ from: app, run: [curl], exit-code: 256 }", "from 0 to 255")]
#[case("{ from: app, to: \"peer:80\", source: peer, reaches: peer }", "must be an address of the pod")]
#[case("{ from: peer, to: \"pod:80\", source: pod, reaches: app }", "must be an address of the peer")]
#[case("{ from: ap, to: \"peer:80\", reaches: peer }", "did you mean `app`?")]
#[case("{ from: app, to: \"peer:80\", reaches: per }", "nothing ends at `per`; did you mean `peer`?")]
#[case("{ from: app, to: \"peer:80\", reaches: pod }", "nothing ends at `pod`")]
#[case(
    "{ from: app, to: \"peer:80\", reaches: sidecar-outbound, protocol: udp }",
    "a datagram never reaches"
)]
#[case(
    "{ from: app, ask: a, server: nameserver, reaches: nameserver, bytes: 9 }",
    "`bytes` is for connections"
)]
#[case("{ from: app, to: \"peer:80\", reaches: peer, bytes: 9, leaves: pod eth0 }", "`bytes` is not for")]
fn a_wrong_expectation_is_refused_at_its_line(#[case] line: &str, #[case] message: &str) {
    let said = refused(&format!("{HEAD}expect:\n  - {line}\n"));
    assert!(said.contains(message) && said.contains("x.yaml:4:"), "{said}");
}

#[rstest]
#[case("flags: { exclude-outbund-ports: 80 }", "did you mean `exclude-outbound-ports`?")]
#[case("flags: { redirect-inbound-port: 0 }", "`0` is not a port from 1 to 65535")]
#[case("flags: { dry-run: true }", "would install nothing")]
#[case("config: { redirct: {} }", "did you mean `redirect`?")]
fn wrong_options_of_tproxy_are_refused(#[case] section: &str, #[case] message: &str) {
    let said = refused(&format!(
        "{HEAD}install:\n  {section}\nexpect:\n  - {{ from: app, to: \"peer:80\", reaches: peer }}\n"
    ));
    assert!(said.contains(message) && said.contains("x.yaml:4:"), "{said}");
}

#[rstest]
#[case("files: { pod: { /root/x: y } }", "/root/x")]
#[case("files: { pod: { /etc/../root/x: y } }", "/etc/../root/x")]
#[case("sysctls: { pod: { kernel/panic: 1 } }", "kernel/panic")]
#[case("install: { flags: { kuma-dp-user: ghost } }", "user `ghost` does not exist")]
#[case("install: { env: { KUMA_TRANSPARENT_PROXY_REDIRCT: x } }", "knows no variable")]
fn what_could_not_run_is_refused_without_running(#[case] section: &str, #[case] message: &str) {
    let said =
        refused(&format!("{HEAD}{section}\nexpect:\n  - {{ from: app, to: \"peer:80\", reaches: peer }}\n"));
    assert!(said.contains(message) && said.contains("x.yaml:3:"), "{said}");
}

#[test]
fn several_problems_are_reported_together() {
    let said = refused(&format!(
        "{HEAD}only: {{ backends: [ebfp], because: \"\" }}\nexpect:\n  - {{ from: app, to: \"per:80\", reaches: peer }}\n"
    ));
    for message in ["`ebfp` is no backend", "must give the reason", "did you mean \"peer\"?"] {
        assert!(said.contains(message), "{said}");
    }
}

#[rstest]
#[case("- talk: { over: a, is: echoed }", "no step before this one opens `a`")]
#[case("- inject: { over: a, segment: out-of-window }", "no step before this one opens `a`")]
#[case(
    "- open: { name: a, from: app, to: \"peer:80\", reaches: peer }\n  - inject: { over: a, segment: out-of-window }",
    "connections that arrive at the pod"
)]
#[case("- open: { name: a, from: app, to: \"per:80\", reaches: peer }", "did you mean \"peer\"?")]
#[case("- wait-for: {}\n  - install: {}\n  - leaves-nothing-behind: true", "one of `done` and `seen-by`")]
#[case(
    "- wait-for: { done: kill }\n  - install: {}\n  - leaves-nothing-behind: true",
    "no step of this file does"
)]
#[case(
    "- burst: { from: app, to: \"peer:80\", connections: 1, reaches: peer, until: { done: kill } }",
    "no step of this file does"
)]
#[case(
    "- queries: { from: app, ask: a, server: nameserver, source-ports: [1], times: 1, reaches: nameserver, until: { done: kill } }",
    "no step of this file does"
)]
#[case("- burst: { from: app, to: \"per:80\", connections: 1, reaches: peer }", "did you mean \"peer\"?")]
#[case("- wait-for: { seen-by: peer }\n  - leaves-nothing-behind: true", "`seen-by` is for")]
#[case("- leaves-nothing-behind: false", "can only be `true`")]
#[case(
    "- queries: { from: app, ask: a, server: nameserver, source-ports: [], times: 1, reaches: nameserver }",
    "`source-ports` must name a port"
)]
#[case("- install: {}", "shows nothing")]
#[case("- reinstall: {}\n  - leaves-nothing-behind: true", "no step before this one installs anything")]
#[case("- leaves-nothing-behind: true", "nothing to compare with")]
#[case(
    "- open: { name: a, from: app, to: \"peer:80\", reaches: peer }\n  - open: { name: a, from: app, to: \"peer:81\", reaches: peer }",
    "another step opens `a`"
)]
#[case(
    "- repeat: { times: 0, steps: [ expect: [ { from: app, to: \"peer:80\", reaches: peer } ] ] }",
    "`repeat: times` is from 1 to 10000, not 0"
)]
#[case("- table: { columns: [], rows: {} }", "a table without rows or columns")]
#[case("- logs: []", "`logs` must name prefixes")]
#[case(
    "- burst: { from: app, to: \"peer:80\", connections: 0, reaches: peer }",
    "`connections` is from 1 to"
)]
#[case(
    "- burst: { from: app, to: \"peer:80\", connections: 1, at-once: 0, reaches: peer }",
    "`at-once` is from 1 to 1000, not 0"
)]
#[case(
    "- install: {}\n  - burst: { from: app, to: \"peer:80\", connections: 1, reaches: peer, until: { done: install, times: 5 } }",
    "do `install` 1 times, not 5"
)]
#[case(
    "- queries: { from: app, ask: a, server: nameserver, source-ports: [7, 7], times: 1, reaches: nameserver }",
    "each once"
)]
#[case("- link-down: { at: pod eth0, for: 99h }\n  - install: {}", "`for` is at most 60s")]
#[case("- install: { exit-code: 300 }", "`exit-code` is from 0 to 255, not 300")]
#[case("- install: { prints: \"\" }", "`prints` must hold some text")]
#[case(
    "- expect: [ { from: app, to: \"peer:80\", reaches: peer, bytes: 100000000000 } ]",
    "`bytes` is from 1 to 67108864"
)]
#[case("- expect: [ { from: app, to: \"peer:65536\", reaches: peer } ]", "a port is from 1 to 65535")]
#[case("- expect: [ { from: app, to: \"peer:+80\", reaches: peer } ]", "is not of the form name:port")]
#[case(
    "- expect: [ { from: app, to: \"peer:80\", reaches: peer, leaves: pod eth7 } ]",
    "there is no interface `pod eth7`"
)]
#[case("- expect: [ { from: app, to: \"peer:80\", reaches: peer, leaves: eth0 } ]", "as in `pod eth0`")]
fn a_wrong_step_is_refused(#[case] step: &str, #[case] message: &str) {
    let said = refused(&format!("{HEAD}steps:\n  {step}\n"));
    assert!(said.contains(message), "{said}");
}

#[test]
fn options_that_shall_be_refused_are_left_to_tproxy() {
    let text =
        format!("{HEAD}steps:\n  - install: {{ flags: {{ exclude-outbound-ports: none }}, exit-code: 2 }}\n");
    assert!(parse("x", "x.yaml", text).is_ok());
}

#[test]
fn people_places_and_topologies_can_be_a_files_own() {
    let text = format!(
        "{HEAD}users: {{ backup: {{ uid: 4242, gid: 7 }}, far: {{ uid: 9, on: web }} }}
topology:
  nodes: [pod, router, web]
  links:
    - {{ between: [pod eth0, router eth0], mtu: 1280, rate: 10mbit }}
    - {{ between: [router eth1, web eth0] }}
  addresses:
    pod eth0: [10.1.0.2/24]
    router eth0: [10.1.0.1/24]
    router eth1: [10.2.0.1/24]
    web eth0: [10.2.0.2/24]
  routes: {{ pod: [default via 10.1.0.1], web: [10.1.0.0/24 via 10.2.0.1] }}
table:
  columns: [\"web:80\", \"web:443\"]
  rows: {{ backup: [sidecar-outbound, sidecar-outbound], sidecar: [web, web] }}
"
    );
    let scenario = parse("x", "x.yaml", text).unwrap();
    assert_eq!(scenario.document.expectations().len(), 4);
    let families: Vec<_> =
        super::super::variants(&std::sync::Arc::new(scenario)).into_iter().map(|one| one.family).collect();
    assert!(families.iter().all(|family| *family == IpFamily::V4) && !families.is_empty());
}

#[rstest]
#[case("topology: { nodes: [pod], links: [], addresses: { pod eth0: [10.0.0.1/24] } }", "no interface")]
#[case("topology: { nodes: [host], links: [], addresses: {} }", "needs the node `pod`")]
#[case("topology: { nodes: [pod], links: [], adresses: {} }", "unknown field `adresses`")]
#[case("topology: 7", "the name of a ready topology")]
#[case(
    "topology: { nodes: [pod], links: [], addresses: {}, routes: { pod: [default by 10.0.0.1] } }",
    "is no route"
)]
#[case("users: { backup: { uid: 1, on: pad } }", "`pad` is no node")]
#[case("users: { sidecar: { uid: 77 } }", "a user cannot be called `sidecar`")]
#[case("users: { peer: { uid: 77 } }", "a user cannot be called `peer`")]
#[case("resolver: { uid: 990, asks: namserver }", "did you mean \"nameserver\"?")]
#[case(
    "topology: { nodes: [pod, refused], links: [ { between: [pod eth0, refused eth0] } ], addresses: {} }",
    "refused"
)]
#[case("topology: { nodes: [pod], links: [], addresses: {} }", "nothing would be driven")]
#[case("zones: { nameservr: { web.mesh: [10.0.0.1] } }", "`nameservr` is no name server")]
#[case(
    "table: { columns: [\"peer:80\"], rows: { app: [peer, peer] } }",
    "has 2 cells, and there are 1 columns"
)]
#[case("table: { columns: [\"peer:80\"], rows: { ap: [peer] } }", "did you mean `app`?")]
fn what_a_file_adds_is_checked(#[case] section: &str, #[case] message: &str) {
    let said =
        refused(&format!("{HEAD}{section}\nexpect:\n  - {{ from: root, run: [\"true\"], exit-code: 0 }}\n"));
    assert!(said.contains(message) && said.contains("x.yaml:3:"), "{said}");
}

#[test]
fn variables_stand_for_values() {
    let expect = "expect:\n  - { from: app, to: \"peer:80\", reaches: ${who} }\n";
    let scenario = parse("x", "x.yaml", format!("{HEAD}variables: {{ who: peer }}\n{expect}")).unwrap();
    let reaches = scenario.document.expect.first().and_then(|one| one.value.reaches.clone());
    assert_eq!(reaches.unwrap().to_string(), "peer");
    let said = refused(&format!("{HEAD}variables: {{ whom: peer }}\n{expect}"));
    assert!(said.contains("who") && said.contains("x.yaml:5:"), "{said}");
}

#[test]
fn what_is_wrong_in_an_included_file_is_told_there() {
    // A name that begins with a dot, as temporary ones do, is a hidden file's, and those are not included.
    let folder = tempfile::Builder::new().prefix("netsim-").tempdir().unwrap();
    let file = folder.path().join("x.yaml");
    let with = |part: &str| {
        std::fs::write(folder.path().join("more.part.yaml"), part).unwrap();
        std::fs::write(&file, format!("{HEAD}expect: !include more.part.yaml\n")).unwrap();
        super::super::load("x", &file)
    };
    let good = with("- { from: app, to: \"peer:80\", reaches: peer }\n").unwrap();
    assert_eq!(good.document.expect.len(), 1);
    let found = super::super::files(folder.path()).unwrap();
    assert_eq!(found.len(), 1, "a part is no scenario: {found:?}");
    let said = with("\n- { from: app, to: \"per:80\", reaches: peer }\n").unwrap_err().to_string();
    assert!(said.contains("more.part.yaml:2:"), "{said}");
}
