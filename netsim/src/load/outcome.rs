//! From rounds to figures. Pure.
//!
//! Must never compare rounds that were not measured in turn: the n-th round of a case goes with the n-th of another.

use serde::{Serialize, Serializer};
use tproxy::family::IpFamily;

use super::rig::Round;
use super::{Case, Environment, Estimate, Options, Sample, Spread};

/// What a bench found.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The machine before the first case was set up.
    pub environment: Environment,
    /// The load of the machine after the last round.
    pub load_after: String,
    /// The largest packet of the pod's link.
    pub mtu: u32,
    /// The family of all addresses.
    pub family: IpFamily,
    /// What chose the order.
    pub seed: u64,
    /// How often each case was measured.
    pub rounds: usize,
    /// How many connections a round made.
    pub connections: usize,
    /// The cases, in the order of their list.
    pub cases: Vec<Measured>,
}

/// What is known of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Which.
    #[serde(serialize_with = "by_name")]
    pub case: Case,
    /// Why it has no figures: it did not do what it claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
    /// The figures of a case that is not void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// The figures of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Connections a second.
    pub connections_per_second: Spread,
    /// User and system time of the pod's cgroup, in µs a connection.
    pub pod_cpu: Spread,
    /// The same with the peer's: the kernel works on a packet in whoever sent it.
    pub both_cpu: Spread,
    /// Against the sidecar without redirection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_straight: Option<Comparison>,
    /// Against the case with one thing less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_baseline: Option<Comparison>,
}

/// Two cases, round by round, with the interval that holds the true median with 95 % confidence.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// What it is compared with.
    #[serde(serialize_with = "by_name")]
    pub with: Case,
    /// The ratio of connections a second.
    pub rate: Estimate,
    /// The ratio of the pod's processor time.
    pub pod_cpu: Estimate,
    /// What the pod's processor time differs by, in µs a connection.
    pub pod_cpu_more: Estimate,
    /// What both nodes' processor time differs by, in µs a connection.
    pub both_cpu_more: Estimate,
}

fn by_name<S: Serializer>(case: &Case, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(case)
}

/// A case with its rounds and why it is void.
type Ran = (Case, Vec<Round>, Option<String>);

/// The figures of all cases.
pub(super) fn conclude(options: &Options, mtu: u32, before: Environment, cases: &[Ran]) -> Outcome {
    let rounds_of = |wanted: Case| {
        let found = cases.iter().find(|(case, _, void)| *case == wanted && void.is_none());
        found.map(|(_, rounds, _)| rounds.as_slice())
    };
    let measured = cases.iter().map(|(case, rounds, void)| {
        let compared = |with: Case| {
            rounds_of(with).filter(|_| with != *case).map(|other| compare(options, rounds, with, other))
        };
        let figures = || Figures {
            to_straight: compared(Case::STRAIGHT),
            to_baseline: case.baseline().and_then(compared),
            ..figures(options, rounds)
        };
        Measured { case: *case, void: void.clone(), figures: void.is_none().then(figures) }
    });
    Outcome {
        environment: before,
        load_after: Environment::now().load,
        mtu,
        family: options.family,
        seed: options.seed,
        rounds: options.rounds,
        connections: options.connections,
        cases: measured.collect(),
    }
}

fn rate(options: &Options, round: &Round) -> f64 {
    options.connections as f64 / round.wall.as_secs_f64()
}

fn pod_cpu(options: &Options, round: &Round) -> f64 {
    round.pod.as_secs_f64() * 1e6 / options.connections as f64
}

fn both_cpu(options: &Options, round: &Round) -> f64 {
    (round.pod + round.peer).as_secs_f64() * 1e6 / options.connections as f64
}

fn figures(options: &Options, rounds: &[Round]) -> Figures {
    let spread = |of: fn(&Options, &Round) -> f64| {
        rounds.iter().map(|round| of(options, round)).collect::<Sample>().spread()
    };
    Figures {
        connections_per_second: spread(rate),
        pod_cpu: spread(pod_cpu),
        both_cpu: spread(both_cpu),
        to_straight: None,
        to_baseline: None,
    }
}

fn compare(options: &Options, rounds: &[Round], with: Case, others: &[Round]) -> Comparison {
    let estimate = |of: &dyn Fn(&Round, &Round) -> f64| {
        let pairs = rounds.iter().zip(others);
        pairs.map(|(own, other)| of(own, other)).collect::<Sample>().estimate(options.seed)
    };
    Comparison {
        with,
        rate: estimate(&|own, other| rate(options, own) / rate(options, other)),
        pod_cpu: estimate(&|own, other| pod_cpu(options, own) / pod_cpu(options, other)),
        pod_cpu_more: estimate(&|own, other| pod_cpu(options, own) - pod_cpu(options, other)),
        both_cpu_more: estimate(&|own, other| both_cpu(options, own) - both_cpu(options, other)),
    }
}
