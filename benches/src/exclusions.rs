//! `tproxy install` of 10,000 excluded networks, as a process, in both flavours; and the memory that it takes.
//!
//! Every round is checked to have loaded rules for all of them.

use netsim::node::{Finished, Node, Program};

use super::install::{DEADLINE, pod, tproxy};
use super::{Binaries, Failure, milliseconds};

const ROUNDS: usize = 10;
/// How many networks are excluded.
const EXCLUSIONS: usize = 10_000;
const FILE: &str = "/run/exclusions.yaml";
const CONFIGURATION: &str = "--config=/run/exclusions.yaml";
const FLAVOURS: [&str; 2] = ["nft", "legacy"];

pub(super) fn measure(binaries: &Binaries) -> Result<String, Failure> {
    let network = pod(binaries)?;
    let node = network.node("pod")?;
    let networks = netsim::load::exclusions(EXCLUSIONS);
    let items: String = networks.iter().map(|network| format!("      - \"{network}\"\n")).collect();
    node.write_file(FILE, format!("redirect:\n  outbound:\n    excludePortsForIPs:\n{items}"))?;
    let mut text = format!("{} networks, half of each family, {ROUNDS} rounds\n\n", networks.len());
    for flavour in FLAVOURS {
        let install = ["install", &format!("--backend=iptables-{flavour}"), CONFIGURATION];
        let (mut wall, mut cpu) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let finished = tproxy(node, &install)?;
            wall.push(finished.elapsed);
            cpu.push(finished.cpu);
            proven(node, flavour, networks.len())?;
            tproxy(node, &["uninstall"])?;
        }
        let (wall, cpu) = (milliseconds(wall).show(0), milliseconds(cpu).show(0));
        text += &format!("tproxy install, iptables-{flavour}  wall {wall} ms  cpu {cpu} ms\n");
    }
    for arguments in [&["install", "--dry-run"][..], &["install"], &["install", "--dry-run", CONFIGURATION]] {
        text += &peak_memory(node, arguments)?;
    }
    text += &peak_memory(node, &["install", CONFIGURATION])?;
    network.down()?;
    Ok(text)
}

/// Every network has a rule: they are disjoint, but two that are next to each other may have become one.
fn proven(node: &Node, flavour: &str, networks: usize) -> Result<(), Failure> {
    let mut rules = 0;
    for family in ["iptables", "ip6tables"] {
        let saved =
            Program::new(&format!("{family}-{flavour}-save")).deadline(DEADLINE).run(node)?.checked()?;
        let saved = saved.stdout_text();
        rules += saved.lines().filter(|line| line.contains(" -d ") && line.ends_with(" -j RETURN")).count();
    }
    let least = networks - networks / 20;
    if rules < least { Err(format!("only {rules} rules for {networks} networks").into()) } else { Ok(()) }
}

/// Peak resident memory of `tproxy` with these arguments and the programs that it runs, by Debian's `time`. A dry run of
/// a fresh pod runs none.
fn peak_memory(node: &Node, arguments: &[&str]) -> Result<String, Failure> {
    tproxy(node, &["uninstall"])?;
    let name = format!("peak memory of tproxy {}", arguments.join(" "));
    let all = ["-f", "%M", "tproxy"].iter().chain(arguments).copied();
    let timed = Program::new("time").args(all).deadline(DEADLINE).run(node);
    Ok(match timed.and_then(Finished::checked) {
        Ok(finished) => {
            let said = finished.stderr_text();
            format!("{name}: {} KiB\n", said.lines().last().unwrap_or_default().trim())
        }
        Err(error) => format!("{name}: not measured ({error})\n"),
    })
}
