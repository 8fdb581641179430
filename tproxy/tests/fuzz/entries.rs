//! Where texts that others write come in, and what must hold for any of them.
//!
//! One function an entry. The fuzz targets (`fuzz/`) and the tests beside this file feed the same ones. Besides the
//! properties named here: no panic, no hang.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use tproxy::apply::change::Change;
use tproxy::config::settings::{self, Setting};
use tproxy::config::{Layers, Problems, Resolved, print};
use tproxy::diagnostic::Colours;
use tproxy::family::IpFamily;
use tproxy::host::resolv_conf::{self, Resolver};
use tproxy::host::{HostFacts, Users};
use tproxy::iptables::render::{self, Installed, InstalledRules};
use tproxy::iptables::rule::{self, Rule};
use tproxy::iptables::save;
use tproxy::iptables::state::TableState;
use tproxy::iptables::{CHAIN_PREFIX, Flavour, Tool};
use tproxy::plan::flow::{Flow, Protocol, Verdict};
use tproxy::plan::{self, Plan, Sidecar};

/// A configuration file.
pub(crate) fn configuration_file(text: &str) {
    judge(Layers::default().file("f", text).resolve());
}

/// Flags by their place in the table of settings, each with its text.
pub(crate) fn flags(given: &[(usize, &str)]) {
    let flags: Vec<&str> =
        settings::all().flat_map(|setting| [setting.flag, setting.deprecated_flag]).flatten().collect();
    let give =
        |layers: Layers, (place, text): &(usize, &str)| layers.flag(pick::<&str>(&flags, *place), *text);
    judge(given.iter().fold(Layers::default(), give).resolve());
}

/// Variables by their place in the table of settings, each with its text.
pub(crate) fn environment(given: &[(usize, &str)]) {
    let names = |setting: &Setting| [setting.prefixed_variable(), setting.bare_variable.map(str::to_owned)];
    let names: Vec<String> = settings::all().flat_map(names).flatten().collect();
    let variable = |(place, text): &(usize, &str)| (pick(&names, *place).clone(), (*text).to_owned());
    let variables: BTreeMap<String, String> = given.iter().map(variable).collect();
    judge(Layers::default().environment(&variables).resolve());
}

/// An entry by its place, whatever the number.
pub(crate) fn pick<T>(entries: &[T], place: usize) -> &T {
    entries.get(place % entries.len()).unwrap()
}

/// The value of `--iptables-executables`: programs are absolute paths, a family's three together.
pub(crate) fn iptables_executables(text: &str) {
    let resolved = Layers::default().flag("iptables-executables", text).resolve();
    if let Ok(resolved) = &resolved {
        for set in [&resolved.config.iptables_executables.ipv4, &resolved.config.iptables_executables.ipv6] {
            let given: Vec<_> = [&set.base, &set.save, &set.restore].into_iter().flatten().collect();
            assert!(given.is_empty() || given.len() == 3, "{given:?}");
            assert!(given.iter().all(|path| path.as_path().is_absolute()), "{given:?}");
        }
    }
    judge(resolved);
}

/// A resolv.conf: each server once, no more of anything than lines.
pub(crate) fn resolv_conf(text: &str) {
    let resolver = resolv_conf::parse(text);
    assert!(resolver.servers.len() + resolver.unusable.len() <= text.lines().count());
    let each_once: BTreeSet<IpAddr> = resolver.servers.iter().map(IpAddr::to_canonical).collect();
    assert_eq!(each_once.len(), resolver.servers.len());
    assert!(resolver.unusable.iter().all(|(word, why)| text.contains(word.as_str()) && !why.is_empty()));
    let dns = Layers::default().flag("redirect-dns", "true").resolve().unwrap();
    let (plan, notes) = plan::resolve(&dns.config, &facts(resolver), Sidecar::MustExist).unwrap();
    assert!(plan.policy.dns.is_some());
    notes.iter().for_each(|note| assert_showable(&note.to_string(), 1_000));
}

/// What iptables-save printed: each rule is written so that it reads as the same, and what removes ours names nothing
/// else.
pub(crate) fn saved_rules(text: &str) {
    let tables = match save::parse(text) {
        Ok(tables) => tables,
        Err(error) => {
            assert!(error.to_string().len() < text.len() + 1_000);
            return;
        }
    };
    for rule in tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules) {
        assert_eq!(rule::words(&rule.to_string()).map(Rule::from_words).as_ref(), Some(rule));
    }
    let states = TableState::of_all(tables);
    // Beside Kuma's chains, rules without a comment may be Kuma's.
    let bare = |rule: &Rule| text.contains(CHAIN_PREFIX) && rule.comment().is_none();
    let hooks = || states.iter().flat_map(|state| &state.hooks);
    assert!(hooks().all(|hook| hook.rule.is_ours() || bare(&hook.rule)));
    let removal = render::remove(&installed(states.clone()), "lo");
    assert_eq!(removal.is_empty(), states.iter().all(TableState::is_empty));
    for change in &removal {
        if let Change::Restore { forward, .. } = change {
            names_only_ours(forward, &bare);
        }
    }
}

/// Every line of a removal deletes a rule that is ours, or empties or deletes a chain that is.
fn names_only_ours(text: &str, bare: &dyn Fn(&Rule) -> bool) {
    for line in text.lines().filter(|line| !line.starts_with('*') && *line != "COMMIT") {
        let mut words = rule::words(line).unwrap_or_default().into_iter();
        let (command, chain) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match command.as_str() {
            "-D" => {
                let rule = Rule::from_words(words);
                assert!(rule.is_ours() || bare(&rule), "{line}");
            }
            "-F" | "-X" => assert!(chain.starts_with(CHAIN_PREFIX), "{line}"),
            _ => panic!("{line}"),
        }
    }
}

fn installed(tables: Vec<TableState>) -> Installed {
    let tool =
        Tool { flavour: Flavour::Nft, family: IpFamily::V4, save: PathBuf::new(), restore: PathBuf::new() };
    Installed { rules: vec![InstalledRules { tool, tables }], ..Installed::default() }
}

/// A configuration that stands reads the same when it is printed, and can be planned; the problems of one that does not
/// can be shown to anybody.
fn judge(resolved: Result<Resolved, Problems>) {
    let resolved = match resolved {
        Ok(resolved) => resolved,
        Err(problems) => {
            let shown = problems.render(Colours::Never);
            assert!((1..=21).contains(&shown.len()), "{} problems are shown", shown.len());
            return shown.iter().for_each(|problem| assert_showable(problem, 8_000));
        }
    };
    resolved.warnings.iter().for_each(|warning| assert_showable(warning, 8_000));
    for printed in [print::yaml(&resolved, true), print::json(&resolved).to_string()] {
        let again = Layers::default().file("printed", printed.as_str()).resolve();
        let again = again.unwrap_or_else(|problems| panic!("{problems}\n{printed}"));
        assert_eq!(again.config, resolved.config, "{printed}");
    }
    if let Ok((plan, _)) = plan::resolve(&resolved.config, &facts(Resolver::default()), Sidecar::MustExist) {
        assert_policy(&plan);
    }
}

/// What holds for every configuration: nothing of the sidecar's is sent to where it listens for others' connections and
/// queries, and every flow of the table has a verdict.
fn assert_policy(plan: &Plan) {
    let policy = &plan.policy;
    // A direction that is off may have no port of its own.
    let outbound = Some(policy.outbound.port).filter(|port| policy.inbound.port != Some(*port));
    for destination in ["127.0.0.1:80", "10.0.0.1:53", "203.0.113.1:443", "[::1]:80", "[2001:db8::1]:53"] {
        let flow = Flow::outbound(destination.parse().unwrap(), policy.sidecar_uid);
        for flow in [Flow { protocol: Protocol::Udp, ..flow.clone() }, flow] {
            let verdict = plan.explain(&flow).decision.verdict;
            for port in outbound.into_iter().chain(policy.dns.as_ref().map(|dns| dns.port)) {
                assert_ne!(verdict, Verdict::Redirect(port), "{flow:?}");
            }
        }
    }
    assert!(!plan.matrix().is_empty());
}

/// Not longer than so many bytes, and nothing in it that a terminal obeys.
fn assert_showable(text: &str, longest: usize) {
    assert!(text.len() <= longest, "{} bytes: {}…", text.len(), text.chars().take(200).collect::<String>());
    let turns = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let obeyed = text.chars().find(|c| (c.is_control() && *c != '\n') || turns(*c));
    assert_eq!(obeyed, None, "{text:?}");
}

fn facts(resolver: Resolver) -> HostFacts {
    HostFacts {
        users: Users::named([("kuma-dp", 5678)]),
        loopback: "lo".to_owned(),
        addresses: Vec::new(),
        without_ipv6: None,
        resolver,
    }
}
