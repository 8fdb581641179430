//! What figures were measured on. Reads only.

use serde::Serialize;

/// The machine, as far as figures depend on it.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    /// The kernel's release.
    pub kernel: String,
    /// The processors' model.
    pub processor: String,
    /// How many there are.
    pub processors: usize,
    /// The averages of `/proc/loadavg`, of 1, 5 and 15 minutes.
    pub load: String,
    /// Whether netsim was built for speed. An unoptimised sidecar is slower than what it is compared with.
    pub optimised: bool,
}

impl Environment {
    /// The machine as it is now. What it does not tell is empty.
    #[must_use]
    pub fn now() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let described = read("/proc/cpuinfo");
        let model = described.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let load = read("/proc/loadavg");
        Self {
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            processor: model.trim_start_matches([' ', '\t', ':']).to_owned(),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            load: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
            optimised: !cfg!(debug_assertions),
        }
    }
}

impl std::fmt::Display for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kernel, processor, processors, load, optimised } = self;
        let build = if *optimised { "" } else { "; not a release build: take no figure from it" };
        write!(f, "Linux {kernel}, {processors} × {processor}, load {load}{build}")
    }
}
