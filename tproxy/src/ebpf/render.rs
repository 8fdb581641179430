//! From a plan, or from nothing wanted, and what is installed to the list of changes.
//!
//! Pure. Must never touch the system.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::contents::Contents;
use super::ids::Ids;
use super::interface::Interface;
use super::layout;
use super::unsupported::Unsupported;
use crate::apply::change::{Change, LoopbackAddress};
use crate::apply::record::Record;
use crate::family::IpFamily;
use crate::iptables::render::AddressMark;
use crate::plan::Plan;

/// Where the programs of an installation are attached and pinned. They are shared by all network namespaces whose
/// installations have the same place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The cgroup whose processes are captured.
    pub cgroup: PathBuf,
    /// Where the BPF file system is, or is to be mounted.
    pub bpffs: PathBuf,
    /// Whether nothing is mounted there so far.
    pub mounts: bool,
    /// The name of the directory of pins: it tells layout and cgroup.
    pub directory: String,
    /// The file of programs; those of this build where there is none.
    pub object: Option<PathBuf>,
    /// A digest of the programs.
    pub programs: u64,
}

/// Other contents for one network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Where.
    pub place: Place,
    /// Cookie of the network namespace.
    pub netns: u64,
    /// What is there before; `None` for nothing.
    pub before: Option<Contents>,
    /// What is there after.
    pub after: Option<Contents>,
}

impl fmt::Display for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, netns, before, after } = self;
        let pins = place.bpffs.join(&place.directory);
        match (before, after) {
            (None, None) => write!(f, "remove what is left in {}", pins.display()),
            (Some(_), None) => {
                write!(f, "take network namespace {netns} out of the maps in {}", pins.display())
            }
            (Some(_), Some(_)) => {
                write!(f, "exchange what the maps in {} hold for network namespace {netns}", pins.display())
            }
            (None, Some(_)) => write!(
                f,
                "attach eBPF programs to {} and network namespace {netns}, pinned in {}",
                place.cgroup.display(),
                pins.display()
            ),
        }
    }
}

/// What programs capture for one network namespace, as it is kept to be returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// Where they are.
    pub place: Place,
    /// What lies in the maps.
    pub contents: Contents,
}

/// An installation that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub place: Place,
    /// What lies in the maps.
    pub contents: Contents,
    /// What is not as it was installed; nothing where it is whole.
    pub damage: Vec<String>,
    /// What each line counted, by the number of the line: IPv4, then IPv6.
    pub counters: Vec<[u64; 2]>,
}

/// What was found in one network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Cookie of the network namespace.
    pub netns: u64,
    /// Installations; more than one where somebody moved to another cgroup half-way.
    pub found: Vec<Found>,
    /// What runs that were ended half-way left, and serves nobody, and what other versions of tproxy installed.
    pub left: Vec<Place>,
    /// From which address this host speaks to which network.
    pub routes: Vec<(IpNet, IpAddr)>,
    /// The interfaces of this host.
    pub interfaces: Vec<Interface>,
    /// Whether the passthrough address ::6 is on loopback.
    pub has_address: bool,
    /// Who added it, as far as the kernel knows.
    pub address_mark: AddressMark,
    /// What the journal says; `None` without one.
    pub record: Option<Record>,
}

impl Installed {
    /// What of it can be returned later.
    #[must_use]
    pub fn captured(&self) -> Vec<Captured> {
        let captured =
            |found: &Found| Captured { place: found.place.clone(), contents: found.contents.clone() };
        self.found.iter().map(captured).collect()
    }

    /// Whether ::6 on loopback is there because of us.
    #[must_use]
    pub fn owns_address(&self) -> bool {
        let recorded = || self.record.as_ref().is_some_and(Record::added_passthrough);
        self.has_address
            && match self.address_mark {
                AddressMark::Ours => true,
                AddressMark::Other => false,
                AddressMark::None => recorded(),
            }
    }
}

/// The changes that lead from `installed` to `plan` at `place`, whose `ids` are those of the network namespace's owner; none
/// where it is installed already and whole.
///
/// # Errors
/// The plan is more than the maps hold, or names an interface that is not there, or an id that is none.
pub fn install(
    plan: &Plan,
    place: &Place,
    ids: &Ids,
    installed: &Installed,
) -> Result<Vec<Change>, Unsupported> {
    let contents = layout::contents(plan, ids, &installed.routes, &installed.interfaces)?;
    let wants_v6 = plan.policy.families.contains(&IpFamily::V6);
    let address = passthrough(&plan.host.loopback);
    let mut changes = Vec::new();
    if wants_v6 && !installed.has_address {
        changes.push(Change::AddAddress(address.clone()));
    }
    let is_here =
        |found: &&Found| found.place.bpffs == place.bpffs && found.place.directory == place.directory;
    let here = installed.found.iter().find(is_here);
    let is_whole = |found: &Found| {
        found.damage.is_empty() && found.contents == contents && found.place.programs == place.programs
    };
    if !here.is_some_and(is_whole) {
        changes.push(Change::Capture(Capture {
            place: place.clone(),
            netns: installed.netns,
            before: here.map(|found| found.contents.clone()),
            after: Some(contents),
        }));
    }
    changes
        .extend(installed.found.iter().filter(|found| !is_here(found)).map(|found| taken(found, installed)));
    // What is left at the same place is used again.
    let elsewhere =
        installed.left.iter().filter(|left| left.bpffs != place.bpffs || left.directory != place.directory);
    changes.extend(elsewhere.map(|left| cleared(left, installed)));
    if !wants_v6 && installed.owns_address() {
        changes.push(Change::RemoveAddress(address));
    }
    Ok(changes)
}

/// The changes that remove all of `installed`.
#[must_use]
pub fn remove(installed: &Installed, loopback: &str) -> Vec<Change> {
    let mut changes: Vec<Change> = installed.found.iter().map(|found| taken(found, installed)).collect();
    changes.extend(installed.left.iter().map(|left| cleared(left, installed)));
    if installed.owns_address() {
        changes.push(Change::RemoveAddress(passthrough(loopback)));
    }
    changes
}

/// The changes that make programs capture what they did `before`, and those that end what they did not, which is to be
/// done when everything else that captured before is there again. Programs stay as they are where some are attached.
#[must_use]
pub fn back(before: &[Captured], installed: &Installed) -> (Vec<Change>, Vec<Change>) {
    let are_at =
        |place: &Place, other: &Place| (&place.bpffs, &place.directory) == (&other.bpffs, &other.directory);
    let comes_back = |place: &Place| before.iter().any(|captured| are_at(&captured.place, place));
    let returned = before.iter().filter_map(|captured| {
        let here = installed.found.iter().find(|found| are_at(&found.place, &captured.place));
        let is_whole = |found: &Found| found.damage.is_empty() && found.contents == captured.contents;
        (!here.is_some_and(is_whole)).then(|| {
            Change::Capture(Capture {
                place: here.map_or_else(|| captured.place.clone(), |found| found.place.clone()),
                netns: installed.netns,
                before: here.map(|found| found.contents.clone()),
                after: Some(captured.contents.clone()),
            })
        })
    });
    let ended = installed.found.iter().filter(|found| !comes_back(&found.place));
    let ended = ended.map(|found| taken(found, installed));
    let left = installed.left.iter().filter(|left| !comes_back(left)).map(|left| cleared(left, installed));
    (returned.collect(), ended.chain(left).collect())
}

fn taken(found: &Found, installed: &Installed) -> Change {
    let before = Some(found.contents.clone());
    Change::Capture(Capture { place: found.place.clone(), netns: installed.netns, before, after: None })
}

fn cleared(left: &Place, installed: &Installed) -> Change {
    Change::Capture(Capture { place: left.clone(), netns: installed.netns, before: None, after: None })
}

fn passthrough(loopback: &str) -> LoopbackAddress {
    LoopbackAddress { interface: loopback.to_owned(), address: IpFamily::V6.passthrough(), prefix: 128 }
}
