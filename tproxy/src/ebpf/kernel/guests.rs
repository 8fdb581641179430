//! What captures virtual networks: programs at their interfaces, and what these keep.
//!
//! Must never remove a place for filters that another program made, nor one that another program uses.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::error::EbpfError;
use super::filter::{self, Filter, Way};
use super::maps;
use super::object::Owner;
use super::place;
use super::set::removed;
use crate::ebpf::render::Place;

/// How the directories begin that tell which places for filters are ours.
const PLACE: &str = "clsact-";

/// Those of one network namespace, the calling thread's, in a directory of pins.
pub(super) struct Guests<'a> {
    pub(super) directory: &'a Path,
    /// The directory's name, which filters bear.
    pub(super) name: &'a str,
    pub(super) owner: Owner,
}

impl Guests<'_> {
    /// Attaches `programs`, whose digest is `digest`, where they are not. Those of other versions are exchanged.
    pub(super) fn attach(
        &self,
        interfaces: &BTreeSet<u32>,
        programs: &[(Way, OwnedFd)],
        digest: u64,
    ) -> Result<(), EbpfError> {
        let there = filter::named(&filter::beginning(self.name))?;
        for index in interfaces.iter().copied() {
            self.make_place(index)?;
            for (way, program) in programs {
                let filter = Filter::new(index, *way, self.name, digest);
                if !there.contains(&filter) {
                    filter::attach(&filter, program.as_fd())?;
                }
            }
        }
        Ok(())
    }

    /// Takes the programs from all interfaces but these, and with the last all that they kept.
    pub(super) fn detach_but(&self, interfaces: &BTreeSet<u32>) -> Result<(), EbpfError> {
        let filters = filter::named(&filter::beginning(self.name))?;
        for filter in filters.iter().filter(|filter| !interfaces.contains(&filter.index)) {
            filter::detach(filter)?;
        }
        for (index, place) in self.places()?.into_iter().filter(|(index, _)| !interfaces.contains(index)) {
            filter::remove_place(index)?;
            removed(&place, fs::remove_dir(&place))?;
        }
        if interfaces.is_empty() { self.forget_connections() } else { Ok(()) }
    }

    /// Removes what is left of a namespace that is gone.
    pub(super) fn forget(&self) -> Result<(), EbpfError> {
        for (_, place) in self.places()? {
            removed(&place, fs::remove_dir(&place))?;
        }
        self.forget_connections()
    }

    /// Whether what the programs keep is there.
    pub(super) fn is_any_left(&self) -> bool {
        self.owner.pins().iter().any(|pin| self.directory.join(pin).exists())
    }

    fn forget_connections(&self) -> Result<(), EbpfError> {
        let pins = self.owner.pins().map(|pin| self.directory.join(pin));
        pins.iter().try_for_each(|pin| removed(pin, fs::remove_file(pin)))
    }

    /// Noted before it is made: a run that is ended in between leaves none that nobody removes.
    fn make_place(&self, index: u32) -> Result<(), EbpfError> {
        let is_noted_beside = self.is_noted_beside(index)?;
        let note = self.directory.join(format!("{}{index}", self.beginning_of_places()));
        let was_noted = match fs::create_dir(&note) {
            Ok(()) => false,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => true,
            Err(error) => return Err(EbpfError::File { what: "make", path: note, error }),
        };
        match filter::make_place(index) {
            Ok(true) => Ok(()),
            Ok(false) if was_noted || is_noted_beside => Ok(()),
            made => {
                removed(&note, fs::remove_dir(&note))?;
                made.map(drop)
            }
        }
    }

    /// Whether another set made the place, whose programs are perhaps about to leave it to these: whoever goes last removes it.
    fn is_noted_beside(&self, index: u32) -> Result<bool, EbpfError> {
        let Some(beside) = self.directory.parent() else { return Ok(false) };
        let failed = |error| EbpfError::File { what: "list", path: beside.to_owned(), error };
        let note = format!("{}{index}", self.beginning_of_places());
        for entry in fs::read_dir(beside).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_set = path.file_name().and_then(|name| name.to_str()).is_some_and(place::is_name);
            if is_set && path != self.directory && path.join(&note).exists() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn beginning_of_places(&self) -> String {
        format!("{PLACE}{}-", self.owner.netns)
    }

    /// The interfaces whose places for filters are ours, and what notes them.
    fn places(&self) -> Result<Vec<(u32, PathBuf)>, EbpfError> {
        let failed = |error| EbpfError::File { what: "list", path: self.directory.to_owned(), error };
        let beginning = self.beginning_of_places();
        let mut found = Vec::new();
        for entry in fs::read_dir(self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(index) = name.and_then(|name| name.strip_prefix(&beginning)?.parse().ok()) {
                found.push((index, path));
            }
        }
        Ok(found)
    }
}

/// How many connections of virtual networks an installation has captured that are open: they end with it.
///
/// # Errors
/// The kernel does not list them.
pub fn open_connections(place: &Place, netns: u64) -> Result<usize, EbpfError> {
    let [guests, _] = Owner { netns, has_guests: true }.pins();
    maps::open_of_guests(&place.bpffs.join(&place.directory).join(guests))
}

/// Which programs of these interfaces are not attached, and which are elsewhere.
pub(super) fn missing(name: &str, interfaces: &BTreeSet<u32>) -> Result<Vec<String>, EbpfError> {
    let filters = filter::named(&filter::beginning(name))?;
    let is_there =
        |index: u32, way: Way| filters.iter().any(|filter| filter.index == index && filter.way == way);
    let wanted = interfaces.iter().flat_map(|index| Way::ALL.map(|way| (*index, way)));
    let lost = wanted.filter(|(index, way)| !is_there(*index, *way));
    let lost = lost.map(|(index, way)| {
        let what = if way == Way::In { "what arrives by" } else { "what leaves by" };
        format!("the program for {what} {} is not attached", filter::name_of(index))
    });
    let more = filters.iter().filter(|filter| !interfaces.contains(&filter.index));
    let more = more.map(|filter| format!("a program is left at {}", filter::name_of(filter.index)));
    Ok(lost.chain(more).collect())
}

/// The digests of the programs that are attached.
pub(super) fn programs(name: &str) -> Result<BTreeSet<u64>, EbpfError> {
    let beginning = filter::beginning(name);
    let filters = filter::named(&beginning)?;
    let digest = |filter: &Filter| u64::from_str_radix(filter.name.strip_prefix(&beginning)?, 16).ok();
    Ok(filters.iter().map(|filter| digest(filter).unwrap_or_default()).collect())
}

/// The directories of pins that programs at interfaces belong to.
pub(super) fn directories() -> Result<BTreeSet<String>, EbpfError> {
    let filters = filter::named(place::NAME)?;
    let directory = |filter: Filter| Some(filter.name.rsplit_once('-')?.0.to_owned());
    Ok(filters.into_iter().filter_map(directory).filter(|name| place::is_name(name)).collect())
}

/// Takes the programs of a directory that is gone from all interfaces.
pub(super) fn detach_all(name: &str) -> Result<(), EbpfError> {
    filter::named(&filter::beginning(name))?.iter().try_for_each(filter::detach)
}
