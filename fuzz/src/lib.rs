//! The fuzz targets' bodies: how a fuzzer's bytes become the input of an entry point.

#[path = "../../tproxy/tests/fuzz/entries.rs"]
mod entries;

use std::borrow::Cow;

/// A configuration file.
pub fn configuration(data: &[u8]) {
    entries::configuration_file(&text(data));
}

/// Flags and their values.
pub fn flags(data: &[u8]) {
    entries::flags(&pairs(&text(data)));
}

/// Variables and their values.
pub fn environment(data: &[u8]) {
    entries::environment(&pairs(&text(data)));
}

/// The value of `--iptables-executables`.
pub fn iptables_executables(data: &[u8]) {
    entries::iptables_executables(&text(data));
}

/// A resolv.conf.
pub fn resolv_conf(data: &[u8]) {
    entries::resolv_conf(&text(data));
}

/// What iptables-save printed.
pub fn saved_rules(data: &[u8]) {
    entries::saved_rules(&text(data));
}

/// Bytes as text. What is not UTF-8 is refused where files are read, so that here it would be wasted.
fn text(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// Places in a table and texts: separated by NUL, which neither arguments nor variables can hold; the first character of
/// each is the place.
fn pairs(text: &str) -> Vec<(usize, &str)> {
    text.split('\0')
        .filter_map(|part| {
            let mut rest = part.chars();
            rest.next().map(|place| (place as usize, rest.as_str()))
        })
        .collect()
}
