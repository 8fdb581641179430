//! The cases of a bench: plain data, with stable names.

use std::fmt;

use tproxy::backend::BackendId;

/// How many networks the cases with exclusions exclude.
pub const EXCLUSIONS: usize = 10_000;

/// One way to get a connection to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// Who calls whom.
    pub way: Way,
    /// How many networks, none of them the peer's, are excluded.
    pub exclusions: usize,
}

/// Who calls whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The application calls the peer, and nothing is installed.
    Direct,
    /// The application calls the sidecar, which calls the peer; nothing is installed.
    Straight,
    /// The application calls the peer, is redirected to the sidecar, and that calls the peer.
    Captured(BackendId),
    /// The sidecar calls the peer of its own accord, and passes.
    Own(BackendId),
}

const BACKENDS: [BackendId; 2] = [BackendId::IptablesNft, BackendId::IptablesLegacy];

impl Case {
    /// What others are compared with: the sidecar's work without any redirection.
    pub const STRAIGHT: Self = Self { way: Way::Straight, exclusions: 0 };

    /// All cases.
    pub fn all() -> impl Iterator<Item = Self> {
        let plain = [Way::Direct, Way::Straight].map(|way| Self { way, exclusions: 0 });
        let ways = BACKENDS.map(Way::Captured).into_iter().chain(BACKENDS.map(Way::Own));
        plain
            .into_iter()
            .chain(ways.flat_map(|way| [0, EXCLUSIONS].map(|exclusions| Self { way, exclusions })))
    }

    /// The case of a name.
    ///
    /// # Errors
    /// There is none, with the names that there are.
    pub fn parse(name: &str) -> Result<Self, String> {
        Self::all().find(|case| case.to_string() == name).ok_or_else(|| {
            let known: Vec<String> = Self::all().map(|case| case.to_string()).collect();
            format!("there is no case {name:?}; there are {}", known.join(", "))
        })
    }

    /// The backend that it needs.
    #[must_use]
    pub fn backend(self) -> Option<BackendId> {
        match self.way {
            Way::Direct | Way::Straight => None,
            Way::Captured(backend) | Way::Own(backend) => Some(backend),
        }
    }

    /// The case with one thing less, whose cost is that thing's.
    #[must_use]
    pub fn baseline(self) -> Option<Self> {
        match self.way {
            way if self.exclusions > 0 => Some(Self { way, exclusions: 0 }),
            Way::Direct => None,
            Way::Straight | Way::Own(_) => Some(Self { way: Way::Direct, exclusions: 0 }),
            Way::Captured(_) => Some(Self::STRAIGHT),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = match self.way {
            Way::Direct => "direct".to_owned(),
            Way::Straight => "straight".to_owned(),
            Way::Captured(backend) => backend.to_string(),
            Way::Own(backend) => format!("{backend}/sidecar"),
        };
        if self.exclusions > 0 {
            name.push_str(&format!("/{}-exclusions", self.exclusions));
        }
        f.pad(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_found_by_its_name_and_compared_with_a_case() {
        let all: Vec<Case> = Case::all().collect();
        for case in &all {
            assert_eq!(Case::parse(&case.to_string()), Ok(*case));
            assert!(case.baseline().is_none_or(|baseline| all.contains(&baseline)), "{case}");
        }
        assert_eq!(all.len(), 10);
        let said = Case::parse("iptables-nftt").unwrap_err();
        assert!(
            said.contains("\"iptables-nftt\"") && said.contains("iptables-legacy/10000-exclusions"),
            "{said}"
        );
    }
}
