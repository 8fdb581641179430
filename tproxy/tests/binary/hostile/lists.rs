//! Lists of 100,000 entries, right and wrong ones, in every place that takes a list.

use super::super::pod::Pod;
use super::{config, measure, measured, run, run_program};

/// So many entries a list must be able to have.
const MANY: usize = 100_000;

/// The entry of a number.
type Entry = fn(usize) -> String;

/// The settings that take lists: key, flag, and their entries.
const LISTS: [(&str, &str, Entry); 7] = [
    // Neighbours would become one network.
    ("outbound.excludePortsForIPs", "exclude-outbound-ips", |n| {
        format!("10.{}.{}.{}", n >> 15, n >> 7 & 255, (2 * n) & 255)
    }),
    ("inbound.excludePortsForIPs", "exclude-inbound-ips", |n| {
        format!("fd00::1:{:x}:{:x}", n >> 15, (2 * n) & 0xffff)
    }),
    ("outbound.excludePortsForUIDs", "exclude-outbound-ports-for-uids", |n| format!("tcp:80,443:{}", n * 2)),
    ("outbound.excludeGIDs", "exclude-outbound-gids", |n| (n * 2).to_string()),
    ("outbound.excludeInterfaces", "exclude-outbound-interfaces", |n| format!("eth{n}")),
    ("inbound.excludeInterfaces", "exclude-inbound-interfaces", |n| format!("eth{n}")),
    ("vnet.networks", "vnet", |n| format!("br{n}:10.{}.{}.{}/32", n >> 16, n >> 8 & 255, n & 255)),
];

/// A file whose list at `key`, below `redirect`, has these entries.
fn file(key: &str, entries: impl Iterator<Item = String>) -> String {
    let (section, name) = key.split_once('.').unwrap();
    let entries: String = entries.map(|entry| format!("      - \"{entry}\"\n")).collect();
    format!("redirect:\n  {section}:\n    {name}:\n{entries}")
}

#[test]
fn every_list_takes_100_000_entries_in_a_file_and_explains_them() {
    let Some(pod) = Pod::start() else { return };
    for (key, _, entry) in LISTS {
        let printed = config(&pod, file(key, (0..MANY).map(entry))).done();
        assert!(printed.contains(&entry(0)) && printed.contains(&entry(MANY - 1)), "{key}");
        let table = run(&pod, ["explain", "--matrix", "--config", "/run/hostile.yaml"]).done();
        assert!((20..300).contains(&table.lines().count()), "{key}: {table}");
        assert!(table.len() < 100_000, "{key}: {} bytes", table.len());
    }
}

/// What is said where more rules would be made than any installation has.
const TOO_MANY: &str = "more than the 100000 that tproxy installs; give fewer";

#[test]
fn every_list_of_100_000_entries_becomes_rules_or_is_refused_by_its_name() {
    let Some(pod) = Pod::start() else { return };
    for (key, flag, entry) in LISTS {
        pod.node().write_file("/run/many.yaml", file(key, (0..MANY).map(entry))).unwrap();
        let dry_run = ["install", "--dry-run", "--config", "/run/many.yaml"];
        // A network is of one family, and an entry of a virtual network is two rules.
        let is_network = flag.ends_with("-ips");
        if !is_network {
            let refused = run(&pod, dry_run);
            refused.refused_with(&[key, "has 100000 items, and with them 200000 rules", TOO_MANY]);
        }
        if key != "vnet.networks" {
            // How rules are written does not depend on the list. Of rules with ports, the long names are more than is kept
            // of a program's output.
            let ways = [&[][..], &["--json"], &["--verbose"]];
            for more in ways.into_iter().take(if flag.ends_with("-gids") { 3 } else { 1 }) {
                let one_family =
                    ["--ip-family-mode", if flag.contains("inbound-ips") { "dualstack" } else { "ipv4" }];
                let printed = run(&pod, dry_run.iter().chain(&one_family).chain(more).copied()).done();
                assert!(
                    printed.matches("-j RETURN").count() + printed.matches("--jump RETURN").count() > MANY,
                    "{key}"
                );
            }
        }
    }
}

#[test]
fn all_lists_together_are_counted() {
    let Some(pod) = Pod::start() else { return };
    let list = |entry: fn(usize) -> String| (0..MANY).map(entry).collect::<Vec<_>>().join(",");
    let numbers = list(|n| (2 * n).to_string());
    let users = numbers.replace(',', ";");
    let networks = list(|n| format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255));
    let text = format!(
        "redirect: {{dns: {{captureAll: true}}, outbound: {{excludeGIDs: \"{numbers}\", excludePortsForUIDs: \"{users}\", \
         excludePortsForIPs: \"{networks}\"}}}}"
    );
    pod.node().write_file("/run/all.yaml", text).unwrap();
    run(&pod, ["install", "--dry-run", "--config", "/run/all.yaml"])
        .refused_with(&["has 100000 items, and with them 1500000 rules", TOO_MANY]);
    assert!(run(&pod, ["explain", "--matrix", "--config", "/run/all.yaml"]).done().len() < 100_000);
}

#[test]
fn the_doctor_tries_rules_up_to_a_number_and_says_what_it_spared() {
    let Some(pod) = Pod::start() else { return };
    for (key, flag, entry) in LISTS {
        let finding = |number: usize| {
            pod.node().write_file("/run/many.yaml", file(key, (0..number).map(entry))).unwrap();
            let arguments = ["check", "--config", "/run/many.yaml"];
            let outcome = measure(&pod, measured().args(arguments));
            outcome
                .printed()
                .lines()
                .filter(|line| line.contains("rules"))
                .map(|line| format!("{line}\n"))
                .collect::<String>()
        };
        let few = finding(1_000);
        assert!(few.contains("loads all ") && !few.contains("missing"), "{key}: {few}");
        let many = finding(MANY);
        let expected = if flag.ends_with("-ips") { "no more than 20000 are tried" } else { TOO_MANY };
        assert!(many.contains(expected), "{key}: {many}");
    }
}

#[test]
fn every_second_port_is_excluded_and_rendered() {
    let Some(pod) = Pod::start() else { return };
    let ports = (1..=65535_u32).step_by(2).map(|port| port.to_string()).collect::<Vec<_>>().join(",");
    for name in ["excludePorts", "includePorts"] {
        pod.node()
            .write_file("/run/ports.yaml", format!("redirect: {{outbound: {{{name}: \"{ports}\"}}}}"))
            .unwrap();
        let table = run(&pod, ["explain", "--matrix", "--config", "/run/ports.yaml"]).done();
        assert!(table.len() < 100_000, "{name}: {} bytes", table.len());
        let rules = run(&pod, ["install", "--dry-run", "--config", "/run/ports.yaml"]).done();
        let words: Vec<&str> = rules.split_whitespace().collect();
        let lists = words.windows(2).filter(|pair| ["--dport", "--dports"].contains(&pair[0]));
        assert_eq!(lists.map(|pair| pair[1].split(',').count()).sum::<usize>(), 2 * 32768, "{name}");
    }
}

#[test]
fn flags_and_variables_take_as_much_as_the_kernel_passes() {
    let Some(pod) = Pod::start() else { return };
    for (key, flag, entry) in LISTS {
        // One argument has at most 128 KiB (MAX_ARG_STRLEN), all together 2 MiB with the usual stack.
        let flags = (0..20_000).map(|n| format!("--{flag}={}", entry(n)));
        let printed = run(&pod, ["config".to_owned()].into_iter().chain(flags)).done();
        assert!(printed.contains(&entry(19_999)), "{key}");
        let variable = tproxy::config::settings::of_flag(flag).unwrap().prefixed_variable().unwrap();
        let value = (0..4_000).map(entry).collect::<Vec<_>>().join(";");
        let printed = run_program(&pod, measured().arg("config").env(&variable, value)).done();
        assert!(printed.contains(&entry(3_999)), "{key}");
    }
    let last = std::iter::repeat_n("--wait=1", 30_000).chain(["--wait=7"]);
    assert!(run(&pod, ["config"].into_iter().chain(last)).done().contains("wait: 7"));
}

#[test]
fn a_list_in_one_text_has_a_limit() {
    let Some(pod) = Pod::start() else { return };
    for (name, part) in [
        ("excludePortsForUIDs", "1;"),
        ("excludeGIDs", "1,"),
        ("excludePorts", "1,"),
        ("excludeInterfaces", "a,"),
    ] {
        let text = part.repeat(2_000_000);
        config(&pod, format!("redirect: {{outbound: {{{name}: \"{text}1\"}}}}"))
            .refused("has more than 131072 items");
    }
    let one_exclusion =
        format!("redirect: {{outbound: {{excludePortsForUIDs: \"{}9:7\"}}}}", "9,".repeat(2_000_000));
    assert!(config(&pod, one_exclusion).done().contains("9:7"));
}

#[test]
fn of_100_000_problems_a_screenful_is_shown_and_the_others_are_counted() {
    let Some(pod) = Pod::start() else { return };
    let unknown: String = (0..MANY).map(|n| format!("k{n}: 1\n")).collect();
    config(&pod, unknown).refused("and 99980 more like these");
    let in_one_line: String = (0..MANY).map(|n| format!("k{n}: 1, ")).collect();
    config(&pod, format!("{{{in_one_line}}}")).refused("and 99980 more like these");
    for (key, ..) in LISTS {
        config(&pod, file(key, (0..MANY).map(|n| format!("/{n}")))).refused("and 99980 more like these");
    }
    for wrong in ["x", "[]", "{}", "~", "1.5"] {
        let items = format!("{wrong},").repeat(MANY);
        config(&pod, format!("redirect: {{outbound: {{excludePorts: [{items}]}}}}"))
            .refused("and 99980 more like these");
    }
    let variables = (0..20_000).fold(measured().arg("config"), |program, n| {
        program.env(&format!("KUMA_TRANSPARENT_PROXY_REDIRECT_INBOUND_PORT{n}"), "1")
    });
    let outcome = run_program(&pod, variables);
    assert!(outcome.messages.contains("and 19980 more like these"), "{}", outcome.messages);
}

#[test]
fn name_servers_without_number_are_read_and_the_unusable_ones_counted() {
    let Some(pod) = Pod::start() else { return };
    let config = "redirect: {dns: {enabled: true, resolvConfigPath: /run/servers}}";
    pod.node().write_file("/run/dns.yaml", config).unwrap();
    let explain = ["explain", "--matrix", "--config", "/run/dns.yaml"];
    pod.node().write_file("/run/servers", "nameserver \u{1b}[2Jx\n".repeat(50_000)).unwrap();
    let messages = run(&pod, explain).messages;
    assert!(messages.contains("\\u{1b}[2Jx") && messages.contains("49992 more name servers"), "{messages}");
    let servers: String = (0..40_000).map(|n| format!("nameserver 10.0.{}.{}\n", n >> 8, n & 255)).collect();
    pod.node().write_file("/run/servers", servers).unwrap();
    assert!(run(&pod, explain).done().contains("outbound/dns"));
    let dry_run = ["install", "--dry-run", "--config", "/run/dns.yaml"];
    assert_eq!(run(&pod, dry_run).done().matches("/outbound/dns -j REDIRECT").count(), 40_000);
    pod.node().write_file("/run/servers", "# x\n".repeat((1 << 18) + 1)).unwrap();
    run(&pod, explain).refused("cannot read /run/servers: it is larger than 1024 KiB");
    for command in ["ln -sf /dev/zero", "rm /run/servers; mkfifo", "rm /run/servers; mkdir"] {
        pod.sh(&format!("{command} /run/servers"));
        run(&pod, explain).refused("cannot read /run/servers: it is not a regular file");
    }
    let loud = ["check", "--config", "/run/dns.yaml"];
    let finished = pod.tproxy_program(&loud.join(" ")).run(pod.node()).unwrap();
    assert!(finished.stdout_text().contains("it is not a regular file"), "{finished}");
}
