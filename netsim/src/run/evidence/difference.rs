//! Which rules counted between two looks at them.
//!
//! Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

/// A table and the rule or chain in it, with its place, so that equal ones are told apart.
type Place = (String, usize, String);

/// A line a rule or built-in chain that counted, in the order in which `iptables-save -c` prints them.
pub(super) fn counted(before: &str, after: &str) -> String {
    let before: BTreeMap<Place, [u64; 2]> = counters(before).into_iter().collect();
    let mut text = String::new();
    for (place, [packets, bytes]) in counters(after) {
        let [packets_before, bytes_before] = before.get(&place).copied().unwrap_or_default();
        let (packets, bytes) = (packets.saturating_sub(packets_before), bytes.saturating_sub(bytes_before));
        if packets > 0 {
            let (table, _, rule) = place;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{packets:>5} packets {bytes:>7} bytes  {table} {rule}");
        }
    }
    text
}

fn counters(saved: &str) -> Vec<(Place, [u64; 2])> {
    let mut table = "";
    let mut found = Vec::new();
    for (number, line) in saved.lines().filter(|line| !line.starts_with('#')).enumerate() {
        let counted = match line.chars().next() {
            Some('*') => {
                table = line.get(1..).unwrap_or_default();
                None
            }
            Some('[') => line.strip_prefix('[').and_then(|rest| rest.split_once("] ")),
            Some(':') => line
                .rsplit_once(" [")
                .and_then(|(chain, counters)| Some((counters.strip_suffix(']')?, chain))),
            _ => None,
        };
        let Some((counters, rule)) = counted else { continue };
        let Some((packets, bytes)) = counters.split_once(':') else { continue };
        let (Ok(packets), Ok(bytes)) = (packets.parse(), bytes.parse()) else { continue };
        found.push(((table.to_owned(), number, rule.to_owned()), [packets, bytes]));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_counted_is_told_with_its_table() {
        let before =
            "# at 1\n*nat\n:OUTPUT ACCEPT [9:540]\n[3:180] -A OUTPUT -j X\n[1:60] -A X -j RETURN\nCOMMIT\n";
        let after = "# at 2\n# more\n*nat\n:OUTPUT ACCEPT [10:600]\n[4:240] -A OUTPUT -j X\n[1:60] -A X -j RETURN\nCOMMIT\n";
        let told = "    1 packets      60 bytes  nat :OUTPUT ACCEPT\n    1 packets      60 bytes  nat -A OUTPUT -j X\n";
        assert_eq!(counted(before, after), told);
        assert_eq!(counted(after, after), "");
    }
}
