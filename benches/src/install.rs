//! `tproxy install` of the default rules, both families, as a process, beside the two bare restores that it contains.
//!
//! All load the same rules into the same pod, in alternation, and every round is checked to have loaded them.

use std::time::Duration;

use netsim::link::{Network, NetworkOptions};
use netsim::load::Sample;
use netsim::node::{Finished, Node, Program};
use netsim::topology::Topology;

use super::{Binaries, Failure, milliseconds};

const ROUNDS: usize = 40;
/// Longer than any of these takes on a busy machine.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);
const FLAVOUR: &str = "nft";

/// Wall and processor time of one way to load the rules.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

/// The ways to load the rules.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The bare restores, one after the other.
    InTurn,
    /// The bare restores at the same time.
    AtOnce,
    Tproxy,
}

const WAYS: [Way; 3] = [Way::InTurn, Way::AtOnce, Way::Tproxy];

pub(super) fn measure(binaries: &Binaries) -> Result<String, Failure> {
    let network = pod(binaries)?;
    let node = network.node("pod")?;
    let texts = rules(node)?;
    let mut costs = WAYS.map(|way| (way, Vec::new()));
    for round in 0..ROUNDS {
        costs.rotate_left(round % WAYS.len());
        for (way, costs) in &mut costs {
            costs.push(match way {
                Way::InTurn => restores_in_turn(node, &texts)?,
                Way::AtOnce => restores_at_once(node, &texts)?,
                Way::Tproxy => cost(&tproxy(node, &["install"])?),
            });
            proven(node)?;
            tproxy(node, &["uninstall"])?;
        }
    }
    let of = |wanted: Way| costs.iter().find(|(way, _)| *way == wanted).map_or(&[][..], |(_, costs)| costs);
    let beside = table(of(Way::InTurn), of(Way::AtOnce), of(Way::Tproxy));
    let looking = looking(node)?;
    network.down()?;
    Ok(beside + &looking)
}

/// A pod with the tproxy that is measured.
pub(super) fn pod(binaries: &Binaries) -> Result<Network, Failure> {
    let mut options = NetworkOptions::default();
    options.base.programs.push(("tproxy".to_owned(), binaries.tproxy.clone()));
    Ok(Network::up(&Topology::ready("pod")?, &options)?)
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

fn restore(family: &str, text: &str) -> Program {
    Program::new(&format!("{family}-{FLAVOUR}-restore")).arg("--noflush").stdin(text)
}

fn restores_in_turn(node: &Node, texts: &[(&'static str, String)]) -> Result<Cost, Failure> {
    let mut sum = Cost { wall: Duration::ZERO, cpu: Duration::ZERO };
    for (family, text) in texts {
        let Cost { wall, cpu } = cost(&restore(family, text).run(node)?.checked()?);
        sum = Cost { wall: sum.wall + wall, cpu: sum.cpu + cpu };
    }
    Ok(sum)
}

fn restores_at_once(node: &Node, texts: &[(&'static str, String)]) -> Result<Cost, Failure> {
    let running = texts.iter().map(|(family, text)| restore(family, text).start(node));
    let running = running.collect::<Result<Vec<_>, _>>()?;
    let mut sum = Cost { wall: Duration::ZERO, cpu: Duration::ZERO };
    for running in running {
        let Cost { wall, cpu } = cost(&running.finish(DEADLINE)?.checked()?);
        sum = Cost { wall: sum.wall.max(wall), cpu: sum.cpu + cpu };
    }
    Ok(sum)
}

fn cost(finished: &Finished) -> Cost {
    Cost { wall: finished.elapsed, cpu: finished.cpu }
}

/// What only looks, while the default rules are installed.
fn looking(node: &Node) -> Result<String, Failure> {
    tproxy(node, &["install"])?;
    let mut text = String::new();
    for (name, verb) in [("the same install again   ", "install"), ("tproxy status            ", "status")] {
        let costs: Result<Vec<Cost>, Failure> =
            (0..ROUNDS).map(|_| Ok(cost(&tproxy(node, &[verb])?))).collect();
        text += &line(name, &costs?);
    }
    tproxy(node, &["uninstall"])?;
    Ok(text)
}

pub(super) fn tproxy(node: &Node, arguments: &[&str]) -> Result<Finished, Failure> {
    Ok(Program::new("tproxy").args(arguments.iter().copied()).deadline(DEADLINE).run(node)?.checked()?)
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

fn line(name: &str, costs: &[Cost]) -> String {
    let (wall, cpu) = (costs.iter().map(|cost| cost.wall), costs.iter().map(|cost| cost.cpu));
    format!("{name}  wall {} ms  cpu {} ms\n", milliseconds(wall).show(1), milliseconds(cpu).show(1))
}

fn table(in_turn: &[Cost], at_once: &[Cost], install: &[Cost]) -> String {
    type Part = fn(&Cost) -> Duration;
    let ratio = |of: Part, to: &[Cost]| {
        let ratios = install.iter().zip(to).map(|(a, b)| of(a).as_secs_f64() / of(b).as_secs_f64());
        ratios.collect::<Sample>().spread().show(2)
    };
    let (wall, cpu): (Part, Part) = (|cost| cost.wall, |cost| cost.cpu);
    format!(
        "{ROUNDS} rounds in alternation, iptables-{FLAVOUR}\n\n{}{}{}\
         install / restores in turn  wall {}  cpu {}\ninstall / restores at once  wall {}  cpu {}\n",
        line("two bare restores in turn", in_turn),
        line("two bare restores at once", at_once),
        line("tproxy install           ", install),
        ratio(wall, in_turn),
        ratio(cpu, in_turn),
        ratio(wall, at_once),
        ratio(cpu, at_once),
    )
}
