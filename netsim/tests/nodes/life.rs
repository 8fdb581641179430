//! How nodes, actors and jobs fail and end: always with a reason, never with a hang, and with nothing left.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use crate::lab::{need_nodes, node, sh, shell, subtree};
use netsim::node::{Identity, NodeError, NodeSpec};

const APP: Identity = Identity::new(1000, 1000);

#[test]
fn a_panic_of_a_job_is_told_and_the_node_goes_on() {
    need_nodes!();
    let node = node("pod");
    let error = node.run(|| async { panic!("the {} is loose", "cat") }).unwrap_err();
    assert_eq!(error.to_string(), "a job on pod panicked: the cat is loose");
    assert_eq!(node.run(|| async { 6 * 7 }).unwrap(), 42);
    node.stop().unwrap();
}

#[test]
fn an_actor_whose_service_dies_says_why() {
    need_nodes!();
    let node = node("pod");
    let actor = node.actor("app", APP).unwrap();
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let served = actor.serve(|| async {
        let service = async move {
            let _ = wait.await;
            panic!("out of cheese")
        };
        Ok::<_, String>((7, service))
    });
    assert_eq!(served.unwrap().unwrap(), 7);
    actor.health().unwrap();
    go.send(()).unwrap();
    // A job given now runs after the service has died, and is refused by then or by the next one.
    let _ = actor.run(|| async { tokio::task::yield_now().await });
    let error = actor.run(|| async {}).unwrap_err();
    assert_eq!(error.to_string(), "pod/app died: out of cheese");
    assert!(matches!(actor.health(), Err(NodeError::Died { .. })));
    drop(actor);
    node.stop().unwrap();
}

#[test]
fn a_service_that_cannot_be_set_up_gives_its_own_error() {
    need_nodes!();
    let node = node("pod");
    let actor = node.actor("app", APP).unwrap();
    let outcome = actor.serve(|| async { Err::<((), std::future::Ready<_>), _>("no such port") }).unwrap();
    assert_eq!(outcome, Err("no such port"));
}

#[test]
fn a_job_that_takes_too_long_is_cancelled() {
    need_nodes!();
    let node = node("pod");
    let within = Duration::from_millis(100);
    let error = node.submit(within, std::future::pending::<()>).wait().unwrap_err();
    assert_eq!(error.to_string(), "a job on pod was not done within 100ms");
    node.stop().unwrap();
}

#[test]
fn even_a_job_that_blocks_its_thread_does_not_hang_the_caller() {
    need_nodes!();
    let node = node("pod");
    let (release, blocked) = sync_channel::<()>(0);
    let start = Instant::now();
    let job = node.submit(Duration::from_millis(100), move || async move { blocked.recv() });
    let error = job.wait().unwrap_err();
    assert!(error.to_string().contains("blocks the thread"), "{error}");
    // What does not hang has ended long before, on a slow machine, too.
    assert!(start.elapsed() < Duration::from_secs(60));
    drop(release);
    node.stop().unwrap();
}

#[test]
fn what_has_ended_says_so() {
    need_nodes!();
    let node = node("pod");
    let actor = node.actor("app", APP).unwrap();
    node.stop().unwrap();
    let error = actor.run(|| async {}).unwrap_err();
    assert_eq!(error.to_string(), "pod/app has ended; nothing can be run on it any more");
}

#[test]
fn names_that_cannot_be_are_refused() {
    need_nodes!();
    for name in ["", "a/b", "..a b", &"x".repeat(61)] {
        assert!(
            matches!(netsim::node::Node::start(NodeSpec::new(name)), Err(NodeError::Name { .. })),
            "{name}"
        );
    }
    let node = node("pod");
    assert!(matches!(node.actor("a/b", APP), Err(NodeError::Name { .. })));
}

#[test]
fn an_actor_is_who_it_should_be_and_others_are_not() {
    need_nodes!();
    let node = node("pod");
    let actor = node.actor("sidecar", Identity::new(5678, 5679)).unwrap();
    let status = || async { std::fs::read_to_string("/proc/thread-self/status").unwrap() };
    let of_actor = actor.run(status).unwrap();
    for line in ["Uid:\t5678\t5678\t5678\t5678", "Gid:\t5679\t5679\t5679\t5679", "CapEff:\t0000000000000000"]
    {
        assert!(of_actor.contains(line), "{line} in {of_actor}");
    }
    assert!(of_actor.lines().any(|line| line.trim_end() == "Groups:"), "{of_actor}");
    assert!(node.run(status).unwrap().contains("Uid:\t0\t0\t0\t0"));
    assert!(std::fs::read_to_string("/proc/self/status").unwrap().contains("Uid:\t0\t0\t0\t0"));
    // What it starts is the same, and a socket's owner is, too.
    let owner = actor.run(|| async {
        let (a, _b) = tokio::net::UnixStream::pair().unwrap();
        let who = a.peer_cred().unwrap();
        (who.uid(), who.gid())
    });
    assert_eq!(owner.unwrap(), (5678, 5679));
}

#[test]
fn every_actor_has_a_cgroup_below_its_nodes() {
    need_nodes!();
    let node = node("pod");
    let actors: Vec<_> = (0..2).map(|_| node.actor("app", APP).unwrap()).collect();
    let cgroups: Vec<_> = actors
        .iter()
        .map(|actor| {
            let read = || async { std::fs::read_to_string("/proc/thread-self/cgroup").unwrap() };
            let text = actor.run(read).unwrap();
            text.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned()
        })
        .collect();
    assert_eq!(cgroups.len(), 2);
    assert_ne!(cgroups[0], cgroups[1]);
    assert!(cgroups.iter().any(|cgroup| cgroup.ends_with("/0-app")), "{cgroups:?}");
}

#[test]
fn a_dropped_node_leaves_nothing() {
    need_nodes!();
    let links = || std::process::Command::new("ip").args(["-o", "link"]).output().unwrap().stdout;
    let before = links();
    let name = "leaves-nothing";
    let node = node(name);
    let actor = node.actor("app", APP).unwrap();
    let server = sh("sleep 1000 & echo up; exec sleep 1000").spawn(&node, "up").unwrap();
    shell(&node, "mkdir /sys/fs/cgroup/one; ip link add left0 type veth peer name left1");
    // One that nobody waits for.
    node.run(|| async { drop(std::process::Command::new("sleep").arg("1000").spawn().unwrap()) }).unwrap();
    let cgroups = || {
        let all = std::fs::read_dir(subtree()).unwrap().map(|entry| entry.unwrap().file_name());
        all.filter(|entry| entry.to_string_lossy().contains(name)).count()
    };
    let pid = server.id();
    assert_eq!(cgroups(), 1);
    drop(node);
    assert_eq!(cgroups(), 0);
    assert!(!std::fs::exists(format!("/proc/{pid}")).unwrap());
    assert_eq!(before, links());
    drop((actor, server));
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let named = threads.filter(|thread| {
        std::fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.starts_with("leaves-noth"))
    });
    assert_eq!(named.count(), 0);
}
