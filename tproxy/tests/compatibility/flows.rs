//! Flows that no packet on this host can have: `explain` refuses them, and says why.

use rstest::rstest;

use crate::command::run;

fn explain(arguments: &str) -> (u8, String, String) {
    // Of a user and a family that every machine has, so that nothing else is said.
    let quiet = ["tproxy", "explain", "--kuma-dp-user", "0", "--ip-family-mode", "ipv4"];
    let words: Vec<&str> = quiet.into_iter().chain(arguments.split(' ')).collect();
    let ran = run(&words);
    (ran.code, ran.out, ran.err)
}

#[rstest]
#[case::port_0(
    "--direction outbound --to 10.0.0.1:0",
    "--to: `10.0.0.1:0` has port 0, which no packet goes to; give a port from 1 to 65535"
)]
#[case::families(
    "--direction outbound --to 10.0.0.1:80 --from fd00::1",
    "--from: `fd00::1` is IPv6 and --to 10.0.0.1:80 is IPv4; give both of one family"
)]
#[case::families_arriving(
    "--direction inbound --to [fd00::1]:80 --from 10.0.0.1",
    "--from: `10.0.0.1` is IPv4 and --to [fd00::1]:80 is IPv6; give both of one family"
)]
#[case::no_interface(
    "--direction outbound --to 203.0.113.1:80 --interface a/b",
    "--interface: `a/b` is not the name of one interface: 1 to 15 bytes without blanks, quotes, `/` or `:`, and without a `+` \
     at the end"
)]
#[case::several_interfaces(
    "--direction inbound --to 203.0.113.1:80 --interface wg+",
    "--interface: `wg+` is not the name of one interface: 1 to 15 bytes without blanks, quotes, `/` or `:`, and without a `+` \
     at the end"
)]
#[case::leaving_for_this_host(
    "--direction outbound --to 127.0.0.1:80 --interface eth0",
    "--interface: `eth0` is not where it leaves: 127.0.0.1 is an address of this host, so it leaves by lo; leave it out"
)]
#[case::leaving_for_the_unspecified_address(
    "--direction outbound --to 0.0.0.0:80 --interface eth0",
    "--interface: `eth0` is not where it leaves: 127.0.0.1 is an address of this host, so it leaves by lo; leave it out"
)]
#[case::arriving_by_loopback(
    "--direction inbound --to 203.0.113.1:80 --interface lo",
    "--interface: `lo` is loopback: what comes by it was sent by this host; give --direction outbound"
)]
#[case::arriving_with_a_user(
    "--direction inbound --to 203.0.113.1:80 --uid 1000",
    "--uid: `1000` does not own what arrives: that has no user of this host; leave it out"
)]
#[case::arriving_with_a_group(
    "--direction inbound --to 203.0.113.1:80 --gid 7",
    "--gid: `7` does not own what arrives: that has no user of this host; leave it out"
)]
fn what_cannot_be_is_refused(#[case] arguments: &str, #[case] sentence: &str) {
    assert_eq!(explain(arguments), (2, String::new(), format!("error: {sentence}\n")));
}

#[test]
fn everything_that_cannot_be_is_told_at_once() {
    let (code, _, said) =
        explain("--direction inbound --to 10.0.0.1:0 --from ::1 --uid 0 --gid 0 --interface a:b");
    let flags: Vec<_> = said.lines().map(|line| line.split(':').nth(1).unwrap().trim()).collect();
    assert_eq!((code, flags), (2, vec!["--to", "--from", "--uid", "--gid", "--interface"]), "{said}");
}

#[rstest]
#[case("4294967295")]
#[case("-1")]
#[case("4294967296")]
fn an_id_that_nobody_has_is_refused(#[case] id: &str) {
    for flag in ["uid", "gid"] {
        let (code, out, said) = explain(&format!("--direction outbound --to 203.0.113.1:80 --{flag} {id}"));
        assert_eq!((code, out.as_str()), (2, ""), "{said}");
        let sentence = format!(
            "error: invalid value '{id}' for '--{flag} <{}>': {id} is not in 0..=4294967294\n",
            flag.to_uppercase()
        );
        assert!(said.starts_with(&sentence), "{said}");
    }
}

#[rstest]
#[case::mapped_addresses_are_ipv4("--direction outbound --to [::ffff:203.0.113.1]:80 --from 10.0.0.1")]
#[case::the_highest_id("--direction outbound --to 203.0.113.1:80 --uid 4294967294 --gid 4294967294")]
#[case::loopback_to_this_host("--direction outbound --to 127.0.0.1:80 --interface lo")]
#[case::another_interface_to_others("--direction outbound --to 203.0.113.1:80 --interface eth0")]
#[case::arriving_for_this_host("--direction inbound --to 127.0.0.1:80 --interface eth0")]
#[case::the_longest_name("--direction inbound --to 203.0.113.1:80 --interface fifteen-bytes-1")]
fn what_can_be_is_explained(#[case] arguments: &str) {
    let (code, out, said) = explain(arguments);
    assert_eq!(code, 0, "{said}");
    assert!(out.starts_with("verdict  "), "{out}");
}

#[test]
fn where_there_is_no_ebpf_backend_its_verdicts_are_not_claimed() {
    let flow = "--direction inbound --to 203.0.113.1:80 --from 198.51.100.1";
    let (_, _, usual) = explain(flow);
    let (code, _, said) = explain(&format!("{flow} --backend ebpf"));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("these are the verdicts of the iptables backends"), "{said}");
    assert!(!usual.contains("iptables"), "{usual}");
}
