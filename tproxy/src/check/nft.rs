//! Reads what `nft -j list chains` prints: the base chains of other programs where packets pass before ours.
//!
//! Must never name a chain that iptables shows, too: that one is looked at rule by rule.

use serde::Deserialize;

use crate::family::IpFamily;

/// Where the kernel translates destinations, and where iptables' nat chains stand (`NF_IP_PRI_NAT_DST`).
pub(super) const NAT: i32 = -100;

/// A chain that hangs on a hook of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct BaseChain {
    /// `ip`, `ip6`, `inet`, …
    pub(super) family: String,
    /// Its table.
    pub(super) table: String,
    /// Its name.
    pub(super) name: String,
    /// `nat`, `filter` or `route`.
    #[serde(rename = "type")]
    kind: String,
    /// `prerouting`, `output`, …
    pub(super) hook: String,
    /// Lower ones come first.
    #[serde(rename = "prio")]
    pub(super) priority: i32,
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Entry>,
}

/// One entry of the list: chains without a hook, and entries of other kinds, have no base chain.
#[derive(Deserialize)]
struct Entry {
    chain: Option<Chain>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Chain {
    Base(BaseChain),
    Other(serde::de::IgnoredAny),
}

/// The chains of other programs that translate addresses before iptables' own, or at the same time.
pub(super) fn before_ours(json: &str) -> Result<Vec<BaseChain>, serde_json::Error> {
    let listing: Listing = serde_json::from_str(json)?;
    let chains = listing.nftables.into_iter().filter_map(|entry| match entry.chain {
        Some(Chain::Base(chain)) => Some(chain),
        Some(Chain::Other(_)) | None => None,
    });
    let is_first = |chain: &BaseChain| {
        chain.kind == "nat"
            && chain.priority <= NAT
            && ["prerouting", "output"].contains(&chain.hook.as_str())
    };
    Ok(chains.filter(|chain| is_first(chain) && !chain.is_of_iptables()).collect())
}

impl BaseChain {
    /// iptables over `nf_tables` keeps its chains under these names.
    fn is_of_iptables(&self) -> bool {
        ["ip", "ip6"].contains(&self.family.as_str())
            && self.table == "nat"
            && ["PREROUTING", "OUTPUT"].contains(&self.name.as_str())
    }

    /// Whether packets of a family pass it.
    pub(super) fn sees(&self, family: IpFamily) -> bool {
        match family {
            IpFamily::V4 => ["ip", "inet"].contains(&self.family.as_str()),
            IpFamily::V6 => ["ip6", "inet"].contains(&self.family.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nat_chains_that_come_first_and_are_not_of_iptables_are_taken() {
        let chain = |family: &str, table: &str, name: &str, kind: &str, hook: &str, prio: i32| {
            format!(
                r#"{{"chain":{{"family":"{family}","table":"{table}","name":"{name}","handle":1,"type":"{kind}","hook":"{hook}","prio":{prio},"policy":"accept"}}}}"#
            )
        };
        let entries = [
            r#"{"metainfo":{"version":"1.0.6"}}"#.to_owned(),
            r#"{"chain":{"family":"ip","table":"nat","name":"DOCKER","handle":2}}"#.to_owned(),
            chain("ip", "nat", "OUTPUT", "nat", "output", -100),
            chain("ip", "mine", "out", "nat", "output", -150),
            chain("inet", "two", "pre", "nat", "prerouting", -100),
            chain("inet", "firewalld", "nat_PREROUTING", "nat", "prerouting", -90),
            chain("ip", "mine", "filter", "filter", "output", -150),
            chain("ip", "mine", "post", "nat", "postrouting", -150),
        ];
        let found = before_ours(&format!(r#"{{"nftables":[{}]}}"#, entries.join(","))).unwrap();
        let names: Vec<_> = found.iter().map(|chain| format!("{}/{}", chain.table, chain.name)).collect();
        assert_eq!(names, ["mine/out", "two/pre"]);
        assert!(!found[0].sees(IpFamily::V6) && found[1].sees(IpFamily::V6));
    }

    #[test]
    fn what_is_no_list_of_chains_is_an_error() {
        assert!(before_ours("Error: no").is_err());
    }
}
