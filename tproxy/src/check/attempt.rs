//! What to load, with which program, and what it would mean if it cannot be loaded.
//!
//! Must never load anything: that is `host::probe`.

use super::finding::{Finding, Outcome};
use crate::apply::change::Change;
use crate::iptables::Tool;
use crate::iptables::feature::Need;

/// Something to load in a network namespace that ends with the try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Subject of the finding that comes of it.
    pub subject: String,
    /// The programs to load it with.
    pub tool: Tool,
    /// The restore text.
    pub text: String,
    /// Why it is not to be tried; `None` where it is.
    pub spared: Option<String>,
    /// It names users and groups other than the caller's own, which a user namespace does not know.
    pub names_others: bool,
    /// Rules are written without it where it is missing.
    is_dispensable: bool,
    /// What it is, for people.
    shown: String,
    /// What to do then.
    advice: String,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// Program and kernel took it.
    Loaded,
    /// One of them did not: the program's words.
    Refused(String),
    /// It was not tried, for this reason.
    NotTried(String),
}

/// The attempt that shows one feature.
pub(super) fn of_need(need: &Need, tool: &Tool) -> Attempt {
    let (feature, by_the_kernel) = (&need.feature, by_the_kernel(tool));
    Attempt {
        subject: format!("{}/{}", tool.family, feature.name),
        tool: tool.clone(),
        text: feature.text(),
        spared: None,
        names_others: false,
        is_dispensable: need.is_dispensable(),
        shown: feature.rules(),
        advice: match feature.instead {
            _ if need.is_dispensable() => format!("rules are written without; {by_the_kernel}"),
            "" => by_the_kernel,
            instead => format!("{by_the_kernel}, or {instead}"),
        },
    }
}

/// So many rules are tried at most. Programs take about 40 µs and 1.7 KiB for each.
const TRIED: usize = 20_000;

/// The attempt to load all rules of a family; `None` for a change of another kind.
pub(super) fn of_change(change: Change) -> Option<Attempt> {
    let Change::Restore { tool, forward, .. } = change else { return None };
    let rules = forward.lines().filter(|line| line.starts_with("-A ") || line.starts_with("-I ")).count();
    let spared = (rules > TRIED)
        .then(|| format!("{rules} rules take long to load, and no more than {TRIED} are tried"));
    Some(Attempt {
        subject: format!("{}/rules", tool.family),
        text: if spared.is_none() { forward } else { String::new() },
        names_others: true,
        is_dispensable: false,
        shown: format!("all {rules} rules of this configuration"),
        advice: match spared {
            None => by_the_kernel(&tool),
            Some(_) => "install all the same: rules are loaded all or none".to_owned(),
        },
        spared,
        tool,
    })
}

/// Programs are chosen by what is installed, and the kernel may not have what they need (Kuma issue 12658).
fn by_the_kernel(tool: &Tool) -> String {
    format!(
        "let the kernel have the module that is missing, or try --backend iptables-{}",
        tool.flavour.other()
    )
}

impl Attempt {
    /// What the trial shows.
    pub(super) fn judge(&self, trial: &Trial) -> Finding {
        let program = self.tool.restore.display();
        match trial {
            Trial::Loaded => Finding::works(&self.subject, format!("loads {}", self.shown)),
            Trial::Refused(words) => Finding::advised(
                if self.is_dispensable { Outcome::Warning } else { Outcome::Missing },
                &self.subject,
                format!("{program} could not load {}: {words}", self.shown),
                &self.advice,
            ),
            Trial::NotTried(reason) => Finding::unknown(
                &self.subject,
                format!("not tried: {reason}"),
                if self.spared.is_some() { &self.advice } else { "check as root, with CAP_SYS_ADMIN" },
            ),
        }
    }
}
