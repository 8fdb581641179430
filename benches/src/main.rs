//! The figures of the whole: topologies, the scenario set, and tproxy as a process beside the programs it runs.
//!
//! Reported, never asserted. What is compared is measured in alternation, in one pod, in one run. Needs root.

mod exclusions;
mod install;
mod memory;
mod real;
mod scenarios;
mod topology;
mod way;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use netsim::load::{Environment, Sample, Spread};

/// Why a figure could not be had.
type Failure = Box<dyn std::error::Error>;

/// One figure, or several that belong together.
type Measure = fn(&Binaries) -> Result<String, Failure>;

const FIGURES: [(&str, Measure); 6] = [
    ("topologies", topology::measure),
    ("install", install::measure),
    ("exclusions", exclusions::measure),
    ("memory", memory::measure),
    ("real", real::measure),
    ("scenarios", scenarios::measure),
];

fn main() -> ExitCode {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = chosen.iter().find(|own| FIGURES.iter().all(|(name, _)| own != name)) {
        let known = FIGURES.map(|(name, _)| name).join(", ");
        eprintln!("there are no figures {unknown:?}; there are {known}");
        return ExitCode::from(2);
    }
    let binaries = match Binaries::beside_this_one() {
        Ok(binaries) => binaries,
        Err(error) => return failed("binaries", &error),
    };
    println!("{}; median [quartiles]\n", Environment::now());
    for (name, measure) in FIGURES {
        if !chosen.is_empty() && !chosen.iter().any(|own| own == name) {
            continue;
        }
        match measure(&binaries) {
            Ok(text) => println!("## {name}\n\n{text}"),
            Err(error) => return failed(name, &error),
        }
    }
    match netsim::node::shutdown() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed("end", &error.into()),
    }
}

fn failed(name: &str, error: &Failure) -> ExitCode {
    eprintln!("{name}: {error}");
    ExitCode::FAILURE
}

/// The programs that are measured.
struct Binaries {
    tproxy: PathBuf,
    netsim: PathBuf,
}

impl Binaries {
    /// Those that were built together with this program.
    fn beside_this_one() -> Result<Self, Failure> {
        let me = std::env::current_exe()?;
        let beside = |name: &str| {
            let path = me.with_file_name(name);
            std::fs::metadata(&path)
                .map(|_| path.clone())
                .map_err(|error| format!("{}: {error}", path.display()))
        };
        Ok(Self { tproxy: beside("tproxy")?, netsim: beside("netsim")? })
    }
}

/// A sample's median and spread, in milliseconds.
fn milliseconds(durations: impl IntoIterator<Item = Duration>) -> Spread {
    durations.into_iter().map(|duration| duration.as_secs_f64() * 1000.0).collect::<Sample>().spread()
}
