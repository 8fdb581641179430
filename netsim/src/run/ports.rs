//! From which ports the flows of a variant come: the same for the same seed.
//!
//! Must never decide for a flow whose port the scenario gives, nor for crowds, which need more than a range holds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::actor::WantedPort;
use crate::random::Random;
use crate::scenario::Who;

/// The ports of one run of a variant.
#[derive(Debug)]
pub(super) struct Ports {
    seed: u64,
    /// How many flows of each sender there were.
    flows: Mutex<BTreeMap<Who, u64>>,
}

impl Ports {
    /// Those that follow from the run's seed for this variant.
    pub(super) fn new(seed: u64, variant: &str) -> Self {
        Self { seed: mixed(seed, variant), flows: Mutex::default() }
    }

    /// The port of this sender's next flow, which is none of its last ones.
    pub(super) fn next(&self, who: &Who) -> WantedPort {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        let count = flows.entry(who.clone()).or_default();
        *count += 1;
        /// Far from the next, and a prime: as many flows as there are ports come from different ones.
        const APART: u64 = 7_919;
        let first = mixed(self.seed, &who.to_string()) >> 1;
        WantedPort::by(first.wrapping_add(*count * APART))
    }
}

/// A number that depends on each letter.
fn mixed(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed, |mixed, byte| Random::new(mixed ^ u64::from(byte)).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_ten(ports: &Ports, who: &Who) -> Vec<u16> {
        (0..10).map(|_| ports.next(who).port()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_ports_and_another_variant_sender_or_seed_gives_others() {
        let [app, sidecar] = ["app", "sidecar"].map(|name| Who(name.to_owned()));
        let of_app = first_ten(&Ports::new(1, "a::nft"), &app);
        assert_eq!(of_app, first_ten(&Ports::new(1, "a::nft"), &app));
        assert_ne!(of_app, first_ten(&Ports::new(2, "a::nft"), &app));
        assert_ne!(of_app, first_ten(&Ports::new(1, "b::nft"), &app));
        assert_ne!(of_app, first_ten(&Ports::new(1, "a::nft"), &sidecar));
    }

    #[test]
    fn no_port_comes_again_soon() {
        let ports = Ports::new(7, "a::nft");
        let app = Who("app".to_owned());
        let all: std::collections::BTreeSet<u16> = (0..10_000).map(|_| ports.next(&app).port()).collect();
        assert_eq!(all.len(), 10_000);
    }
}
