//! Help and manual pages: as wide as a screen, with the variable of each option, and examples with the name that was typed.

use rstest::rstest;
use tproxy::config::settings;

use crate::command::run;

fn help(words: &[&str], flag: &str) -> String {
    let ran = run(&[words, &[flag]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    ran.out
}

/// Only a word that is longer than a screen is wide makes a line that is longer.
fn is_wide(line: &str) -> bool {
    line.chars().count() > 80 && line.split_whitespace().count() > 1
}

#[test]
fn no_line_of_help_is_wider_than_80_columns() {
    let verbs = [
        "install",
        "uninstall",
        "confirm",
        "explain",
        "status",
        "check",
        "config",
        "validate",
        "completions",
        "man",
    ];
    let kumactl: [&[&str]; 6] = [
        &["kumactl"],
        &["kumactl", "install"],
        &["kumactl", "uninstall"],
        &["kumactl", "install", "transparent-proxy"],
        &["kumactl", "install", "transparent-proxy-validator"],
        &["kumactl", "uninstall", "transparent-proxy"],
    ];
    let tproxy = verbs.map(|verb| vec!["tproxy", verb]);
    let all = kumactl.into_iter().map(<[&str]>::to_vec).chain(tproxy).chain([vec!["tproxy"]]);
    for words in all {
        for line in help(&words, "--help").lines() {
            assert!(!is_wide(line), "{words:?}: {line}");
        }
    }
}

#[test]
fn help_and_pages_name_the_variable_of_each_option() {
    let page = run(&["tproxy", "man", "install"]).out;
    for verb in ["install", "explain", "check", "config"] {
        let help = help(&["tproxy", verb], "--help");
        for setting in settings::all().filter(|setting| setting.flag.is_some()) {
            let name = setting.prefixed_variable().unwrap();
            assert!(help.contains(&format!("{name}]")), "{name} is not in the help of {verb}");
            assert!(page.contains(&format!("[env: {name}]")), "{name} is not in the page of install");
        }
    }
}

#[test]
fn completions_and_the_short_help_leave_variables_out() {
    let printed = [help(&["tproxy", "install"], "-h"), run(&["tproxy", "completions", "zsh"]).out];
    for text in printed {
        assert!(text.contains("--exclude-inbound-ports") && !text.contains("[env: "), "{text}");
    }
}

#[rstest]
#[case(&["kumactl"])]
#[case(&["kumactl", "install", "transparent-proxy"])]
#[case(&["kumactl", "install", "transparent-proxy-validator"])]
#[case(&["kumactl", "uninstall", "transparent-proxy"])]
fn called_as_kumactl_its_examples_are_kumactls(#[case] words: &[&str]) {
    let help = help(words, "--help");
    let (_, examples) = help.split_once("\nExample").unwrap_or_else(|| panic!("no example: {help}"));
    assert!(examples.contains("kumactl ") && !examples.contains("tproxy "), "{help}");
}

#[rstest]
#[case(&["tproxy", "man", "--explain"])]
#[case(&["tproxy", "completions", "--config"])]
fn nobody_is_told_to_put_dashes_before_a_flag(#[case] words: &[&str]) {
    let ran = run(words);
    assert!(ran.code == 2 && !ran.err.contains("as a value"), "{ran:?}");
}
