//! What a bench found: plain data, which is written as JSON and read again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Case, Environment, Estimate, Process, Spread};

/// What a bench found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// The machine before the first case was set up.
    pub environment: Environment,
    /// The load of the machine after the last round.
    pub load_after: String,
    /// What chose the order.
    pub seed: u64,
    /// How often each case was measured.
    pub rounds: usize,
    /// The cases, in the order of their list.
    pub cases: Vec<Measured>,
    /// tproxy as a process, beside the bare programs that load the same rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<Process>,
}

/// What is known of a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Measured {
    /// Which.
    pub case: Case,
    /// The largest packet that the link carried, in bytes.
    pub mtu: u32,
    /// How many pieces of its work a round did.
    pub pieces: usize,
    /// Why it has no figures: it did not do what it claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
    /// The figures of a case that is not void.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<Metric, Figure>,
}

/// What is measured of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Pieces a second, all clients together.
    Rate,
    /// User and system time of the pod's cgroup, in µs a piece.
    PodCpu,
    /// The same with the peer's: the kernel works on a packet in whoever sent it.
    BothCpu,
    /// What half of the pieces took at most, in µs. Of this and the others there is none where fewer than five pieces took longer.
    P50,
    /// 90 of 100.
    P90,
    /// 99 of 100.
    P99,
    /// 999 of 1,000, of each third of the rounds.
    P999,
}

/// A figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Figure {
    /// Of each round, in the order in which they were.
    pub rounds: Vec<f64>,
    /// The same as another revision of tproxy installs it; none where there is no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<f64>,
    /// Over the rounds.
    pub spread: Spread,
    /// Against the sidecar without redirection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_straight: Option<Comparison>,
    /// Against the case with one thing less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_baseline: Option<Comparison>,
    /// Against the same case as another revision of tproxy installs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_before: Option<Comparison>,
}

/// Two cases, round by round, with the interval that holds the true median with 95 % confidence.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// What it is compared with.
    pub with: Case,
    /// The ratio.
    pub ratio: Estimate,
    /// What it is more.
    pub more: Estimate,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Rate, Self::PodCpu, Self::BothCpu, Self::P50, Self::P90, Self::P99, Self::P999];

    /// Whether more is better.
    #[must_use]
    pub fn more_is_better(self) -> bool {
        self == Self::Rate
    }
}

impl Measured {
    /// A figure of it, unless it is void.
    #[must_use]
    pub fn figure(&self, metric: Metric) -> Option<&Figure> {
        self.figures.get(&metric)
    }
}

impl Outcome {
    /// What is known of a case.
    #[must_use]
    pub fn of(&self, case: Case) -> Option<&Measured> {
        self.cases.iter().find(|measured| measured.case == case)
    }
}
