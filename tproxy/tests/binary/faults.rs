//! A run that is killed at any single step is healed by the next install, and by the next uninstall.

use netsim::node::Exit;
use rstest::rstest;

use super::interruptions::rules;
use super::pod::Pod;

/// Three tables, both families.
pub(crate) const FLAGS: &str =
    "--redirect-all-dns-traffic --drop-invalid-packets --exclude-outbound-ports 22";
/// The same tables with other rules.
pub(crate) const EARLIER: &str =
    "--redirect-all-dns-traffic --drop-invalid-packets --redirect-dns-port 15054 --wait 7";
pub(crate) const TABLES: u32 = 3;

/// Where a run is killed, and how that is healed.
struct Turn {
    step: String,
    /// By the next install; else by the next uninstall.
    by_install: bool,
    /// Without the journal.
    is_wiped: bool,
}

/// Every step, in the order in which they are reached, healed in both ways; and in each of the places where `loads` are,
/// after so many tables of IPv4 and so many of IPv6. A family knows nothing of the other: it is enough that each number of
/// its tables is healed in both ways, with the journal and without, beside another number of the other's each time.
fn turns(begin: &[&str], loads: &[&str], end: &[&str]) -> Vec<Turn> {
    let named = |steps: &[&str]| -> Vec<Turn> {
        let both = |(index, step): (usize, &&str)| {
            [true, false].map(|by_install| Turn {
                step: (*step).to_owned(),
                by_install,
                is_wiped: (index % 2 == 0) == by_install,
            })
        };
        steps.iter().enumerate().flat_map(both).collect()
    };
    let loaded = |place: &&str| -> Vec<Turn> {
        let counts = (0..=TABLES).flat_map(|ipv4| (0..=TABLES).map(move |ipv6| (ipv4, ipv6)));
        let turn = |(ipv4, ipv6)| Turn {
            step: format!("{place}/{ipv4}/{ipv6}"),
            by_install: (ipv4 + ipv6) % 2 == 0,
            is_wiped: (ipv4 + ipv6) / 2 % 2 == 0,
        };
        counts.map(turn).collect()
    };
    named(begin).into_iter().chain(loads.iter().flat_map(loaded)).chain(named(end)).collect()
}

fn killed_at(pod: &Pod, step: &str, arguments: &str) {
    let killed = pod.tproxy_program(arguments).env("TPROXY_FAULT_POINT", step).run(pod.node()).unwrap();
    assert_eq!(killed.exit, Exit::Signal(9), "at {step}: {killed}");
}

/// Kills `run` at each step, from the state that `prepare` makes, and heals: to what a whole install makes, or to what
/// was there before.
fn is_healed(backend: &str, prepare: &str, run: &str, turns: &[Turn]) {
    let Some(pod) = Pod::start() else { return };
    let install = format!("install {FLAGS} --backend {backend}");
    let nothing = rules(&pod);
    pod.done(&install);
    let wanted = rules(&pod);
    pod.done("uninstall");
    for Turn { step, by_install, is_wiped } in turns {
        if !prepare.is_empty() {
            pod.done(prepare);
        }
        killed_at(&pod, step, run);
        if *is_wiped {
            pod.sh("rm -rf /run/tproxy");
        }
        let (heal, healed, status) =
            if *by_install { (install.as_str(), &wanted, 0) } else { ("uninstall", &nothing, 3) };
        pod.done(heal);
        let when = format!("{backend}: {run}: killed at {step}, journal wiped: {is_wiped}, {heal}");
        assert_eq!(&rules(&pod), healed, "{when}");
        assert_eq!(pod.tproxy("status").exit, Exit::Code(status), "{when}");
        // The next turn begins with nothing.
        if *by_install {
            pod.done("uninstall");
            assert_eq!(rules(&pod), nothing, "uninstalled after {when}");
        }
    }
}

const END: [&str; 3] = ["loaded", "settled", "journal-ended"];

#[rstest]
fn a_first_install_that_is_killed_at_any_step_is_healed(
    #[values("iptables-nft", "iptables-legacy")] backend: &str,
) {
    let run = format!("install {FLAGS} --backend {backend}");
    is_healed(backend, "", &run, &turns(&["journal-begun", "address"], &["load"], &END));
}

#[rstest]
fn a_changed_install_that_is_killed_at_any_step_is_healed(
    #[values("iptables-nft", "iptables-legacy")] backend: &str,
) {
    let run = format!("install {FLAGS} --backend {backend}");
    let prepare = format!("install {EARLIER} --backend {backend}");
    is_healed(backend, &prepare, &run, &turns(&["journal-begun"], &["load"], &END));
}

#[rstest]
fn an_uninstall_that_is_killed_at_any_step_is_healed(
    #[values("iptables-nft", "iptables-legacy")] backend: &str,
) {
    let prepare = format!("install {FLAGS} --backend {backend}");
    is_healed(
        backend,
        &prepare,
        "uninstall",
        &turns(&[], &["load"], &["loaded", "address", "settled", "journal-ended"]),
    );
}

#[rstest]
fn a_change_of_flavour_that_is_killed_at_any_step_is_healed(#[values("nft", "legacy")] newer: &str) {
    let older = if newer == "nft" { "legacy" } else { "nft" };
    let backend = format!("iptables-{newer}");
    let run = format!("install {FLAGS} --backend {backend}");
    let prepare = format!("install {EARLIER} --backend iptables-{older}");
    // The old goes when the new is there.
    let loads = [format!("load/{newer}"), format!("load/{older}")];
    let loads: Vec<&str> = loads.iter().map(String::as_str).collect();
    is_healed(&backend, &prepare, &run, &turns(&["journal-begun"], &loads, &END));
}
