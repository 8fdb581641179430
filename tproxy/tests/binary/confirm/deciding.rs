//! Who decides whether an installation stays: whoever confirms in time, and nobody twice.

use netsim::node::{Exit, Program};

use super::super::interruptions::rules;
use super::super::pod::{Pod, assert_refused};
use super::{ended, ended_by_itself, guardian, install, over, shell, status};

#[test]
fn what_is_confirmed_stays() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --exclude-inbound-ports 22");
    let wanted = rules(&pod);
    pod.done("install --exclude-inbound-ports 23");
    let _shell = install(&pod, "600s", "--exclude-inbound-ports 22");
    let waiting = status(&pod);
    assert_eq!(waiting.0, Exit::Code(0));
    assert!(waiting.1.contains("\"guarded\": true"), "{}", waiting.1);
    let text = pod.done("status").stdout_text();
    assert!(text.contains(" s, else the state before comes back\n"), "{text}");
    let process = guardian(&pod);
    let confirmed = pod.done("confirm");
    assert_eq!(confirmed.stdout_text(), "# confirmed: what is installed stays\n");
    ended(&pod, &process);
    assert_eq!((rules(&pod), guardian(&pod)), (wanted, String::new()));
    assert!(!status(&pod).1.contains("unconfirmed"));
    let again = pod.tproxy("confirm");
    assert_eq!(again.exit, Exit::Code(1), "{again}");
    assert!(again.stderr_text().contains("nothing waits to be confirmed"), "{again}");
}

#[test]
fn a_confirmation_that_comes_too_late_returns_the_state_before_itself() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --exclude-inbound-ports 22");
    let before = rules(&pod);
    let _shell = install(&pod, "3s", "--exclude-inbound-ports 23");
    let process = guardian(&pod);
    assert_ne!(process, "", "it was too slow for this test");
    pod.sh(&format!("kill -KILL {process}"));
    over(&pod);
    let late = pod.tproxy("confirm");
    assert_eq!(late.exit, Exit::Code(1), "{late}");
    assert!(late.stderr_text().contains("too late to confirm"), "{late}");
    assert_eq!(rules(&pod), before);
    pod.done("status");
}

#[test]
fn of_confirmation_and_deadline_exactly_one_wins() {
    let Some(pod) = Pod::start() else { return };
    let nothing = rules(&pod);
    for before in [80, 40, 20, 0] {
        let _shell = install(&pod, "1s", "");
        let confirmed = Program::new("python3")
            .args([
                "-c",
                &format!(
                    "
import glob, json, subprocess, sys, time
found = glob.glob('/run/tproxy/*.json')
deadline = json.load(open(found[0]))['unconfirmed']['deadline'] / 1000 if found else 0
while time.clock_gettime(time.CLOCK_BOOTTIME) < deadline - {before} / 1000: pass
sys.exit(subprocess.run(['tproxy', 'confirm']).returncode)"
                ),
            ])
            .run(pod.node())
            .unwrap();
        ended_by_itself(&pod);
        let stays = match confirmed.exit {
            Exit::Code(0) => true,
            Exit::Code(1) => false,
            _ => panic!("{confirmed}"),
        };
        assert_eq!(rules(&pod) != nothing, stays, "{before}: {confirmed}");
        assert_eq!(status(&pod).0, Exit::Code(if stays { 0 } else { 3 }));
        pod.done("uninstall");
    }
}

#[test]
fn a_second_installation_is_refused_until_the_first_is_confirmed_or_removed() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install --exclude-inbound-ports 22");
    let _shell = install(&pod, "600s", "--exclude-inbound-ports 23");
    let waiting = rules(&pod);
    for more in ["", "--confirm-within 1s"] {
        assert_refused(&pod.tproxy(&format!("install {more}")), "waits to be confirmed, for ");
    }
    assert_eq!(rules(&pod), waiting);
    let process = guardian(&pod);
    pod.done("uninstall");
    ended(&pod, &process);
    assert_eq!(guardian(&pod), "");
    assert_eq!(pod.tproxy("status").exit, Exit::Code(3));
    assert!(!pod.state().contains("KUMA"));
}

#[test]
fn the_same_again_has_not_to_be_confirmed() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    let said = pod.done("install --confirm-within 1s");
    assert!(said.stdout_text().contains("# nothing has to be confirmed"), "{said}");
    assert!(pod.tproxy("confirm").stderr_text().contains("nothing waits to be confirmed"));
    pod.done("status");
}

#[test]
fn machines_are_told_too() {
    let Some(pod) = Pod::start() else { return };
    let shell = shell(&pod, "tproxy --json install --confirm-within 600s >/run/changes");
    assert!(shell.stdout().contains("ended by 0"), "{}", shell.stderr());
    pod.sh("python3 -c \"import json; assert json.load(open('/run/changes'))\"");
    assert_eq!(pod.done("--json confirm").stdout_text(), "{\n  \"confirmed\": true\n}\n");
}

#[test]
fn only_times_that_make_sense_are_taken() {
    let Some(pod) = Pod::start() else { return };
    for time in ["0s", "999ms", "61m", "soon", "-1s"] {
        let refused = pod.tproxy(&format!("install --confirm-within={time}"));
        assert_eq!(refused.exit, Exit::Code(2), "{refused}");
        let said = refused.stderr_text();
        assert!(said.contains("--confirm-within <DURATION>") && said.contains(time), "{said}");
    }
    pod.done("install --confirm-within 1h --dry-run");
    assert_eq!((guardian(&pod), pod.tproxy("status").exit), (String::new(), Exit::Code(3)));
}
