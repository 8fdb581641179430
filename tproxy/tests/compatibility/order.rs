//! 1.7 and 2.4: which files are read, in which order, and what of them, of variables and of flags counts.

use std::path::Path;

use rstest::rstest;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tproxy::config::Layers;
use tproxy::config::ports::Port;

use crate::command::{configuration, run, run_with};
use crate::write;

/// A directory with files of these names and texts.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

/// `tproxy config` run with `arguments`, in which `@` stands for the directory.
fn in_directory(directory: &TempDir, arguments: &str) -> (Json, String) {
    let path = directory.path().display().to_string();
    let arguments = arguments.replace('@', &format!("{path}/"));
    let (printed, said) = configuration(&arguments.split(' ').collect::<Vec<_>>());
    (printed, said.replace(&path, ""))
}

/// The three documents of the example that Kuma's own suite asserts.
const EXAMPLE: [(&str, &str); 3] = [
    ("1", "redirect: {dns: {enabled: false, port: 7777}}"),
    ("2", "redirect: {dns: {enabled: true, port: 8888}, inbound: {excludePorts: [10000, 20000]}}"),
    ("3", "redirect: {dns: {enabled: true, captureAll: true}, inbound: {excludePorts: [4444, 55555]}}"),
];

#[rstest]
#[case::repeated("--config @1 --config @2 --config @3")]
#[case::a_comma_list("--config @1,@2,@3")]
#[case::both("--config @1,@2 --config=@3")]
#[case::blanks_and_empty_names("--config ,@1,,@2, --config @3")]
#[case::the_deprecated_flag_comes_first_wherever_it_stands("--config @2 --config @3 --config-file @1")]
fn the_example_of_2_4(#[case] arguments: &str) {
    let (printed, _) = in_directory(&directory(&EXAMPLE), arguments);
    assert_eq!(printed["redirect"]["dns"]["port"], 8888);
    assert_eq!(printed["redirect"]["dns"]["captureAll"], true);
    assert_eq!(printed["redirect"]["inbound"]["excludePorts"], json!([4444, 55555]));
}

#[test]
fn the_order_of_files_decides() {
    let directory = directory(&EXAMPLE);
    for (arguments, port) in
        [("--config @1,@2", 8888), ("--config @2,@1", 7777), ("--config @2 --config @1", 7777)]
    {
        assert_eq!(in_directory(&directory, arguments).0["redirect"]["dns"]["port"], port, "{arguments}");
    }
}

#[test]
fn a_file_with_a_comma_in_its_name_is_one_file() {
    let directory = directory(&[("a,b", "wait: 9"), ("a", "wait: 1"), ("b", "wait: 2")]);
    assert_eq!(in_directory(&directory, "--config @a,b").0["wait"], 9);
}

#[test]
fn a_blank_config_is_skipped() {
    for blank in ["", " ", ",", " , "] {
        let (printed, said) = configuration(&["--config", blank, "--wait", "9"]);
        assert_eq!((printed["wait"].clone(), said.as_str()), (json!(9), ""), "{blank:?}");
    }
}

#[rstest]
#[case("--config-file @1", "--config-file is deprecated; use --config\n")]
#[case("--kuma-dp-uid 7", "--kuma-dp-uid is deprecated; use --kuma-dp-user\n")]
#[case("--config @1 --kuma-dp-user 7", "")]
fn deprecated_names_work_with_a_word(#[case] arguments: &str, #[case] word: &str) {
    let (_, said) = in_directory(&directory(&EXAMPLE), arguments);
    assert_eq!(said, word);
}

#[rstest]
#[case("--kuma-dp-user 1 --kuma-dp-uid 2", "2")]
#[case("--kuma-dp-uid 2 --kuma-dp-user 1", "1")]
#[case("--kuma-dp-uid 2 --kuma-dp-user 1 --kuma-dp-uid 3", "3")]
fn of_two_names_for_one_setting_the_last_one_typed_counts(#[case] arguments: &str, #[case] user: &str) {
    let (printed, _) = configuration(&arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(printed["kumaDPUser"], user);
}

#[test]
fn variables_count_with_and_without_a_file_and_flags_win_over_both() {
    let directory = directory(&[("f", "{wait: 1, waitInterval: 1, retry: {maxRetries: 1}}")]);
    let file = directory.path().join("f").display().to_string();
    let variables = || {
        write::variables([
            ("KUMA_TRANSPARENT_PROXY_WAIT", "2"),
            ("KUMA_TRANSPARENT_PROXY_RETRY_MAX_RETRIES", "2"),
        ])
    };
    for files in [vec![], vec!["--config", &file]] {
        let arguments = [&["tproxy", "config", "--json", "--max-retries", "3"], files.as_slice()].concat();
        let ran = run_with(&arguments, variables());
        let printed: Json = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(printed["wait"], 2);
        assert_eq!(printed["retry"]["maxRetries"], 3);
        assert_eq!(printed["waitInterval"], u8::from(!files.is_empty()));
    }
}

#[test]
fn flags_and_verb_may_stand_in_any_order_and_a_switch_takes_no_word_behind_it() {
    let ran = run(&["tproxy", "config", "--verbose", "false"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("unexpected argument 'false'"), "{}", ran.err);
    let early = run(&["tproxy", "--json", "config", "--wait=3"]);
    assert_eq!((early.code, early.out), (0, run(&["tproxy", "config", "--wait", "3", "--json"]).out));
}

#[rstest]
#[case::a_directory("/", "`/` cannot be read: Is a directory; give a YAML or JSON file that may be read")]
#[case::nothing(
    "/nowhere.yaml",
    "`/nowhere.yaml` cannot be read: No such file or directory; give a YAML or JSON file that may be read"
)]
fn e6_a_file_that_cannot_be_read_is_named(#[case] path: &str, #[case] sentence: &str) {
    let ran = run(&["tproxy", "config", "--config", path]);
    assert_eq!((ran.code, ran.err), (2, format!("error: --config: {sentence}\n")));
    assert_eq!(ran.out, "");
}

#[test]
fn e6_every_file_that_cannot_be_read_is_told_beside_the_other_problems() {
    let ran =
        run(&["tproxy", "config", "--config", "/none/a,/none/b", "--config-file", "/none/c", "--wait", "x"]);
    let (warnings, errors): (Vec<&str>, Vec<&str>) = ran.err.lines().partition(|line| line.starts_with('#'));
    assert_eq!(warnings, ["# [WARNING] --config-file is deprecated; use --config"]);
    let options: Vec<_> = errors.iter().map(|line| line.split(':').nth(1).unwrap().trim()).collect();
    assert_eq!(options, ["--config-file", "--config", "--config", "--wait"], "{}", ran.err);
}

#[test]
fn e7_a_file_that_is_no_yaml_is_shown_at_its_place() {
    let directory = directory(&[
        ("f", "redirect:\n  inbound: {port: 1\n"),
        ("json", "{\"wait\": 1,, \"verbose\": true}\n"),
        ("latin1", ""),
    ]);
    std::fs::write(directory.path().join("latin1"), b"kumaDPUser: caf\xe9\n").unwrap();
    let said = |name: &str| {
        let path = directory.path().join(name).display().to_string();
        let ran = run(&["tproxy", "config", "--config", &path]);
        assert_eq!(ran.code, 2, "{ran:?}");
        ran.err.replace(Path::new(&path).parent().unwrap().to_str().unwrap(), "")
    };
    assert!(
        said("f").starts_with("error: cannot be read as YAML: ") && said("f").contains("--> /f:2:"),
        "{}",
        said("f")
    );
    let sentence = "error: byte 0xe9 is not UTF-8 text; save the file as UTF-8\n --> /latin1:1:16\n";
    assert!(said("latin1").starts_with(sentence), "{}", said("latin1"));
    assert!(said("json").starts_with("error: cannot be read as JSON: "), "{}", said("json"));
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let said = Layers::default().file("f", "wait: 1\nwait: 2\n").resolve().unwrap_err().to_string();
    assert!(said.contains("duplicate") && said.contains("--> f:2:1"), "{said}");
}

#[rstest]
#[case::in_another_case("wait: 1\nWAIT: 2\n", "wait", "1:1", "2:1")]
#[case::in_two_forms(
    "redirect.inbound.port: 1\nredirect:\n  inbound:\n    port: 2\n",
    "redirect.inbound.port",
    "1:1",
    "4:5"
)]
#[case::half_dotted("redirect: {dns.port: 1, dns: {port: 2}}\n", "redirect.dns.port", "1:12", "1:31")]
#[case::in_sections_of_two_spellings("log: {level: 1}\nLOG: {level: 2}\n", "log.level", "1:7", "2:7")]
#[case::as_a_text_and_as_a_section(
    "iptablesExecutables: \"iptables:/a\"\nIptablesExecutables: {iptables-save: /b}\n",
    "iptablesExecutables.iptables-save",
    "1:1",
    "2:23"
)]
#[case::as_a_section_and_as_a_text(
    "iptablesExecutables: {iptables-save: /b}\niptablesexecutables: \"iptables:/a\"\n",
    "iptablesExecutables",
    "1:23",
    "2:1"
)]
fn a_setting_that_stands_twice_in_a_file_is_refused_with_both_places(
    #[case] text: &str,
    #[case] key: &str,
    #[case] first: &str,
    #[case] second: &str,
) {
    let said = Layers::default().file("f", text).resolve().unwrap_err().to_string();
    let sentence = format!("{key}: is set at f:{first} already; keep one of the two\n");
    assert!(said.starts_with(&sentence) && said.contains(&format!(" --> f:{second}\n")), "{said}");
}

#[test]
fn sections_of_two_spellings_are_one_where_their_keys_differ() {
    let text = "redirect.inbound.port: 1\nredirect: {outbound: {port: 2}}\nREDIRECT: {dns: {port: 3}}\n";
    let config =
        Layers::default().file("f", text).file("g", "WAIT: 1").file("h", "wait: 2").resolve().unwrap().config;
    let ports = [config.inbound.port, config.outbound.port, config.dns.port];
    assert_eq!(ports, [1, 2, 3].map(Port::new));
    assert_eq!(config.loading.wait, 2);
}

#[test]
fn unknown_keys_are_told_with_place_and_neighbour_which_differs_kuma_passes_them_over() {
    for (text, words) in [
        ("redirct: {}", "redirct: is not a known key; did you mean `redirect`?"),
        ("redirect: {inbund: {port: 1}}", "redirect.inbund: is not a known key; did you mean `inbound`?"),
        ("redirect: {inbound: {prt: 1}}", "redirect.inbound.prt: is not a known key; did you mean `port`?"),
        ("redirect: {inbound: 15006}", "redirect.inbound: `15006` is not a section, whose keys are `"),
        (
            "redirect: 5",
            "redirect: `5` is not a section, whose keys are `dns`, `inbound`, `outbound`, `vnet`\n",
        ),
        (
            "retry: [5]",
            "retry: a list is not a section, whose keys are `maxRetries`, `sleepBetweenRetries`\n",
        ),
        (
            "redirect: {ipFamilyMode: ipv4}",
            "redirect.ipFamilyMode: is not a known key; did you mean `ipFamilyMode`, which stands in no section?\n",
        ),
        ("inbound: {port: 1}", "inbound: is not a known key; did you mean `redirect.inbound`?\n"),
        ("entirely: different", "entirely: is not a known key\n"),
    ] {
        let said = Layers::default().file("f", text).resolve().unwrap_err().to_string();
        assert!(said.starts_with(words), "{said}");
    }
}

#[test]
fn an_empty_document_and_empty_sections_say_nothing() {
    for text in ["", "---\n", "# nothing\n", "{}", "null", "redirect:\n", "redirect: {inbound: , dns: {}}"] {
        let resolved = Layers::default().file("f", text).resolve().unwrap();
        assert_eq!(resolved.config, tproxy::config::Config::default(), "{text:?}");
    }
}

#[test]
fn capture_all_forces_dns_on_and_wins_in_a_file() {
    let config = |yaml: &str| Layers::default().file("f", yaml).resolve().unwrap().config.dns;
    assert!(config("redirect: {dns: {captureAll: true}}").enabled);
    let both = config("redirect: {dns: {enabled: false, captureAll: true}}");
    assert!(both.enabled && both.capture_all);
    assert_eq!(both.port, Port::new(15053));
}

#[test]
fn e5_both_dns_flags_are_refused() {
    let ran = run(&["tproxy", "config", "--redirect-dns", "--redirect-all-dns-traffic"]);
    let sentence = "error: --redirect-all-dns-traffic: `true` cannot stand beside --redirect-dns; give only one of the two\n";
    assert_eq!((ran.code, ran.err.as_str()), (2, sentence));
}

/// Kuma says nothing; here whoever turned DNS capture off learns why it is on.
#[rstest]
#[case::a_flag_over_a_file("--config @f --redirect-dns=false", "captureAll: true", "--redirect-dns", "/f:1")]
#[case::one_file("--config @f", "{enabled: false, captureAll: true}", "/f:1", "/f:1")]
#[case::a_file_under_a_flag(
    "--config @f --redirect-all-dns-traffic",
    "enabled: false",
    "/f:1",
    "--redirect-all-dns-traffic"
)]
fn capture_all_over_dns_that_was_turned_off_has_a_word_and_its_own_origin(
    #[case] arguments: &str,
    #[case] dns: &str,
    #[case] off: &str,
    #[case] on: &str,
) {
    let dns = if dns.starts_with('{') { dns.to_owned() } else { format!("{{{dns}}}") };
    let directory = directory(&[("f", &format!("redirect: {{dns: {dns}}}"))]);
    let (printed, said) = in_directory(&directory, &format!("{arguments} --origin"));
    assert_eq!(printed["redirect"]["dns"]["enabled"], true);
    assert_eq!(printed["redirect"]["dns"]["captureAll"], true);
    let path = directory.path().to_str().unwrap();
    let origin = |key: &str| printed["origin"][key].as_str().unwrap().replace(path, "");
    assert_eq!([origin("redirect.dns.enabled"), origin("redirect.dns.captureAll")], [on, on]);
    let word = format!(
        "redirect.dns.enabled `false` ({off}) does not count beside redirect.dns.captureAll `true` \
         ({on}), which captures all DNS queries; turn both off to capture none\n"
    );
    assert_eq!(said, word);
}

#[rstest]
#[case("captureAll: true", "")]
#[case("enabled: true, captureAll: true", "")]
#[case("enabled: true, captureAll: true", "--redirect-dns")]
#[case("enabled: false", "--redirect-all-dns-traffic=false")]
#[case("captureAll: true", "--redirect-all-dns-traffic=false --redirect-dns=false")]
fn dns_switches_that_agree_have_no_word(#[case] dns: &str, #[case] flags: &str) {
    let directory = directory(&[("f", &format!("redirect: {{dns: {{{dns}}}}}"))]);
    let arguments = format!("--config @f {flags}");
    assert_eq!(in_directory(&directory, arguments.trim_end()).1, "");
}

#[rstest]
#[case("redirect-inbound-port-v6", "--redirect-inbound-port")]
#[case("redirect-inbound-port-ipv6", "--redirect-inbound-port")]
#[case("exclude-outbound-tcp-ports-for-uids", "--exclude-outbound-ports-for-uids tcp:PORTS:UIDS")]
#[case("exclude-outbound-udp-ports-for-uids", "--exclude-outbound-ports-for-uids udp:PORTS:UIDS")]
#[case("experimental-transparent-proxy-engine", "--backend")]
#[case("skip-resolv-conf", "leave it out")]
#[case("kuma-cp-ip", "--exclude-outbound-ips")]
fn a_removed_flag_names_its_successor(#[case] flag: &str, #[case] successor: &str) {
    let dashed = format!("--{flag}");
    for arguments in [vec![dashed.as_str()], vec![&dashed, "80"], vec![&format!("{dashed}=80")]] {
        let ran = run(&[&["tproxy", "config"], arguments.as_slice()].concat());
        assert_eq!(ran.code, 2, "{ran:?}");
        let advised =
            ran.err.starts_with(&format!("error: {dashed}: was removed; ")) && ran.err.contains(successor);
        assert!(advised && ran.err.lines().count() == 1, "{}", ran.err);
    }
}
