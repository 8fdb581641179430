//! The maps of a set of programs, as what an installation puts there.
//!
//! Keys and values are those of `tproxy/bpf/layout.h`. Must never leave an entry of a generation that nobody has.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::call;
use super::error::EbpfError;
use crate::ebpf::contents::{Contents, Hex, Instance, Table};
use crate::ebpf::line::LINES;

const INSTANCE: &str = "tproxy_instance";
const COUNTERS: &str = "tproxy_counters";
const SOCKETS: &str = "tproxy_sockets";
const LISTEN: &str = "tproxy_listen";
const PENDING: &str = "tproxy_pending";

const INSTANCE_SIZE: usize = 40;
const COUNTERS_SIZE: usize = 2 * LINES.len() * 8;
const SOCKET_SIZE: usize = 48;
/// Where the role is in it.
const SOCKET_ROLE: usize = 44;
const LISTENER_KEY: usize = 16;
const PENDING_KEY: usize = 48;
const PENDING_SIZE: usize = 20;
/// `SLOTS`.
const SLOTS: u32 = 8;

/// What a listener is to an installation: `enum role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Inbound = 2,
    Outbound = 3,
}

/// One map.
struct Map {
    name: &'static str,
    map: OwnedFd,
    key: usize,
    value: usize,
}

impl Map {
    fn open(directory: &Path, name: &'static str, sizes: (usize, usize)) -> Result<Self, EbpfError> {
        Self::open_as(directory, OsStr::new(name), name, sizes)
    }

    /// One whose pin has a name of its own.
    fn open_as(
        directory: &Path,
        pin: &OsStr,
        name: &'static str,
        (key, value): (usize, usize),
    ) -> Result<Self, EbpfError> {
        let failed = |error| EbpfError::Map { what: "open", map: name, error };
        let map = call::get(&directory.join(pin)).map_err(failed)?;
        // Whoever pinned something else here must not have memory written by it.
        if call::map_sizes(map.as_fd()).map_err(failed)? != (key, value) {
            return Err(failed(std::io::Error::other("it has another layout")));
        }
        Ok(Self { name, map, key, value })
    }

    fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EbpfError> {
        call::lookup(self.map.as_fd(), key, self.value).map_err(|error| self.failed("read", error))
    }

    fn update(&self, key: &[u8], value: &[u8]) -> Result<(), EbpfError> {
        call::update(self.map.as_fd(), key, value, 0).map_err(|error| self.failed("write to", error))
    }

    fn delete(&self, key: &[u8]) -> Result<(), EbpfError> {
        call::delete(self.map.as_fd(), key).map_err(|error| self.failed("remove from", error))
    }

    fn keys(&self) -> Result<Vec<Vec<u8>>, EbpfError> {
        let next = |key: Option<&[u8]>| {
            call::next_key(self.map.as_fd(), key, self.key).map_err(|error| self.failed("list", error))
        };
        all_keys(next)
    }

    fn failed(&self, what: &'static str, error: std::io::Error) -> EbpfError {
        EbpfError::Map { what, map: self.name, error }
    }
}

/// All keys, by what says which comes behind another. Behind one that somebody removed meanwhile the kernel begins anew: the
/// end is where it says that there are no more, or where a whole round showed nothing new.
fn all_keys<E>(next: impl Fn(Option<&[u8]>) -> Result<Option<Vec<u8>>, E>) -> Result<Vec<Vec<u8>>, E> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut seen = BTreeSet::new();
    let (mut last, mut seen_again) = (None::<Vec<u8>>, 0);
    while let Some(key) = next(last.as_deref())? {
        if seen.insert(key.clone()) {
            keys.push(key.clone());
            seen_again = 0;
        } else if seen_again < seen.len() {
            seen_again += 1;
        } else {
            break;
        }
        last = Some(key);
    }
    Ok(keys)
}

/// The network namespaces that have an installation in a set of whatever layout: all have the same keys there.
pub(super) struct Owners(Map);

impl Owners {
    /// Those of the set that is pinned in `directory`; `None` where there is no such map, or one that no version had.
    pub(super) fn open(directory: &Path) -> Result<Option<Self>, EbpfError> {
        let failed = |error| EbpfError::Map { what: "open", map: INSTANCE, error };
        let map = match call::get(&directory.join(INSTANCE)) {
            Ok(map) => map,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            // Owners that cannot be read are owners all the same.
            Err(error) => return Err(failed(error)),
        };
        let (key, value) = call::map_sizes(map.as_fd()).map_err(failed)?;
        Ok((key == 8).then_some(Self(Map { name: INSTANCE, map, key, value })))
    }

    /// Their cookies.
    pub(super) fn all(&self) -> Result<Vec<u64>, EbpfError> {
        let keys = self.0.keys()?;
        Ok(keys.iter().filter_map(|key| Some(u64::from_ne_bytes(key.as_slice().try_into().ok()?))).collect())
    }

    /// Ends the capture of one.
    pub(super) fn remove(&self, netns: u64) -> Result<(), EbpfError> {
        self.0.delete(&netns.to_ne_bytes())
    }
}

/// How many connections of virtual networks are open, by the map that is pinned at `path`; none where there is none.
pub(super) fn open_of_guests(path: &Path) -> Result<usize, EbpfError> {
    /// `struct guest_key`, and where its side is.
    const KEY: usize = 40;
    const SIDE: usize = 36;
    const AS_GUEST_CALLS: u8 = 0;
    const VALUE: usize = 24;
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(0) };
    if !path.exists() {
        return Ok(0);
    }
    let map = Map::open_as(directory, name, "tproxy_guests", (KEY, VALUE))?;
    let is_call = |key: &&Vec<u8>| key.get(SIDE) == Some(&AS_GUEST_CALLS);
    Ok(map.keys()?.iter().filter(is_call).count())
}

/// All maps of a set.
pub(super) struct Maps {
    instance: Map,
    counters: Map,
    counters_value: usize,
    sockets: Map,
    listen: Map,
    pending: Map,
    tables: Vec<(Table, Map)>,
}

/// What lies in `tproxy_instance` for a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) instance: Instance,
    pub(super) contents: u64,
    pub(super) generation: u32,
    /// Ports of an installation that is about to take its place.
    pub(super) next: [u16; 2],
}

impl Entry {
    fn bytes(&self) -> Vec<u8> {
        let Instance { digest, flags, sidecar, inbound, outbound, dns } = self.instance;
        let long = [digest, self.contents].map(u64::to_ne_bytes).concat();
        let words = [self.generation, flags, sidecar].map(u32::to_ne_bytes).concat();
        let [next_inbound, next_outbound] = self.next;
        let ports = [inbound, outbound, dns, next_inbound, next_outbound, 0].map(u16::to_ne_bytes).concat();
        [long, words, ports].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let long = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let port = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        Some(Self {
            instance: Instance {
                digest: long(0)?,
                flags: word(20)?,
                sidecar: word(24)?,
                inbound: port(28)?,
                outbound: port(30)?,
                dns: port(32)?,
            },
            contents: long(8)?,
            generation: word(16)?,
            next: [port(34)?, port(36)?],
        })
    }
}

impl Maps {
    /// Those that are pinned in `directory`.
    pub(super) fn open(directory: &Path) -> Result<Self, EbpfError> {
        let open = |name, sizes| Map::open(directory, name, sizes);
        let tables = Table::ALL.into_iter().map(|table| Ok((table, open(table.map(), table.sizes())?)));
        Ok(Self {
            instance: open(INSTANCE, (8, INSTANCE_SIZE))?,
            counters: open(COUNTERS, (8, COUNTERS_SIZE))?,
            counters_value: COUNTERS_SIZE * possible_processors(),
            sockets: open(SOCKETS, (4, SOCKET_SIZE))?,
            listen: open(LISTEN, (LISTENER_KEY, 8))?,
            pending: open(PENDING, (PENDING_KEY, PENDING_SIZE))?,
            tables: tables.collect::<Result<_, EbpfError>>()?,
        })
    }

    /// The names of all maps.
    #[cfg(feature = "ebpf")]
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        let others = [INSTANCE, COUNTERS, SOCKETS, LISTEN, PENDING];
        others.into_iter().chain(Table::ALL.map(Table::map))
    }

    /// What lies there for a namespace first.
    pub(super) fn entry(&self, netns: u64) -> Result<Option<Entry>, EbpfError> {
        Ok(self.instance.lookup(&netns.to_ne_bytes())?.as_deref().and_then(Entry::read))
    }

    /// The namespaces that have an installation.
    pub(super) fn namespaces(&self) -> Result<Vec<u64>, EbpfError> {
        let keys = self.instance.keys()?;
        Ok(keys.iter().filter_map(|key| Some(u64::from_ne_bytes(key.as_slice().try_into().ok()?))).collect())
    }

    /// Puts what the programs look at first.
    pub(super) fn set_entry(&self, netns: u64, entry: &Entry) -> Result<(), EbpfError> {
        self.instance.update(&netns.to_ne_bytes(), &entry.bytes())
    }

    /// All that lies there for a namespace.
    pub(super) fn contents(&self, entry: &Entry) -> Result<Contents, EbpfError> {
        let mut contents = Contents::of(entry.instance);
        for (table, map) in &self.tables {
            for mut key in map.keys()? {
                if generation(*table, &key) != Some(entry.generation) {
                    continue;
                }
                let Some(value) = map.lookup(&key)? else { continue };
                stamp(*table, &mut key, 0);
                contents.entries.entry(*table).or_default().insert(Hex(key), Hex(value));
            }
        }
        Ok(contents)
    }

    /// Writes all entries but the first, as those of a generation.
    pub(super) fn write(&self, contents: &Contents, generation: u32) -> Result<(), EbpfError> {
        for (table, map) in &self.tables {
            for (key, value) in contents.entries.get(table).into_iter().flatten() {
                let mut key = key.0.clone();
                stamp(*table, &mut key, generation);
                map.update(&key, &value.0)?;
            }
        }
        Ok(())
    }

    /// A generation that nobody has.
    pub(super) fn next_generation(&self) -> Result<u32, EbpfError> {
        let used = self.generations()?;
        Ok((1..=u32::MAX).find(|number| !used.contains(number)).unwrap_or(u32::MAX))
    }

    /// Removes the entries of generations that no namespace has: those of before, and what a run that was ended left.
    pub(super) fn sweep(&self) -> Result<(), EbpfError> {
        let used = self.generations()?;
        for (table, map) in &self.tables {
            for key in map.keys()? {
                if generation(*table, &key).is_none_or(|generation| !used.contains(&generation)) {
                    map.delete(&key)?;
                }
            }
        }
        Ok(())
    }

    fn generations(&self) -> Result<BTreeSet<u32>, EbpfError> {
        let namespaces = self.namespaces()?.into_iter();
        let entries = namespaces.map(|netns| self.entry(netns)).collect::<Result<Vec<_>, _>>()?;
        Ok(entries.into_iter().flatten().map(|entry| entry.generation).collect())
    }

    /// Sees to it that the lines are counted.
    pub(super) fn count(&self, netns: u64) -> Result<(), EbpfError> {
        let key = netns.to_ne_bytes();
        if call::lookup(self.counters.map.as_fd(), &key, self.counters_value)
            .map_err(|error| self.counters.failed("read", error))?
            .is_some()
        {
            return Ok(());
        }
        self.counters.update(&key, &vec![0; self.counters_value])
    }

    /// What the lines counted, IPv4 and IPv6, on all processors.
    pub(super) fn counted(&self, netns: u64) -> Result<Vec<[u64; 2]>, EbpfError> {
        let value = call::lookup(self.counters.map.as_fd(), &netns.to_ne_bytes(), self.counters_value)
            .map_err(|error| self.counters.failed("read", error))?;
        let mut lines = vec![[0_u64, 0]; LINES.len()];
        for of_processor in value.as_deref().unwrap_or_default().chunks_exact(COUNTERS_SIZE) {
            let counts = of_processor
                .chunks_exact(8)
                .map(|bytes| bytes.iter().rev().fold(0_u64, |count, byte| count << 8 | u64::from(*byte)));
            for (at, count) in counts.enumerate() {
                let (family, line) = (at / LINES.len(), at % LINES.len());
                if let Some(sum) = lines.get_mut(line).and_then(|line| line.get_mut(family)) {
                    *sum = sum.wrapping_add(count);
                }
            }
        }
        Ok(lines)
    }

    /// Notes a listener that was there before the programs were.
    pub(super) fn adopt(
        &self,
        netns: u64,
        port: u16,
        family: u16,
        role: Role,
        socket: &OwnedFd,
    ) -> Result<(), EbpfError> {
        use std::os::fd::AsRawFd;
        let descriptor = socket.as_raw_fd();
        // `struct socket`.
        let mut known = vec![0_u8; SOCKET_SIZE];
        known.splice(0..8, netns.to_ne_bytes());
        if let Some(place) = known.get_mut(SOCKET_ROLE) {
            *place = role as u8;
        }
        self.sockets.update(&descriptor.to_ne_bytes(), &known)?;
        let cookie = call::socket_cookie(socket).map_err(|error| self.listen.failed("write to", error))?;
        let keys = (0..SLOTS).map(|slot| listener_key(netns, port, family, slot));
        let mut free = None;
        for key in keys {
            match self.listen.lookup(&key)? {
                Some(there) if there == cookie.to_ne_bytes() => return Ok(()),
                Some(_) => {}
                None => {
                    free.get_or_insert(key);
                }
            }
        }
        let Some(key) = free else { return Ok(()) };
        let descriptor = u64::try_from(descriptor).unwrap_or(u64::MAX).to_ne_bytes();
        call::update(self.listen.map.as_fd(), &key, &descriptor, call::NEW)
            .map_err(|error| self.listen.failed("write to", error))
    }

    /// Ends the capture of a namespace, and keeps what tells of connections that were captured.
    pub(super) fn stop(&self, netns: u64) -> Result<(), EbpfError> {
        self.instance.delete(&netns.to_ne_bytes())
    }

    /// Whether a captured connection was not accepted yet.
    pub(super) fn is_any_pending(&self, netns: u64) -> Result<bool, EbpfError> {
        Ok(self.pending.keys()?.iter().any(|key| key.starts_with(&netns.to_ne_bytes())))
    }

    /// Removes everything that is there for a namespace.
    pub(super) fn forget(&self, netns: u64) -> Result<(), EbpfError> {
        self.instance.delete(&netns.to_ne_bytes())?;
        self.counters.delete(&netns.to_ne_bytes())?;
        for key in self.listen.keys()?.iter().filter(|key| key.starts_with(&netns.to_ne_bytes())) {
            self.listen.delete(key)?;
        }
        for key in self.pending.keys()?.iter().filter(|key| key.starts_with(&netns.to_ne_bytes())) {
            self.pending.delete(key)?;
        }
        self.sweep()
    }
}

/// `struct listener_key`.
fn listener_key(netns: u64, port: u16, family: u16, slot: u32) -> Vec<u8> {
    [&netns.to_ne_bytes()[..], &port.to_ne_bytes(), &family.to_ne_bytes(), &slot.to_ne_bytes()].concat()
}

fn generation(table: Table, key: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(key.get(table.generation_at())?.try_into().ok()?))
}

fn stamp(table: Table, key: &mut [u8], generation: u32) {
    if let Some(place) = key.get_mut(table.generation_at()) {
        place.copy_from_slice(&generation.to_ne_bytes());
    }
}

/// For how many processors the kernel keeps counters (`0-3` in /sys/devices/system/cpu/possible).
fn possible_processors() -> usize {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = text.trim().rsplit(['-', ',']).next().and_then(|number| number.parse::<usize>().ok());
    // The kernel writes a value for each: where it does not say how many there are, as many as it can have (NR_CPUS).
    last.map_or(8192, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_programs_look_at_first_is_read_as_it_was_written() {
        let instance = Instance { digest: 1, flags: 2, sidecar: 3, inbound: 4, outbound: 5, dns: 6 };
        let entry = Entry { instance, contents: 7, generation: 8, next: [9, 10] };
        assert_eq!(entry.bytes().len(), INSTANCE_SIZE);
        assert_eq!(Entry::read(&entry.bytes()), Some(entry));
    }
    #[test]
    fn keys_behind_one_that_was_removed_meanwhile_are_listed_all_the_same() {
        let keys = [1_u8, 2, 3, 4];
        let asked = std::cell::Cell::new(0);
        let next = |removed: Option<u8>| {
            let asked = &asked;
            move |key: Option<&[u8]>| {
                asked.set(asked.get() + 1);
                // Unknown ones are followed by the first, as in the kernel (htab_map_get_next_key).
                let known = key.filter(|key| removed != Some(key[0]));
                let at = known.and_then(|key| keys.iter().position(|other| *other == key[0]));
                Ok::<_, ()>(keys.get(at.map_or(0, |at| at + 1)).map(|key| vec![*key]))
            }
        };
        let all = vec![vec![1], vec![2], vec![3], vec![4]];
        assert_eq!(all_keys(next(None)), Ok(all));
        // For as long as it is removed again and again: what is before it, and an end.
        assert_eq!(all_keys(next(Some(2))), Ok(vec![vec![1], vec![2]]));
        let once = |key: Option<&[u8]>| if asked.get() < 11 { next(Some(2))(key) } else { next(None)(key) };
        asked.set(8);
        assert_eq!(all_keys(once), Ok(vec![vec![1], vec![2], vec![3], vec![4]]));
    }
}
