//! The page of a run, as a browser shows it: what a reader finds there, also on a phone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod built;

use std::path::Path;
use std::process::{Command, Output};

use netsim::require;
use serde_json::Value;
use tproxy::backend::BackendId;

/// What is looked at: the page in a frame as wide as a phone.
const LOOK: &str = r#"<iframe id="page" src="page.html" width="390" height="800"></iframe><pre id="seen"></pre><script>
document.getElementById("page").onload = event => {
    const page = event.target.contentDocument, all = what => [...page.querySelectorAll(what)];
    const texts = what => all(what).map(one => one.textContent);
    document.getElementById("seen").textContent = JSON.stringify({
        title: page.title,
        tooWide: page.documentElement.scrollWidth - page.documentElement.clientWidth,
        smallest: Math.min(...all("p, li, summary, td").map(one => parseFloat(getComputedStyle(one).fontSize))),
        open: texts("details[open] > summary .sentence"),
        closed: texts("details:not([open]) > summary .sentence"),
        nodes: texts("details[open] svg text"),
        arrows: all("svg path.flow").length, badArrows: all("svg path.bad").length,
        policy: texts(".policy"), problems: texts(".problem"), trouble: texts(".trouble"),
        foreign: all("script, link, img, [src]").length,
        cells: texts("table.summary td"),
        evidence: all(".evidence a").map(one => one.href),
    });
};
</script>"#;

fn run_into(page: &Path) -> Output {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Command::new(env!("CARGO_BIN_EXE_netsim"))
        .args(["run", "--only", "::iptables-nft::ipv4", "--tproxy"])
        .arg(built::tproxy())
        .arg("--html")
        .arg(page)
        .env("TMPDIR", page.parent().unwrap())
        .args([here.join("../scenarios/self/forwarding.yaml"), here.join("tests/wrong/table.yaml")])
        .output()
        .unwrap()
}

fn look(folder: &Path) -> Value {
    std::fs::write(folder.join("look.html"), LOOK).unwrap();
    let shown = Command::new("timeout")
        .args([
            "300",
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--allow-file-access-from-files",
        ])
        .args(["--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("file://{}", folder.join("look.html").display()))
        .output()
        .unwrap();
    let dom = String::from_utf8(shown.stdout).unwrap();
    let seen = dom.split_once("<pre id=\"seen\">").and_then(|(_, rest)| rest.split_once("</pre>")).unwrap().0;
    let seen = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&seen).unwrap()
}

fn texts<'a>(seen: &'a Value, key: &str) -> Vec<&'a str> {
    seen[key].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn a_reader_finds_each_flow_and_all_about_a_failure_also_on_a_phone() {
    let can_run = require::backend(BackendId::IptablesNft).met_or_skip();
    if !can_run || !require::program("chromium").met_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ran = run_into(&folder.path().join("page.html"));
    assert_eq!(ran.status.code(), Some(1), "one of the two fails: {}", String::from_utf8_lossy(&ran.stdout));
    let seen = look(folder.path());
    assert_eq!(seen["title"], "netsim: 1 passed, 1 failed, 0 skipped");
    assert_eq!(texts(&seen, "cells").len(), 2);
    assert_eq!(seen["tooWide"], 0, "nothing but tables and drawings may be wider than the screen");
    assert!(seen["smallest"].as_f64().unwrap() >= 12.0, "{seen}");
    // What failed is open, and what passed is not.
    assert_eq!(
        texts(&seen, "closed"),
        ["through a forwarding sidecar everything reaches whom it was meant for"]
    );
    assert_eq!(texts(&seen, "open").len(), 1);
    let nodes = texts(&seen, "nodes");
    for name in ["pod", "peer", "app", "sidecar-outbound", "eth0"] {
        assert!(nodes.contains(&name), "{name}: {nodes:?}");
    }
    assert!(seen["arrows"].as_u64() > Some(4) && seen["badArrows"].as_u64() > Some(0), "{seen}");
    assert!(texts(&seen, "policy").contains(&"outbound/captured"), "{seen}");
    assert!(
        texts(&seen, "problems").iter().any(|problem| problem.starts_with("expected to reach ")),
        "{seen}"
    );
    assert!(texts(&seen, "trouble")[0].contains("KUMA_MESH_OUTBOUND"), "the rules in force are told: {seen}");
    let evidence = texts(&seen, "evidence")[0].strip_prefix("file://").unwrap();
    assert!(Path::new(evidence).is_file(), "{evidence} is to be read");
    assert_eq!(seen["foreign"], 0, "the page needs nothing but itself");
}
