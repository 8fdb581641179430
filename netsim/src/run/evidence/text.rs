//! The report of a variant that failed, for people.
//!
//! Pure. Must never promise a file that is not there.

use std::fmt::Write;

use super::super::testimony::command_line;
use super::super::{About, Check};
use super::again::Again;
use super::{Evidence, FLOWS};

/// What no number can fix.
const CHOSEN: &str = "\
The seed fixes the order of variants and, where the kernel can be asked for one (Linux 6.3 and later), each flow's source
port. What differs from one run to the next stands in the captures: ports of crowds and of forwarding sidecars, sequence
numbers, the packets that a lossy link loses; and how steps in parallel fall together.
";

/// The whole report.
pub(super) fn report(evidence: &Evidence<'_>, system: &str) -> String {
    let Evidence { variant, seed, found, again, captured, missing, .. } = evidence;
    let mut text = format!(
        "{}\n{variant}\nin {}, on {system}\nto run it alone: {}\n",
        variant.scenario.document.name.value,
        variant.scenario.source.name,
        command_line(variant, *seed)
    );
    match found {
        Ok(checks) => {
            for check in checks.iter().filter(|check| !check.passed()) {
                text.push_str(&failure(check));
            }
        }
        Err(error) => {
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(text, "\nThe run could not go on: {error}");
        }
    }
    for (number, again) in again.iter().enumerate() {
        text.push_str(&second(number + 1, again));
    }
    text.push_str(&not_again(found.unwrap_or_default(), again));
    text.push_str("\nPackets, as they were seen while the variant ran (times are this machine's):\n");
    for (node, seen) in captured {
        let files: Vec<String> =
            seen.files.keys().map(|interface| format!("{node}-{interface}.pcap")).collect();
        let files = if files.is_empty() { "nothing was sent".to_owned() } else { files.join(", ") };
        let gone = match (seen.forgotten, seen.lost) {
            (0, 0) => String::new(),
            (forgotten, lost) => {
                format!(" (without {forgotten} older frames, and {lost} that came too fast to be kept)")
            }
        };
        let _ = writeln!(text, "  {node}: {files}{gone}");
    }
    for missing in missing {
        let _ = writeln!(text, "  missing: {missing}");
    }
    text.push_str("What servers saw: actors.jsonl\n");
    if !evidence.rules.is_empty() {
        text.push_str("The rules when the scenario had come to its end, of both families: rules.txt\n");
    }
    text + "\n" + CHOSEN
}

fn failure(check: &Check) -> String {
    let mut text = format!("\n{}\n  happened: {}\n", check.title, check.happened);
    for problem in &check.problems {
        let _ = writeln!(text, "  wrong:    {problem}");
    }
    match &check.explanation {
        Some(explained) => {
            let (decision, why) = (&explained.decision, &explained.why);
            let _ = writeln!(text, "  explain:  {}, {}: {why}", decision.verdict, decision.line);
            if let Some(entry) = &explained.entry {
                let _ = writeln!(text, "            by {}: {}", entry.key, entry.value);
            }
        }
        None => text.push_str("  explain:  nothing: no flow that comes by an installation\n"),
    }
    if !check.printed.is_empty() {
        let _ = writeln!(text, "  printed:  {}", check.printed.trim_end().replace('\n', "\n            "));
    }
    text
}

/// What failed and was not looked at more closely.
fn not_again(checks: &[Check], again: &[Again]) -> String {
    let is_again =
        |title: &str| again.iter().flat_map(|again| &again.first).any(|check| check.title == title);
    let is_left =
        |check: &&Check| check.about == About::Traffic && !check.passed() && !is_again(&check.title);
    let left: Vec<&str> = checks.iter().filter(is_left).map(|check| check.title.as_str()).collect();
    if left.is_empty() {
        return String::new();
    }
    let why = format!("not sent again (only the first {FLOWS} flows of `expect` and of tables are)");
    format!("\n{why}: {}\n", left.join("; "))
}

fn second(number: usize, again: &Again) -> String {
    let title = again.first.first().map_or("", |check| check.title.as_str());
    let mut text = format!("\nSent again, with rules counted: {title}\n");
    match &again.second {
        Err(error) => {
            let _ = writeln!(text, "  not possible: {error}");
        }
        Ok(second) => {
            let went = if again.is_same() {
                "it went the same way"
            } else {
                "it went ANOTHER WAY, so the files below show another flow"
            };
            let happened: Vec<&str> = second.checks.iter().map(|check| check.happened.as_str()).collect();
            let _ = writeln!(text, "  {went}: {}", happened.join(", "));
            let _ = writeln!(
                text,
                "  rules that counted: flow-{number}/counted.txt, by rules-before.txt and rules-after.txt"
            );
            match &second.trace {
                None => text.push_str("  no trace: the kernel traces rules of nftables only\n"),
                Some(Ok(_)) => {
                    let _ = writeln!(text, "  rules that it crossed: flow-{number}/trace.txt");
                }
                Some(Err(error)) => {
                    let _ = writeln!(text, "  no trace: {error}");
                }
            }
        }
    }
    text
}
