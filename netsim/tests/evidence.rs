//! What a scenario that fails leaves: every part of the evidence is there and tells what really happened; and one that
//! passes leaves nothing.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod built;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use netsim::actor::{App, AppSpec, Attempt, Client};
use netsim::node::{Identity, Node, NodeSpec};
use netsim::require;
use netsim::wire::Capture;
use tproxy::backend::BackendId;

const FAILS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wrong/evidence.yaml");

/// Returns from a test whose backend cannot be run here. Fails it when `NETSIM_REQUIRE` demands it.
macro_rules! need {
    ($backend:expr) => {
        if !require::backend($backend).met_or_skip() {
            return;
        }
    };
}

/// Runs variants of a file, with its temporary files in a folder of the test's own.
fn run(file: &str, only: &str, arguments: &[&str], temporary: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_netsim"))
        .args(["run", file, "--only", only, "--tproxy"])
        .arg(built::tproxy())
        .args(arguments)
        .env("TMPDIR", temporary)
        .output()
        .unwrap()
}

fn text(folder: &Path, file: &str) -> String {
    let path = folder.join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The evidence of the file that fails, in one variant.
fn evidence(variant: &str, folder: &Path) -> PathBuf {
    let printed = run(FAILS, variant, &["--evidence", folder.to_str().unwrap()], folder);
    assert_eq!(printed.status.code(), Some(1), "{}", String::from_utf8_lossy(&printed.stderr));
    let evidence = folder.join(format!("evidence.{}", variant.replace("::", ".")));
    let stdout = String::from_utf8(printed.stdout).unwrap();
    assert!(stdout.contains(&format!("evidence: {}\n", evidence.display())), "{stdout}");
    evidence
}

/// The frames of a pcap file with nanoseconds.
fn frames(file: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(file).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((number(0), number(20)), (0xa1b2_3c4d, 1), "{}", file.display());
    let (mut frames, mut at) = (Vec::new(), 24);
    while at < bytes.len() {
        let length = number(at + 8) as usize;
        frames.push(bytes[at + 16..at + 16 + length].to_vec());
        at += 16 + length;
    }
    frames
}

/// Whether a frame is the first of a connection over IPv4 to this port.
fn is_syn_to(frame: &[u8], port: u16) -> bool {
    let is_tcp = frame.len() >= 54 && frame[12..14] == [8, 0] && frame[23] == 6;
    is_tcp && frame[36..38] == port.to_be_bytes() && frame[47] & 0b1_0010 == 0b10
}

#[test]
fn every_part_is_there_and_the_report_names_each() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let evidence = evidence("iptables-nft::ipv4", folder.path());
    let parts = [
        "actors.jsonl",
        "flow-1",
        "peer-eth0.pcap",
        "pod-eth0.pcap",
        "pod-lo.pcap",
        "report.txt",
        "rules.txt",
    ];
    assert_eq!(names(&evidence), parts);
    assert_eq!(
        names(&evidence.join("flow-1")),
        ["counted.txt", "rules-after.txt", "rules-before.txt", "trace.txt"]
    );
    let report = text(&evidence, "report.txt");
    let alone = format!("to run it alone: netsim run {FAILS} --only evidence::iptables-nft::ipv4 --seed ");
    for part in [
        "an excluded connection is said to reach the sidecar",
        &alone,
        "wrong:    expected to reach sidecar-outbound, got peer",
        "explain:  pass, outbound/excluded-port: port 9000 is excluded (excluded: 9000)",
        "by redirect.outbound.excludePorts: 9000",
        "it went the same way: peer",
        "pod: pod-eth0.pcap, pod-lo.pcap",
        "flow-1/trace.txt",
    ] {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
    assert!(!report.contains("peer:80\n"), "what passed is not told: {report}");
}

#[test]
fn flows_come_from_the_same_ports_when_the_seed_is_given_again() {
    need!(BackendId::IptablesNft);
    if !require::source_ports().met_or_skip() {
        return;
    }
    let above = tempfile::tempdir().unwrap();
    let file = above.path().join("feature/evidence.yaml");
    fs::create_dir(above.path().join("feature")).unwrap();
    fs::copy(FAILS, &file).unwrap();
    let ports = |chosen: &Path, name: &str, seed: &str| -> Vec<u16> {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["--seed", seed, "--evidence", folder.path().to_str().unwrap()];
        let printed = run(chosen.to_str().unwrap(), "iptables-nft::ipv4", &arguments, folder.path());
        let stdout = String::from_utf8(printed.stdout).unwrap();
        assert!(
            stdout.contains(&format!("--seed {seed}\n")) && stdout.ends_with(&format!("seed {seed}\n")),
            "{stdout}"
        );
        let file = folder.path().join(name).join("peer-eth0.pcap");
        let from = |frame: &Vec<u8>| u16::from_be_bytes([frame[34], frame[35]]);
        frames(&file).iter().filter(|frame| is_syn_to(frame, 9000)).map(from).collect()
    };
    let whole = |seed| ports(above.path(), "feature/evidence.iptables-nft.ipv4", seed);
    let first = whole("1");
    assert_eq!(first.len(), 2);
    assert_eq!(first, whole("1"));
    assert_eq!(first, ports(&file, "evidence.iptables-nft.ipv4", "1"), "also when the file is run alone");
    assert_ne!(first, whole("2"));
}

#[test]
fn captures_hold_the_first_packet_of_the_flow_that_failed_wherever_it_was() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let evidence = evidence("iptables-nft::ipv4", folder.path());
    let count =
        |file: &str, port| frames(&evidence.join(file)).iter().filter(|frame| is_syn_to(frame, port)).count();
    // Once when it failed, and once when it was sent again.
    assert_eq!((count("pod-eth0.pcap", 9000), count("peer-eth0.pcap", 9000)), (2, 2));
    // The one that was redirected never left; loopback shows each frame once.
    assert_eq!((count("pod-eth0.pcap", 80), count("pod-lo.pcap", 15001)), (0, 1));
}

#[test]
fn tcpdump_opens_the_captures() {
    need!(BackendId::IptablesNft);
    if !require::program("tcpdump").met_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let evidence = evidence("iptables-nft::ipv4", folder.path());
    let read = Command::new("tcpdump").args(["-nn", "-r"]).arg(evidence.join("pod-eth0.pcap")).output();
    let read = read.unwrap();
    let printed = String::from_utf8_lossy(&read.stdout);
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert!(printed.contains("> 10.77.0.3.9000: Flags [S]"), "{printed}");
}

#[test]
fn counters_and_trace_name_the_rules_that_the_flow_crossed_and_no_other() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let evidence = evidence("iptables-nft::ipv4", folder.path());
    let counted = text(&evidence, "flow-1/counted.txt");
    let rule = "-A KUMA_MESH_OUTBOUND -p tcp -m tcp --dport 9000";
    assert!(counted.contains(&format!("    1 packets      60 bytes  nat {rule}")), "{counted}");
    assert!(!counted.contains("REDIRECT"), "{counted}");
    let [before, after] =
        ["before", "after"].map(|when| text(&evidence, &format!("flow-1/rules-{when}.txt")));
    assert!(
        before.contains(&format!("[1:60] {rule}")) && after.contains(&format!("[2:120] {rule}")),
        "{after}"
    );
    let trace = text(&evidence, "flow-1/trace.txt");
    assert!(
        trace.contains("  ip nat KUMA_MESH_OUTBOUND: tcp dport 9000 return (verdict return)\n"),
        "{trace}"
    );
    assert!(!trace.contains("netsim-") && !trace.contains("redirect"), "{trace}");
}

#[test]
fn the_flow_of_a_query_is_traced_in_the_other_family_too() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("query.yaml");
    let scenario = "version: 1\nname: a query that the sidecar takes is said to reach the server\n\
                    install: { flags: { redirect-dns: true } }\n\
                    expect: [ { from: app, ask: example.mesh, server: nameserver, reaches: nameserver, connected: true } ]\n";
    fs::write(&file, scenario).unwrap();
    let root = folder.path().to_str().unwrap();
    let printed = run(file.to_str().unwrap(), "nft::ipv6", &["--evidence", root], folder.path());
    assert_eq!(printed.status.code(), Some(1), "{}", String::from_utf8_lossy(&printed.stderr));
    let evidence = folder.path().join("query.iptables-nft.ipv6");
    let trace = text(&evidence, "flow-1/trace.txt");
    assert!(trace.contains("  ip6 nat ") && trace.contains("udp dport 53"), "{trace}");
    assert!(trace.contains("redirect to :15053"), "{trace}");
    let seen = text(&evidence, "actors.jsonl");
    assert_eq!(seen.matches("\"sidecar-dns\"").count(), 2, "{seen}");
}

#[test]
fn servers_tell_what_they_saw_the_second_time_too() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let evidence = evidence("iptables-nft::ipv4", folder.path());
    let seen: Vec<serde_json::Value> =
        text(&evidence, "actors.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |actor: &str| seen.iter().filter(|seen| seen["actor"] == actor).count();
    assert_eq!((of("sidecar-outbound"), of("peer"), seen.len()), (1, 2, 3));
    assert_eq!(seen[0]["original-destination"], "10.77.0.3:80");
}

#[test]
fn without_nftables_there_is_no_trace_and_counters_tell() {
    need!(BackendId::IptablesLegacy);
    let folder = tempfile::tempdir().unwrap();
    let evidence = evidence("iptables-legacy::ipv4", folder.path());
    assert_eq!(names(&evidence.join("flow-1")), ["counted.txt", "rules-after.txt", "rules-before.txt"]);
    assert!(text(&evidence, "flow-1/counted.txt").contains("--dport 9000"));
    assert!(text(&evidence, "report.txt").contains("no trace: the kernel traces rules of nftables only"));
}

#[test]
fn looking_closer_leaves_nothing_behind_and_changes_no_verdict() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let printed = run(FAILS, "nft::ipv4", &["--format", "json"], folder.path());
    let printed: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    let case = &printed["cases"][0];
    let failed: Vec<&str> = case["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| !check["problems"].as_array().unwrap().is_empty())
        .map(|check| check["title"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["app → peer:9000"]);
    // Nobody has asked for evidence: it is where the machine keeps temporary files, and that is said.
    let [root] = &names(folder.path())[..] else { panic!("{:?}", names(folder.path())) };
    let expected = folder.path().join(root).join("evidence.iptables-nft.ipv4");
    assert_eq!(case["evidence"].as_str(), expected.to_str());
}

#[test]
fn what_passes_leaves_nothing_nor_what_nobody_wants_evidence_of() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let tour = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/tour.yaml");
    assert!(run(tour, "nft::ipv4", &[], folder.path()).status.success());
    assert_eq!(run(FAILS, "nft::ipv4", &["--no-evidence"], folder.path()).status.code(), Some(1));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_run_that_cannot_go_on_has_evidence_too() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("talk.yaml");
    let scenario = "version: 1\nname: a connection that nobody opened\nsteps:\n  - install: {}\n  \
                    - expect: [ { from: app, to: \"peer:80\", reaches: peer } ]\n  \
                    - open: { name: kept, from: app, to: \"peer:81\", reaches: refused }\n  \
                    - kill: sidecar\n  - open: { name: lost, from: app, to: \"peer:82\", reaches: refused }\n  \
                    - talk: { over: lost, is: echoed }\n";
    fs::write(&file, scenario).unwrap();
    let printed = run(file.to_str().unwrap(), "nft::ipv4", &[], folder.path());
    let stdout = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(printed.status.code(), Some(1), "{stdout}{}", String::from_utf8_lossy(&printed.stderr));
    let evidence = stdout.lines().find_map(|line| line.strip_prefix("evidence: ")).unwrap();
    let report = text(Path::new(evidence), "report.txt");
    assert!(report.contains("The run could not go on: no connection `lost` is open"), "{report}");
    assert!(text(Path::new(evidence), "flow-1/trace.txt").contains("redirect to :15001"));
    // Also what a sidecar saw that was killed.
    assert!(text(Path::new(evidence), "actors.jsonl").contains("\"original-destination\":\"10.77.0.3:80\""));
}

#[test]
fn only_the_first_flows_are_sent_again_and_the_others_are_named() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("many.yaml");
    let lines: String =
        (81..85).map(|port| format!("  - {{ from: app, to: \"peer:{port}\", reaches: peer }}\n")).collect();
    fs::write(&file, format!("version: 1\nname: four wrong flows\nexpect:\n{lines}")).unwrap();
    let root = folder.path().to_str().unwrap();
    run(file.to_str().unwrap(), "nft::ipv4", &["--evidence", root], folder.path());
    let evidence = folder.path().join("many.iptables-nft.ipv4");
    let flows: Vec<String> = names(&evidence).into_iter().filter(|name| name.starts_with("flow-")).collect();
    assert_eq!(flows, ["flow-1", "flow-2", "flow-3"]);
    let report = text(&evidence, "report.txt");
    assert!(report.contains("are): app → peer:84\n"), "{report}");
    assert!(report.contains("What differs from one run to the next stands in the captures"), "{report}");
}

#[test]
fn evidence_takes_the_place_of_that_of_an_earlier_run() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let earlier = evidence("iptables-nft::ipv4", folder.path());
    fs::write(earlier.join("flow-9"), "of another failure").unwrap();
    assert!(!names(&evidence("iptables-nft::ipv4", folder.path())).contains(&"flow-9".to_owned()));
}

#[test]
fn evidence_of_an_earlier_run_goes_when_the_next_one_passes_and_nothing_else_does() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("changing.yaml");
    let expecting = |reaches: &str| {
        let line = format!("  - {{ from: app, to: \"peer:80\", reaches: {reaches} }}\n");
        fs::write(&file, format!("version: 1\nname: a file that is mended\nexpect:\n{line}")).unwrap();
        let place = folder.path().join("evidence");
        let arguments = ["--evidence", place.to_str().unwrap()];
        fs::create_dir_all(place.join("mine")).unwrap();
        let status = run(file.to_str().unwrap(), "nft::ipv4", &arguments, folder.path()).status;
        (status.code(), names(&place))
    };
    let of_it = "changing.iptables-nft.ipv4".to_owned();
    assert_eq!(expecting("peer"), (Some(1), vec![of_it, "mine".to_owned()]));
    assert_eq!(expecting("sidecar-outbound"), (Some(0), vec!["mine".to_owned()]));
}

#[test]
fn a_place_where_nothing_can_be_written_is_told_and_the_verdict_stands() {
    need!(BackendId::IptablesNft);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let printed = run(FAILS, "nft::ipv4", &["--evidence", file.to_str().unwrap()], folder.path());
    let stdout = String::from_utf8_lossy(&printed.stdout);
    assert_eq!(printed.status.code(), Some(1));
    assert!(stdout.contains("no evidence: cannot write") && stdout.contains("got peer"), "{stdout}");
}

#[test]
fn the_oldest_frames_go_where_there_is_no_room() {
    if !require::nodes().met_or_skip() {
        return;
    }
    const ROOM: usize = 4096;
    let node = Node::start(NodeSpec::new("pod")).unwrap();
    let mut capture = Capture::begin(&node, ROOM).unwrap();
    let identity = Identity::new(1000, 1000);
    let _app = App::start(&node, AppSpec::new("app", identity, [80, 81])).unwrap();
    let client = Client::start(&node, "client", identity).unwrap();
    for port in [81, 80, 80, 80, 80, 80] {
        client.connect(Attempt::to(([127, 0, 0, 1], port).into())).unwrap();
        capture.collect().unwrap();
    }
    let captured = capture.end(&node).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lo.pcap");
    fs::write(&file, &captured.files["lo"]).unwrap();
    let frames = frames(&file);
    assert!(captured.forgotten > 0 && captured.lost == 0, "{captured:?}");
    assert!(frames.iter().map(Vec::len).sum::<usize>() < ROOM);
    let has = |port| frames.iter().any(|frame| is_syn_to(frame, port));
    assert!(has(80) && !has(81), "the last are there and the first is not");
}
