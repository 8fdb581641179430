//! The pure modules stay pure: every path that their code names is on a list of things without effects.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Folders and files (below src/) whose code must be a function of its input.
const PURE: [&str; 29] = [
    "check",
    "config",
    "conntrack",
    "plan",
    "iptables",
    "firewalld",
    "apply/change.rs",
    "apply/record.rs",
    "backend/mod.rs",
    "diagnostic",
    "host/resolv_conf.rs",
    "family.rs",
    "ebpf/mod.rs",
    "ebpf/arrivals.rs",
    "ebpf/contents.rs",
    "ebpf/interface.rs",
    "ebpf/layout.rs",
    "ebpf/line.rs",
    "ebpf/ports.rs",
    "ebpf/render.rs",
    "ebpf/unsupported.rs",
    "ebpf/users.rs",
    "verify/assess.rs",
    "verify/compare.rs",
    "verify/counters.rs",
    "verify/finding.rs",
    "verify/programs.rs",
    "verify/sequence.rs",
    "verify/shape.rs",
];

/// What pure code may name, by the beginning of the path. `super` is followed by what lies beside the file.
const ALLOWED: [&str; 60] = [
    "std::borrow::Cow",
    "std::collections",
    "std::fmt",
    "std::error::Error",
    "std::hash",
    // The trait, for what is written into memory.
    "std::io::Result",
    "std::io::Write",
    "std::mem::replace",
    "std::mem::take",
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::num",
    "std::ops::AddAssign",
    "std::ops::Range",
    "std::path::Path",
    "std::slice::from_ref",
    "std::time::Duration",
    "std::str",
    "std::sync::Arc",
    "annotate_snippets",
    "fnv",
    "ipnet",
    // Messages as bytes; only netlink_sys sends them.
    "netlink_packet_core",
    "roxmltree",
    "serde",
    "serde_json",
    "serde_saphyr",
    "thiserror",
    "crate::apply::change",
    "crate::apply::record",
    "crate::backend::BackendId",
    "crate::config",
    "crate::conntrack",
    "crate::diagnostic",
    "crate::ebpf::contents",
    "crate::ebpf::interface",
    "crate::ebpf::line",
    "crate::ebpf::render",
    "crate::ebpf::unsupported",
    "crate::family",
    "crate::firewalld",
    "crate::host::HostFacts",
    "crate::host::Users",
    "crate::host::resolv_conf",
    "crate::iptables",
    "crate::plan",
    "super::change",
    "super::contents",
    "super::arrivals",
    "super::interface",
    "super::layout",
    "super::ports",
    "super::unsupported",
    "super::users",
    "super::compare",
    "super::finding",
    "super::sequence",
    "super::shape",
];

/// Modules that a path may lead to through `super` in the folders that are pure as a whole.
const PURE_FOLDERS: [&str; 7] =
    ["check", "config", "conntrack", "plan", "iptables", "firewalld", "diagnostic"];

/// Crates and roots whose paths are looked at; what begins otherwise is a type or module of the file itself.
const ROOTS: [&str; 14] = [
    "std",
    "core",
    "alloc",
    "crate",
    "super",
    "nix",
    "libc",
    "tokio",
    "aya",
    "socket2",
    "netlink_sys",
    "netlink_packet_core",
    "netlink_packet_route",
    "clap",
];

/// Methods of innocent types that look at the system, and macros that print.
const EFFECTS: [&str; 13] = [
    ".exists()",
    ".is_file()",
    ".is_dir()",
    ".is_symlink()",
    ".metadata()",
    ".canonicalize()",
    ".read_dir()",
    ".read_link()",
    ".to_socket_addrs()",
    "println!",
    "eprintln!",
    "print!",
    "dbg!",
];

/// The code of a file: no comments, no texts, no tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let joined = lines.collect::<Vec<_>>().join("\n");
    joined.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// Every path below one of the roots, with the braces of `use` taken apart.
fn paths(code: &str) -> Vec<String> {
    let uses = code.split(';').filter_map(|statement| statement.split_once("use ").map(|(_, tree)| tree));
    let mut found: Vec<String> = uses.flat_map(expand).collect();
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    found.extend(code.split(|c: char| !is_path(c)).filter(|word| word.contains("::")).map(str::to_owned));
    found.retain(|path| path.split("::").next().is_some_and(|root| ROOTS.contains(&root)));
    // What ends in `::` went on with a brace, which `expand` has followed.
    found.retain(|path| !path.ends_with("::"));
    found
}

/// `a::{b, c::{d, e}}` → `a::b`, `a::c::d`, `a::c::e`.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        return vec![path.trim_end_matches("::self").to_owned()];
    };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inside.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.flat_map(expand).map(|part| format!("{}{part}", prefix.trim())).collect()
}

fn is_allowed(path: &str, in_pure_folder: bool) -> bool {
    let begins = |allowed: &str| {
        path == allowed || path.strip_prefix(allowed).is_some_and(|rest| rest.starts_with("::"))
    };
    // `Path` stands for `PathBuf`, too: neither does anything by itself.
    let path_types = ["std::path::PathBuf", "std::path::Path"].contains(&path);
    // From a pure folder `super` leads to the folder itself; twice would leave it.
    let stays = in_pure_folder && path.starts_with("super::") && !path.starts_with("super::super");
    stays || path_types || ALLOWED.iter().any(|allowed| begins(allowed))
}

/// What a text names that pure code may not.
fn offences(text: &str, in_pure_folder: bool) -> Vec<String> {
    let code = code(text);
    let mut found: Vec<String> =
        paths(&code).into_iter().filter(|path| !is_allowed(path, in_pure_folder)).collect();
    found.extend(EFFECTS.iter().filter(|effect| code.contains(**effect)).map(|effect| (*effect).to_owned()));
    found
}

fn rust_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut files: Vec<PathBuf> = entries.flat_map(|entry| rust_files(&entry.unwrap().path())).collect();
    files.retain(|file| {
        let name = file.file_name().unwrap().to_string_lossy();
        name.ends_with(".rs") && !name.ends_with("_tests.rs")
    });
    files
}

#[test]
fn pure_modules_name_nothing_with_an_effect() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for path in PURE {
        for file in rust_files(&source.join(path)) {
            let found = offences(&fs::read_to_string(&file).unwrap(), PURE_FOLDERS.contains(&path));
            assert!(found.is_empty(), "{} is not pure: {found:?}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 15, "only {seen} files were looked at: has the layout changed?");
}

#[test]
fn the_check_sees_effects_however_they_are_imported() {
    for (code, offence) in [
        ("use std::fs::File;", "std::fs::File"),
        ("use std::{env, fs};", "std::env"),
        ("use std::{fmt, process::{self, Command}};", "std::process::Command"),
        ("use std::net::{IpAddr, ToSocketAddrs};", "std::net::ToSocketAddrs"),
        ("fn f() { let x = std::env::var(\"X\"); }", "std::env::var"),
        ("fn f() { crate::apply::apply(&[]); }", "crate::apply::apply"),
        ("use crate::host::{HostFacts, has_address};", "crate::host::has_address"),
        ("use super::super::process;", "super::super::process"),
        ("fn f(p: &Path) -> bool { p.exists() }", ".exists()"),
        ("use nix::unistd;", "nix::unistd"),
    ] {
        assert!(offences(code, true).contains(&offence.to_owned()), "{code}: {:?}", offences(code, true));
    }
    for innocent in
        ["// std::fs", "let x = env!(\"X\");", "use std::{fmt, sync::Arc};", "let t = \"std::fs::x\";"]
    {
        assert!(offences(innocent, true).is_empty(), "{innocent}: {:?}", offences(innocent, true));
    }
}
