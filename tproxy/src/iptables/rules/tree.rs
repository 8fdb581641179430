//! Many networks as a tree of chains, so that a packet is compared with a few dozen of them instead of all.
//!
//! Each chain looks at four more bits of the address. A network is found by a rule that returns to where the first chain
//! was jumped to from; what is in no network goes on in the chain behind the tree. Must never match an address that is
//! in none of the networks, nor miss one that is.

use ipnet::IpNet;

use crate::iptables::rule::Rule;
use crate::iptables::state::Chain;

/// What the chains of a tree are called, before a tag and a number.
pub(super) const STEM: &str = "TREE";
/// So many networks are compared one after the other.
const LEAF: usize = 16;
/// Bits of the address that one chain looks at.
const STEP: u8 = 4;

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
    let root = grower.grow(&networks);
    Built { entry: vec![Rule::new(&format!("-g {root}"))], chains: grower.chains, rest: Some(rest) }
}

impl Grower<'_> {
    /// Adds the chain for these networks, which are sorted and disjoint, and returns its name.
    fn grow(&mut self, networks: &[IpNet]) -> String {
        let name = format!("{}{}", self.stem, self.chains.len());
        let at = self.chains.len();
        self.chains.push(Chain { name: name.clone(), rules: Vec::new() });
        let rules = if networks.len() <= LEAF { self.leaf(networks) } else { self.branch(networks) };
        if let Some(chain) = self.chains.get_mut(at) {
            chain.rules = rules;
            chain.rules.push(Rule::new(&format!("-g {}", self.rest)));
        }
        name
    }

    fn leaf(&self, networks: &[IpNet]) -> Vec<Rule> {
        networks.iter().map(self.found).collect()
    }

    fn branch(&mut self, networks: &[IpNet]) -> Vec<Rule> {
        let length = common(networks).saturating_add(STEP);
        let mut rules = Vec::new();
        let mut rest = networks;
        while let Some(first) = rest.first() {
            // Networks are sorted, so those of one branch stand together.
            let branch =
                IpNet::new(first.network(), length.min(first.prefix_len())).unwrap_or(*first).trunc();
            let count = rest.iter().take_while(|network| branch.contains(*network)).count().max(1);
            let (inside, others) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            match inside {
                [only] => rules.push((self.found)(only)),
                several => {
                    let chain = self.grow(several);
                    rules.push(Rule::new(&format!("{} {branch} -g {chain}", self.option)));
                }
            }
            rest = others;
        }
        rules
    }
}

/// How many leading bits all addresses share.
fn common(networks: &[IpNet]) -> u8 {
    let bits = |network: &IpNet| match network {
        IpNet::V4(network) => u128::from(network.network().to_bits()) << 96,
        IpNet::V6(network) => network.network().to_bits(),
    };
    let (Some(first), Some(last)) = (networks.first(), networks.last()) else { return 0 };
    let shared = (bits(first) ^ bits(last)).leading_zeros();
    let longest = first.max_prefix_len();
    u8::try_from(shared).unwrap_or(longest).min(longest)
}
