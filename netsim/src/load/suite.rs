//! Which cases are measured unless somebody picks some.

use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

use super::case::{BACKENDS, Case, Direction, LARGEST_MTU, Load, Way};

/// A choice of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Those that give a picture in a minute.
    Quick,
    /// All that belong to the whole picture.
    Full,
}

/// How many networks the largest case excludes.
const MOST: usize = 10_000;

impl Suite {
    /// Its cases, in the order of their names' parts, each once.
    #[must_use]
    pub fn cases(self) -> Vec<Case> {
        let mut cases = match self {
            Self::Quick => quick(),
            Self::Full => full(),
        };
        cases.sort();
        cases.dedup();
        cases
    }
}

/// With and without sidecar and redirection, by each backend.
fn compared(load: Load, direction: Direction) -> impl Iterator<Item = Case> {
    let ways = [Way::Direct, Way::Straight].into_iter().chain(BACKENDS.map(Way::Captured));
    ways.map(move |way| Case::new(load, direction, way))
}

fn excluding(backend: BackendId, exclusions: usize) -> Case {
    Case { exclusions, ..Case::new(Load::Connections, Direction::Outbound, Way::Captured(backend)) }
}

fn quick() -> Vec<Case> {
    let mut cases: Vec<Case> = compared(Load::Connections, Direction::Outbound)
        .chain(compared(Load::Connections, Direction::Inbound))
        .chain(compared(Load::RoundTrips, Direction::Outbound))
        .chain(compared(Load::Bulk, Direction::Outbound))
        .chain(compared(Load::Queries, Direction::Outbound))
        .collect();
    cases.extend(BACKENDS.map(|backend| excluding(backend, MOST)));
    cases
}

fn full() -> Vec<Case> {
    let mut cases = quick();
    for direction in [Direction::Outbound, Direction::Inbound, Direction::Whole] {
        for load in [Load::Connections, Load::RoundTrips, Load::Bulk] {
            cases.extend(compared(load, direction));
        }
        cases.extend(compared(Load::Bulk, direction).map(|case| Case { mtu: LARGEST_MTU, ..case }));
    }
    let over_ipv6 = compared(Load::Connections, Direction::Outbound)
        .chain(compared(Load::Connections, Direction::Inbound))
        .chain(compared(Load::RoundTrips, Direction::Outbound))
        .chain(compared(Load::Queries, Direction::Outbound));
    cases.extend(over_ipv6.map(|case| Case { family: IpFamily::V6, ..case }));
    for clients in [1, 32, 1_000] {
        let of_these = compared(Load::Connections, Direction::Outbound);
        cases.extend(of_these.map(|case| Case { clients, ..case }));
    }
    for backend in BACKENDS {
        cases.extend([10, 100, 1_000].map(|many| excluding(backend, many)));
        let own = Case::new(Load::Connections, Direction::Outbound, Way::Own(backend));
        cases.extend([own, Case { exclusions: MOST, ..own }]);
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_is_possible_and_has_what_it_is_compared_with() {
        for suite in [Suite::Quick, Suite::Full] {
            let cases = suite.cases();
            for case in &cases {
                assert!(case.impossible().is_none(), "{case}");
                assert!(case.baseline().is_none_or(|baseline| cases.contains(&baseline)), "{case}");
            }
        }
        assert!(Suite::Quick.cases().iter().all(|case| Suite::Full.cases().contains(case)));
    }
}
