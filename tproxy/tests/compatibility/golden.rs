//! What `tproxy config` prints, word by word.

use crate::command::{Ran, run_with};
use crate::write;

/// A configuration from every kind of source.
fn print(arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let base = path(
        "base.yaml",
        "kumaDPUser: envoy\nredirect:\n  inbound:\n    excludePorts: [22]\n    excludePortsForIPs:\n    \
         - 10.8.0.0/16\n    - fd08::/16\n  dns: {captureAll: true}\nretry:\n  sleepBetweenRetries: 1500ms\n",
    );
    let site = path(
        "site.json",
        "{\"redirect\": {\n  \"inbound\": {\"excludePorts\": [22, \"8000-8999\"]},\n  \
         \"vnet\": {\"networks\": [\"docker0:172.17.0.0/16\"]}\n}}\n",
    );
    let programs =
        "iptables:/opt/iptables,iptables-save:/opt/iptables-save,iptables-restore:/opt/iptables-restore";
    let flags =
        ["--config", &base, "--config", &site, "--exclude-outbound-ports-for-uids", "tcp:443,80:1001"];
    let variables = write::variables([
        ("KUMA_TRANSPARENT_PROXY_REDIRECT_OUTBOUND_PORT", "15101"),
        ("IP_FAMILY_MODE", "ipv4"),
        ("IPTABLES_EXECUTABLES", programs),
    ]);
    let Ran { code, out, err } = run_with(&[&["tproxy", "config"], arguments, &flags].concat(), variables);
    assert_eq!((code, err.as_str()), (0, ""));
    out.replace(&directory.path().display().to_string(), "/etc/tproxy")
}

#[test]
fn config_as_yaml_with_origins() {
    insta::assert_snapshot!(print(&["--origin"]));
}

#[test]
fn config_as_json() {
    insta::assert_snapshot!(print(&["--json"]));
}

#[test]
fn config_as_json_with_origins() {
    insta::assert_snapshot!(print(&["--json", "--origin"]));
}
