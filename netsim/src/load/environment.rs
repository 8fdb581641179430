//! What figures were measured on. Changes nothing.

use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;

/// The machine, as far as figures depend on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Environment {
    /// The kernel's release.
    pub kernel: String,
    /// The processors' model.
    pub processor: String,
    /// How many there are.
    pub processors: usize,
    /// What the kernel does against the processors' defects, which costs time: those that are not `Not affected`.
    pub mitigations: Vec<String>,
    /// When, in UTC; nothing where there is no `date`.
    #[serde(default)]
    pub date: String,
    /// The programs that rules are made with, as they name themselves.
    pub programs: Vec<String>,
    /// The averages of `/proc/loadavg`, of 1, 5 and 15 minutes.
    pub load: String,
    /// Whether netsim was built for speed. An unoptimised sidecar is slower than what it is compared with.
    pub optimised: bool,
}

/// Whose versions matter to figures.
const PROGRAMS: [&str; 3] = ["iptables-nft", "iptables-legacy", "nft"];

impl Environment {
    /// The machine as it is now. What it does not tell is empty.
    #[must_use]
    pub fn now() -> Self {
        let described = read("/proc/cpuinfo");
        let model = described.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        Self {
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            processor: model.trim_start_matches([' ', '\t', ':']).to_owned(),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            mitigations: mitigations(),
            date: printed("date", &["-u", "+%Y-%m-%d %H:%M"]).unwrap_or_default(),
            programs: PROGRAMS.iter().filter_map(|program| version(program)).collect(),
            load: load(),
            optimised: !cfg!(debug_assertions),
        }
    }
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The averages of the machine's load as they are now.
pub(super) fn load() -> String {
    read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn mitigations() -> Vec<String> {
    let entries =
        std::fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten();
    let told = entries.map(|entry| {
        (entry.file_name().to_string_lossy().into_owned(), read(entry.path()).trim().to_owned())
    });
    let mut affected: Vec<String> = told
        .filter(|(_, state)| !state.is_empty() && state != "Not affected")
        .map(|(name, state)| format!("{name}: {state}"))
        .collect();
    affected.sort();
    affected
}

/// What a program says of itself.
fn version(program: &str) -> Option<String> {
    printed(program, &["--version"])
}

/// The first line that a program prints.
fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let printed = Command::new(program).args(arguments).output().ok()?.stdout;
    Some(String::from_utf8_lossy(&printed).lines().next()?.to_owned())
}

impl std::fmt::Display for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kernel, processor, processors, load, optimised, .. } = self;
        let build = if *optimised { "" } else { "; not a release build: take no figure from it" };
        write!(f, "Linux {kernel}, {processors} × {processor}, load {load}{build}")
    }
}
