//! Which flavour of iptables would install, and why.
//!
//! Must never choose: the choice is part of the evidence.

use super::evidence::{Chosen, Evidence};
use super::finding::Finding;
use crate::iptables::Flavour;
use crate::iptables::choice::{Reason, Seen};

pub(super) fn findings(evidence: &Evidence) -> Vec<Finding> {
    const SUBJECT: &str = "flavour";
    const CHOOSE: &str = "choose with --backend, should it be the other one";
    let Some(Chosen { choice, seen, passed_over }) = &evidence.chosen else { return Vec::new() };
    let finding = match seen {
        // What is there does not change what the user has decided.
        Ok(_) | Err(_) if !choice.is_free() => Finding::works(SUBJECT, choice.to_string()),
        Err(why) if choice.reason != Reason::Only => {
            Finding::unknown(SUBJECT, format!("{choice}, as far as can be known: {why}"), "check as root")
        }
        Err(_) => Finding::works(SUBJECT, choice.to_string()),
        Ok(seen) => {
            let seen = seen.map(|(flavour, seen)| told(flavour, seen)).join(", ");
            let evidence = format!("{choice} ({seen})");
            if choice.is_doubtful {
                Finding::warning(SUBJECT, evidence, CHOOSE)
            } else {
                Finding::works(SUBJECT, evidence)
            }
        }
    };
    let mut findings = vec![finding];
    findings.extend(
        passed_over.iter().map(|why| Finding::warning(format!("{SUBJECT}/passed-over"), why, CHOOSE)),
    );
    findings
}

fn told(flavour: Flavour, seen: Seen) -> String {
    let has = [
        (!seen.usable, "no programs that work"),
        (seen.others.rules && !seen.others.docker, "rules of other programs"),
        (seen.others.docker, "rules of Docker's name server"),
        (seen.ours, "an earlier installation"),
    ];
    let has: Vec<&str> = has.iter().filter(|(is_so, _)| *is_so).map(|(_, what)| *what).collect();
    format!("{flavour}: {}", if has.is_empty() { "nothing".to_owned() } else { has.join(" and ") })
}
