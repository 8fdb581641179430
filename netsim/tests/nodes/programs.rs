//! The launcher: what a program gets, what is known when it has ended, and that it always ends.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use crate::lab::{need_nodes, node, sh, shell};
use netsim::node::{Exit, Identity, NodeSpec, ProcessError, Program};

#[test]
fn every_program_knows_the_namespace_it_must_not_touch() {
    need_nodes!();
    let node = node("pod");
    let machine = std::fs::metadata("/proc/self/ns/net").unwrap();
    let expected = format!("{}:{}", machine.dev(), machine.ino());
    assert_eq!(shell(&node, "echo $TPROXY_FORBID_NETNS"), expected);
    let tricked = sh("echo $TPROXY_FORBID_NETNS").env("TPROXY_FORBID_NETNS", "0:0").run(&node).unwrap();
    assert_eq!(tricked.stdout_text().trim(), expected, "it cannot be overridden");
}

#[test]
fn the_environment_is_small_and_fixed() {
    need_nodes!();
    let node = node("pod");
    let run = Program::new("env").env("EXTRA", "1").run(&node).unwrap();
    let mut names: Vec<_> =
        run.stdout_text().lines().map(|line| line.split('=').next().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["EXTRA", "HOME", "LC_ALL", "PATH", "TPROXY_FORBID_NETNS"]);
}

#[test]
fn a_program_gets_input_and_its_output_and_exit_code_are_kept() {
    need_nodes!();
    let node = node("pod");
    let input = "x".repeat(300_000);
    let run = sh("wc -c; echo oops >&2; exit 7").stdin(input).run(&node).unwrap();
    assert_eq!((run.stdout_text().trim(), run.stderr_text().trim()), ("300000", "oops"));
    assert_eq!(run.exit, Exit::Code(7));
    let error = run.checked().unwrap_err().to_string();
    assert!(error.contains("exit code 7") && error.contains("stderr: oops"), "{error}");
    let run = sh("kill -TERM $$").run(&node).unwrap();
    assert_eq!(run.exit, Exit::Signal(15));
    let run = sh("cat").run(&node).unwrap();
    assert!(run.success(), "standard input is empty by default");
}

#[test]
fn a_program_runs_as_who_it_should_without_groups_and_capabilities() {
    need_nodes!();
    let node = node("pod");
    let command = "id -u; id -g; id -G; grep CapEff /proc/self/status";
    let run = sh(command).identity(Identity::new(5678, 5678)).run(&node).unwrap();
    assert_eq!(run.stdout_text(), "5678\n5678\n5678\nCapEff:\t0000000000000000\n");
    assert_eq!(shell(&node, "id -G"), "0");
}

#[test]
fn a_missing_program_is_an_error_that_names_it() {
    need_nodes!();
    let node = node("pod");
    for name in ["no-such-program", "/usr/bin/no-such-program"] {
        let error = Program::new(name).run(&node).unwrap_err();
        assert!(matches!(&error, ProcessError::Missing { program, .. } if program == name), "{error}");
    }
    node.write_file("/tmp/not-executable", "text").unwrap();
    let error = Program::new("/tmp/not-executable").run(&node).unwrap_err();
    assert!(matches!(error, ProcessError::NotStarted { .. }), "{error}");
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_all_that_it_started() {
    need_nodes!();
    let node = node("pod");
    let start = Instant::now();
    let command = "sleep 1000 & setsid sleep 1000 & echo begun; sleep 1000";
    let run = sh(command).deadline(Duration::from_millis(200)).run(&node).unwrap();
    assert!(run.timed_out && !run.success());
    assert_eq!((run.exit, run.stdout_text().trim()), (Exit::Signal(9), "begun"));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(run.to_string().contains("its deadline"), "{run}");
}

#[test]
fn what_a_program_leaves_behind_is_killed_when_it_ends() {
    need_nodes!();
    let node = node("pod");
    let run = sh("setsid sleep 1000 & echo $!").run(&node).unwrap();
    assert!(run.success());
    let left: i32 = run.stdout_text().trim().parse().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{left}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
}

#[test]
fn a_server_is_ready_when_it_says_so_and_gone_when_dropped() {
    need_nodes!();
    let node = node("pod");
    let server =
        sh("echo starting; echo listening on 80 >&2; exec sleep 1000").spawn(&node, "listening").unwrap();
    assert_eq!(server.stdout(), "starting\n");
    let pid = server.id();
    assert!(std::fs::exists(format!("/proc/{pid}")).unwrap());
    drop(server);
    assert!(!std::fs::exists(format!("/proc/{pid}")).unwrap(), "killed and reaped");
}

#[test]
fn a_server_that_never_gets_ready_is_told_with_its_output() {
    need_nodes!();
    let node = node("pod");
    let error = sh("echo cannot bind; exit 1").spawn(&node, "ready").unwrap_err().to_string();
    assert!(error.contains("exit code 1") && error.contains("cannot bind"), "{error}");
    let slow = sh("echo still thinking; sleep 1000").deadline(Duration::from_millis(200));
    let error = slow.spawn(&node, "ready").unwrap_err().to_string();
    assert!(error.contains("\"ready\"") && error.contains("still thinking"), "{error}");
}

#[test]
fn a_running_program_can_be_told_to_end() {
    need_nodes!();
    let node = node("pod");
    let server =
        sh("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done").spawn(&node, "up").unwrap();
    assert!(server.signal(15));
    let finished = server.finish(Duration::from_secs(5)).unwrap();
    assert_eq!((finished.exit, finished.stdout_text().as_str()), (Exit::Code(3), "up\nbye\n"));
}

#[test]
fn programs_end_with_their_node() {
    need_nodes!();
    let node = crate::lab::node("pod");
    let server = sh("echo up; exec sleep 1000").spawn(&node, "up").unwrap();
    let pid = server.id();
    node.stop().unwrap();
    assert!(!std::fs::exists(format!("/proc/{pid}")).unwrap(), "killed and reaped");
    assert!(!server.signal(15), "there is nothing left to signal");
}

#[test]
fn programs_of_one_node_run_side_by_side() {
    need_nodes!();
    let mut spec = NodeSpec::new("pod");
    spec.deadline = Duration::from_secs(20);
    let node = netsim::node::Node::start(spec).unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let node = &node;
            scope.spawn(move || assert_eq!(shell(node, &format!("echo {number}")), number.to_string()));
        }
    });
}
