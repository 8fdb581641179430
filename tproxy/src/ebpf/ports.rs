//! Sets of ports as the programs look into them: a bit a port, in blocks, blocks without a bit left out.
//!
//! Pure. `struct ports_block` of `tproxy/bpf/layout.h`.

use std::collections::BTreeMap;

use crate::config::ports::Ports;

/// Ports in one block.
const BLOCK: u16 = 512;
/// Bytes of a block.
const BYTES: usize = BLOCK as usize / 8;

/// The blocks of a set, by their number.
pub(super) fn blocks(ports: &Ports) -> BTreeMap<u16, [u8; BYTES]> {
    let mut blocks: BTreeMap<u16, [u8; BYTES]> = BTreeMap::new();
    for range in ports.ranges() {
        for port in range.first.get()..=range.last.get() {
            let block = blocks.entry(port / BLOCK).or_insert([0; BYTES]);
            // Little-endian words of 64 bits are their bytes in this order.
            if let Some(byte) = block.get_mut(usize::from(port % BLOCK / 8)) {
                *byte |= 1 << (port % 8);
            }
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::{Spelling, Value};

    #[test]
    fn each_port_is_a_bit_of_its_block() {
        let ports = Ports::read(&Value::Text("1,511-513,65535".to_owned())).ok().unwrap();
        let blocks = blocks(&ports);
        assert_eq!(blocks.keys().copied().collect::<Vec<_>>(), [0, 1, 127]);
        assert_eq!((blocks[&0][0], blocks[&0][63]), (0b10, 0b1000_0000));
        assert_eq!((blocks[&1][0], blocks[&127][63]), (0b11, 0b1000_0000));
        let set: u32 = blocks.values().flatten().map(|byte| byte.count_ones()).sum();
        assert_eq!(set, 5);
    }
}
