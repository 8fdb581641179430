//! The entry points of texts that others write, with arbitrary texts, texts of the right shape, and valid ones with
//! damage. The fuzz targets in `fuzz/` feed the same entry points for longer.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod entries;
mod found;

use proptest::collection::vec;
use proptest::prelude::*;

/// A configuration with every section, as the fuzz targets start from it.
const DOCUMENT: &str = include_str!("../../../fuzz/seeds/configuration/every-section.yaml");
const SAVED: &str = include_str!("../../../fuzz/seeds/saved_rules/usual");
const RESOLV_CONF: &str = include_str!("../../../fuzz/seeds/resolv_conf/usual");
const EXECUTABLES: &str = include_str!("../../../fuzz/seeds/iptables_executables/three");

/// What a mutation may put anywhere: signs with a meaning in some grammar, and what no grammar expects.
fn piece() -> impl Strategy<Value = String> {
    let signs = r#"[\[\]{}:,;&*!|>'"%@`#?\\\-+/=~ \n\r\t0-9]{1,4}"#;
    let words = "(true|null|<<: |- |---\n|\\.\\.|65536|4294967295|::ffff:|/33|tcp|udp|\\$\\(reboot\\)|`x`)";
    prop_oneof![signs, words, any::<char>().prop_map(String::from), "[a-zA-Z]{1,8}"]
}

/// `valid` with some of its parts replaced, doubled or left out.
fn damaged(valid: &'static str) -> impl Strategy<Value = String> {
    let cut = (any::<prop::sample::Index>(), 0..12_usize, piece(), 0..4_u8);
    vec(cut, 1..6).prop_map(move |cuts| {
        let mut text: Vec<char> = valid.chars().collect();
        for (place, length, piece, kind) in cuts {
            let start = place.index(text.len() + 1);
            let end = (start + length).min(text.len());
            let old: Vec<char> = text.get(start..end).unwrap().to_vec();
            let new: Vec<char> = match kind {
                0 => Vec::new(),
                1 => [old.clone(), old].concat(),
                _ => piece.chars().collect(),
            };
            text.splice(start..end, new);
        }
        text.into_iter().collect()
    })
}

/// Values of the shapes that the grammars know, right ones and nearly right ones.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "([0-9]{1,6}(-[0-9]{1,6})?,?){0,4}",
        "((tcp|udp|\\*|,|TCP){0,2}:)?([0-9,*-]{0,9}:)?[0-9-]{0,9};?",
        "[a-z+]{0,6}[0-9]?:?[0-9a-f.:]{0,12}/[0-9]{1,3}",
        "[0-9a-f:.]{1,20}(/[0-9]{0,3})?(%[a-z]{1,4})?",
        "([0-9]{0,9}\\.?[0-9]{0,9}(ns|us|µs|ms|s|m|h|d)?){0,3}",
        "(ip6?tables(-save|-restore)?:/[a-z./]{0,12},?){0,7}",
        "(true|false|1|0|T|yes|auto|ebpf|iptables-nft|ipv4|IPv4|dualstack|)",
        "[a-zA-Z_/.-]{0,20}",
        "\\PC{0,20}",
        any::<String>(),
    ]
}

fn pairs() -> impl Strategy<Value = Vec<(usize, String)>> {
    vec((any::<usize>(), value()), 0..6)
}

fn lent(pairs: &[(usize, String)]) -> Vec<(usize, &str)> {
    pairs.iter().map(|(place, text)| (*place, text.as_str())).collect()
}

/// 300 cases of each, or as many as `PROPTEST_CASES` says; `PROPTEST_RNG_SEED` makes them the same ones every time.
fn configured() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").map_or(300, |number| number.parse().unwrap());
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(configured())]

    #[test]
    fn any_text_may_be_a_configuration_file(text in any::<String>()) {
        entries::configuration_file(&text);
    }

    #[test]
    fn a_damaged_configuration_file_is_read_or_refused(text in damaged(DOCUMENT)) {
        entries::configuration_file(&text);
    }

    #[test]
    fn any_value_may_stand_at_any_key(pairs in pairs()) {
        let keys: Vec<&str> = tproxy::config::settings::all().map(|setting| setting.key).collect();
        let line = |(place, text): &(usize, String)| format!("{}: {}\n", entries::pick(&keys, *place), serde_json::to_string(text).unwrap());
        entries::configuration_file(&pairs.iter().map(line).collect::<String>());
    }

    #[test]
    fn any_text_may_be_a_flags_value(pairs in pairs()) {
        entries::flags(&lent(&pairs));
    }

    #[test]
    fn any_text_may_be_a_variables_value(pairs in pairs()) {
        entries::environment(&lent(&pairs));
    }

    #[test]
    fn any_text_may_name_programs(text in prop_oneof![value().boxed(), damaged(EXECUTABLES).boxed()]) {
        entries::iptables_executables(&text);
    }

    #[test]
    fn any_text_may_be_a_resolv_conf(text in prop_oneof![any::<String>().boxed(), damaged(RESOLV_CONF).boxed()]) {
        entries::resolv_conf(&text);
    }

    #[test]
    fn any_text_may_be_what_iptables_save_printed(text in prop_oneof![any::<String>().boxed(), damaged(SAVED).boxed()]) {
        entries::saved_rules(&text);
    }
}
