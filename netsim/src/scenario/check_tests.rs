//! Wrong scenario files, and what is said of them.

use rstest::rstest;

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
#[case::not_yaml("version: 1\nname: [\n", "x.yaml:2:")]
fn a_wrong_file_is_refused_at_its_place(#[case] text: &str, #[case] message: &str) {
    let said = refused(text);
    assert!(said.contains(message) && said.contains("x.yaml:"), "{said}");
}

#[rstest]
#[case("{ from: app, to: \"per:80\", reaches: peer }", "did you mean \"peer\"?")]
#[case("{ from: app, to: peer, reaches: peer }", "`peer` is not of the form name:port")]
#[case("{ from: app, to: \"peer:0\", reaches: peer }", "`peer:0` is not of the form name:port")]
#[case("{ from: nobody, to: \"peer:80\", reaches: peer }", "unknown variant `nobody`")]
#[case("{ from: app, to: \"peer:80\" }", "`to` needs `reaches`")]
#[case("{ from: app, reaches: peer }", "one of `to`, `ask` and `run`")]
#[case("{ from: app, run: [curl] }", "a program needs `exit-code` or `prints`")]
#[case("{ from: app, to: \"peer:80\", reaches: peer, through: [] }", "`through` needs")]
#[case("{ from: app, to: \"peer:80\", reaches: peer, exit-code: 0 }", "are for programs")]
#[case("{ from: app, run: [curl, \"http://{pear:80}/\"], exit-code: 0 }", "did you mean \"peer\"?")]
#[case("{ from: app, run: [curl], exit-code: 256 }", "from 0 to 255")]
#[case("{ from: app, to: \"peer:80\", source: peer, reaches: peer }", "must be an address of the pod")]
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
#[case("- wait-for: {}\n  - leaves-nothing-behind: true", "one of `done` and `seen-by`")]
#[case("- wait-for: { done: kill }\n  - leaves-nothing-behind: true", "no step of this file does")]
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
