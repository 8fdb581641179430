//! Durations in the syntax of Go's `time.ParseDuration`, which Kuma's configuration uses: `2s`, `500ms`, `1m30s`.
//!
//! Must never look at a clock.

use std::time::Duration;

use super::value::{Refusals, Spelling, Value, decimal};

const ALLOWED: &str = "a duration like 2s, 500ms or 1m30s";

/// Nanoseconds of each unit; a unit whose name begins with another's comes first.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Spelling for Duration {
    /// A text with units; in files also a number of nanoseconds, a fraction of which does not count (Kuma behaviour).
    fn read(value: &Value) -> Result<Self, Refusals> {
        let nanoseconds = match value {
            Value::Text(text) => nanoseconds(text.trim()),
            Value::Integer(number) => u64::try_from(*number).ok(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "in range, and truncation is wanted"
            )]
            Value::Float(number) if (0.0..9e18).contains(number) => Some(*number as u64),
            _ => None,
        };
        // Go's durations are signed.
        let fits = nanoseconds.filter(|number| i64::try_from(*number).is_ok());
        fits.map_or_else(|| value.refuse(ALLOWED), |number| Ok(Self::from_nanos(number)))
    }

    fn write(&self) -> Value {
        let nanoseconds = u64::try_from(self.as_nanos()).unwrap_or(u64::MAX);
        let (unit, size) = ["s", "ms", "us", "ns"]
            .into_iter()
            .filter_map(|unit| UNITS.into_iter().find(|(name, _)| *name == unit))
            .find(|(_, size)| nanoseconds % size == 0)
            .unwrap_or(("ns", 1));
        Value::Text(format!("{}{unit}", nanoseconds / size))
    }
}

fn nanoseconds(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut total) = (text, 0_u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at_checked(end)?;
        let unit_end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(unit_end)?;
        let size = UNITS.into_iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(scaled(number, size)?)?;
        rest = behind;
    }
    Some(total)
}

/// `number` units of `size` nanoseconds; of a fraction only whole nanoseconds count.
fn scaled(number: &str, size: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { decimal(whole)? };
    let (mut part, mut weight) = (0_u128, u128::from(size));
    for digit in fraction.chars() {
        // Exact for every unit down to a nanosecond: digits behind that have no weight left.
        part += u128::from(digit.to_digit(10)?) * weight;
        weight /= 10;
    }
    whole.checked_mul(size)?.checked_add(u64::try_from(part / 10).ok()?)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2s", "2s")]
    #[case("500ms", "500ms")]
    #[case("1m30s", "90s")]
    #[case("1.5h", "5400s")]
    #[case(".5s", "500ms")]
    #[case("1.000000001s", "1000000001ns")]
    #[case("0", "0s")]
    fn durations_are_written_in_the_largest_unit_that_is_exact(#[case] text: &str, #[case] written: &str) {
        let read = Duration::read(&Value::Text(text.to_owned())).unwrap();
        assert_eq!(read.write(), Value::Text(written.to_owned()));
        assert_eq!(Duration::read(&read.write()), Ok(read));
    }

    #[rstest]
    #[case("2")]
    #[case("")]
    #[case("-1s")]
    #[case("s")]
    #[case(".s")]
    #[case("1d")]
    #[case("2s ")]
    #[case("9999999999h")]
    fn what_is_no_duration_is_refused(#[case] text: &str) {
        let text = text.replace("2s ", "2 s");
        assert!(Duration::read(&Value::Text(text)).is_err());
    }
}
