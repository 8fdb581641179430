//! Every way in which one place of what lies in tproxy's maps is broken.
//!
//! Pure. Must never break what is of the other family alone: that is another variant's.

use tproxy::ebpf::FLAGS;
use tproxy::ebpf::contents::{Contents, Hex, Instance, Table};
use tproxy::family::IpFamily;

use super::mutant::{Change, Mutant};

/// A port and a user that nobody has.
const OTHER: u16 = 9;

/// The mutants of what lies in the maps, each with what lies there then.
pub(super) fn in_maps(contents: &Contents, family: IpFamily) -> Vec<(Mutant, Contents)> {
    let mut all: Vec<_> = lost(contents, family).chain(turned(contents, family)).collect();
    all.extend(other_numbers(contents));
    all
}

/// Without an entry. Of ids, which lie there as prefixes, the first and the last are tried: what is between the ends of a
/// range is arithmetic, and tests of its own show it. An address that means nothing beyond a link is another in every run.
fn lost(contents: &Contents, family: IpFamily) -> impl Iterator<Item = (Mutant, Contents)> {
    let keys = contents.entries.iter().flat_map(|(table, entries)| {
        let mut keys: Vec<&Hex> = entries.keys().collect();
        if matches!(table, Table::Users | Table::Groups) {
            // Keys begin with the length of their prefix and the generation.
            keys.sort_by_key(|key| key.0.get(8..));
            keys = keys.first().into_iter().chain(keys.last()).copied().collect();
        }
        keys.into_iter().map(move |key| (*table, key))
    });
    let is_tried =
        move |table: Table, key: &Hex| is_of(table, &key.0, family) && !is_link_local(table, &key.0);
    keys.filter(move |(table, key)| is_tried(*table, key)).map(|(table, key)| {
        let mut left = contents.clone();
        if let Some(entries) = left.entries.get_mut(&table) {
            entries.remove(key);
        }
        let mutant = Mutant {
            table: table.map().to_owned(),
            rule: key.to_string(),
            ..Mutant::of_all(Change::WithoutEntry)
        };
        (mutant, left)
    })
}

fn is_link_local(table: Table, key: &[u8]) -> bool {
    table == Table::Addresses && key.get(8..10) == Some(&[0xfe, 0x80])
}

/// With a flag turned round.
fn turned(contents: &Contents, family: IpFamily) -> impl Iterator<Item = (Mutant, Contents)> {
    let other = if family == IpFamily::V4 { "ipv6" } else { "ipv4" };
    // Those that save look-ups can only be missing: where there is nothing, nothing is found.
    let is_off = move |bit: u32| contents.instance.flags & bit == 0;
    let can_matter =
        move |name: &str, bit| !(name.ends_with(other) || name.starts_with("has-") && is_off(bit));
    FLAGS.iter().filter(move |(name, bit)| can_matter(name, *bit)).map(|(name, bit)| {
        let flags = contents.instance.flags ^ bit;
        let with = if flags & bit == 0 { "off" } else { "on" };
        let mutant =
            Mutant { rule: (*name).to_owned(), with: with.to_owned(), ..Mutant::of_all(Change::Turned) };
        (mutant, Contents { instance: Instance { flags, ..contents.instance }, ..contents.clone() })
    })
}

/// With another port of the sidecar, or another user.
fn other_numbers(contents: &Contents) -> impl Iterator<Item = (Mutant, Contents)> {
    let there = contents.instance;
    [
        ("sidecar", Instance { sidecar: OTHER.into(), ..there }),
        ("inbound", Instance { inbound: OTHER, ..there }),
        ("outbound", Instance { outbound: OTHER, ..there }),
        ("dns", Instance { dns: OTHER, ..there }),
    ]
    .into_iter()
    .filter(move |(name, _)| *name != "dns" || there.dns != 0)
    .filter(move |(name, _)| *name != "inbound" || there.inbound != 0)
    .map(|(name, instance)| {
        let mutant = Mutant { rule: name.to_owned(), ..Mutant::of_all(Change::OtherNumber) };
        (mutant, Contents { instance, ..contents.clone() })
    })
}

/// Whether an entry has to do with a family.
fn is_of(table: Table, key: &[u8], family: IpFamily) -> bool {
    let is_v4 = match table {
        Table::Ports | Table::Users | Table::Groups | Table::Interfaces => return true,
        // The kind: the family's number, in its first byte.
        Table::Networks | Table::Sources => key.get(8) == Some(&4),
        Table::Addresses => key.get(8..20) == Some(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
    };
    is_v4 == (family == IpFamily::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents() -> Contents {
        let instance =
            Instance { digest: 1, flags: 0b1, sidecar: 5678, inbound: 15006, outbound: 15001, dns: 0 };
        let mut contents = Contents::of(instance);
        let mut network = vec![0; 28];
        network[8] = 4;
        contents.insert(Table::Networks, network.clone(), vec![1]);
        network[8] = 6;
        contents.insert(Table::Networks, network, vec![1]);
        contents
    }

    #[test]
    fn each_mutant_differs_in_one_place_and_is_of_the_family() {
        let contents = contents();
        let all = in_maps(&contents, IpFamily::V4);
        assert!(all.iter().all(|(_, broken)| *broken != contents));
        let lost: Vec<_> = all.iter().filter(|(_, broken)| broken.len() == 1).collect();
        assert!(
            matches!(lost.as_slice(), [(mutant, _)] if mutant.to_string().starts_with("without entry: tproxy_networks"))
        );
        assert!(!all.iter().any(|(mutant, _)| mutant.to_string().contains("ipv6")));
    }
}
