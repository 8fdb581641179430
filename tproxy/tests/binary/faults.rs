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

/// Every step, in the order in which they are reached: after so many tables of IPv4 and of IPv6 among them, in each of
/// the places where `loads` are.
fn steps(begin: &[&str], loads: &[&str], end: &[&str]) -> Vec<String> {
    let counts = || (0..=TABLES).flat_map(|ipv4| (0..=TABLES).map(move |ipv6| format!("{ipv4}/{ipv6}")));
    let loads = loads.iter().flat_map(|place| counts().map(move |counts| format!("{place}/{counts}")));
    let named = |steps: &[&str]| steps.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>();
    [named(begin), loads.collect(), named(end)].concat()
}

fn killed_at(pod: &Pod, step: &str, arguments: &str) {
    let killed = pod.tproxy_program(arguments).env("TPROXY_FAULT_POINT", step).run(pod.node()).unwrap();
    assert_eq!(killed.exit, Exit::Signal(9), "at {step}: {killed}");
}

/// Kills `run` at each step, from the state that `prepare` makes, and heals: to what a whole install makes, and to what
/// was there before.
fn is_healed(backend: &str, prepare: &str, run: &str, steps: &[String]) {
    let Some(pod) = Pod::start() else { return };
    let install = format!("install {FLAGS} --backend {backend}");
    let nothing = rules(&pod);
    pod.done(&install);
    let wanted = rules(&pod);
    for (index, step) in steps.iter().enumerate() {
        // Each heals once with the journal and once without, in turns.
        for (heal, healed, wiped) in
            [(install.as_str(), &wanted, index % 2 == 0), ("uninstall", &nothing, index % 2 == 1)]
        {
            pod.done("uninstall");
            assert_eq!(rules(&pod), nothing, "before {step}");
            if !prepare.is_empty() {
                pod.done(prepare);
            }
            killed_at(&pod, step, run);
            if wiped {
                pod.sh("rm -rf /run/tproxy");
            }
            pod.done(heal);
            let when = format!("{backend}: {run}: killed at {step}, journal wiped: {wiped}, {heal}");
            assert_eq!(&rules(&pod), healed, "{when}");
            let status = if heal == "uninstall" { 3 } else { 0 };
            assert_eq!(pod.tproxy("status").exit, Exit::Code(status), "{when}");
        }
    }
}

const END: [&str; 3] = ["loaded", "settled", "journal-ended"];

#[rstest]
fn a_first_install_that_is_killed_at_any_step_is_healed(
    #[values("iptables-nft", "iptables-legacy")] backend: &str,
) {
    let run = format!("install {FLAGS} --backend {backend}");
    is_healed(backend, "", &run, &steps(&["journal-begun", "address"], &["load"], &END));
}

#[rstest]
fn a_changed_install_that_is_killed_at_any_step_is_healed(
    #[values("iptables-nft", "iptables-legacy")] backend: &str,
) {
    let run = format!("install {FLAGS} --backend {backend}");
    let prepare = format!("install {EARLIER} --backend {backend}");
    is_healed(backend, &prepare, &run, &steps(&["journal-begun"], &["load"], &END));
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
        &steps(&[], &["load"], &["loaded", "address", "settled", "journal-ended"]),
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
    is_healed(&backend, &prepare, &run, &steps(&["journal-begun"], &loads, &END));
}
