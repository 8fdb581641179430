//! `tproxy install` of the default rules, both families, as a process, beside the two bare restores that it contains.
//!
//! Both load the same rules into the same pod, in alternation, and every round is checked to have loaded them.

use std::time::Duration;

use netsim::link::{Network, NetworkOptions};
use netsim::node::{Finished, Node, Program};
use netsim::topology::Topology;

use super::spread::Sample;
use super::{Binaries, Failure};

const ROUNDS: usize = 40;
const FLAVOUR: &str = "nft";

/// Wall and processor time of one way to load the rules.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

pub(super) fn measure(binaries: &Binaries) -> Result<String, Failure> {
    let mut options = NetworkOptions::default();
    options.base.programs.push(("tproxy".to_owned(), binaries.tproxy.clone()));
    let network = Network::up(&Topology::ready("pod")?, &options)?;
    let node = network.node("pod")?;
    let texts = rules(node)?;
    let (mut bare, mut install) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for step in [round % 2, (round + 1) % 2] {
            let cost = if step == 0 { restores(node, &texts)? } else { installs(node)? };
            (if step == 0 { &mut bare } else { &mut install }).push(cost);
            proven(node)?;
            tproxy(node, &["uninstall"])?;
        }
    }
    let again = reinstalls(node)?;
    let memory = peak_memory(node)?;
    network.down()?;
    Ok(format!("{}{memory}", table(&bare, &install, &again)))
}

/// The restore texts of the default installation, family by family.
fn rules(node: &Node) -> Result<Vec<(&'static str, String)>, Failure> {
    let printed = tproxy(node, &["install", "--dry-run"])?.stdout_text();
    let part = |heading: &str| {
        let (_, text) = printed.split_once(heading).ok_or(format!("no {heading} in {printed}"))?;
        Ok::<_, Failure>(text.split("COMMIT").next().unwrap_or_default().to_owned() + "COMMIT\n")
    };
    Ok(vec![("iptables", part("### IPv4 ###\n")?), ("ip6tables", part("### IPv6 ###\n")?)])
}

fn restores(node: &Node, texts: &[(&'static str, String)]) -> Result<Cost, Failure> {
    let mut cost = Cost { wall: Duration::ZERO, cpu: Duration::ZERO };
    for (family, text) in texts {
        let restore =
            Program::new(&format!("{family}-{FLAVOUR}-restore")).arg("--noflush").stdin(text.as_str());
        let finished = restore.run(node)?.checked()?;
        cost.wall += finished.elapsed;
        cost.cpu += finished.cpu;
    }
    Ok(cost)
}

fn installs(node: &Node) -> Result<Cost, Failure> {
    let finished = tproxy(node, &["install"])?;
    Ok(Cost { wall: finished.elapsed, cpu: finished.cpu })
}

fn reinstalls(node: &Node) -> Result<Vec<Cost>, Failure> {
    tproxy(node, &["install"])?;
    (0..ROUNDS).map(|_| installs(node)).collect()
}

fn tproxy(node: &Node, arguments: &[&str]) -> Result<Finished, Failure> {
    Ok(Program::new("tproxy").args(arguments.iter().copied()).run(node)?.checked()?)
}

/// A round without the rules of both families in place is void.
fn proven(node: &Node) -> Result<(), Failure> {
    for family in ["iptables", "ip6tables"] {
        let saved = Program::new(&format!("{family}-{FLAVOUR}-save")).run(node)?.checked()?.stdout_text();
        if saved.matches(" -j KUMA_MESH_OUTBOUND\n").count() != 1 {
            return Err(format!("a round did not install: {saved}").into());
        }
    }
    Ok(())
}

fn table(bare: &[Cost], install: &[Cost], again: &[Cost]) -> String {
    let line = |name: &str, costs: &[Cost]| {
        let (wall, cpu) = (costs.iter().map(|cost| cost.wall), costs.iter().map(|cost| cost.cpu));
        format!("{name}  wall {} ms  cpu {} ms\n", Sample::of(wall).show(1), Sample::of(cpu).show(1))
    };
    let ratio = |of: fn(&Cost) -> Duration| {
        let ratios = install.iter().zip(bare).map(|(a, b)| of(a).as_secs_f64() / of(b).as_secs_f64());
        Sample::of_numbers(ratios).show(2)
    };
    format!(
        "{ROUNDS} rounds in alternation, iptables-{FLAVOUR}\n\n{}{}{}ratio install / restores  wall {}  cpu {}\n",
        line("two bare restores        ", bare),
        line("tproxy install           ", install),
        line("the same install again   ", again),
        ratio(|cost| cost.wall),
        ratio(|cost| cost.cpu)
    )
}

/// Peak resident memory of `tproxy install` and the programs it runs, by Debian's `time`.
fn peak_memory(node: &Node) -> Result<String, Failure> {
    tproxy(node, &["uninstall"])?;
    let timed = Program::new("time").args(["-f", "%M", "tproxy", "install"]).run(node);
    Ok(match timed.and_then(Finished::checked) {
        Ok(finished) => {
            let said = finished.stderr_text();
            format!("peak memory of tproxy install: {} KiB\n", said.lines().last().unwrap_or_default().trim())
        }
        Err(error) => format!("peak memory of tproxy install: not measured ({error})\n"),
    })
}
