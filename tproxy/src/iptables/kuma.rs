//! Rules that Kuma wrote without comments (`--disable-comments`, or where iptables has no `comment` match).
//!
//! Kuma puts rules directly into built-in chains, and without comments nothing marks them. They are recognised where
//! its chains stand beside them, and a rule equals one that Kuma writes with the ports and the user of these chains.
//! Must never claim a rule that any program could have written: such ones are doubtful, and stay.

use super::CHAIN_PREFIX;
use super::rule::Rule;
use super::save::{SavedChain, SavedTable};

/// An installation by Kuma without comments, as its chains in nat tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uncommented {
    /// The sidecar's user id.
    uid: String,
    /// Where outgoing connections are redirected to.
    outbound_port: Option<String>,
}

/// Whose a rule in a built-in chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Kuma's.
    Kuma,
    /// Perhaps Kuma's: it writes such rules, and so do others.
    Doubtful,
    /// Somebody else's.
    Other,
}

impl Uncommented {
    /// What the nat table tells; `None` where Kuma's chains are not there, are ours, or have comments.
    pub(super) fn of(nat: &SavedTable) -> Option<Self> {
        let chain = |name: &str| nat.chains.iter().find(|chain| chain.name == name);
        let output = chain("OUTPUT")?;
        let jump = |rule: &&Rule| rule.reads_like("-p tcp -j *") && is_of_kuma(rule);
        let outbound = chain(output.rules.iter().find(jump)?.target()?)?;
        if outbound.rules.iter().any(|rule| rule.comment().is_some() || is_of_tproxy(rule)) {
            return None;
        }
        // With outbound capture off, only the exemption of DNS over TCP tells the user.
        let sidecar = outbound.rules.iter().find_map(|rule| rule.word_at("-m owner --uid-owner ? -j RETURN"));
        let others = "-p tcp -m tcp --dport 53 -m owner ! --uid-owner ? -j RETURN";
        let uid = sidecar.or_else(|| output.rules.iter().find_map(|rule| rule.word_at(others)))?;
        let redirect = |rule: &Rule| rule.word_at("-p tcp -j REDIRECT --to-ports ?").map(str::to_owned);
        let redirecting = outbound.rules.iter().filter_map(Rule::target).filter_map(chain);
        let port = redirecting
            .filter(|chain| chain.name.ends_with("OUTBOUND_REDIRECT"))
            .find_map(|chain| chain.rules.iter().find_map(redirect));
        Some(Self { uid: uid.to_owned(), outbound_port: port })
    }

    /// Whose each rule of a built-in chain is, in their order.
    pub(super) fn owners(&self, table: &str, chain: &SavedChain) -> Vec<Owner> {
        let rules = &chain.rules;
        match (table, chain.name.as_str()) {
            ("nat", "OUTPUT") => self.output(rules),
            ("nat", "PREROUTING") => self.prerouting(rules),
            ("raw", "OUTPUT") => rules.iter().map(|rule| claimed(self.is_zone(rule))).collect(),
            ("raw", "PREROUTING") => rules.iter().map(|rule| claimed(is_answer_zone(rule))).collect(),
            ("mangle", "PREROUTING") => rules
                .iter()
                .map(|rule| match rule.reads_like("-m conntrack --ctstate INVALID -j DROP") {
                    true => Owner::Doubtful,
                    false => Owner::Other,
                })
                .collect(),
            _ => vec![Owner::Other; rules.len()],
        }
    }

    /// Kuma inserts, in this order: a log, exclusions, the sidecar's queries, the servers' queries; what it appends names
    /// the user, or is a jump. An exclusion by user is Kuma's before these queries, or else at the head of the chain; one
    /// by network only between two rules that are.
    fn output(&self, rules: &[Rule]) -> Vec<Owner> {
        let head = self.head(rules);
        let mut owners: Vec<Owner> = Vec::new();
        let mut behind_query = false;
        for (at, rule) in rules.iter().enumerate() {
            let is_query = self.is_own_query(rule) || (behind_query && is_query(rule));
            behind_query = is_query;
            let is_exclusion = at < head && is_exclusion_by_user(rule);
            let is_kumas =
                is_query || is_exclusion || is_log(rule, "OUTPUT:") || self.is_query_over_tcp(rule);
            owners.push(match (is_kumas, rule.reads_like("-d * -j RETURN")) {
                (true, _) => Owner::Kuma,
                (false, true) => Owner::Doubtful,
                (false, false) => Owner::Other,
            });
        }
        let end = owners.len().min(head + 1);
        settle_between(owners.get_mut(..end).unwrap_or_default());
        owners
    }

    /// How many rules there are before the sidecar's queries; without these, before the first that is no exclusion.
    fn head(&self, rules: &[Rule]) -> usize {
        let could_be = |rule: &Rule| {
            is_log(rule, "OUTPUT:") || is_exclusion_by_user(rule) || rule.reads_like("-d * -j RETURN")
        };
        let queries = rules.iter().position(|rule| self.is_own_query(rule));
        queries.unwrap_or_else(|| rules.iter().take_while(|rule| could_be(rule)).count())
    }

    fn is_own_query(&self, rule: &Rule) -> bool {
        rule.reads_like(&format!("-p udp -m udp --dport 53 -m owner --uid-owner {} -j *", self.uid))
            && matches!(rule.target(), Some("RETURN" | "DOCKER_OUTPUT"))
    }

    fn is_query_over_tcp(&self, rule: &Rule) -> bool {
        rule.reads_like(&format!("-p tcp -m tcp --dport 53 -m owner ! --uid-owner {} -j RETURN", self.uid))
    }

    /// Kuma writes a virtual network's two rules one behind the other, the query first.
    fn prerouting(&self, rules: &[Rule]) -> Vec<Owner> {
        let Some(port) = &self.outbound_port else {
            return rules.iter().map(|rule| claimed(is_log(rule, "PREROUTING:"))).collect();
        };
        let outside = |rule: &Rule| {
            rule.word_at(&format!("! -d * -i ? -p tcp -j REDIRECT --to-ports {port}")).map(str::to_owned)
        };
        let query = "-i ? -p udp -m udp --dport 53 -j REDIRECT --to-ports *";
        let next = rules.iter().skip(1).map(Some).chain([None]);
        let kumas = rules.iter().zip(next).map(|(rule, next)| {
            let before_its_twin =
                || rule.word_at(query).is_some_and(|name| next.and_then(outside).as_deref() == Some(name));
            is_log(rule, "PREROUTING:") || outside(rule).is_some() || before_its_twin()
        });
        kumas.map(claimed).collect()
    }

    /// The zones of 3.4: 1 between the sidecar and name servers, 2 between applications and the sidecar.
    fn is_zone(&self, rule: &Rule) -> bool {
        let uid = &self.uid;
        let shapes = [
            &format!("-p udp -m udp --dport 53 -m owner --uid-owner {uid} -j CT --zone 1"),
            &format!("-p udp -m udp --sport * -m owner --uid-owner {uid} -j CT --zone 2"),
            "-p udp -m udp --dport 53 -j CT --zone 2",
            "-d * -p udp -m udp --dport 53 -j CT --zone 2",
            "-s * -d 127.0.0.1/32 -p udp -j CT --zone 1",
            "-s * -d ::1/128 -p udp -j CT --zone 1",
        ];
        shapes.into_iter().any(|shape| rule.reads_like(shape))
    }
}

/// Whether Kuma writes no rule like this one without comments: what the sidecar sends to other hosts leaves first.
pub(super) fn is_of_tproxy(rule: &Rule) -> bool {
    rule.reads_like("! -o * -m owner --uid-owner * -j RETURN")
}

fn is_of_kuma(rule: &Rule) -> bool {
    rule.target().is_some_and(|target| target.starts_with(CHAIN_PREFIX)) && rule.comment().is_none()
}

fn is_exclusion_by_user(rule: &Rule) -> bool {
    rule.reads_like("-p * -m multiport --dports * -m owner --uid-owner * -j RETURN")
}

fn is_query(rule: &Rule) -> bool {
    rule.reads_like("-p udp -m udp --dport 53 -j REDIRECT --to-ports *")
        || rule.reads_like("-d * -p udp -m udp --dport 53 -j REDIRECT --to-ports *")
}

fn is_answer_zone(rule: &Rule) -> bool {
    rule.reads_like("-p udp -m udp --sport 53 -j CT --zone 1")
        || rule.reads_like("-s * -p udp -m udp --sport 53 -j CT --zone 1")
}

/// iptables-save leaves the level out where it is the kernel's default.
fn is_log(rule: &Rule, prefix: &str) -> bool {
    rule.reads_like(&format!("-j LOG --log-prefix {prefix}"))
        || rule.reads_like(&format!("-j LOG --log-prefix {prefix} --log-level *"))
}

fn claimed(is_kumas: bool) -> Owner {
    if is_kumas { Owner::Kuma } else { Owner::Other }
}

/// Doubtful rules in one run with Kuma's on both sides are Kuma's.
fn settle_between(owners: &mut [Owner]) {
    let mut run: Option<usize> = None;
    for at in 0..owners.len() {
        match owners.get(at) {
            Some(Owner::Kuma) => {
                let from = run.replace(at).unwrap_or(at);
                owners.iter_mut().take(at).skip(from).for_each(|owner| *owner = Owner::Kuma);
            }
            Some(Owner::Other) => run = None,
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "kuma_tests.rs"]
mod tests;
