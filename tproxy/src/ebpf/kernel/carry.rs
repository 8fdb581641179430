//! Carries out one change of what is captured in a network namespace.
//!
//! The order is what makes it gapless: programs, then entries that nobody looks at yet, then the listeners of the sidecar,
//! then the one entry that makes all of it count. Must never return with half of it done.

use std::time::{Duration, Instant};

use super::adopt::adopt;
use super::error::EbpfError;
use super::guests;
use super::maps::{Entry, Maps, Role};
use super::object::Owner;
use super::set::{Programs, Set};
use crate::apply::fault;
use crate::ebpf::contents::Contents;
use crate::ebpf::render::Capture;
use crate::ebpf::with_guests;

/// Makes what is captured what `capture` says.
///
/// # Errors
/// What the kernel refused; then what was there before is there again.
pub fn carry_out(capture: &Capture) -> Result<(), EbpfError> {
    let Capture { place, netns, before, after } = capture;
    let Some(contents) = after else {
        return take_away(capture).inspect_err(|_| {
            // What it was that failed is to be told, not that putting it back failed, too.
            let back = before.as_ref().map(|before| put(&Set::make(place)?, *netns, before));
            let _ = back.transpose();
        });
    };
    let set = Set::make(place)?;
    let done = put(&set, *netns, contents);
    if done.is_err() && before.is_none() {
        // What it was that failed is to be told, not that taking it back failed, too.
        let _ = forget(&set, *netns);
        let _ = set.remove_if_unused();
    } else if let (Err(_), Some(before)) = (&done, before) {
        let _ = set.maps().and_then(|maps| exchange(&maps, *netns, before));
        let guests = with_guests(before);
        let mut programs = Programs::of(place, Owner { netns: *netns, has_guests: !guests.is_empty() });
        let _ = set.attach_to_interfaces(&mut programs, &guests);
    }
    done
}

/// Removes what `capture` put there: the same as carrying out its inverse.
///
/// # Errors
/// What the kernel refused.
pub fn take_back(capture: &Capture) -> Result<(), EbpfError> {
    let Capture { place, netns, before, after } = capture.clone();
    carry_out(&Capture { place, netns, before: after, after: before })
}

fn put(set: &Set<'_>, netns: u64, contents: &Contents) -> Result<(), EbpfError> {
    let guests = with_guests(contents);
    let mut programs = Programs::of(set.place(), Owner { netns, has_guests: !guests.is_empty() });
    set.attach(&mut programs)?;
    fault::reach("programs-attached");
    let maps = set.maps()?;
    set.collect()?;
    exchange(&maps, netns, contents)?;
    fault::reach("maps-exchanged");
    set.attach_to_namespace(&mut programs)?;
    fault::reach("namespace-attached");
    set.attach_to_interfaces(&mut programs, &guests)?;
    fault::reach("interfaces-attached");
    Ok(())
}

/// Puts other contents in place of those that are there.
fn exchange(maps: &Maps, netns: u64, contents: &Contents) -> Result<(), EbpfError> {
    maps.sweep()?;
    maps.count(netns)?;
    let before = maps.entry(netns)?;
    let generation = maps.next_generation()?;
    let instance = contents.instance;
    let written = maps.write(contents, generation).and_then(|()| {
        fault::reach("entries-written");
        // Whoever begins to listen now is found by the programs; whoever listens already, behind that.
        let next = [instance.inbound, instance.outbound];
        let nothing = Entry {
            instance: crate::ebpf::contents::Instance { flags: 0, inbound: 0, outbound: 0, ..instance },
            contents: 0,
            generation,
            next,
        };
        maps.set_entry(netns, &before.map_or(nothing, |before| Entry { next, ..before }))?;
        let roles = [(instance.inbound, Role::Inbound), (instance.outbound, Role::Outbound)];
        let ports: Vec<(u16, Role)> = roles.into_iter().filter(|(port, _)| *port != 0).collect();
        adopt(maps, netns, &ports)?;
        let entry = Entry { instance, contents: contents.digest(), generation, next: [0, 0] };
        maps.set_entry(netns, &entry)
    });
    if written.is_err() {
        // As it was: entries that nobody looks at go with the next sweep.
        if let Some(before) = &before {
            let _ = maps.set_entry(netns, &Entry { next: [0, 0], ..*before });
        }
    }
    written?;
    maps.sweep()
}

fn take_away(capture: &Capture) -> Result<(), EbpfError> {
    let Some(set) = Set::open(&capture.place)? else { return guests::detach_all(&capture.place.directory) };
    forget(&set, capture.netns)?;
    fault::reach("namespace-forgotten");
    set.collect()?;
    set.remove_if_unused()
}

/// How long a connection may take from its first packet to its acceptance, and the sidecar to ask where it was going, until
/// nobody can tell any more.
const UNDER_WAY: Duration = Duration::from_millis(500);
const ACCEPTED: Duration = Duration::from_millis(100);

fn forget(set: &Set<'_>, netns: u64) -> Result<(), EbpfError> {
    let Ok(maps) = set.maps() else { return set.take_out(netns) };
    if maps.entry(netns)?.is_some() {
        // From here on nothing new is captured; what was is under way to the sidecar.
        maps.stop(netns)?;
        let deadline = Instant::now() + UNDER_WAY;
        while maps.is_any_pending(netns)? && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Nothing tells when the sidecar has asked.
        std::thread::sleep(ACCEPTED);
    }
    set.detach_from_interfaces(netns)?;
    set.detach_from_namespace(netns)?;
    maps.forget(netns)
}
