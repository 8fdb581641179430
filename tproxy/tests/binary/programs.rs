//! Which programs a run starts: each costs more than all else that tproxy does.

use netsim::node::Exit;

use super::pod::Pod;

/// Stand-ins that note their name and become the real program. What flavour they are is asked of no real one: its name
/// tells.
const NOTED: &str = "mkdir -p /run/bin; cd /run/bin
for family in iptables ip6tables; do for flavour in nft legacy; do for what in '' -save -restore; do
    name=$family-$flavour$what
    printf '#!/bin/sh\\n[ \"$1\" = --version ] || echo %s >>/run/started\\nexec /usr/sbin/%s \"$@\"\\n' $name $name >$name
    chmod +x $name
done; done; done";

/// What `tproxy` with these arguments starts, sorted, and how it ends.
fn started(pod: &Pod, arguments: &str) -> (Vec<String>, Exit) {
    pod.sh(&format!("{NOTED}; : >/run/started"));
    let path = "/run/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/netsim/bin";
    let finished = pod.tproxy_program(arguments).env("PATH", path).run(pod.node()).unwrap();
    let noted = pod.sh("sort /run/started; rm -r /run/bin /run/started");
    (noted.lines().map(str::to_owned).collect(), finished.exit)
}

#[test]
fn a_first_install_starts_one_restore_a_family_and_nothing_else() {
    for (flavour, flags) in [("nft", ""), ("legacy", " --backend iptables-legacy")] {
        let Some(pod) = Pod::start() else { return };
        let (programs, exit) = started(&pod, &format!("install{flags}"));
        assert_eq!(exit, Exit::Code(0));
        let restores = ["ip6tables", "iptables"].map(|family| format!("{family}-{flavour}-restore"));
        assert_eq!(programs, restores, "where the kernel has no tables there is nothing to be shown");
    }
}

#[test]
fn what_is_installed_is_looked_at_by_one_program_a_family() {
    for (flavour, flags) in [("nft", ""), ("legacy", " --backend iptables-legacy")] {
        let Some(pod) = Pod::start() else { return };
        // With the stand-ins, too: the journal remembers by which programs rules were loaded.
        let (_, exit) = started(&pod, &format!("install{flags}"));
        assert_eq!(exit, Exit::Code(0));
        let saves = ["ip6tables", "iptables"].map(|family| format!("{family}-{flavour}-save"));
        for verb in ["status".to_owned(), format!("install{flags}")] {
            assert_eq!(started(&pod, &verb), (saves.to_vec(), Exit::Code(0)), "{verb}");
        }
    }
}

#[test]
fn looking_where_nothing_is_starts_no_program() {
    let Some(pod) = Pod::start() else { return };
    let nothing: [&str; 0] = [];
    let (programs, exit) = started(&pod, "status");
    assert_eq!((programs.as_slice(), exit), (nothing.map(str::to_owned).as_slice(), Exit::Code(3)));
}

#[test]
fn empty_tables_that_an_uninstall_leaves_are_not_looked_at() {
    let Some(pod) = Pod::start() else { return };
    pod.done("install");
    pod.done("uninstall");
    assert_eq!(started(&pod, "status"), (Vec::new(), Exit::Code(3)));
}

#[test]
fn an_empty_chain_of_ours_is_found() {
    let Some(pod) = Pod::start() else { return };
    pod.sh("ip6tables-nft -t nat -N KUMA_MESH_INBOUND");
    let (programs, exit) = started(&pod, "status");
    // What looks damaged is looked at again when no other run can be at work.
    assert_eq!(programs, ["ip6tables-nft-save", "ip6tables-nft-save"]);
    assert_ne!(exit, Exit::Code(3));
}

#[test]
fn tables_of_other_programs_are_looked_at_in_their_family_only() {
    let Some(pod) = Pod::start() else { return };
    pod.sh("ip6tables-nft -t mangle -A INPUT -p tcp -j ACCEPT");
    let (programs, exit) = started(&pod, "status");
    assert_eq!((programs, exit), (vec!["ip6tables-nft-save".to_owned()], Exit::Code(3)));
}
