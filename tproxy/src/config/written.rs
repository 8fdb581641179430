//! Which item of a list that a file wrote is behind a part of the configuration, so that it can be told by its own place.
//!
//! Must never decide what a configuration means: an item is read again, alone, by the grammar of its setting.

use super::Config;
use super::layers::Resolved;
use super::ports::Ports;
use super::problem::Origin;
use super::settings::{self, Setting};
use super::value::{Spelling, Value};

/// What is looked for among the items of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The first that has this port, alone or in a range.
    Port(u16),
    /// The first that means what is written like this.
    Text(String),
}

impl Item {
    fn is_in(&self, setting: &Setting, written: &Value) -> bool {
        match self {
            Self::Port(port) => Ports::read(written).is_ok_and(|ports| ports.contains(*port)),
            Self::Text(text) => {
                let mut alone = Config::default();
                let is_read = (setting.access.set)(&mut alone, written).is_ok();
                let is_it = |item: &Value| matches!(item, Value::Text(item) if item == text);
                is_read && matches!(setting.value(&alone), Value::List(items) if items.iter().any(is_it))
            }
        }
    }
}

impl Resolved {
    /// Where the `item` of the list `key` was written; where the whole list was, if that is not known more exactly.
    #[must_use]
    pub fn origin_of_item(&self, key: &str, item: Option<&Item>) -> Origin {
        self.place_of_item(key, item).unwrap_or_else(|| self.origin(key))
    }

    /// From now on an item is told by the place of its list.
    pub fn forget_items(&mut self) {
        self.lists.clear();
    }

    fn place_of_item(&self, key: &str, item: Option<&Item>) -> Option<Origin> {
        let (item, setting) = (item?, settings::of_key(key)?);
        let list = self.lists.get(key)?;
        let at = list.items.iter().position(|written| item.is_in(setting, written))?;
        Some(list.origin.at(list.places.get(at)))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::Layers;

    #[rstest]
    #[case("redirect.outbound.excludePorts", Item::Port(81), "f:5")]
    #[case("redirect.outbound.excludePorts", Item::Port(8500), "f:6")]
    #[case("redirect.outbound.excludePorts", Item::Port(9), "f:4")]
    #[case("redirect.outbound.excludePortsForIPs", Item::Text("10.0.0.0/8".to_owned()), "f:8")]
    #[case("redirect.outbound.excludePortsForIPs", Item::Text("10.9.0.1/32".to_owned()), "f:9")]
    #[case("redirect.outbound.excludePortsForUIDs", Item::Text("tcp:80:7".to_owned()), "f:12")]
    #[case("redirect.outbound.excludeGIDs", Item::Text("5".to_owned()), "f:13")]
    fn an_item_is_found_at_its_own_place(#[case] key: &str, #[case] item: Item, #[case] place: &str) {
        let text = "redirect:\n  outbound:\n    excludePorts:\n      - 80\n      - 81\n      - 8000-8999,22\n    \
                    excludePortsForIPs:\n      - 10.1.2.3/8\n      - \"10.9.0.0/16, 10.9.0.1\"\n    excludePortsForUIDs:\n      \
                    - 1000\n      - TCP:80-80:7\n    excludeGIDs: [5, 6]\n";
        let resolved = Layers::default().file("f", text).resolve().unwrap();
        assert_eq!(resolved.origin_of_item(key, Some(&item)).to_string(), place);
    }

    #[test]
    fn only_the_list_that_counts_is_looked_at() {
        let list =
            |port: u16| format!("redirect:\n  inbound:\n    excludePorts:\n      - {port}\n      - 9\n");
        let key = "redirect.inbound.excludePorts";
        let files = || Layers::default().file("f", list(1)).file("g", list(2));
        let origin = |layers: Layers, port: u16| {
            layers.resolve().unwrap().origin_of_item(key, Some(&Item::Port(port))).to_string()
        };
        assert_eq!(origin(files(), 9), "g:5");
        assert_eq!(origin(files().file("h", "redirect: {inbound: {excludePorts: \"9\"}}"), 9), "h:1");
        assert_eq!(origin(files().flag("exclude-inbound-ports", "2,9"), 9), "--exclude-inbound-ports");
        let resolved = files().resolve().unwrap();
        assert_eq!(resolved.origin_of_item(key, None).to_string(), "g:4");
    }
}
