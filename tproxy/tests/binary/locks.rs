//! Locks, and hosts on which little may be written.

use netsim::node::{Exit, Program, Running};

use super::pod::Pod;

const LEGACY: &str = "install --backend iptables-legacy --max-retries 0";

/// Holds the lock of x_tables in `file` until it is told to end.
fn hold(pod: &Pod, file: &str) -> Running {
    let script = format!(
        "import fcntl, signal; f = open('{file}', 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); signal.pause()"
    );
    Program::new("python3").args(["-c", &script]).spawn(pod.node(), "held").unwrap()
}

#[test]
fn who_holds_the_xtables_lock_is_named_when_time_runs_out() {
    for (file, variable) in
        [("/run/xtables.lock", None), ("/run/elsewhere.lock", Some("/run/elsewhere.lock"))]
    {
        let Some(pod) = Pod::start() else { return };
        let holder = hold(&pod, file);
        let mut install = pod.tproxy_program(&format!("{LEGACY} --wait 1"));
        if let Some(value) = variable {
            install = install.env("XTABLES_LOCKFILE", value);
        }
        let failed = install.run(pod.node()).unwrap();
        assert_eq!(failed.exit, Exit::Code(1), "{failed}");
        let named = format!("{file} is locked by pid {} (python3", holder.id());
        assert!(failed.stderr_text().contains(&named), "{failed}");
        assert!(!pod.state().contains("KUMA"), "{}", pod.state());
    }
}

#[test]
fn the_xtables_lock_is_waited_for() {
    let Some(pod) = Pod::start() else { return };
    let holder = hold(&pod, "/run/xtables.lock");
    let install = pod.tproxy_program(&format!("{LEGACY} --wait 60")).start(pod.node()).unwrap();
    pod.sh("until grep -q -e '-> FLOCK' /proc/locks; do :; done");
    holder.kill();
    let done = install.finish(std::time::Duration::from_secs(60)).unwrap();
    assert!(done.success(), "{done}");
    pod.done("status");
}

#[test]
fn nothing_needs_to_be_written_but_the_xtables_lock() {
    let cases = [("iptables-nft", ""), ("iptables-legacy", "XTABLES_LOCKFILE=/mnt/lock")];
    for (backend, variables) in cases {
        let Some(pod) = Pod::start() else { return };
        let run = |verb: &str| format!("env {variables} tproxy {verb}");
        let script = [
            "mount -t tmpfs none /mnt",
            // In the node's own mounts.
            "for mount in / /run /tmp; do mount -o remount,bind,ro $mount; done",
            "if touch /x /run/x /tmp/x; then exit 1; fi",
            &run(&format!("install --backend {backend}")),
            &run("status"),
            &run(&format!("install --backend {backend} --exclude-inbound-ports 7")),
            &run("uninstall"),
        ];
        let done = Program::new("sh").args(["-ec", &script.join("\n")]).run(pod.node()).unwrap();
        assert!(done.success(), "{done}");
        assert!(done.stderr_text().contains("the journal /run/tproxy/"), "{done}");
        assert!(!pod.state().contains("KUMA") && !pod.has_passthrough());
    }
}

#[test]
fn two_capabilities_are_enough() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        let Some(pod) = Pod::start() else { return };
        let run = |arguments: &str| {
            let limited =
                "--bounding-set=-all,+net_admin,+net_raw --inh-caps=-all,+net_admin,+net_raw tproxy";
            let words = limited.split_whitespace().chain(arguments.split_whitespace());
            let done = Program::new("setpriv").args(words).run(pod.node()).unwrap();
            assert!(done.success(), "{done}");
            assert_eq!(done.stderr_text(), "", "{done}");
        };
        run(&format!("install --backend {backend} --redirect-all-dns-traffic"));
        pod.done("status");
        run("uninstall");
        assert!(!pod.state().contains("KUMA") && !pod.has_passthrough());
    }
}

#[test]
fn a_second_run_that_gives_up_names_who_is_at_work() {
    let Some(pod) = Pod::start() else { return };
    let script = "import signal, socket; s = socket.socket(socket.AF_UNIX); s.bind('\\0tproxy/lock'); s.listen(9); \
                  print('held', flush=True); signal.pause()";
    let holder = Program::new("python3").args(["-c", script]).spawn(pod.node(), "held").unwrap();
    let refused = pod.tproxy("install --timeout 100ms");
    assert_eq!(refused.exit, Exit::Code(1), "{refused}");
    let named = format!("another tproxy (pid {}, uid 0) is at work", holder.id());
    assert!(refused.stderr_text().contains(&named), "{refused}");
    assert!(!pod.state().contains("KUMA"));
}
