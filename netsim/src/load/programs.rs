//! tproxy as a process, beside the bare programs that load the same rules.
//!
//! Every loading is checked to have loaded something. Must never measure what finds another state than it claims: what is
//! loaded is removed again before the next.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tproxy::backend::BackendId;

use super::{LoadError, Sample, Spread};
use crate::link::{Network, NetworkOptions};
use crate::node::{Finished, Node, Program};
use crate::patience::patient;
use crate::topology::Topology;

/// Longer than any of these takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
const NODE: &str = "pod";
const FAMILIES: [(&str, &str); 2] = [("iptables", "### IPv4 ###\n"), ("ip6tables", "### IPv6 ###\n")];

/// What a process takes, the default rules and both families.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Process {
    /// Which, as in `install, iptables-nft`.
    pub what: String,
    /// From its start to its end, in ms.
    pub wall: Spread,
    /// Its processor time and that of all that it started, in ms.
    pub cpu: Spread,
}

/// What every round found, by what it is of; `order` is that of the report.
#[derive(Default)]
struct Found(BTreeMap<(usize, String), Vec<(Duration, Duration)>>);

impl Found {
    fn add(&mut self, order: usize, what: &str, backend: &str, processes: &[Finished]) {
        let sum = |of: fn(&Finished) -> Duration| processes.iter().map(of).sum();
        let key = (order, format!("{what}, {backend}"));
        self.0.entry(key).or_default().push((sum(|one| one.elapsed), sum(|one| one.cpu)));
    }

    fn processes(self) -> Vec<Process> {
        let spread = |times: &mut dyn Iterator<Item = Duration>| {
            times.map(|time| time.as_secs_f64() * 1e3).collect::<Sample>().spread()
        };
        let one = |((_, what), times): ((usize, String), Vec<(Duration, Duration)>)| Process {
            what,
            wall: spread(&mut times.iter().map(|(wall, _)| *wall)),
            cpu: spread(&mut times.iter().map(|(_, cpu)| *cpu)),
        };
        self.0.into_iter().map(one).collect()
    }
}

/// A pod for one backend, with the texts that bare programs load there.
struct Bench {
    backend: BackendId,
    network: Network,
    texts: Vec<(&'static str, String)>,
    /// The same for `nft -f`, where `iptables-restore-translate` makes it.
    native: Option<String>,
}

/// Measures each backend in turn, so many times.
pub(super) fn measure(
    tproxy: &Path,
    backends: &[BackendId],
    rounds: usize,
) -> Result<Vec<Process>, LoadError> {
    let up = |backend: &BackendId| Bench::up(*backend, tproxy);
    let benches = backends.iter().map(up).collect::<Result<Vec<_>, _>>()?;
    let mut found = Found::default();
    for _ in 0..rounds {
        benches.iter().try_for_each(|bench| bench.round(&mut found))?;
    }
    benches.into_iter().try_for_each(|bench| bench.network.down())?;
    Ok(found.processes())
}

impl Bench {
    fn up(backend: BackendId, tproxy: &Path) -> Result<Self, LoadError> {
        let mut options = NetworkOptions::default();
        options.base.programs.push(("tproxy".to_owned(), tproxy.to_owned()));
        let network = Network::up(&Topology::ready(NODE)?, &options)?;
        let mut bench = Self { backend, network, texts: Vec::new(), native: None };
        if bench.restore("iptables").is_some() {
            bench.texts = texts(&bench.tproxy(&["install", "--dry-run", &bench.option()])?.stdout_text());
        }
        if backend == BackendId::IptablesNft {
            bench.native = bench.translated();
        }
        Ok(bench)
    }

    fn node(&self) -> Result<&Node, LoadError> {
        Ok(self.network.node(NODE)?)
    }

    fn option(&self) -> String {
        format!("--backend={}", self.backend)
    }

    fn tproxy(&self, arguments: &[&str]) -> Result<Finished, LoadError> {
        self.run(Program::new("tproxy").args(arguments.iter().copied()))
    }

    fn run(&self, program: Program) -> Result<Finished, LoadError> {
        Ok(program.deadline(patient(DEADLINE)).run(self.node()?)?.checked()?)
    }

    /// The program that loads rules of a family for this backend; none where programs of the kernel decide.
    fn restore(&self, family: &str) -> Option<String> {
        match self.backend {
            BackendId::IptablesNft => Some(format!("{family}-nft-restore")),
            BackendId::IptablesLegacy => Some(format!("{family}-legacy-restore")),
            BackendId::Ebpf => None,
        }
    }

    fn round(&self, found: &mut Found) -> Result<(), LoadError> {
        let backend = self.backend.to_string();
        if !self.texts.is_empty() {
            let restored = self.texts.iter().filter_map(|(family, text)| {
                let program = Program::new(&self.restore(family)?).arg("--noflush").stdin(text.as_str());
                Some(self.run(program))
            });
            // tproxy runs them at the same time.
            let restored = restored.collect::<Result<Vec<_>, _>>()?;
            found.add(0, "bare restores in turn", &backend, &restored);
            for (family, _) in &self.texts {
                let save = self.restore(family).map(|restore| restore.replace("restore", "save"));
                let shown = save.map(|save| self.run(Program::new(&save))).transpose()?;
                self.insist(shown, "bare restores")?;
            }
            self.tproxy(&["uninstall"])?;
        }
        if let Some(native) = &self.native {
            let loaded = self.run(Program::new("nft").args(["-f", "-"]).stdin(native.as_str()))?;
            found.add(1, "bare nft -f", "the same rules", &[loaded]);
            self.insist(Some(self.run(Program::new("nft").args(["list", "ruleset"]))?), "bare nft -f")?;
            self.run(Program::new("nft").args(["flush", "ruleset"]))?;
        }
        let option = self.option();
        for (order, what, arguments) in [
            (2, "install", &["install", &option][..]),
            (3, "install again", &["install", &option]),
            // It fails where nothing is installed, so that it proves the two before it.
            (4, "status", &["status"]),
            (5, "uninstall", &["uninstall"]),
        ] {
            found.add(order, what, &backend, &[self.tproxy(arguments)?]);
        }
        Ok(())
    }

    /// Insists that a listing shows our rules: what loads nothing takes no time.
    fn insist(&self, shown: Option<Finished>, what: &'static str) -> Result<(), LoadError> {
        let is_there =
            shown.is_some_and(|shown| shown.stdout_text().matches("KUMA_MESH_OUTBOUND").count() > 1);
        if is_there { Ok(()) } else { Err(LoadError::NothingLoaded { what, backend: self.backend }) }
    }

    /// The rules of both families as `nft` takes them. None where nothing translates them.
    fn translated(&self) -> Option<String> {
        let mut all = String::new();
        for (family, text) in &self.texts {
            let table = if *family == "iptables" { "ip" } else { "ip6" };
            for (chain, hook) in [("PREROUTING", "prerouting"), ("OUTPUT", "output")] {
                all += &format!(
                    "add table {table} nat\nadd chain {table} nat {chain} {{ type nat hook {hook} priority -100; }}\n"
                );
            }
            let program = Program::new(&format!("{family}-restore-translate")).args(["-f", "/dev/stdin"]);
            all += &self.run(program.stdin(text.as_str())).ok()?.stdout_text();
        }
        Some(all)
    }
}

/// The restore texts in a dry run, family by family.
fn texts(printed: &str) -> Vec<(&'static str, String)> {
    let part = |heading: &str| {
        let (text, _) = printed.split_once(heading)?.1.split_once("COMMIT")?;
        Some(format!("{text}COMMIT\n"))
    };
    FAMILIES.into_iter().filter_map(|(family, heading)| Some((family, part(heading)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_has_a_text_for_each_family() {
        let printed = "# said\n### IPv4 ###\n\n*nat\nfour\nCOMMIT\n\n### IPv6 ###\n\n*nat\nsix\nCOMMIT\n";
        let found: Vec<String> =
            texts(printed).into_iter().map(|(family, text)| format!("{family}:{text}")).collect();
        assert_eq!(found, ["iptables:\n*nat\nfour\nCOMMIT\n", "ip6tables:\n*nat\nsix\nCOMMIT\n"]);
    }
}
