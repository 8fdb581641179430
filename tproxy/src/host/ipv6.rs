//! Whether this network namespace has IPv6 to capture.

use std::io::ErrorKind;

use super::HostError;

/// Why there is no IPv6, in words for the user; `None` when there is.
pub(super) fn missing(loopback: &str) -> Result<Option<String>, HostError> {
    // Both follow the network namespace of the calling thread.
    let switch = format!("/proc/sys/net/ipv6/conf/{loopback}/disable_ipv6");
    match std::fs::read_to_string(&switch) {
        Ok(text) if text.trim() == "0" => Ok(None),
        Ok(_) => Ok(Some(format!("IPv6 is disabled (net.ipv6.conf.{loopback}.disable_ipv6 is 1)"))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some("this kernel has no IPv6".to_owned())),
        Err(error) => Err(HostError::Read { path: switch, error }),
    }
}
