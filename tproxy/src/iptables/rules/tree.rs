//! Many networks as a tree of chains, so that a packet is compared with a few dozen of them instead of all.
//!
//! Each chain shares its networks out to a few others, as evenly as prefixes allow. A network is found by a rule that
//! returns to where the first chain was jumped to from; what is in no network goes on in the chain behind the tree. Must
//! never match an address that is in none of the networks, nor miss one that is, nor be deeper than nf_tables follows.

use ipnet::IpNet;

use crate::iptables::rule::Rule;
use crate::iptables::state::Chain;

/// What the chains of a tree are called, before a tag and a number.
pub(super) const STEM: &str = "TREE";
/// So many networks are compared one after the other. Each costs a packet about 3 ns; each chain costs iptables-restore
/// over nf_tables a question to the kernel.
const LEAF: usize = 64;
/// So many chains does one share its networks out to. Fewer make a deep tree, more are compared in vain.
const BRANCHES: usize = 8;
/// So many chains lead to a leaf at most; the last is a leaf whatever is left. nf_tables refuses a way through more than
/// 16 chains (NFT_JUMP_STACK_SIZE of include/net/netfilter/nf_tables.h), and others stand before and behind a tree.
const DEEPEST: usize = 8;

/// A tree.
pub(super) struct Built {
    /// The rules that stand for it in the chain that it begins in.
    pub(super) entry: Vec<Rule>,
    /// Its chains.
    pub(super) chains: Vec<Chain>,
    /// The chain that goes on behind it; `None` where the chain that it begins in goes on itself.
    pub(super) rest: Option<String>,
}

struct Grower<'a> {
    stem: String,
    rest: String,
    option: &'a str,
    found: &'a dyn Fn(&IpNet) -> Rule,
    chains: Vec<Chain>,
}

/// A tree of `networks`, whose chains have `tag` in their names. `found` makes the rule for an address in a network;
/// `option` is `-s` or `-d`.
pub(super) fn build(tag: char, networks: &[IpNet], option: &str, found: &dyn Fn(&IpNet) -> Rule) -> Built {
    let networks = IpNet::aggregate(&networks.to_vec());
    if networks.len() <= LEAF {
        let entry = networks.iter().map(found).collect();
        return Built { entry, chains: Vec::new(), rest: None };
    }
    let stem = super::mesh(&format!("{STEM}_{tag}"));
    let rest = format!("{stem}_REST");
    let mut grower = Grower { stem, rest: rest.clone(), option, found, chains: Vec::new() };
    let root = grower.grow(&networks, 0);
    Built { entry: vec![Rule::new(&format!("-g {root}"))], chains: grower.chains, rest: Some(rest) }
}

impl Grower<'_> {
    /// Adds the chain for these networks, which are sorted and disjoint, below so many others, and returns its name.
    fn grow(&mut self, networks: &[IpNet], above: usize) -> String {
        let name = format!("{}{}", self.stem, self.chains.len());
        let at = self.chains.len();
        self.chains.push(Chain { name: name.clone(), rules: Vec::new() });
        let is_leaf = networks.len() <= LEAF || above == DEEPEST;
        let rules = if is_leaf { self.leaf(networks) } else { self.branch(networks, above) };
        if let Some(chain) = self.chains.get_mut(at) {
            chain.rules = rules;
            chain.rules.push(Rule::new(&format!("-g {}", self.rest)));
        }
        name
    }

    fn leaf(&self, networks: &[IpNet]) -> Vec<Rule> {
        networks.iter().map(self.found).collect()
    }

    fn branch(&mut self, networks: &[IpNet], above: usize) -> Vec<Rule> {
        let mut rules = Vec::new();
        for share in shares(networks) {
            match share {
                [only] => rules.push((self.found)(only)),
                several => {
                    let chain = self.grow(several, above + 1);
                    rules.extend(
                        around(several).map(|all| Rule::new(&format!("{} {all} -g {chain}", self.option))),
                    );
                }
            }
        }
        rules
    }
}

/// The networks in up to [`BRANCHES`] shares, each of which has a prefix to itself: the largest is halved until there are
/// enough.
fn shares(networks: &[IpNet]) -> Vec<&[IpNet]> {
    let mut shares = vec![networks];
    while shares.len() < BRANCHES {
        let largest = shares.iter().enumerate().max_by_key(|(_, share)| share.len());
        let Some((at, share)) = largest.filter(|(_, share)| share.len() > 1) else { break };
        let (zeros, ones) = halves(share);
        shares.splice(at..=at, [zeros, ones]);
    }
    shares
}

/// Networks by the first bit in which not all are the same; sorted ones stand together.
fn halves(networks: &[IpNet]) -> (&[IpNet], &[IpNet]) {
    let first_other = 1_u128.checked_shl(127_u32.saturating_sub(common(networks))).unwrap_or(0);
    let count = networks.partition_point(|network| bits(network) & first_other == 0);
    networks.split_at_checked(count).unwrap_or((networks, &[]))
}

/// The longest prefix that all are in.
fn around(networks: &[IpNet]) -> Option<IpNet> {
    let length = u8::try_from(common(networks)).ok()?;
    networks.first().and_then(|first| IpNet::new(first.network(), length).ok()).map(|network| network.trunc())
}

/// How many leading bits all addresses of several disjoint networks share.
fn common(networks: &[IpNet]) -> u32 {
    let (Some(first), Some(last)) = (networks.first(), networks.last()) else { return 0 };
    (bits(first) ^ bits(last)).leading_zeros()
}

/// The address, its first bit first.
fn bits(network: &IpNet) -> u128 {
    match network {
        IpNet::V4(network) => u128::from(network.network().to_bits()) << 96,
        IpNet::V6(network) => network.network().to_bits(),
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
