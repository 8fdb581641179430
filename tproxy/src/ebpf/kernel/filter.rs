//! Programs at interfaces, as filters of traffic control: every kernel has them there, and they tell whose they are.
//!
//! Must never touch a filter of another program, nor a queue that another program has filters in.

use std::collections::BTreeSet;
use std::hash::Hasher;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcHeader, TcMessage, TcOption,
};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::call;
use super::error::EbpfError;
use crate::netlink;

/// The kind of queue that has a place for filters of both ways (tc-bpf(8)).
const CLSACT: &str = "clsact";
/// The kind that stands where that would, and has no place for what leaves.
const INGRESS: &str = "ingress";
const BPF: &str = "bpf";
/// Where our filters stand among others of an interface: before those whose place the kernel chooses, from 0xc000 on.
const PRIORITY: u32 = 0x7470;
/// ETH_P_ALL of linux/if_ether.h, in network order.
const ALL_PROTOCOLS: u32 = (3_u16.to_be()) as u32;

/// What [`EbpfError`] says could not be done.
const MAKE_PLACE: &str = "make a place for filters at";

/// Which packets of an interface a filter sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

impl Way {
    pub(super) const ALL: [Self; 2] = [Self::In, Self::Out];

    fn parent(self) -> TcHandle {
        let minor = match self {
            Self::In => TcHandle::MIN_INGRESS,
            Self::Out => TcHandle::MIN_EGRESS,
        };
        TcHandle { major: TcHandle::CLSACT.major, minor }
    }
}

/// A filter of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    /// Number of its interface.
    pub(super) index: u32,
    pub(super) way: Way,
    /// Its number among those at our place.
    handle: u32,
    /// Whose it is: a directory of pins, and behind that, the digest of its programs.
    pub(super) name: String,
}

impl Filter {
    /// Those of each directory have a number of their own: of two installations, of which one is about to follow the other,
    /// neither takes the other's place, and whichever is taken back leaves the other as it was.
    pub(super) fn new(index: u32, way: Way, directory: &str, digest: u64) -> Self {
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(directory.as_bytes());
        // The kernel's own choice of numbers begins with 1, and 0 asks for it (cls_bpf_change).
        let handle = (hasher.finish() as u32) | 1 << 31;
        Self { index, way, handle, name: format!("{}{digest:016x}", beginning(directory)) }
    }
}

/// How the names of filters begin that belong to a directory of pins; behind it, the digest of their programs.
pub(super) fn beginning(directory: &str) -> String {
    format!("{directory}-")
}

/// The interfaces that have a place for filters of both ways.
fn places() -> Result<BTreeSet<u32>, EbpfError> {
    queues(CLSACT)
}

/// The interfaces that have a queue of this kind.
fn queues(kind: &str) -> Result<BTreeSet<u32>, EbpfError> {
    let mut found = BTreeSet::new();
    let all = Message::GetQueueDiscipline(TcMessage::default());
    netlink::list(NETLINK_ROUTE, all, |answer| {
        if let Message::NewQueueDiscipline(queue) = answer
            && queue.attributes.contains(&TcAttribute::Kind(kind.to_owned()))
        {
            found.insert(u32::try_from(queue.header.index).unwrap_or_default());
        }
    })
    .map_err(|error| failed("list the queues of interfaces", 0, error))?;
    Ok(found)
}

/// All filters at our place whose names begin with `beginning`.
pub(super) fn named(beginning: &str) -> Result<Vec<Filter>, EbpfError> {
    let mut found = Vec::new();
    for index in places()? {
        for way in Way::ALL {
            found
                .extend(filters(index, way)?.into_iter().filter(|filter| filter.name.starts_with(beginning)));
        }
    }
    Ok(found)
}

/// The filters of one way at an interface that stand at our place and have a name. Those that cannot be read are not ours, and
/// not among them.
fn filters(index: u32, way: Way) -> Result<Vec<Filter>, EbpfError> {
    let mut found = Vec::new();
    netlink::list(NETLINK_ROUTE, all_filters(index, way), |answer| {
        let Message::NewTrafficFilter(filter) = answer else { return };
        let handle = u32::from(filter.header.handle);
        // Of each place of filters the kernel tells the place itself, too.
        if handle != 0
            && filter.header.info >> 16 == PRIORITY
            && let Some(name) = name(&filter.attributes)
        {
            found.push(Filter { index, way, handle, name });
        }
    })
    .map_err(|error| failed("list the filters of", index, error))?;
    Ok(found)
}

fn all_filters(index: u32, way: Way) -> Message {
    let header = TcHeader { parent: way.parent(), ..of(index) };
    Message::GetTrafficFilter(TcMessage::from_parts(header, Vec::new()))
}

/// Whether there is a filter of anybody, whether it can be read or not.
fn is_used(index: u32, way: Way) -> bool {
    let mut is_any = false;
    let all = all_filters(index, way);
    let seen = netlink::ask(NETLINK_ROUTE, all, NLM_F_DUMP, |answer| {
        is_any |= matches!(answer, Message::NewTrafficFilter(filter) if u32::from(filter.header.handle) != 0);
    });
    is_any || seen.is_err()
}

/// Refuses an interface that leaves our filters no place.
///
/// # Errors
/// Another program's queue stands where the place would be, or the kernel does not list queues.
pub fn require_room(index: u32) -> Result<(), EbpfError> {
    match queues(INGRESS)?.contains(&index) {
        true => Err(failed(MAKE_PLACE, index, io::Error::from_raw_os_error(libc::EEXIST))),
        false => Ok(()),
    }
}

/// Whether others see packets of an interface before our filters do: filters with a smaller number, and programs of tcx, which
/// is before all filters (Linux 6.6).
///
/// # Errors
/// The kernel does not tell.
pub fn others_ahead(index: u32) -> Result<bool, EbpfError> {
    let has_place = places()?.contains(&index);
    for way in Way::ALL {
        let is_ahead = has_place && smallest(index, way)?.is_some_and(|number| number < PRIORITY);
        let tcx = call::tcx_programs(index, way == Way::In);
        if is_ahead || tcx.map_err(|error| failed("list the programs of", index, error))? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The smallest number of a filter of one way.
fn smallest(index: u32, way: Way) -> Result<Option<u32>, EbpfError> {
    let mut smallest = None;
    netlink::list(NETLINK_ROUTE, all_filters(index, way), |answer| {
        let Message::NewTrafficFilter(filter) = answer else { return };
        let number = filter.header.info >> 16;
        smallest = Some(smallest.map_or(number, |smallest: u32| smallest.min(number)));
    })
    .map_err(|error| failed("list the filters of", index, error))?;
    Ok(smallest)
}

fn name(attributes: &[TcAttribute]) -> Option<String> {
    let options = attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    });
    options?.iter().find_map(|option| match option {
        TcOption::Bpf(TcFilterBpfOption::ProgName(name)) => Some(name.clone()),
        _ => None,
    })
}

/// Sees to it that an interface has a place for filters; returns whether it has one now that it had not.
pub(super) fn make_place(index: u32) -> Result<bool, EbpfError> {
    if places()?.contains(&index) {
        return Ok(false);
    }
    let queue = Message::NewQueueDiscipline(queue(index));
    match netlink::ask(NETLINK_ROUTE, queue, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, drop) {
        Ok(()) => Ok(true),
        Err(error) => Err(failed(MAKE_PLACE, index, error)),
    }
}

/// Removes the place, where it is empty.
pub(super) fn remove_place(index: u32) -> Result<(), EbpfError> {
    if !places()?.contains(&index) {
        return Ok(());
    }
    if Way::ALL.into_iter().any(|way| is_used(index, way)) {
        return Ok(());
    }
    let queue = Message::DelQueueDiscipline(queue(index));
    gone(netlink::ask(NETLINK_ROUTE, queue, NLM_F_ACK, drop))
        .map_err(|error| failed("remove the place for filters at", index, error))
}

/// Puts a program at an interface, in place of one of the same directory in one step.
pub(super) fn attach(filter: &Filter, program: BorrowedFd<'_>) -> Result<(), EbpfError> {
    let options = vec![
        TcFilterBpfOption::ProgFd(u32::try_from(program.as_raw_fd()).unwrap_or(u32::MAX)),
        TcFilterBpfOption::ProgName(filter.name.clone()),
        TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
    ];
    let options = TcAttribute::Options(options.into_iter().map(TcOption::Bpf).collect());
    let message = TcMessage::from_parts(at(filter), vec![TcAttribute::Kind(BPF.to_owned()), options]);
    netlink::ask(NETLINK_ROUTE, Message::NewTrafficFilter(message), NLM_F_CREATE | NLM_F_ACK, drop)
        .map_err(|error| failed("attach a program to", filter.index, error))
}

/// Takes a program from an interface; one that is gone already is none.
pub(super) fn detach(filter: &Filter) -> Result<(), EbpfError> {
    let message = TcMessage::from_parts(at(filter), vec![TcAttribute::Kind(BPF.to_owned())]);
    gone(netlink::ask(NETLINK_ROUTE, Message::DelTrafficFilter(message), NLM_F_ACK, drop))
        .map_err(|error| failed("take a program from", filter.index, error))
}

fn at(filter: &Filter) -> TcHeader {
    let info = PRIORITY << 16 | ALL_PROTOCOLS;
    TcHeader { parent: filter.way.parent(), handle: filter.handle.into(), info, ..of(filter.index) }
}

fn queue(index: u32) -> TcMessage {
    let handle = TcHandle { major: TcHandle::CLSACT.major, minor: 0 };
    let header = TcHeader { parent: TcHandle::CLSACT, handle, ..of(index) };
    TcMessage::from_parts(header, vec![TcAttribute::Kind(CLSACT.to_owned())])
}

fn of(index: u32) -> TcHeader {
    TcHeader { index: i32::try_from(index).unwrap_or(i32::MAX), ..TcHeader::default() }
}

/// Where the interface, or what was attached to it, is gone, nothing is left to be removed.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV | libc::EINVAL)) => {
            Ok(())
        }
        result => result,
    }
}

/// The name of an interface; of one that is gone, its number.
#[must_use]
pub fn name_of(index: u32) -> String {
    let name = nix::net::if_::if_indextoname(index).ok().and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| format!("interface {index}"))
}

fn failed(what: &'static str, index: u32, error: io::Error) -> EbpfError {
    EbpfError::Interface { what, name: name_of(index), error }
}
