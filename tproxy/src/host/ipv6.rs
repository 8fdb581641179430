//! Whether this network namespace has IPv6 to capture.

use std::io::ErrorKind;

use super::HostError;

/// Why there is no IPv6, in words for the user; `None` when there is.
pub(super) fn missing(loopback: &str) -> Result<Option<String>, HostError> {
    // Both follow the network namespace of the calling thread.
    let switch = format!("/proc/sys/net/ipv6/conf/{loopback}/disable_ipv6");
    match std::fs::read_to_string(&switch) {
        Ok(text) if text.trim() == "0" => Ok(None),
        Ok(_) => Ok(Some(disabled(loopback))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some("this kernel has no IPv6".to_owned())),
        Err(error) => Err(HostError::Read { path: switch, error }),
    }
}

/// Captured connections go through loopback: without IPv6 there, none can be captured, whatever other interfaces have.
fn disabled(loopback: &str) -> String {
    match with_ipv6(loopback) {
        None => format!("IPv6 is disabled (net.ipv6.conf.{loopback}.disable_ipv6 is 1)"),
        Some(other) => format!(
            "IPv6 is disabled on {loopback}, which captured connections go through, while {other} has it; set \
             net.ipv6.conf.{loopback}.disable_ipv6 to 0"
        ),
    }
}

/// An interface other than loopback that has IPv6.
fn with_ipv6(loopback: &str) -> Option<String> {
    let names = std::fs::read_dir("/proc/sys/net/ipv6/conf").ok()?.flatten();
    let mut names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let has_it = |name: &String| {
        let switch = std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"));
        !["all", "default", loopback].contains(&name.as_str()) && switch.is_ok_and(|text| text.trim() == "0")
    };
    names.into_iter().find(has_it)
}
