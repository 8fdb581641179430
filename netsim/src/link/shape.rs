//! How much an interface sends a second: a token bucket, by `tc`, which knows the kernel's tables of rates.
//!
//! Must never be asked for an interface outside a node.

use super::NetworkError;
use crate::node::{Finished, Node, Program};

/// The bucket in bytes: a whole segment of a link of the largest MTU fits.
const BURST: &str = "128kb";
/// How long a packet may wait for its turn before it is dropped.
const LATENCY: &str = "400ms";

/// Limits what an interface of a node sends to so many bits a second.
pub(super) fn limit(node: &Node, interface: &str, rate: u64) -> Result<(), NetworkError> {
    let rate = format!("{rate}bit");
    let words =
        ["qdisc", "add", "dev", interface, "root", "tbf", "rate", &rate, "burst", BURST, "latency", LATENCY];
    let shaped = Program::new("tc").args(words).run(node).and_then(Finished::checked);
    shaped.map(drop).map_err(|source| NetworkError::Rate {
        node: node.name().to_owned(),
        interface: interface.to_owned(),
        source: Box::new(source),
    })
}
