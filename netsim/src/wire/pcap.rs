//! Frames as a file that tcpdump and Wireshark open: pcap with nanoseconds (draft-ietf-opsawg-pcap). Written here because
//! it is two headers of plain numbers, and nothing is ever read.
//!
//! Pure.

use std::time::Duration;

/// pcap with nanoseconds, in the byte order of whoever wrote it.
const MAGIC: u32 = 0xa1b2_3c4d;
const VERSION: [u16; 2] = [2, 4];
/// Frames begin with an Ethernet header.
const ETHERNET: u32 = 1;
/// More than any frame has.
const LONGEST: u32 = 256 << 10;

/// A frame, or its beginning.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// When it was seen, since 1970.
    pub(super) time: Duration,
    /// How long it is.
    pub(super) length: usize,
    /// What is kept of it.
    pub(super) bytes: Vec<u8>,
}

impl Record {
    /// What keeping it costs.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + size_of::<(u32, Self)>()
    }
}

/// The file of an interface that was silent.
pub(crate) fn no_frames() -> Vec<u8> {
    file(&[])
}

/// A whole file.
pub(super) fn file(records: &[Record]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(MAGIC.to_le_bytes());
    file.extend(VERSION.into_iter().flat_map(u16::to_le_bytes));
    // Time zone and accuracy, which nobody fills in.
    file.extend([0; 8]);
    file.extend([LONGEST, ETHERNET].into_iter().flat_map(u32::to_le_bytes));
    for Record { time, length, bytes } in records {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let [kept, length] = [bytes.len(), *length].map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        file.extend([seconds, time.subsec_nanos(), kept, length].into_iter().flat_map(u32::to_le_bytes));
        file.extend(bytes);
    }
    file
}
