//! A set of programs with their maps and links: a directory of pins, which outlives whoever made it.
//!
//! ```text
//! tproxy-<layout>-<cgroup>/
//!     tproxy_…                          maps
//!     links-<programs>/<hook>           links to the cgroup
//!     netns-<cookie>-<programs>         a link to each network namespace
//!     guests-<cookie>, passing-<cookie> maps of a namespace with virtual networks
//!     clsact-<cookie>-<interface>       a directory for each interface that had no place for filters before
//! ```
//!
//! Must never leave a moment without programs where there were some: a link gets another program in one step.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::call;
use super::error::EbpfError;
use super::filter::Way;
use super::guests::{self, Guests};
use super::hook::{GUESTS, HOOKS, Hook, LOOKUP};
use super::lock::Lock;
use super::maps::{Maps, Owners};
use super::object::{Object, Owner};
use super::place;
use crate::ebpf::render::Place;

const LINKS: &str = "links-";
const NETNS: &str = "netns-";

/// The programs for a network namespace, loaded when the first is needed, and once: the kernel verifies each.
pub(super) struct Programs<'a> {
    file: Option<&'a Path>,
    owner: Owner,
    object: Option<Object>,
}

impl<'a> Programs<'a> {
    pub(super) fn of(place: &'a Place, owner: Owner) -> Self {
        Self { file: place.object.as_deref(), owner, object: None }
    }

    fn loaded(&mut self, directory: &Path) -> Result<&mut Object, EbpfError> {
        let object = match self.object.take() {
            Some(object) => object,
            None => Object::load(self.file, Some(directory), self.owner)?,
        };
        Ok(self.object.insert(object))
    }
}

/// A set whose lock this run has.
pub(super) struct Set<'a> {
    place: &'a Place,
    directory: PathBuf,
    lock: Lock,
}

impl<'a> Set<'a> {
    /// The set of a place, made where there is none.
    pub(super) fn make(place: &'a Place) -> Result<Self, EbpfError> {
        place::prepare(place)?;
        let directory = place.bpffs.join(&place.directory);
        match Lock::take(&directory, true)? {
            Some(lock) => Ok(Self { place, directory, lock }),
            None => Err(EbpfError::File { what: "make", path: directory, error: ErrorKind::NotFound.into() }),
        }
    }

    /// The set of a place, where there is one.
    pub(super) fn open(place: &'a Place) -> Result<Option<Self>, EbpfError> {
        let directory = place.bpffs.join(&place.directory);
        Ok(Lock::take(&directory, false)?.map(|lock| Self { place, directory, lock }))
    }

    /// Where it is.
    pub(super) fn place(&self) -> &'a Place {
        self.place
    }

    /// Its maps, where they are of this version's layout.
    pub(super) fn maps(&self) -> Result<Maps, EbpfError> {
        match place::is_of_this_layout(&self.place.directory) {
            true => Maps::open(&self.directory),
            false => Err(EbpfError::OtherLayout { path: self.directory.clone() }),
        }
    }

    /// The namespaces that have an installation here, whatever the layout; none where that cannot be told, since the run that
    /// made it was ended before it attached anything.
    pub(super) fn owners(&self) -> Result<Vec<u64>, EbpfError> {
        Owners::open(&self.directory)?.map_or(Ok(Vec::new()), |owners| owners.all())
    }

    /// Takes a namespace out of a set of another layout, or of a broken one.
    pub(super) fn take_out(&self, netns: u64) -> Result<(), EbpfError> {
        if let Some(owners) = Owners::open(&self.directory)? {
            owners.remove(netns)?;
        }
        self.detach_from_interfaces(netns)?;
        self.detach_from_namespace(netns)
    }

    /// Attaches what is not attached: maps, and the programs of the cgroup. Those of other versions are exchanged.
    pub(super) fn attach(&self, programs: &mut Programs<'_>) -> Result<(), EbpfError> {
        let links = self.directory.join(format!("{LINKS}{:016x}", self.place.programs));
        let is_missing = |hook: &&Hook| !is_attached(&links.join(hook.name));
        let missing: Vec<&Hook> = HOOKS.iter().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let object = programs.loaded(&self.directory)?;
        let cgroup = self.open_file(&self.place.cgroup)?;
        let failed = |error| EbpfError::File { what: "make", path: links.clone(), error };
        match fs::create_dir(&links) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        // All are verified before the first is attached.
        let programs =
            missing.iter().map(|hook| object.program(hook.program)).collect::<Result<Vec<_>, EbpfError>>()?;
        for (hook, program) in missing.iter().zip(&programs) {
            let earlier = self.directories(LINKS)?.into_iter().map(|other| other.join(hook.name));
            self.relink(hook, program, earlier.collect(), &links.join(hook.name), &cgroup)?;
        }
        for other in self.directories(LINKS)?.into_iter().filter(|other| *other != links) {
            remove_links(&other)?;
        }
        Ok(())
    }

    /// Attaches the program for listeners to the calling thread's network namespace.
    pub(super) fn attach_to_namespace(&self, programs: &mut Programs<'_>) -> Result<(), EbpfError> {
        let netns = programs.owner.netns;
        let pin = self.directory.join(format!("{NETNS}{netns}-{:016x}", self.place.programs));
        if is_attached(&pin) {
            return Ok(());
        }
        let program = programs.loaded(&self.directory)?.program(LOOKUP.program)?;
        let namespace = self.open_file(Path::new("/proc/thread-self/ns/net"))?;
        self.relink(&LOOKUP, &program, self.pins_of(netns)?, &pin, &namespace)
    }

    /// Whether every link of a namespace's installation is there and attached, and the programs of these interfaces; else
    /// which is not.
    pub(super) fn missing(&self, netns: u64, interfaces: &BTreeSet<u32>) -> Result<Vec<String>, EbpfError> {
        let directories = self.directories(LINKS)?;
        let is_there = |hook: &Hook| directories.iter().any(|links| is_attached(&links.join(hook.name)));
        let mut missing: Vec<&str> =
            HOOKS.iter().filter(|hook| !is_there(hook)).map(|hook| hook.name).collect();
        if !self.pins_of(netns)?.iter().any(|pin| is_attached(pin)) {
            missing.push(LOOKUP.name);
        }
        let mut missing: Vec<String> =
            missing.into_iter().map(|hook| format!("the program for {hook} is not attached")).collect();
        missing.extend(guests::missing(&self.place.directory, interfaces)?);
        let guests = Guests {
            directory: &self.directory,
            name: &self.place.directory,
            owner: Owner { netns, has_guests: false },
        };
        if interfaces.is_empty() && guests.is_any_left() {
            missing.push("maps of virtual networks are left".to_owned());
        }
        Ok(missing)
    }

    /// Whether there is a link to a namespace, at work or not.
    pub(super) fn has_link_to(&self, netns: u64) -> Result<bool, EbpfError> {
        Ok(!self.pins_of(netns)?.is_empty())
    }

    /// The digest of the programs that are attached, where all are of one object.
    pub(super) fn programs(&self, netns: u64) -> Result<Option<u64>, EbpfError> {
        let number = |path: &PathBuf| {
            let name = path.file_name()?.to_str()?;
            u64::from_str_radix(name.rsplit('-').next()?, 16).ok()
        };
        let found: Vec<_> =
            self.directories(LINKS)?.iter().chain(&self.pins_of(netns)?).map(number).collect();
        let mut found = found;
        found.extend(guests::programs(&self.place.directory)?.into_iter().map(Some));
        let first = found.first().copied().flatten();
        Ok(first.filter(|_| found.iter().all(|other| *other == first)))
    }

    /// Attaches the programs of these interfaces, of the calling thread's network namespace, and takes them from all others.
    pub(super) fn attach_to_interfaces(
        &self,
        programs: &mut Programs<'_>,
        interfaces: &BTreeSet<u32>,
    ) -> Result<(), EbpfError> {
        let owner = programs.owner;
        let guests = Guests { directory: &self.directory, name: &self.place.directory, owner };
        if !interfaces.is_empty() {
            let object = programs.loaded(&self.directory)?;
            let programs: Vec<(Way, OwnedFd)> = GUESTS
                .iter()
                .map(|(way, program)| Ok((*way, object.program(program)?)))
                .collect::<Result<_, EbpfError>>()?;
            guests.attach(interfaces, &programs, self.place.programs)?;
        }
        guests.detach_but(interfaces)
    }

    /// Ends the capture of virtual networks in the calling thread's network namespace.
    pub(super) fn detach_from_interfaces(&self, netns: u64) -> Result<(), EbpfError> {
        let owner = Owner { netns, has_guests: false };
        Guests { directory: &self.directory, name: &self.place.directory, owner }.detach_but(&BTreeSet::new())
    }

    /// Ends the capture of arriving connections in a namespace.
    pub(super) fn detach_from_namespace(&self, netns: u64) -> Result<(), EbpfError> {
        self.pins_of(netns)?.iter().try_for_each(|pin| remove_link(pin))
    }

    /// Removes what belongs to network namespaces that are gone.
    pub(super) fn collect(&self) -> Result<(), EbpfError> {
        for pin in self.names()?.iter().filter(|pin| name_of(pin).starts_with(NETNS)) {
            let netns =
                name_of(pin).strip_prefix(NETNS).and_then(|rest| rest.split('-').next()?.parse().ok());
            if let Some(netns) = netns.filter(|_| !is_attached(pin)) {
                remove_link(pin)?;
                // Filters went with their interfaces.
                let owner = Owner { netns, has_guests: false };
                Guests { directory: &self.directory, name: &self.place.directory, owner }.forget()?;
                match (self.maps(), Owners::open(&self.directory)?) {
                    (Ok(maps), _) => maps.forget(netns)?,
                    (Err(_), Some(owners)) => owners.remove(netns)?,
                    (Err(_), None) => {}
                }
            }
        }
        Ok(())
    }

    /// Removes the set, where it serves nobody any more.
    pub(super) fn remove_if_unused(self) -> Result<(), EbpfError> {
        if !self.owners()?.is_empty() {
            return Ok(());
        }
        for links in self.directories(LINKS)? {
            remove_links(&links)?;
        }
        for pin in self.names()? {
            if name_of(&pin).starts_with(NETNS) {
                remove_link(&pin)?;
            } else if pin.is_dir() {
                // Of a namespace that is gone.
                removed(&pin, fs::remove_dir(&pin))?;
            } else {
                removed(&pin, fs::remove_file(&pin))?;
            }
        }
        removed(&self.directory, fs::remove_dir(&self.directory))?;
        // The lock is a file there, and would keep the file system busy.
        drop(self.lock);
        place::restore(self.place)
    }

    /// Gives an earlier link the new program, or makes one; either way it is pinned at `pin` afterwards.
    fn relink(
        &self,
        hook: &Hook,
        program: &OwnedFd,
        earlier: Vec<PathBuf>,
        pin: &Path,
        target: &File,
    ) -> Result<(), EbpfError> {
        let failed = |error| EbpfError::Attach { hook: hook.name, error };
        for earlier in earlier {
            if !is_attached(&earlier) {
                // Somebody has detached it, or what it was attached to is gone.
                remove_link(&earlier)?;
            } else if earlier != pin {
                let link = call::get(&earlier).map_err(failed)?;
                call::relink(link.as_fd(), program.as_fd()).map_err(failed)?;
                return fs::rename(&earlier, pin).map_err(failed);
            }
        }
        let link = call::link(program.as_fd(), target.as_fd(), hook.kind).map_err(failed)?;
        call::pin(link.as_fd(), pin).map_err(failed)
    }

    fn pins_of(&self, netns: u64) -> Result<Vec<PathBuf>, EbpfError> {
        self.directories(&format!("{NETNS}{netns}-"))
    }

    fn directories(&self, prefix: &str) -> Result<Vec<PathBuf>, EbpfError> {
        Ok(self.names()?.into_iter().filter(|path| name_of(path).starts_with(prefix)).collect())
    }

    fn names(&self) -> Result<Vec<PathBuf>, EbpfError> {
        entries(&self.directory)
    }

    fn open_file(&self, path: &Path) -> Result<File, EbpfError> {
        File::open(path).map_err(|error| EbpfError::File { what: "open", path: path.to_owned(), error })
    }
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, EbpfError> {
    let failed = |error| EbpfError::File { what: "list", path: directory.to_owned(), error };
    let entries = fs::read_dir(directory).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn is_attached(pin: &Path) -> bool {
    call::get(pin).is_ok_and(|link| call::is_attached(link.as_fd()).unwrap_or(false))
}

fn remove_links(directory: &Path) -> Result<(), EbpfError> {
    entries(directory)?.iter().try_for_each(|pin| remove_link(pin))?;
    removed(directory, fs::remove_dir(directory))
}

/// Detaches first: whoever else holds the link, perhaps for a moment, must not keep the program at work.
fn remove_link(pin: &Path) -> Result<(), EbpfError> {
    if let Ok(link) = call::get(pin) {
        // Kernels before 5.9 cannot; for them, and for what is detached already, removing the pin does it.
        let _ = call::detach(link.as_fd());
    }
    removed(pin, fs::remove_file(pin))
}

pub(super) fn removed(path: &Path, result: io::Result<()>) -> Result<(), EbpfError> {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(EbpfError::File { what: "remove", path: path.to_owned(), error })
        }
        _ => Ok(()),
    }
}
