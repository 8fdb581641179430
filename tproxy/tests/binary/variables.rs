//! Variables that are no texts.

use netsim::node::{Exit, Finished, Program};

use super::pod::Pod;

/// Runs a script in which `$'\xff'` stands for a byte that no text has.
fn bash(pod: &Pod, script: &str) -> Finished {
    Program::new("bash").args(["-c", script]).run(pod.node()).unwrap()
}

#[test]
fn a_variable_of_ours_that_is_no_text_is_refused_by_name() {
    let Some(pod) = Pod::start() else { return };
    for name in ["KUMA_TRANSPARENT_PROXY_KUMA_DP_USER", "KUMA_TRANSPARENT_PROXY_NO_SUCH", "KUMA_DP_USER"] {
        for command in ["tproxy install", "tproxy config", "tproxy check"] {
            let finished = bash(&pod, &format!("{name}=$'5678\\xff' {command}"));
            assert_eq!(finished.exit, Exit::Code(2), "{finished}");
            let said = finished.stderr_text();
            assert!(said.starts_with(&format!("error: {name}: is not UTF-8 text")), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
    assert_eq!(pod.tproxy("status").exit, Exit::Code(3));
}

#[test]
fn it_is_told_together_with_what_else_is_wrong() {
    let Some(pod) = Pod::start() else { return };
    let finished = bash(&pod, "KUMA_TRANSPARENT_PROXY_WAIT=$'\\xff' tproxy config --max-retries few --nope");
    let said = finished.stderr_text();
    for words in ["'--nope'", "KUMA_TRANSPARENT_PROXY_WAIT: is not UTF-8", "--max-retries: `few`"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(finished.exit, Exit::Code(2));
}

#[test]
fn any_other_variable_does_not_matter() {
    let Some(pod) = Pod::start() else { return };
    let plain = pod.done("config").stdout_text();
    for script in [
        "HOME=$'\\xff' OTHER=$'\\xff' tproxy config",
        "KUMA_DP_USER=$'\\xff' KUMA_TRANSPARENT_PROXY_KUMA_DP_USER=5678 tproxy config | sed 's/\"5678\"/\"\"/'",
    ] {
        let finished = bash(&pod, script);
        assert_eq!(
            (finished.stdout_text(), finished.stderr_text()),
            (plain.clone(), String::new()),
            "{script}"
        );
    }
    let forbidding = bash(&pod, "TPROXY_FORBID_NETNS=$'\\xff' tproxy install");
    assert_eq!(forbidding.exit, Exit::Code(2), "{forbidding}");
}

#[test]
fn a_common_variable_that_is_no_text_matters_only_where_ebpf_is_on() {
    let Some(pod) = Pod::start() else { return };
    let off = bash(&pod, "INSTANCE_IP=$'\\xff' tproxy config");
    assert!(off.success(), "{off}");
    let told = "# [WARNING] INSTANCE_IP: is not UTF-8 text; ";
    assert!(off.stderr_text().starts_with(told), "{off}");
    let on = bash(&pod, "INSTANCE_IP=$'\\xff' tproxy config --ebpf-enabled");
    assert_eq!(on.exit, Exit::Code(2), "{on}");
}

#[test]
fn an_argument_that_is_no_text_is_told_by_its_option_beside_what_else_is_wrong() {
    let Some(pod) = Pod::start() else { return };
    for value in ["=$'\\xff'", " $'\\xff'"] {
        let finished = bash(&pod, &format!("tproxy config --wait x --exclude-outbound-ports{value} --nope"));
        let said = finished.stderr_text();
        for words in ["value of '--exclude-outbound-ports' is not UTF-8 text", "--wait: `x`", "'--nope'"] {
            assert!(said.contains(words), "{said}");
        }
        assert_eq!(finished.exit, Exit::Code(2), "{said}");
    }
}
