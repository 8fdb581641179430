//! What turns out wrong only on the host is told where it was written, as what is wrong in itself is.

use rstest::rstest;
use tempfile::TempDir;

use crate::command::run_with;
use crate::write;

/// What `tproxy explain` says of a configuration that it refuses, with `@` for the directory of the file `f`.
fn refused(file: &str, variable: Option<(&str, &str)>, flags: &str) -> String {
    let directory = TempDir::new().unwrap();
    let path = format!("{}/", directory.path().display());
    std::fs::write(directory.path().join("f"), file.replace('@', &path)).unwrap();
    let flags = flags.replace('@', &path);
    let mut arguments = vec!["tproxy", "explain", "--matrix"];
    arguments.extend(flags.split_whitespace());
    let ran = run_with(&arguments, write::variables(variable));
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    ran.err.replace(&path, "@")
}

const GHOST: &str = "user `ghost` does not exist on this host; give a user that does, or a user id";

#[rstest]
#[case::a_flag("", None, "--kuma-dp-user ghost", "--kuma-dp-user")]
#[case::its_old_name("", None, "--kuma-dp-uid ghost", "--kuma-dp-uid")]
#[case::a_variable("", Some(("KUMA_DP_USER", "ghost")), "", "KUMA_DP_USER")]
fn an_unknown_user_is_told_by_the_name_of_whoever_said_it(
    #[case] file: &str,
    #[case] variable: Option<(&str, &str)>,
    #[case] flags: &str,
    #[case] name: &str,
) {
    let said = refused(file, variable, flags);
    assert_eq!(said.lines().last().unwrap(), format!("error: {name}: {GHOST}"));
}

#[test]
fn an_unknown_user_of_a_file_is_shown_with_line_and_caret() {
    insta::assert_snapshot!(refused("wait: 1\nkumaDPUser: ghost\n", None, "--config @f"), @"
    error: kumaDPUser: user `ghost` does not exist on this host; give a user that does, or a user id
     --> @f:2:13
      |
    2 | kumaDPUser: ghost
      |             ^^^^^
    ");
}

#[test]
fn a_resolv_conf_that_cannot_be_read_is_told_where_it_was_named() {
    let file = "redirect: {dns: {enabled: true, resolvConfigPath: \"@none\"}}\n";
    let said = refused(file, None, "--config @f");
    assert!(
        said.starts_with(
            "error: redirect.dns.resolvConfigPath: cannot read @none: No such file or directory"
        ),
        "{said}"
    );
    assert!(said.contains(" --> @f:1:51\n"), "{said}");
    let variable = ("KUMA_TRANSPARENT_PROXY_REDIRECT_DNS_RESOLV_CONFIG_PATH", "/dev/full");
    assert_eq!(
        refused("", Some(variable), "--redirect-dns"),
        format!(
            "error: {}: cannot read /dev/full: it is not a regular file; name a file with name servers, or use \
             --redirect-all-dns-traffic\n",
            variable.0
        )
    );
}

#[test]
fn a_resolv_conf_that_nobody_needs_is_not_read() {
    let variables = write::variables([("KUMA_TRANSPARENT_PROXY_REDIRECT_DNS_RESOLV_CONFIG_PATH", "/none")]);
    for flags in [&[][..], &["--redirect-all-dns-traffic"]] {
        let flow = ["tproxy", "explain", "--direction", "outbound", "--to", "10.0.0.1:53"];
        assert_eq!(run_with(&[&flow, flags].concat(), variables.clone()).code, 0, "{flags:?}");
    }
}

#[test]
fn an_item_of_a_list_is_told_by_its_own_line() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("f").display().to_string();
    let file = "redirect:\n  outbound:\n    excludePorts:\n      - 80\n      - 81\n      - 9000-9010\n    \
                excludePortsForUIDs:\n      - 1000\n      - \"udp:53:2000\"\n    \
                excludePortsForIPs:\n      [\n        10.0.0.0/8,\n        192.0.2.7\n      ]\n    \
                excludeInterfaces: [\n      wg+,\n      tun0]\n";
    std::fs::write(&path, file).unwrap();
    for (flow, line) in [
        ("--to 198.51.100.1:80", 4),
        ("--to 198.51.100.1:81", 5),
        ("--to 198.51.100.1:9005", 6),
        ("--to 198.51.100.1:443 --uid 1000", 8),
        ("--to 198.51.100.1:53 --proto udp --uid 2000", 9),
        ("--to 10.1.1.1:443", 12),
        ("--to 192.0.2.7:443", 13),
        ("--to 198.51.100.1:443 --interface wg7", 16),
        ("--to 198.51.100.1:443 --interface tun0", 17),
    ] {
        let command = format!("tproxy explain --direction outbound {flow} --kuma-dp-user 7 --config {path}");
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let ran = run_with(&arguments, write::variables(None));
        assert!(ran.out.contains(&format!(" ({path}:{line})\n")), "{flow}: {}{}", ran.out, ran.err);
        let json = run_with(&[&arguments[..], &["--json"]].concat(), write::variables(None));
        assert!(json.out.contains(&format!("\"origin\": \"{path}:{line}\"")), "{flow}: {}", json.out);
    }
}
