//! How long netsim waits. Its deadlines are for machines of ordinary speed; `NETSIM_PATIENCE=5` makes those for packets,
//! programs and links five times as long, for guests in emulators.
//!
//! Must never make a wait longer that ends without a deadline's help, nor a scenario's own times.

use std::sync::OnceLock;
use std::time::Duration;

/// The variable with the factor.
const VARIABLE: &str = "NETSIM_PATIENCE";

/// The factors that can be asked for.
const FACTORS: std::ops::RangeInclusive<u32> = 1..=100;

/// A deadline as it is on this machine.
pub(crate) fn patient(deadline: Duration) -> Duration {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    deadline * *FACTOR.get_or_init(|| asked().unwrap_or(1))
}

/// The factor that the environment asks for.
///
/// # Errors
/// It is not one, as a sentence.
pub(crate) fn asked() -> Result<u32, String> {
    std::env::var_os(VARIABLE).map_or(Ok(1), |value| factor(&value.to_string_lossy()))
}

fn factor(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| FACTORS.contains(number));
    number.ok_or_else(|| {
        format!("{VARIABLE}: `{text}` is not a whole number from {} to {}", FACTORS.start(), FACTORS.end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_a_factor_from_1_to_100() {
        assert_eq!(factor("1"), Ok(1));
        assert_eq!(factor("100"), Ok(100));
        for wrong in ["", "0", "101", "-1", "1.5", "long"] {
            let said = format!("NETSIM_PATIENCE: `{wrong}` is not a whole number from 1 to 100");
            assert_eq!(factor(wrong), Err(said));
        }
    }
}
