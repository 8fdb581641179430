//! What full runs found, a line of JSON each, oldest first, as `ci/bench` keeps them.
//!
//! Must never put instructions of different kernels beside each other.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Case;

/// All runs that were kept.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<Run>);

/// One run.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Run {
    /// Of what.
    pub revision: String,
    /// When, as `2026-11-26`.
    pub date: String,
    /// The kernel whose processor time it is.
    pub kernel: String,
    /// Processor time of pod and peer, in µs a piece.
    pub cpu: BTreeMap<Case, f64>,
    /// What was counted in a guest.
    #[serde(default)]
    pub guest: Option<Counted>,
}

/// Instructions of the kernel's path.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counted {
    /// The version of the kernel's package.
    pub kernel: String,
    /// Whether the guest's random numbers came fast: where they did not, they were most of what was counted.
    #[serde(default)]
    pub seeded: bool,
    /// A piece, by case.
    pub instructions: BTreeMap<Case, f64>,
}

impl History {
    /// Reads it.
    ///
    /// # Errors
    /// A line that is none, with its number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let run = |(number, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))
        };
        lines.map(run).collect::<Result<_, _>>().map(Self)
    }

    /// The last run in which instructions were counted, with what was counted.
    #[must_use]
    pub fn last_counted(&self) -> Option<(&Run, &Counted)> {
        self.counted().last()
    }

    /// The runs in which instructions were counted as in the last of them: with the same kernel, seeded or not.
    #[must_use]
    pub fn comparable(&self) -> Vec<(&Run, &Counted)> {
        let about = |counted: &Counted| (counted.kernel.clone(), counted.seeded);
        let last = self.last_counted().map(|(_, counted)| about(counted));
        self.counted().filter(|(_, counted)| Some(about(counted)) == last).collect()
    }

    fn counted(&self) -> impl Iterator<Item = (&Run, &Counted)> {
        self.0.iter().filter_map(|run| Some((run, run.guest.as_ref()?)))
    }
}

impl Counted {
    /// How many more instructions a case takes than the sidecar without any redirection.
    #[must_use]
    pub fn over_straight(&self, case: Case) -> Option<f64> {
        Some(self.instructions.get(&case)? - self.instructions.get(&case.straight())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EBPF: &str = "connections/outbound/ebpf/1-clients";

    fn line(revision: &str, kernel: &str) -> String {
        seeded(revision, kernel, true)
    }

    fn seeded(revision: &str, kernel: &str, seeded: bool) -> String {
        format!(
            r#"{{"revision": "{revision}", "date": "2026-11-26", "kernel": "6.18", "processor": "any", "cpu": {{}},
            "guest": {{"kernel": "{kernel}", "seeded": {seeded}, "instructions":
            {{"{EBPF}": 505000, "connections/outbound/straight/1-clients": 502000}}}}}}"#
        )
        .replace('\n', "")
    }

    #[test]
    fn only_runs_with_the_kernel_of_the_last_are_comparable() {
        let unseeded = seeded("u", "2", false);
        let text = [line("a", "1"), line("b", "2"), unseeded, line("c", "1"), line("d", "2")].join("\n");
        let history = History::parse(&text).unwrap();
        let revisions: Vec<&str> =
            history.comparable().iter().map(|(run, _)| run.revision.as_str()).collect();
        assert_eq!(revisions, ["b", "d"]);
        let (_, counted) = history.last_counted().unwrap();
        assert_eq!(counted.over_straight(Case::parse(EBPF).unwrap()), Some(3000.0));
    }

    #[test]
    fn what_is_no_run_is_told_by_its_line() {
        let told = History::parse(&format!("{}\n\n{{}}\n", line("a", "1"))).unwrap_err();
        assert!(told.starts_with("line 3: missing field"), "{told}");
        assert!(History::parse("").unwrap().last_counted().is_none());
    }
}
