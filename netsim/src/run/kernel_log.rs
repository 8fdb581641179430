//! What the kernel's own log says of packets, where it speaks for all network namespaces.
//!
//! Must never switch that on: it concerns the whole machine, and is its owner's to decide.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

/// Whether log rules of namespaces that are not the first one write to the log (Documentation/networking/nf_conntrack-sysctl.rst).
const OF_ALL: &str = "/proc/sys/net/netfilter/nf_log_all_netns";
/// Each read gives one record (Documentation/ABI/testing/dev-kmsg).
const LOG: &str = "/dev/kmsg";
/// More than the longest record.
const RECORD: usize = 8192;

/// The kernel's log from a moment on.
#[derive(Debug)]
pub(super) struct KernelLog(File);

impl KernelLog {
    /// The log from now on; `None` where the kernel is silent about namespaces, or may not be read.
    pub(super) fn from_now() -> Option<Self> {
        let speaks = std::fs::read_to_string(OF_ALL).is_ok_and(|value| value.trim() == "1");
        let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(LOG).ok()?;
        file.seek(SeekFrom::End(0)).ok()?;
        speaks.then_some(Self(file))
    }

    /// What was written since it was read last.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn records(&self) -> std::io::Result<Vec<String>> {
        let mut records = Vec::new();
        let mut buffer = [0; RECORD];
        loop {
            match (&self.0).read(&mut buffer) {
                Ok(0) => return Ok(records),
                Ok(length) => {
                    let record = buffer.get(..length).unwrap_or_default();
                    records.push(String::from_utf8_lossy(record).into_owned());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(records),
                // Records were overwritten before they were read; what follows is there.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether a record is a log rule's of this prefix.
pub(super) fn is_of(record: &str, prefix: &str) -> bool {
    let message = record.split_once(';').map_or("", |(_, message)| message);
    message.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("IN=") && rest.contains("SRC="))
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn a_record_of_a_log_rule_is_known_by_its_prefix() {
        let record = "7,612,5140900,-;OUTPUT:IN= OUT=eth0 SRC=10.77.0.2 DST=10.77.0.3 LEN=60\n";
        assert!(is_of(record, "OUTPUT:"));
        assert!(!is_of(record, "PREROUTING:"));
        assert!(!is_of("6,1,5,-;OUTPUT:something else\n", "OUTPUT:"));
    }
}
