//! Random configurations: a value for every setting, as a document of keys and values that is valid as a whole.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};
use tproxy::config::settings;

use crate::write;

/// Keys and their values; what is not in it has its default.
pub(crate) type Document = BTreeMap<&'static str, Json>;

/// Ports that rules, exclusions and flows are about, so that they meet.
pub(crate) const PORTS: [u16; 8] = [22, 53, 80, 81, 443, 5432, 8080, 9000];
/// Users and groups, the sidecar among them.
pub(crate) const IDS: [u32; 8] = [0, 7, 1000, 1001, 1337, 5678, 70000, 1_000_650_000];
/// Interfaces that patterns, flows and virtual networks are about.
pub(crate) const INTERFACES: [&str; 6] = ["lo", "eth0", "eth1", "wg0", "br0", "docker0"];

/// How texts are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Texts {
    /// Whatever the grammar lets pass: what a file can hold.
    Wild,
    /// Without separators: what flags and variables can hold, too.
    Plain,
}

fn switch() -> BoxedStrategy<Json> {
    any::<bool>().prop_map(Json::from).boxed()
}

fn list(items: impl Strategy<Value = Json> + 'static) -> BoxedStrategy<Json> {
    vec(items, 0..4).prop_map(Json::from).boxed()
}

/// A port, or a range of ports where a text is wanted.
fn port_range() -> impl Strategy<Value = String> {
    let one = select(&PORTS[..]).prop_map(|port| port.to_string());
    let range = (1_u16.., 1_u16..).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    prop_oneof![3 => one, 1 => range]
}

fn ports() -> BoxedStrategy<Json> {
    let number = select(&PORTS[..]).prop_map(Json::from);
    list(prop_oneof![number, port_range().prop_map(Json::from)])
}

fn id_range() -> impl Strategy<Value = String> {
    let one = select(&IDS[..]).prop_map(|id| id.to_string());
    let range = (0_u32..80_000, 0_u32..80_000).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    prop_oneof![3 => one, 1 => range]
}

fn uid_exclusion(texts: Texts) -> impl Strategy<Value = Json> {
    // Commas separate exclusions in a variable.
    let most = if texts == Texts::Wild { 3 } else { 1 };
    let ports = || vec(port_range(), 0..=most).prop_map(|ports| ports.join(","));
    let protocols = select(&["tcp:", "udp:", "TCP :", "*:", ":"][..]);
    prop_oneof![
        id_range(),
        (ports(), id_range()).prop_map(|(ports, uids)| format!("{ports}:{uids}")),
        (protocols, ports(), id_range())
            .prop_map(|(protocols, ports, uids)| format!("{protocols}{ports}:{uids}")),
    ]
    .prop_map(Json::from)
}

/// Networks near the addresses that flows use.
fn with_mask() -> impl Strategy<Value = String> {
    let v4 = (select(&["10.9.9.9", "10.77.0.2", "10.8.8.8", "172.17.0.9", "127.0.0.6"][..]), 0_u8..=32);
    let v6 = (select(&["fd99::9", "fd77::2", "::6", "fe80::1"][..]), 0_u8..=128);
    prop_oneof![v4, v6].prop_map(|(address, prefix)| format!("{address}/{prefix}"))
}

fn network() -> impl Strategy<Value = String> {
    prop_oneof![8 => with_mask(), 1 => Just("::ffff:10.9.9.9".to_owned()), 1 => Just("10.9.9.9".to_owned())]
}

fn interface(texts: Texts) -> BoxedStrategy<String> {
    let usual = select(&["lo", "eth0", "eth1", "wg+", "br+", "docker0", "+"][..]).prop_map(str::to_owned);
    let any = "[^\\s\\x00-\\x1f\\x7f-\\x9f/:,\"]{1,5}".prop_filter("the kernel's, and iptables'", |name| {
        name.len() <= 15
            && name != "."
            && name != ".."
            && !name.chars().any(|c| c.is_control() || c.is_whitespace())
    });
    if texts == Texts::Wild { prop_oneof![usual, any].boxed() } else { usual.boxed() }
}

fn vnet(texts: Texts) -> impl Strategy<Value = Json> {
    (interface(texts), with_mask()).prop_map(|(interface, network)| json!(format!("{interface}:{network}")))
}

fn path(texts: Texts) -> BoxedStrategy<Json> {
    let pattern = if texts == Texts::Wild { "/\\PC{0,12}" } else { "/[a-z.]{1,8}(/[a-z.]{1,8})?" };
    let odd = select(&["/a b", "/\"", "/#", "/'x': y", "/\u{2028}", "/\u{feff}", "/é", "/\\"][..]);
    match texts {
        Texts::Wild => prop_oneof![3 => pattern.prop_map(Json::from), 1 => odd.prop_map(Json::from)].boxed(),
        Texts::Plain => pattern.prop_map(Json::from).boxed(),
    }
}

fn user(texts: Texts) -> BoxedStrategy<Json> {
    let usual = select(&["", "envoy", "kuma-dp", "5678", "1337", "0070"][..]).prop_map(Json::from);
    // Words that YAML could take for something else.
    let odd = select(
        &["true", "no", "~", "null", "0x10", "1e3", ".5", "1_000", "=", "<<", "-", "?", "!a", "&b", "*c"][..],
    );
    let any = "\\PC{1,8}";
    let valid =
        |name: &String| !name.starts_with('-') && !name.contains(|c: char| c.is_whitespace() || c == ':');
    let wild = prop_oneof![odd.prop_map(str::to_owned), any].prop_filter("a user's name", valid);
    // Digits are ids, which have 32 bits.
    let wild =
        wild.prop_filter("an id", |name| !name.bytes().all(|byte| byte.is_ascii_digit()) || name.len() < 10);
    match texts {
        Texts::Wild => prop_oneof![usual, wild.prop_map(Json::from)].boxed(),
        Texts::Plain => usual.boxed(),
    }
}

fn word(words: &'static [&'static str]) -> BoxedStrategy<Json> {
    select(words).prop_map(Json::from).boxed()
}

fn chain(first: &'static str) -> BoxedStrategy<Json> {
    // The first letter keeps the four apart.
    "[A-Za-z0-9_-]{0,17}".prop_map(move |rest| json!(format!("{first}{rest}"))).boxed()
}

fn count() -> BoxedStrategy<Json> {
    any::<u32>().prop_map(Json::from).boxed()
}

/// Values of each setting by itself.
fn value(key: &str, texts: Texts) -> Option<BoxedStrategy<Json>> {
    Some(match key {
        "kumaDPUser" => user(texts),
        "ipFamilyMode" => word(&["dualstack", "ipv4", "IPv4"]),
        "backend" => word(&["auto", "iptables-nft", "iptables-legacy", "ebpf"]),
        // Apart from each other and from the defaults.
        "redirect.inbound.port" => (1_u16..15_000).prop_map(Json::from).boxed(),
        "redirect.outbound.port" => (20_000_u16..40_000).prop_map(Json::from).boxed(),
        "redirect.dns.port" => (40_000_u16..).prop_map(Json::from).boxed(),
        "redirect.inbound.includePorts" | "redirect.inbound.excludePorts" => ports(),
        "redirect.outbound.includePorts" | "redirect.outbound.excludePorts" => ports(),
        "redirect.inbound.excludePortsForIPs" | "redirect.outbound.excludePortsForIPs" => {
            list(network().prop_map(Json::from))
        }
        // Anything else is refused.
        "redirect.inbound.excludePortsForUIDs" => Just(json!([])).boxed(),
        "redirect.outbound.excludePortsForUIDs" => list(uid_exclusion(texts)),
        "redirect.outbound.excludeGIDs" => list(id_range().prop_map(Json::from)),
        "redirect.inbound.excludeInterfaces" | "redirect.outbound.excludeInterfaces" => {
            list(interface(texts).prop_map(Json::from))
        }
        "redirect.vnet.networks" => list(vnet(texts)),
        "redirect.inbound.chainName" => chain("a"),
        "redirect.inbound.redirectChainName" => chain("b"),
        "redirect.outbound.chainName" => chain("c"),
        "redirect.outbound.redirectChainName" => chain("d"),
        "log.level" => (0_u8..=7).prop_map(Json::from).boxed(),
        "wait" | "waitInterval" | "retry.maxRetries" => count(),
        "retry.sleepBetweenRetries" => (0_i64..).prop_map(|number| json!(format!("{number}ns"))).boxed(),
        "ebpf.instanceIP" => word(&["", "10.0.0.1", "fd00::1", "::ffff:10.0.0.1"]),
        "ebpf.instanceIPEnvVarName" => word(&["", "POD_IP", "é \"#"]),
        "ebpf.tcAttachIface" => word(&["", "eth0", "{a,b}"]),
        "redirect.dns.resolvConfigPath"
        | "ebpf.bpffsPath"
        | "ebpf.cgroupPath"
        | "ebpf.programsSourcePath" => path(texts),
        key if key.starts_with("iptablesExecutables.") => path(texts),
        // The list form holds nothing of its own.
        "iptablesExecutables" => return None,
        key if settings::of_key(key)?.is_switch() => switch(),
        _ => return None,
    })
}

/// The settings that random documents speak of.
pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
    settings::all().map(|setting| setting.key).filter(|key| value(key, Texts::Plain).is_some())
}

/// A document with a choice of all settings.
pub(crate) fn document(texts: Texts) -> impl Strategy<Value = Document> {
    let entry = |key: &'static str| value(key, texts).map(|value| (Just(key), any::<bool>(), value));
    let entries: Vec<_> = settings::all().filter_map(|setting| entry(setting.key)).collect();
    (entries, 0_u8..12).prop_map(|(entries, zero)| {
        let chosen = entries.into_iter().filter(|(_, chosen, _)| *chosen);
        let mut document: Document = chosen.map(|(key, _, value)| (key, value)).collect();
        settle(&mut document);
        without_port(&mut document, zero);
        document
    })
}

/// Makes settings agree that must.
fn settle(document: &mut Document) {
    for family in ["iptables", "ip6tables"] {
        let names = ["", "-save", "-restore"].map(|suffix| format!("iptablesExecutables.{family}{suffix}"));
        if !names.iter().all(|name| document.contains_key(name.as_str())) {
            names.iter().for_each(|name| drop(document.remove(name.as_str())));
        }
    }
    // An implied value is written down, so that a later document changes it as it does an explicit one.
    if document.contains_key("redirect.dns.captureAll") {
        document.entry("redirect.dns.enabled").or_insert(json!(true));
    }
    document.remove("ebpf.enabled");
    if let Some(backend) = document.get("backend") {
        let enabled = json!(backend == "ebpf");
        document.insert("ebpf.enabled", enabled);
    }
}

/// Sometimes turns a direction off and takes its port away.
fn without_port(document: &mut Document, zero: u8) {
    let section = match zero {
        0 => "inbound",
        1 => "outbound",
        2 => "dns",
        _ => return,
    };
    for key in keys().filter(|key| key.starts_with(&format!("redirect.{section}."))) {
        match key.rsplit('.').next() {
            Some("port") => drop(document.insert(key, json!(0))),
            Some("enabled" | "captureAll") => drop(document.insert(key, json!(false))),
            _ => {}
        }
    }
    if section == "outbound" {
        document.remove("redirect.vnet.networks");
    }
}

/// The document with nested sections.
pub(crate) fn nested(document: &Document) -> Json {
    fn merge(into: &mut Json, from: Json) {
        match (into, from) {
            (Json::Object(into), Json::Object(from)) => {
                from.into_iter()
                    .for_each(|(name, value)| merge(into.entry(name).or_insert(Json::Null), value));
            }
            (into, from) => *into = from,
        }
    }
    let mut root = json!({});
    document.iter().for_each(|(key, value)| merge(&mut root, write::document(key, value)));
    root
}

#[test]
fn random_documents_speak_of_every_setting() {
    let without: Vec<&str> =
        settings::all().map(|setting| setting.key).filter(|key| !keys().any(|known| known == *key)).collect();
    // Its programs have keys of their own.
    assert_eq!(without, ["iptablesExecutables"]);
}
