//! The programs: the object file, and loading it.
//!
//! The only place that names aya. Must never attach or pin a program: links are `set`'s.

use std::fs;
use std::hash::Hasher;
use std::os::fd::OwnedFd;
use std::path::Path;

use super::error::EbpfError;
#[cfg(feature = "ebpf")]
use super::hook::{HOOKS, LOOKUP};

/// Whether this build has programs.
pub const HAS_PROGRAMS: bool = cfg!(feature = "ebpf");

#[cfg(feature = "ebpf")]
static BUILT_IN: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tproxy.bpf.o"));

#[cfg(feature = "ebpf")]
static COOKIE: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/cookie.bpf.o"));

/// More than any object of ours has.
const LARGEST: u64 = 16 << 20;

/// A number that tells the programs of `object`, or of this build, from others.
pub(super) fn digest(object: Option<&Path>) -> Result<u64, EbpfError> {
    let mut hasher = fnv::FnvHasher::default();
    hasher.write(&bytes(object)?);
    Ok(hasher.finish())
}

#[cfg(feature = "ebpf")]
fn bytes(object: Option<&Path>) -> Result<std::borrow::Cow<'static, [u8]>, EbpfError> {
    object.map_or(Ok(BUILT_IN.into()), |path| read(path).map(Into::into))
}

#[cfg(not(feature = "ebpf"))]
fn bytes(_: Option<&Path>) -> Result<Vec<u8>, EbpfError> {
    Err(EbpfError::WithoutPrograms)
}

#[cfg_attr(not(feature = "ebpf"), expect(dead_code, reason = "there is nothing to load it with"))]
fn read(path: &Path) -> Result<Vec<u8>, EbpfError> {
    let failed = |error| EbpfError::Object { path: path.to_owned(), error };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > LARGEST {
        return Err(failed(std::io::Error::other("it is too long for one")));
    }
    fs::read(path).map_err(failed)
}

/// An object whose maps are there.
pub(super) struct Object {
    #[cfg(feature = "ebpf")]
    loaded: aya::Ebpf,
    name: String,
}

/// Whose the programs are of which a copy is loaded for each network namespace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    /// Cookie of the network namespace.
    pub(super) netns: u64,
    /// Whether virtual networks are captured there.
    pub(super) has_guests: bool,
}

/// What is known of connections and queries of virtual networks, which each namespace that has any keeps for itself.
const GUESTS: [&str; 2] = ["tproxy_guests", "tproxy_passing"];

impl Owner {
    #[cfg(feature = "ebpf")]
    const NOBODY: Self = Self { netns: 0, has_guests: false };

    /// The name of the pin of a map that it has for itself.
    fn pin(self, map: &str) -> String {
        format!("{}-{}", map.trim_start_matches("tproxy_"), self.netns)
    }

    /// The names of all such pins.
    pub(super) fn pins(self) -> [String; 2] {
        GUESTS.map(|map| self.pin(map))
    }
}

/// What the kernel tells programs.
#[cfg(feature = "ebpf")]
#[derive(Debug, Clone, Copy)]
struct Told {
    /// The network namespace of a connection (Linux 5.15).
    netns: bool,
    /// The interface that it arrives by (Linux 5.17).
    interface: bool,
}

#[cfg(feature = "ebpf")]
impl Object {
    /// The object with the maps that are pinned in `directory`, or are made and pinned there now; with maps of its own
    /// where there is no directory.
    pub(super) fn load(
        object: Option<&Path>,
        directory: Option<&Path>,
        owner: Owner,
    ) -> Result<Self, EbpfError> {
        let with = |told: Told| Self::load_as(object, directory, owner, told);
        let mut loaded = with(Told { netns: true, interface: true })?;
        // Before Linux 5.15 connections do not tell their network namespace, and before 5.17 not their interface.
        if loaded.program(LOOKUP.program).is_err() {
            loaded = with(Told { netns: true, interface: false })?;
            if loaded.program("tproxy_sockops").is_err() {
                loaded = with(Told { netns: false, interface: false })?;
            }
        }
        Ok(loaded)
    }

    fn load_as(
        object: Option<&Path>,
        directory: Option<&Path>,
        owner: Owner,
        told: Told,
    ) -> Result<Self, EbpfError> {
        let name = object.map_or_else(|| "this build".to_owned(), |path| path.display().to_string());
        let bytes = bytes(object)?;
        allow_memory();
        let [tells_netns, tells_interface] = [told.netns, told.interface].map(u8::from);
        let mut loader = aya::EbpfLoader::new();
        loader
            .override_global("NETNS", &owner.netns, true)
            .override_global("TELLS_NETNS", &tells_netns, true)
            .override_global("TELLS_INTERFACE", &tells_interface, true);
        if let Some(directory) = directory {
            for map in super::maps::Maps::names() {
                loader.map_pin_path(map, directory.join(map));
            }
        }
        for map in GUESTS {
            match directory.filter(|_| owner.has_guests) {
                Some(directory) => loader.map_pin_path(map, directory.join(owner.pin(map))),
                // It is there as long as this process alone, and takes no room.
                None => loader.map_max_entries(map, 1),
            };
        }
        let loaded = loader.load(&bytes).map_err(|error| refused(&name, &error))?;
        Ok(Self { loaded, name })
    }

    /// A program, loaded and verified.
    pub(super) fn program(&mut self, name: &'static str) -> Result<OwnedFd, EbpfError> {
        use std::os::fd::AsFd;

        use aya::programs::{Program, ProgramError};
        let missing =
            || EbpfError::Load { object: self.name.clone(), why: format!("there is no program {name}") };
        let Some(program) = self.loaded.program_mut(name) else { return Err(missing()) };
        let loaded = |result: Result<(), ProgramError>| match result {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(()),
            Err(error) => Err(refused(&self.name, &error)),
        };
        let descriptor = match program {
            Program::CgroupSockAddr(program) => loaded(program.load()).map(|()| program.fd()),
            Program::CgroupSockopt(program) => loaded(program.load()).map(|()| program.fd()),
            Program::SockOps(program) => loaded(program.load()).map(|()| program.fd()),
            Program::SkLookup(program) => loaded(program.load()).map(|()| program.fd()),
            Program::SchedClassifier(program) => loaded(program.load()).map(|()| program.fd()),
            _ => {
                return Err(EbpfError::Load {
                    object: self.name.clone(),
                    why: format!("{name} is of another kind"),
                });
            }
        }?;
        let descriptor = descriptor.map_err(|error| refused(&self.name, &error))?;
        let failed = |error| EbpfError::Load { object: self.name.clone(), why: format!("{name}: {error}") };
        descriptor.as_fd().try_clone_to_owned().map_err(failed)
    }
}

#[cfg(not(feature = "ebpf"))]
impl Object {
    pub(super) fn load(_: Option<&Path>, _: Option<&Path>, _: Owner) -> Result<Self, EbpfError> {
        Err(EbpfError::WithoutPrograms)
    }

    pub(super) fn program(&mut self, _: &'static str) -> Result<OwnedFd, EbpfError> {
        Err(EbpfError::Load { object: self.name.clone(), why: "nothing was loaded".to_owned() })
    }
}

/// Before Linux 5.11, programs and maps count as locked memory. Where the limit cannot be raised, loading tells.
#[cfg(feature = "ebpf")]
fn allow_memory() {
    use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
}

#[cfg(feature = "ebpf")]
fn refused(object: &str, error: &dyn std::error::Error) -> EbpfError {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let words = error.to_string();
        if !why.contains(&words) {
            why = format!("{why}: {words}");
        }
        source = error.source();
    }
    EbpfError::Load { object: object.to_owned(), why }
}

/// The program that is asked for the cookie of a network namespace, by a bind() to `address`, in network order; and the map
/// with its answer.
#[cfg(feature = "ebpf")]
pub(super) fn cookie_program(address: u32) -> Result<(OwnedFd, OwnedFd), EbpfError> {
    use std::os::fd::AsFd;
    const MAP: &str = "tproxy_cookie";
    allow_memory();
    let name = "this build".to_owned();
    let mut loader = aya::EbpfLoader::new();
    let loaded = loader.override_global("ASKED", &address, true).load(COOKIE);
    let mut object = Object { loaded: loaded.map_err(|error| refused(&name, &error))?, name };
    let program = object.program("tproxy_cookie4")?;
    let missing = || EbpfError::Load { object: object.name.clone(), why: format!("there is no map {MAP}") };
    let Some(aya::maps::Map::Array(map)) = object.loaded.map(MAP) else { return Err(missing()) };
    let failed = |error| EbpfError::Map { what: "open", map: MAP, error };
    Ok((program, map.fd().as_fd().try_clone_to_owned().map_err(failed)?))
}

#[cfg(not(feature = "ebpf"))]
pub(super) fn cookie_program(_: u32) -> Result<(OwnedFd, OwnedFd), EbpfError> {
    Err(EbpfError::WithoutPrograms)
}

/// Loads every program of this build once, those for virtual networks only where there are any, attaches none, and lets them
/// go: whether the kernel takes them, and tells which network namespace this is.
///
/// # Errors
/// What it does not take.
pub fn try_to_load(has_vnets: bool) -> Result<(), EbpfError> {
    #[cfg(feature = "ebpf")]
    {
        super::namespace::cookie()?;
        let mut object = Object::load(None, None, Owner::NOBODY)?;
        let guests = super::hook::GUESTS.iter().filter(|_| has_vnets).map(|(_, program)| *program);
        let mut programs = HOOKS.iter().chain([&LOOKUP]).map(|hook| hook.program).chain(guests);
        programs.try_for_each(|program| object.program(program).map(drop))
    }
    #[cfg(not(feature = "ebpf"))]
    {
        let _ = has_vnets;
        Err(EbpfError::WithoutPrograms)
    }
}

/// Loads the program for listeners of `object`, or of this build, and lets it go: whether the kernel tells it by which
/// interface a connection arrives, for which the setting `key` asks.
///
/// # Errors
/// It does not.
pub fn try_to_tell_interfaces(object: Option<&Path>, key: &'static str) -> Result<(), EbpfError> {
    #[cfg(feature = "ebpf")]
    {
        let program = |interface| {
            let mut object = Object::load_as(object, None, Owner::NOBODY, Told { netns: false, interface })?;
            object.program(LOOKUP.program).map(drop)
        };
        // What fails either way fails for another reason, which loading tells.
        let is_untold = program(true).is_err() && program(false).is_ok();
        if is_untold { Err(EbpfError::InterfacesUntold { key }) } else { Ok(()) }
    }
    #[cfg(not(feature = "ebpf"))]
    {
        let _ = (object, key);
        Err(EbpfError::WithoutPrograms)
    }
}
