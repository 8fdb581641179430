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
#[case::families(
    "--direction outbound --to 10.0.0.1:80 --from fd00::1",
    "--from: `fd00::1` is IPv6 and --to 10.0.0.1:80 is IPv4; give both of one family"
)]
#[case::families_arriving(
    "--direction inbound --to [fd00::1]:80 --from 10.0.0.1",
    "--from: `10.0.0.1` is IPv4 and --to [fd00::1]:80 is IPv6; give both of one family"
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
#[case::leaving_for_others_by_loopback(
    "--direction outbound --to 203.0.113.1:80 --interface lo",
    "--interface: `lo` is not where it leaves: 203.0.113.1 is no address of this host, and only those are reached by \
     lo; give another, or leave it out"
)]
#[case::leaving_for_others_from_loopback(
    "--direction outbound --to 203.0.113.1:80 --from 127.0.0.6",
    "--from: `127.0.0.6` is loopback, and what comes from it stays on this host, of which 203.0.113.1 is no address; \
     leave it out"
)]
#[case::arriving_from_this_host(
    "--direction inbound --to 203.0.113.1:80 --from 127.0.0.1",
    "--from: `127.0.0.1` is an address of this host, so what comes from it was sent by this host; give --direction \
     outbound"
)]
#[case::arriving_for_loopback(
    "--direction inbound --to 127.0.0.1:80 --interface eth0",
    "--to: `127.0.0.1:80` is for this host alone, and nothing arrives for that from another; give --direction outbound"
)]
#[case::arriving_for_the_unspecified_address(
    "--direction inbound --to [::]:80",
    "--to: `[::]:80` is for this host alone, and nothing arrives for that from another; give --direction outbound"
)]
#[case::a_connection_to_many(
    "--direction outbound --to 239.1.1.1:80",
    "--to: `239.1.1.1:80` is an address of many, and no TCP connection goes there; give that of one host"
)]
#[case::from_many(
    "--direction inbound --proto udp --to 203.0.113.1:80 --from 255.255.255.255",
    "--from: `255.255.255.255` is no address that anybody sends from; give that of one host"
)]
#[case::a_connection_from_nobody(
    "--direction inbound --to 203.0.113.1:80 --from 0.0.0.0",
    "--from: `0.0.0.0` is no address that anybody sends from; give that of one host"
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
fn everything_that_cannot_be_is_told_at_once_beside_a_wrong_configuration() {
    let (code, _, said) =
        explain("--direction inbound --to 127.0.0.1:80 --from ::1 --uid 0 --gid 0 --wait soon");
    let flags: Vec<_> = said.lines().map(|line| line.split(':').nth(1).unwrap().trim()).collect();
    assert_eq!((code, flags), (2, vec!["--to", "--from", "--uid", "--gid", "--wait"]), "{said}");
}

#[test]
fn values_that_cannot_be_read_are_told_beside_a_wrong_configuration() {
    let (code, _, said) = explain(
        "--direction outbound --to 10.0.0.1:0 --from 10.0.0 --uid root --gid -1 --interface a/b --wait soon",
    );
    let flags = ["--to", "--from", "--uid", "--gid", "--interface", "--wait"];
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!((code, errors.len()), (2, flags.len()), "{said}");
    for (flag, error) in flags.iter().zip(errors) {
        assert!(error.contains(flag), "{flag} is not in {error}");
    }
}

#[rstest]
#[case("to", "here")]
#[case("to", "10.0.0.1")]
#[case("to", "10.0.0.1:0")]
#[case("to", "10.0.0.1:65536")]
#[case("to", "fd00::1:80")]
#[case("from", "10.0.0.1:80")]
#[case("from", "localhost")]
#[case("uid", "root")]
#[case("uid", "-1")]
#[case("uid", "4294967295")]
#[case("gid", "4294967296")]
#[case("interface", "a/b")]
#[case("interface", "wg+")]
fn a_value_that_cannot_be_read_is_told_with_its_flag_and_an_example(#[case] flag: &str, #[case] value: &str) {
    let to = if flag == "to" { "" } else { "--to 203.0.113.1:80 " };
    let (code, out, said) = explain(&format!("--direction outbound {to}--{flag} {value}"));
    assert_eq!((code, out.as_str()), (2, ""), "{said}");
    let first = said.lines().next().unwrap();
    assert!(first.starts_with(&format!("error: invalid value '{value}' for '--{flag} <")), "{said}");
    assert!(first.contains(" like "), "{said}");
}

#[rstest]
#[case::mapped_addresses_are_ipv4("--direction outbound --to [::ffff:203.0.113.1]:80 --from 10.0.0.1")]
#[case::the_highest_id("--direction outbound --to 203.0.113.1:80 --uid 4294967294 --gid 4294967294")]
#[case::loopback_to_this_host("--direction outbound --to 127.0.0.1:80 --interface lo")]
#[case::another_interface_to_others("--direction outbound --to 203.0.113.1:80 --interface eth0")]
#[case::arriving_for_another("--direction inbound --to 203.0.113.1:80 --interface eth0")]
#[case::a_datagram_of_many("--direction outbound --proto udp --to 239.1.1.1:5353")]
#[case::a_datagram_of_one_without_address(
    "--direction inbound --proto udp --to 255.255.255.255:67 --from 0.0.0.0"
)]
#[case::the_longest_name("--direction inbound --to 203.0.113.1:80 --interface fifteen-bytes-1")]
fn what_can_be_is_explained(#[case] arguments: &str) {
    let (code, out, said) = explain(arguments);
    assert_eq!(code, 0, "{said}");
    assert!(out.starts_with("verdict  "), "{out}");
}

#[test]
fn verdicts_of_the_ebpf_backend_are_its_own() {
    let flow = "--direction inbound --to 203.0.113.1:80 --from 198.51.100.1";
    let (code, verdict, said) = explain(&format!("{flow} --backend ebpf"));
    assert_eq!(code, 0, "{said}");
    assert!(verdict.contains("inbound/forwarded"), "{verdict}");
    assert!(!said.contains("iptables"), "{said}");
}
