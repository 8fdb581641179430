//! What log rules have counted: most kernels print nothing outside their first network namespace, so counters must tell.
//! Where the kernel speaks for all of them, its log must have the lines, too.
//!
//! Must never be used where a packet can tell.

use tproxy::iptables::rule;

use super::kernel_log::is_of;
use super::stage::Stage;
use super::{About, Check, RunError};

/// Whether the log rule with each prefix has counted packets, in the variant's family.
pub(super) fn logs(stage: &Stage, prefixes: &[String]) -> Result<Check, RunError> {
    let saved = stage.rules_of_family()?;
    let counts: Vec<(String, u64)> =
        prefixes.iter().map(|prefix| (prefix.clone(), counted(&saved, prefix))).collect();
    let silent = counts.iter().filter(|(_, count)| *count == 0);
    let mut problems: Vec<String> = silent
        .map(|(prefix, _)| format!("no log rule with the prefix `{prefix}` has counted anything"))
        .collect();
    problems.extend(unwritten(stage, prefixes));
    let happened: Vec<String> = counts.iter().map(|(prefix, count)| format!("{count} {prefix}")).collect();
    let title = format!("logged: {}", prefixes.join(", "));
    Ok(Check::new(About::Traffic, title, happened.join(", "), problems))
}

/// The prefixes that the kernel's log should have lines with, and has not.
fn unwritten(stage: &Stage, prefixes: &[String]) -> Vec<String> {
    let Some(log) = &stage.kernel_log else { return Vec::new() };
    let records = match log.records() {
        Ok(records) => records,
        Err(error) => return vec![format!("cannot read the kernel's log: {error}")],
    };
    let missing = prefixes.iter().filter(|prefix| !records.iter().any(|record| is_of(record, prefix)));
    missing.map(|prefix| format!("the kernel's log has no line with the prefix `{prefix}`")).collect()
}

/// The packets that rules which log with a prefix have counted, in what `iptables-save -c` prints.
fn counted(saved: &str, prefix: &str) -> u64 {
    let of_line = |line: &str| {
        let (counters, rule) = line.strip_prefix('[')?.split_once("] ")?;
        let words = rule::words(rule)?;
        let logs = words
            .windows(2)
            .any(|pair| matches!(pair, [option, word] if option == "--log-prefix" && word == prefix));
        let packets = counters.split_once(':')?.0.parse::<u64>().ok()?;
        logs.then_some(packets)
    };
    saved.lines().filter_map(of_line).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_with_the_prefix_count() {
        let saved = "*nat\n:OUTPUT ACCEPT [9:540]\n[3:180] -A X -j LOG --log-prefix \"OUTPUT:\" --log-level 7\n\
                     [4:240] -A OUTPUT -j X\n[5:1] -A Y -j LOG --log-prefix \"PREROUTING:\"\nCOMMIT\n";
        assert_eq!(counted(saved, "OUTPUT:"), 3);
        assert_eq!(counted(saved, "INPUT:"), 0);
    }
}
