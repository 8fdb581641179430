//! Words that nobody can guess, and ports that nobody expects.

use std::hash::{BuildHasher, Hasher, RandomState};

/// 128 bits of the kernel's randomness, by way of the keys that the standard library draws for hashing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token([u8; 16]);

/// First of the 10,000 ports that one is drawn from (Kuma behaviour).
const FIRST_PORT: u16 = 20_000;

impl Token {
    pub(super) fn new() -> Self {
        Self((u128::from(random(1)) << 64 | u128::from(random(2))).to_be_bytes())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a label of a name (RFC 1035).
    pub(super) fn label(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn random(salt: u64) -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(salt);
    hasher.finish()
}

/// A port between 20000 and 29999.
pub(super) fn port() -> u16 {
    FIRST_PORT + u16::try_from(random(0) % 10_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_ports_are_kumas() {
        assert_ne!(Token::new(), Token::new());
        assert_eq!(Token::new().label().len(), 32);
        for _ in 0..1000 {
            assert!((20_000..30_000).contains(&port()));
        }
    }
}
