//! What is installed in this network namespace.
//!
//! Reads only. Must never need the journal to find an installation: the maps tell.

use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::EbpfError;
use super::guests;
use super::interfaces::interfaces;
use super::namespace;
use super::place::{self, Mounts};
use super::routes;
use super::set::Set;
use crate::apply::change::Change;
use crate::apply::record::Record;
use crate::ebpf::arrivals::{readdressed, with_guests};
use crate::ebpf::interface::Interface;
use crate::ebpf::render::{Found, Installed, Place};
use crate::family::IpFamily;
use crate::host;

/// What is installed, helped by the journal's record where there is one.
///
/// # Errors
/// The kernel cannot be asked.
pub fn look(loopback: &str, record: Option<Record>) -> Result<Installed, EbpfError> {
    let netns = namespace::cookie()?;
    let (routes, interfaces) = (routes::sources()?, interfaces()?);
    let mut installed = Installed { netns, routes, interfaces, ..Installed::default() };
    let mark = host::mark_of(loopback, IpFamily::V6.passthrough())?;
    (installed.has_address, installed.address_mark) = (mark.is_some(), mark.unwrap_or_default());
    let places = places(record.as_ref())?;
    installed.left.extend(strays(&places)?);
    for place in places {
        match found(&place, netns, &installed.interfaces)? {
            There::Whole(found) => installed.found.push(*found),
            There::Left => installed.left.push(place),
            There::Others => {}
        }
    }
    installed.record = record;
    Ok(installed)
}

/// Whether anything of this backend is there that this network namespace has to do with, or may have where that cannot be
/// told: whoever looks closer is told why.
#[must_use]
pub fn is_there() -> bool {
    let places = places(None).unwrap_or_default();
    // Older kernels are not troubled where there is nothing.
    if places.is_empty() {
        return strays(&places).is_ok_and(|strays| !strays.is_empty());
    }
    let Ok(netns) = namespace::cookie() else { return true };
    places.iter().any(|place| !matches!(found(place, netns, &[]), Ok(There::Others)))
}

/// Directories of pins that are gone, of which programs are left at interfaces of this network namespace.
fn strays(places: &[Place]) -> Result<Vec<Place>, EbpfError> {
    let mut strays: Vec<Place> = Vec::new();
    for directory in guests::directories()? {
        if places.iter().all(|place| place.directory != directory) {
            strays.push(Place {
                cgroup: PathBuf::new(),
                bpffs: PathBuf::from("/sys/fs/bpf"),
                mounts: false,
                directory,
                object: None,
                programs: 0,
            });
        }
    }
    Ok(strays)
}

/// What a directory of pins holds for a network namespace.
enum There {
    Whole(Box<Found>),
    /// What a run that was ended left, of this namespace or of nobody, or what another version installed.
    Left,
    /// Installations of other namespaces.
    Others,
}

fn found(place: &Place, netns: u64, interfaces: &[Interface]) -> Result<There, EbpfError> {
    let Some(set) = Set::open(place)? else { return Ok(There::Others) };
    let maps = set.maps();
    let entry = maps.as_ref().map_or(Ok(None), |maps| maps.entry(netns))?;
    let (Ok(maps), Some(entry)) = (maps, entry) else {
        // Of another version, or broken, or without this namespace.
        let owners = set.owners()?;
        let is_left = owners.is_empty() || owners.contains(&netns) || set.has_link_to(netns)?;
        return Ok(if is_left { There::Left } else { There::Others });
    };
    let contents = maps.contents(&entry)?;
    let mut damage = set.missing(netns, &with_guests(&contents))?;
    if contents.digest() != entry.contents || entry.next != [0, 0] {
        damage.push("the maps do not hold what was put there".to_owned());
    }
    damage.extend(readdressed(&contents, interfaces).into_iter().map(|name| {
        format!("{name} has another address since, which what is called from behind it is not led to")
    }));
    let counters = maps.counted(netns)?;
    let place = Place { programs: set.programs(netns)?.unwrap_or_default(), ..place.clone() };
    Ok(There::Whole(Box::new(Found { place, contents, damage, counters })))
}

/// Every directory of pins in sight, those of other versions of tproxy included.
fn places(record: Option<&Record>) -> Result<Vec<Place>, EbpfError> {
    let recorded: Vec<&Place> = record
        .into_iter()
        .flat_map(|record| &record.changes)
        .filter_map(|change| match change {
            Change::Capture(capture) => Some(&capture.place),
            _ => None,
        })
        .collect();
    let mounts = Mounts::read()?;
    let mut parents = mounts.bpffs();
    parents.extend(recorded.iter().map(|place| place.bpffs.clone()).filter(|path| path.is_dir()));
    parents.sort();
    parents.dedup();
    let mut places = Vec::new();
    for bpffs in parents {
        for directory in directories(&bpffs) {
            let known = recorded.iter().find(|place| place.bpffs == bpffs && place.directory == directory);
            places.push(match known {
                Some(place) => (*place).clone(),
                None => Place {
                    cgroup: cgroup_of(&directory, &mounts),
                    bpffs: bpffs.clone(),
                    mounts: false,
                    directory,
                    object: None,
                    programs: 0,
                },
            });
        }
    }
    Ok(places)
}

fn directories(bpffs: &Path) -> Vec<String> {
    let entries = fs::read_dir(bpffs).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| place::is_name(name)).collect()
}

/// The cgroup by the number in the directory's name, where it is the one that is mounted.
fn cgroup_of(directory: &str, mounts: &Mounts) -> PathBuf {
    let number = directory.rsplit('-').next().and_then(|number| u64::from_str_radix(number, 16).ok());
    let is_it = |path: &PathBuf| fs::metadata(path).ok().map(|found| found.st_ino()) == number;
    mounts.cgroups().into_iter().find(is_it).unwrap_or_default()
}
