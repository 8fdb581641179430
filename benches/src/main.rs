//! The figures of the whole: topologies, the scenario set, and tproxy as a process beside the programs it runs.
//!
//! Reported, never asserted. What is compared is measured in alternation, in one pod, in one run. Needs root.

mod install;
mod scenarios;
mod spread;
mod topology;

use std::path::PathBuf;
use std::process::ExitCode;

/// Why a figure could not be had.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let figures = [("topologies", topology::measure as fn(&Binaries) -> Result<String, Failure>)]
        .into_iter()
        .chain([("scenarios", scenarios::measure as _), ("tproxy install", install::measure as _)]);
    let binaries = match Binaries::beside_this_one() {
        Ok(binaries) => binaries,
        Err(error) => return failed("binaries", &error),
    };
    println!("{}", machine());
    for (name, measure) in figures {
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

/// What the figures were measured on.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let model = read("/proc/cpuinfo");
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    format!(
        "Linux {}, {processors} processors{model}, load {}; median [quartiles]\n",
        read("/proc/sys/kernel/osrelease"),
        read("/proc/loadavg")
    )
}
