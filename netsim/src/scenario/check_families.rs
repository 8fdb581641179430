//! Names and addresses in the families that a scenario is driven in.
//!
//! Must never look at the system.

use std::net::IpAddr;

use tproxy::family::IpFamily;

use super::check::{Problem, problem};
use super::people::POD;
use super::schema::Document;
use crate::topology::Topology;

/// The families that a scenario in this topology can be driven in.
pub(super) fn possible(topology: &Topology) -> Vec<IpFamily> {
    topology.families_of(POD)
}

/// Those that it is driven in.
fn driven(document: &Document, topology: &Topology) -> Vec<IpFamily> {
    let only = document.only.as_ref().map(|only| only.value.families.as_slice()).unwrap_or_default();
    possible(topology).into_iter().filter(|family| only.is_empty() || only.contains(family)).collect()
}

/// Without a family nothing would be driven.
pub(super) fn none(document: &Document, topology: &Topology) -> Option<Problem> {
    let message = "nothing would be driven: the pod has no address of a family that `only` leaves";
    driven(document, topology).is_empty().then(|| problem(document.topology.referenced, message))
}

/// Why a name or an address cannot stand where a host does: a name must have all families that the pod has, an address
/// is of one, which must be the only one.
pub(super) fn unfit(name: &str, document: &Document, topology: &Topology) -> Option<String> {
    let Ok(address) = name.parse::<IpAddr>() else {
        let mut families = possible(topology).into_iter();
        return families
            .find_map(|family| topology.address(name, family).err())
            .map(|error| error.to_string());
    };
    let own = IpFamily::of(address);
    let other = driven(document, topology).into_iter().find(|family| *family != own)?;
    Some(format!(
        "{address} is no {other} address, and the file is driven over {other}, too: write a name, or `only: {{ families: [{own}], because: … }}`"
    ))
}
