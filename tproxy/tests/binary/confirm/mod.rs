//! `install --confirm-within`: nobody locks himself out.

mod deciding;
mod guardian;
mod login;
mod programs;
mod returning;

use std::time::{Duration, Instant};

use netsim::node::{Exit, Program, Running};

use super::pod::Pod;

/// How long anything may take on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// Runs a script whose last words are `ended by` and a code, and stays until it is dropped, as a guardian has to.
fn shell(pod: &Pod, script: &str) -> Running {
    let script = format!("{script}; echo ended by $?; exec sleep 600");
    Program::new("sh").args(["-c", &script]).spawn(pod.node(), "ended by").unwrap()
}

/// Installs so that it has to be confirmed.
fn install(pod: &Pod, within: &str, flags: &str) -> Running {
    let shell = shell(pod, &format!("tproxy install --confirm-within {within} {flags}"));
    assert!(shell.stdout().contains("ended by 0"), "{}{}", shell.stdout(), shell.stderr());
    let advice =
        format!("# confirm with \"tproxy confirm\" within {within}, else the state before comes back\n");
    assert!(shell.stdout().contains(&advice), "{}", shell.stdout());
    shell
}

/// The guardian's process id; nothing where there is none.
fn guardian(pod: &Pod) -> String {
    pod.sh("ss -xlpH | sed -n '/@tproxy.guardian/s/.*pid=\\([0-9]*\\).*/\\1/p'").trim().to_owned()
}

/// Waits until a process is gone.
fn ended(pod: &Pod, process: &str) {
    if process.is_empty() {
        return;
    }
    pod.sh(&format!(
        "python3 -c \"
import os, select, sys
try: process = os.pidfd_open({process})
except ProcessLookupError: sys.exit()
assert select.select([process], [], [], 60)[0]
\""
    ));
}

fn ended_by_itself(pod: &Pod) {
    ended(pod, &guardian(pod));
    assert_eq!(guardian(pod), "");
}

/// What a status with `--json` says.
fn status(pod: &Pod) -> (Exit, String) {
    let status = pod.tproxy("status --json");
    (status.exit, status.stdout_text())
}

/// Waits until the time to confirm is over, where nobody returns the state before.
fn over(pod: &Pod) {
    let begun = Instant::now();
    while !status(pod).1.contains("\"secondsLeft\": 0") {
        assert!(begun.elapsed() < LONG, "{}", status(pod).1);
    }
}

const FOREIGN: &str = "for i in iptables ip6tables; do $i -t nat -A OUTPUT -p udp -m comment --comment one -j RETURN; \
     $i -t nat -A OUTPUT -p udp -m comment --comment two -j RETURN; done";
