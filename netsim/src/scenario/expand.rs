//! From scenarios to variants: scenario × backend × family.

use std::fmt;
use std::sync::Arc;

use tproxy::backend::BackendId;
use tproxy::family::IpFamily;

use super::load::Scenario;
use super::people::POD;
use super::schema::BACKENDS;

/// One run of a scenario.
#[derive(Debug, Clone)]
pub struct Variant {
    /// What is run.
    pub scenario: Arc<Scenario>,
    /// With which backend.
    pub backend: BackendId,
    /// Over which family; the installation itself always covers both.
    pub family: IpFamily,
}

impl fmt::Display for Variant {
    /// The variant's name, as tests and reports show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}::{}", self.scenario.id, self.backend, self.family)
    }
}

/// The variants of a scenario that it does not exclude.
#[must_use]
pub fn variants(scenario: &Arc<Scenario>) -> Vec<Variant> {
    let only = scenario.document.only.as_ref().map(|only| &only.value);
    let backend_fits = |backend: BackendId| {
        only.is_none_or(|only| {
            only.backends.is_empty() || only.backends.iter().any(|id| id.value == backend.to_string())
        })
    };
    // A topology that is wrong is reported when the file is loaded.
    let of_topology = scenario.document.topology.value.topology().map(|topology| topology.families_of(POD));
    let of_topology = of_topology.unwrap_or_default();
    let family_fits = |family| {
        of_topology.contains(&family)
            && only.is_none_or(|only| only.families.is_empty() || only.families.contains(&family))
    };
    BACKENDS
        .into_iter()
        .filter(|backend| backend_fits(*backend))
        .flat_map(|backend| IpFamily::ALL.map(|family| (backend, family)))
        .filter(|(_, family)| family_fits(*family))
        .map(|(backend, family)| Variant { scenario: Arc::clone(scenario), backend, family })
        .collect()
}
